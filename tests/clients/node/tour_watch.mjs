// The stream of changes.

import { client, filter, lastWritten, remove, write } from "./session.mjs";
import { SCHEMA, writeSchema } from "./tour_schema.mjs";
import {
  context,
  CREATE,
  DELETE,
  expect,
  expectError,
  status,
  textOf,
  TOUCH,
  v1,
} from "./words.mjs";

const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;
const {
  INCLUDE_RELATIONSHIP_UPDATES: UPDATES,
  INCLUDE_SCHEMA_UPDATES: SCHEMAS,
  INCLUDE_CHECKPOINTS: CHECKPOINTS,
} = v1.WatchKind;
const optionalUpdateKinds = [UPDATES, SCHEMAS, CHECKPOINTS];
/** The change at which a watch ends. */
const LAST = "document:end#owner@user:ann";
const MILLISECONDS_MAX = 30000;

/** What a watch tells up to the change that was made last. */
async function replay(more) {
  const request = v1.WatchRequest.create(more);
  const stream = client.watch(request, { deadline: Date.now() + MILLISECONDS_MAX });
  const found = [];
  for await (const message of stream) {
    found.push(message);
    if (shown([message]).some((text) => text.includes(`+${LAST}`))) break;
  }
  stream.cancel();
  return found;
}

/** Updates with their reason, and `schema` where it changed; order in one message says nothing. */
function shown(found) {
  return found.flatMap(({ updates, optionalTransactionMetadata: metadata, schemaUpdated }) => {
    const texts = updates.map(
      ({ operation, relationship }) => `${operation === DELETE ? "-" : "+"}${textOf(relationship)}`,
    );
    const reason = metadata ? (v1.PbStruct.toJson(metadata).reason ?? "") : "";
    const told = texts.length ? [`${reason}: ${texts.sort().join(" ")}`] : [];
    return schemaUpdated ? [...told, "schema"] : told;
  });
}

export async function changes() {
  const optionalStartCursor = lastWritten();
  await write(CREATE, ["document:w1#owner@user:ann", "folder:w1#viewer@user:ann"], {
    optionalTransactionMetadata: context({ reason: "first" }),
  });
  await write(TOUCH, ["document:w1#owner@user:ann"]);
  await write(TOUCH, ['document:w2#reader@user:cem[at_work:{"hour": 7}]']);
  await write(DELETE, ["document:w2#reader@user:cem"]);
  await writeSchema(`${SCHEMA}\ndefinition robot {}\n`);
  await remove({ resourceType: "folder", optionalResourceId: "w1" });
  await write(TOUCH, [LAST]);
  const expected = [
    "first: +document:w1#owner@user:ann +folder:w1#viewer@user:ann",
    ": +document:w2#reader@user:cem",
    ": -document:w2#reader@user:cem",
    "schema",
    ": -folder:w1#viewer@user:ann",
    `: +${LAST}`,
  ];
  const found = await replay({ optionalStartCursor, optionalUpdateKinds });
  expect("watch, everything", expected, shown(found));
  expect(
    "watch, checkpoints",
    true,
    found.some(({ isCheckpoint }) => isCheckpoint),
  );
  const resumed = { optionalStartCursor: found[0].changesThrough, optionalUpdateKinds };
  expect("watch, resumed", expected.slice(1), shown(await replay(resumed)));
  const first = "first: +document:w1#owner@user:ann";
  const byType = await replay({ optionalStartCursor, optionalObjectTypes: ["document"] });
  expect("watch, by type", [first, expected[1], expected[2], expected[5]], shown(byType));
  const owners = [filter({ resourceType: "document", optionalRelation: "owner" })];
  const byFilter = await replay({ optionalStartCursor, optionalRelationshipFilters: owners });
  expect("watch, by filter", [first, expected[5]], shown(byFilter));
  await write(DELETE, [LAST, "document:w1#owner@user:ann"]);
}

/** A watch without a start shows what is written from then on. */
export async function live() {
  let seen = false;
  const watched = replay({}).finally(() => {
    seen = true;
  });
  // Nothing tells when the server has begun to watch.
  while (!seen) {
    await write(TOUCH, [LAST]);
    await write(DELETE, [LAST]);
  }
  expect("watch, live", true, (await watched).length > 0);
}

export async function refused() {
  const document = filter({ resourceType: "document" });
  for (const [what, code, reason, more] of [
    [
      "types and filters",
      INVALID,
      null,
      { optionalObjectTypes: ["document"], optionalRelationshipFilters: [document] },
    ],
    ["bad start", INVALID, null, { optionalStartCursor: { token: "?" } }],
    [
      "unknown definition",
      FAILED,
      "UNKNOWN_DEFINITION",
      { optionalRelationshipFilters: [filter({ resourceType: "letter" })] },
    ],
    ["empty filter", INVALID, "INVALID_FILTER", { optionalRelationshipFilters: [filter({})] }],
  ]) {
    await expectError(`watch, ${what}`, code, reason, () => replay(more));
  }
}
