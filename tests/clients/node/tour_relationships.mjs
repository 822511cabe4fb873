// Writing, reading and deleting relationships.

import { fresh, read, remove, subjectFilter, write } from "./session.mjs";
import {
  context,
  CREATE,
  DELETE,
  expect,
  expectError,
  file,
  status,
  textOf,
  TOUCH,
  v1,
} from "./words.mjs";

const RELATIONSHIPS = file("tour.relationships").trim().split("\n");
const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;
const { MUST_MATCH, MUST_NOT_MATCH } = v1.Precondition_Operation;

function conditions(operation, filter) {
  const found = v1.Precondition.create({ operation, filter: v1.RelationshipFilter.create(filter) });
  return { optionalPreconditions: [found] };
}

export async function writes() {
  const written = await write(CREATE, RELATIONSHIPS, {
    ...conditions(MUST_NOT_MATCH, { resourceType: "document" }),
    optionalTransactionMetadata: context({ reason: "tour" }),
  });
  expect("write, moment", true, Boolean(written.token));
  await write(DELETE, ["document:plan#reader@user:zoe"]);
  await write(TOUCH, []);
  const attic = conditions(MUST_MATCH, { resourceType: "folder", optionalResourceId: "attic" });
  await expectError(
    "write, condition not met",
    FAILED,
    "WRITE_OR_DELETE_PRECONDITION_FAILURE",
    () => write(TOUCH, [], attic),
  );
}

export async function refusedWrites() {
  const many = Array.from({ length: 1001 }, (_, number) => `document:plan#owner@user:u${number}`);
  for (const [what, operation, code, reason, texts] of [
    [
      "what is there",
      CREATE,
      status.ALREADY_EXISTS,
      "ATTEMPT_TO_RECREATE_RELATIONSHIP",
      [RELATIONSHIPS[1]],
    ],
    ["twice the same", TOUCH, INVALID, "UPDATES_ON_SAME_RELATIONSHIP", [many[0], many[0]]],
    [
      "on a permission",
      TOUCH,
      INVALID,
      "CANNOT_UPDATE_PERMISSION",
      ["document:plan#edit@user:ann"],
    ],
    [
      "subject that may not",
      TOUCH,
      INVALID,
      "INVALID_SUBJECT_TYPE",
      ["document:plan#owner@team:red"],
    ],
    ["unknown definition", TOUCH, FAILED, "UNKNOWN_DEFINITION", ["letter:plan#owner@user:ann"]],
    [
      "unknown relation",
      TOUCH,
      FAILED,
      "UNKNOWN_RELATION_OR_PERMISSION",
      ["document:plan#printer@user:ann"],
    ],
    ["malformed id", TOUCH, INVALID, null, ["document:a.b#owner@user:ann"]],
    ["too many", TOUCH, INVALID, "TOO_MANY_UPDATES_IN_REQUEST", many],
  ]) {
    await expectError(`write, ${what}`, code, reason, () => write(operation, texts));
  }
  const metadata = { optionalTransactionMetadata: context({ text: "x".repeat(66000) }) };
  await expectError("write, too much metadata", INVALID, "TRANSACTION_METADATA_TOO_LARGE", () =>
    write(TOUCH, [], metadata),
  );
}

function texts(found) {
  return found.map(({ relationship }) => textOf(relationship));
}

export async function reads() {
  const plan = RELATIONSHIPS.filter((text) => text.startsWith("document:plan"));
  const expected = plan.map((text) => text.split("[")[0]).sort();
  const byId = await read({ resourceType: "document", optionalResourceId: "plan" });
  expect("read, one resource", expected, texts(byId).sort());
  const byPrefix = await read({ resourceType: "document", optionalResourceIdPrefix: "pl" });
  expect("read, id prefix", expected, texts(byPrefix).sort());
  const red = {
    subjectType: "team",
    optionalSubjectId: "red",
    optionalRelation: { relation: "member" },
  };
  const byUserset = await read({ resourceType: "", optionalSubjectFilter: subjectFilter(red) });
  const teams = ["document:plan#reader@team:red#member", "folder:home#viewer@team:red#member"];
  expect("read, by userset, any type", teams, texts(byUserset).sort());
  const ofUser = (optionalSubjectId) =>
    read({ optionalSubjectFilter: subjectFilter({ subjectType: "user", optionalSubjectId }) });
  expect("read, expired", [], await ofUser("hal"));
  const [{ relationship: gil }] = await ofUser("gil");
  const expires = new Date(Number(gil.optionalExpiresAt.seconds) * 1000).toISOString();
  expect("read, expiration", "2100-01-02T03:04:05.000Z", expires);
  const [{ relationship: ida, readAt }] = await ofUser("ida");
  expect("read, condition", "at_work", ida.optionalCaveat.caveatName);
  expect("read, context", { hour: 9 }, v1.PbStruct.toJson(ida.optionalCaveat.context));
  expect("read, moment", true, Boolean(readAt.token));
}

