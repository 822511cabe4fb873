// Import, export and counters, and the deprecated twins.

import { filter, promises, read } from "./session.mjs";
import { expect, expectError, full, relationship, status, textOf, v1 } from "./words.mjs";

const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;

function folders(prefix, length) {
  return Array.from({ length }, (_, number) => `folder:${prefix}${number}#viewer@user:kim`);
}

export async function imports() {
  for (const [name, call, request, prefix] of [
    ["import", promises.importBulkRelationships, v1.ImportBulkRelationshipsRequest, "new"],
    [
      "import, deprecated",
      promises.bulkImportRelationships,
      v1.BulkImportRelationshipsRequest,
      "old",
    ],
  ]) {
    const load = (...lists) =>
      new Promise((resolve, reject) => {
        const stream = call((error, found) => (error ? reject(error) : resolve(found.numLoaded)));
        for (const texts of lists)
          stream.write(request.create({ relationships: texts.map(relationship) }));
        stream.end();
      });
    const parts = ["a", "b", "c"].map((part) => folders(prefix + part, 100));
    expect(`${name}, many parts`, "300", await load(...parts));
    expect(`${name}, nothing`, "0", await load());
    for (const [what, code, reason, text] of [
      ["what is there", status.ALREADY_EXISTS, "ATTEMPT_TO_RECREATE_RELATIONSHIP", parts[0][0]],
      [
        "unknown relation",
        FAILED,
        "UNKNOWN_RELATION_OR_PERMISSION",
        "folder:home#printer@user:kim",
      ],
      ["wrong subject", INVALID, "INVALID_SUBJECT_TYPE", "folder:home#viewer@folder:home"],
      ["malformed", INVALID, null, "folder:a.b#viewer@user:kim"],
    ]) {
      await expectError(`${name}, ${what}`, code, reason, () => load(folders("lost", 1), [text]));
    }
    const lost = await read({ resourceType: "folder", optionalResourceIdPrefix: "lost" });
    expect(`${name}, all or nothing`, [], lost);
  }
}

export async function exports() {
  const kinds = ["document", "folder", "team"].map((resourceType) => read({ resourceType }));
  const everything = (await Promise.all(kinds)).flat().map((one) => textOf(one.relationship));
  for (const [name, call, request] of [
    ["export", promises.exportBulkRelationships, v1.ExportBulkRelationshipsRequest],
    ["export, deprecated", promises.bulkExportRelationships, v1.BulkExportRelationshipsRequest],
  ]) {
    const ask = async (more) => {
      const messages = await call(request.create({ consistency: full, ...more }));
      return messages.map(({ relationships, afterResultCursor }) => ({
        texts: relationships.map(textOf),
        afterResultCursor,
      }));
    };
    const texts = (messages) => messages.flatMap((message) => message.texts);
    const whole = texts(await ask({}));
    expect(name, everything.sort(), [...whole].sort());
    const pages = await ask({ optionalLimit: 100 });
    expect(`${name}, largest page`, 100, Math.max(...pages.map((page) => page.texts.length)));
    const rest = await ask({ optionalLimit: 100, optionalCursor: pages[0].afterResultCursor });
    expect(`${name}, resumed`, whole, [...pages[0].texts, ...texts(rest)]);
    const teams = await ask({ optionalRelationshipFilter: filter({ resourceType: "team" }) });
    const expected = everything.filter((text) => text.startsWith("team:")).sort();
    expect(`${name}, filtered`, expected, texts(teams).sort());
    await expectError(`${name}, bad cursor`, INVALID, "INVALID_CURSOR", () =>
      ask({ optionalCursor: { token: "?" } }),
    );
  }
}

export async function counters() {
  const name = "folders";
  const relationshipFilter = filter({ resourceType: "folder" });
  const register = () =>
    promises.experimentalRegisterRelationshipCounter(
      v1.ExperimentalRegisterRelationshipCounterRequest.create({ name, relationshipFilter }),
    );
  const count = () =>
    promises.experimentalCountRelationships(
      v1.ExperimentalCountRelationshipsRequest.create({ name }),
    );
  const unregister = () =>
    promises.experimentalUnregisterRelationshipCounter(
      v1.ExperimentalUnregisterRelationshipCounterRequest.create({ name }),
    );
  await register();
  const { counterResult } = await count();
  const expected = String((await read({ resourceType: "folder" })).length);
  expect("counter", expected, String(counterResult.readCounterValue.relationshipCount));
  await expectError("counter, twice", FAILED, "COUNTER_ALREADY_REGISTERED", register);
  await unregister();
  await expectError("counter, unknown", FAILED, "COUNTER_NOT_REGISTERED", count);
  await expectError("counter, unregistered twice", FAILED, "COUNTER_NOT_REGISTERED", unregister);
}
