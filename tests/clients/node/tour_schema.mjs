// Every call of the schema service, and its deprecated twins.

import { promises } from "./session.mjs";
import { expect, expectError, file, full, status, v1 } from "./words.mjs";

export const SCHEMA = file("tour.zed");
const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;

export function writeSchema(schema) {
  return promises.writeSchema(v1.WriteSchemaRequest.create({ schema }));
}

export async function writeAndRead() {
  const ask = v1.ReadSchemaRequest.create();
  await expectError("read schema, none yet", status.NOT_FOUND, null, () =>
    promises.readSchema(ask),
  );
  const { writtenAt } = await writeSchema(SCHEMA);
  expect("write schema, moment", true, Boolean(writtenAt.token));
  const { schemaText, readAt } = await promises.readSchema(ask);
  expect("read schema", true, schemaText.includes("permission audit = read & edit"));
  expect("read schema, moment", true, Boolean(readAt.token));
  await expectError("schema that does not parse", INVALID, "SCHEMA_PARSE_ERROR", () =>
    writeSchema("definition user {}\ndefinition {"),
  );
  await expectError("schema that does not fit", FAILED, "SCHEMA_TYPE_ERROR", () =>
    writeSchema("definition document {\n\trelation reader: nobody\n}"),
  );
}

/** With relationships in place, their relation cannot go. */
export async function takenRelation() {
  const kept = SCHEMA.replace("\trelation parent: folder\n", "").replace(" + parent->view", "");
  await expectError("schema that would orphan a relationship", INVALID, "SCHEMA_TYPE_ERROR", () =>
    writeSchema(kept),
  );
}

function names(found) {
  return found.map(({ name }) => name);
}

export async function reflect() {
  for (const [name, call, request] of [
    ["reflect", promises.reflectSchema, v1.ReflectSchemaRequest],
    [
      "reflect, deprecated",
      promises.experimentalReflectSchema,
      v1.ExperimentalReflectSchemaRequest,
    ],
  ]) {
    const ask = (...filters) => {
      const optionalFilters = filters.map((one) => v1.ReflectionSchemaFilter.create(one));
      return call(request.create({ consistency: full, optionalFilters }));
    };
    const { definitions, caveats, readAt } = await ask();
    expect(name, ["document", "folder", "team", "user"], names(definitions));
    expect(`${name}, moment`, true, Boolean(readAt.token));
    const [document] = definitions;
    expect(`${name}, comment`, "/** What is read and written. */", document.comment);
    expect(
      `${name}, relations`,
      ["parent", "owner", "reader", "banned"],
      names(document.relations),
    );
    expect(`${name}, permissions`, ["edit", "read", "audit"], names(document.permissions));
    const kinds = document.relations[2].subjectTypes.map(
      (one) => `${one.subjectDefinitionName} ${one.optionalCaveatName} ${one.typeref.oneofKind}`,
    );
    const expected = [
      "user  isTerminalSubject",
      "user  isPublicWildcard",
      "user at_work isTerminalSubject",
      "user  isTerminalSubject",
      "team  optionalRelationName",
    ];
    expect(`${name}, subject types`, expected, kinds);
    expect(`${name}, caveats`, ["at_work"], names(caveats));
    expect(`${name}, expression`, "hour >= 8 && hour < 18", caveats[0].expression);
    expect(`${name}, parameters`, ["hour"], names(caveats[0].parameters));
    const filtered = await ask({
      optionalDefinitionNameFilter: "doc",
      optionalPermissionNameFilter: "aud",
    });
    expect(`${name}, filtered`, ["document"], names(filtered.definitions));
    expect(`${name}, filtered permissions`, ["audit"], names(filtered.definitions[0].permissions));
    const wrong = { optionalDefinitionNameFilter: "doc", optionalCaveatNameFilter: "at_work" };
    await expectError(
      `${name}, conditions that do not go together`,
      INVALID,
      "INVALID_FILTER",
      () => ask(wrong),
    );
  }
}

/** `definition#relation`, permissions with a star. */
function references(found) {
  return found.map(
    (one) => `${one.definitionName}#${one.relationName}${one.isPermission ? "*" : ""}`,
  );
}

export async function dependencies() {
  const team = { consistency: full, definitionName: "team", relationName: "member" };
  const expected = [
    "document#audit*",
    "document#read*",
    "document#reader",
    "folder#view*",
    "folder#viewer",
  ];
  for (const [name, call, request] of [
    ["computable", promises.computablePermissions, v1.ComputablePermissionsRequest],
    [
      "computable, deprecated",
      promises.experimentalComputablePermissions,
      v1.ExperimentalComputablePermissionsRequest,
    ],
  ]) {
    const { permissions } = await call(request.create(team));
    expect(name, expected, references(permissions));
    const some = await call(request.create({ ...team, optionalDefinitionNameFilter: "fol" }));
    expect(`${name}, filtered`, expected.slice(3), references(some.permissions));
    await expectError(`${name}, unknown`, FAILED, "UNKNOWN_RELATION_OR_PERMISSION", () =>
      call(request.create({ ...team, relationName: "captain" })),
    );
  }
  for (const [name, call, request] of [
    ["dependent", promises.dependentRelations, v1.DependentRelationsRequest],
    [
      "dependent, deprecated",
      promises.experimentalDependentRelations,
      v1.ExperimentalDependentRelationsRequest,
    ],
  ]) {
    const view = { consistency: full, definitionName: "folder", permissionName: "view" };
    const { relations } = await call(request.create(view));
    expect(name, ["folder#viewer", "team#member"], references(relations));
    await expectError(`${name}, of a relation`, INVALID, "UNKNOWN_RELATION_OR_PERMISSION", () =>
      call(request.create({ ...view, permissionName: "viewer" })),
    );
  }
}

export async function differences() {
  const comparisonSchema = `${SCHEMA.replace("hour < 18", "hour < 17").replace(
    "permission edit = owner",
    "permission edit = owner\n\tpermission print = read",
  )}definition club {}\n`;
  for (const [name, call, request] of [
    ["diff", promises.diffSchema, v1.DiffSchemaRequest],
    ["diff, deprecated", promises.experimentalDiffSchema, v1.ExperimentalDiffSchemaRequest],
  ]) {
    const ask = async (text) => {
      const { diffs } = await call(request.create({ consistency: full, comparisonSchema: text }));
      return diffs.map(({ diff }) => `${diff.oneofKind} ${diff[diff.oneofKind].name}`).sort();
    };
    const expected = ["caveatExprChanged at_work", "definitionAdded club", "permissionAdded print"];
    expect(name, expected, await ask(comparisonSchema));
    expect(`${name}, none`, [], await ask(SCHEMA));
    await expectError(`${name}, no schema`, INVALID, "SCHEMA_PARSE_ERROR", () =>
      ask("definition {"),
    );
  }
}