/** Page by page, at one revision, while somebody else writes. */
export async function pages() {
  const documents = { resourceType: "document" };
  const everything = texts(await read(documents));
  const [found, sizes] = [[], []];
  let page;
  do {
    const optionalCursor = page?.at(-1).afterResultCursor;
    page = await read(documents, { optionalLimit: 4, optionalCursor });
    found.push(...texts(page));
    sizes.push(page.length);
    await write(TOUCH, [`document:zz${sizes.length}#owner@user:ann`]);
  } while (page.length > 0);
  expect("read, pages", everything, found);
  expect("read, sizes of pages", [4, 4, 2, 0], sizes);
  await write(
    DELETE,
    sizes.map((_, number) => `document:zz${number + 1}#owner@user:ann`),
  );
}

export async function refusedReads() {
  const [{ afterResultCursor }] = await read({ resourceType: "document" }, { optionalLimit: 1 });
  for (const [what, code, reason, conditions, more] of [
    ["no condition", INVALID, "INVALID_FILTER", {}],
    ["unknown definition", FAILED, "UNKNOWN_DEFINITION", { resourceType: "letter" }],
    [
      "large page",
      INVALID,
      "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT",
      { resourceType: "document" },
      { optionalLimit: 1001 },
    ],
    [
      "bad cursor",
      INVALID,
      "INVALID_CURSOR",
      { resourceType: "document" },
      { optionalCursor: { token: "?" } },
    ],
    [
      "cursor of another read",
      INVALID,
      "INVALID_CURSOR",
      { resourceType: "folder" },
      { optionalLimit: 1, optionalCursor: afterResultCursor },
    ],
  ]) {
    await expectError(`read, ${what}`, code, reason, () => read(conditions, more));
  }
}

export async function deletions() {
  for (const number of [0, 1, 2, 3, 4]) {
    await write(TOUCH, [`folder:f${number}#viewer@user:zoe`, `folder:g${number}#viewer@user:zoe`]);
  }
  const folders = { resourceType: "folder", optionalResourceIdPrefix: "f" };
  await expectError(
    "delete, more than the limit",
    INVALID,
    "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE",
    () => remove(folders, { optionalLimit: 2 }),
  );
  const document = conditions(MUST_NOT_MATCH, { resourceType: "document" });
  await expectError(
    "delete, condition not met",
    FAILED,
    "WRITE_OR_DELETE_PRECONDITION_FAILURE",
    () => remove(folders, document),
  );
  await expectError("delete, no condition", INVALID, "INVALID_FILTER", () => remove({}));
  const { PARTIAL, COMPLETE } = v1.DeleteRelationshipsResponse_DeletionProgress;
  for (const [progress, count] of [
    [PARTIAL, "2"],
    [PARTIAL, "2"],
    [COMPLETE, "1"],
  ]) {
    const part = { optionalLimit: 2, optionalAllowPartialDeletions: true };
    const { deletionProgress, relationshipsDeletedCount } = await remove(folders, part);
    expect(
      "delete, in parts",
      [progress, count],
      [deletionProgress, String(relationshipsDeletedCount)],
    );
  }
  const zoe = { subjectType: "user", optionalSubjectId: "zoe" };
  const { relationshipsDeletedCount } = await remove({ optionalSubjectFilter: subjectFilter(zoe) });
  expect("delete, by subject", "5", String(relationshipsDeletedCount));
  const rest = await read({ optionalSubjectFilter: subjectFilter(zoe) }, { consistency: fresh() });
  expect("delete, nothing is left", [], rest);
}
