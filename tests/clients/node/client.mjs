// Plays the part of an application that uses the official Node client: client.mjs FOLDER ENDPOINT TOKEN.
// Every step states what it expects; the first one that is not met ends the run with a failure.

import {
  context,
  CREATE,
  DELETE,
  DEPENDS,
  endpoint,
  expect,
  expectError,
  file,
  full,
  NO,
  question,
  relationship,
  status,
  token,
  TOUCH,
  v1,
  YES,
} from "./words.mjs";

const SCHEMA = file("schema.zed");
const insecure = v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS;
const client = v1.NewClient(token, endpoint, insecure).promises;
let written;

async function write(operation, ...texts) {
  const updates = texts.map((text) =>
    v1.RelationshipUpdate.create({ operation, relationship: relationship(text) }),
  );
  const response = await client.writeRelationships(
    v1.WriteRelationshipsRequest.create({ updates }),
  );
  written = response.writtenAt;
}

/** Sees at least what this application wrote last. */
function fresh() {
  return v1.Consistency.create({
    requirement: { oneofKind: "atLeastAsFresh", atLeastAsFresh: written },
  });
}

function check(text, values, consistency = fresh()) {
  const request = { consistency, context: values && context(values), ...question(text) };
  return client.checkPermission(v1.CheckPermissionRequest.create(request));
}

async function permissionship(...asked) {
  return (await check(...asked)).permissionship;
}

const plan = v1.RelationshipFilter.create({ resourceType: "document", optionalResourceId: "plan" });

async function readPlan() {
  const request = v1.ReadRelationshipsRequest.create({
    consistency: fresh(),
    relationshipFilter: plan,
  });
  const found = await client.readRelationships(request);
  return found
    .map(({ relationship: { relation, subject } }) => {
      const suffix = subject.optionalRelation && `#${subject.optionalRelation}`;
      return `${relation}@${subject.object.objectType}:${subject.object.objectId}${suffix}`;
    })
    .sort();
}

async function schemaSteps() {
  const response = await client.writeSchema(v1.WriteSchemaRequest.create({ schema: SCHEMA }));
  expect("write schema", true, Boolean(response.writtenAt.token));
  const { schemaText } = await client.readSchema(v1.ReadSchemaRequest.create());
  expect("read schema", true, schemaText.includes("permission read"));
  const wrong = v1.WriteSchemaRequest.create({ schema: "definition {" });
  await expectError(
    "schema that does not parse",
    status.INVALID_ARGUMENT,
    "SCHEMA_PARSE_ERROR",
    () => client.writeSchema(wrong),
  );
}

async function writeSteps() {
  await write(
    TOUCH,
    "document:plan#owner@user:ann",
    "document:plan#reader@team:red#member",
    "team:red#member@user:ben",
    "document:plan#reader@user:cem[at_work]",
  );
  expect("write relationships", true, Boolean(written.token));
  await write(TOUCH, "document:memo#owner@user:ben");
  await expectError(
    "create what is there",
    status.ALREADY_EXISTS,
    "ATTEMPT_TO_RECREATE_RELATIONSHIP",
    () => write(CREATE, "document:memo#owner@user:ben"),
  );
}

async function checkSteps() {
  expect("check, direct", YES, await permissionship("document:plan#read@user:ann"));
  expect(
    "check, by team",
    YES,
    await permissionship("document:plan#read@user:ben", undefined, full),
  );
  expect("check, nobody", NO, await permissionship("document:plan#edit@user:ben"));
  expect("check, userset", YES, await permissionship("document:plan#read@team:red#member"));
  const conditional = await check("document:plan#read@user:cem");
  expect("check, condition open", DEPENDS, conditional.permissionship);
  const missing = new Set(conditional.partialCaveatInfo.missingRequiredContext);
  expect("check, missing context", new Set(["hour"]), missing);
  expect("check, in time", YES, await permissionship("document:plan#read@user:cem", { hour: 9 }));
  expect("check, too late", NO, await permissionship("document:plan#read@user:cem", { hour: 20 }));
  await expectError(
    "check, unknown permission",
    status.FAILED_PRECONDITION,
    "UNKNOWN_RELATION_OR_PERMISSION",
    () => check("document:plan#print@user:ann"),
  );
}

async function bulkSteps() {
  const questions = ["plan#read@user:ann", "plan#edit@user:ben", "plan#read@user:cem"];
  const items = [...questions, "plan#print@user:ann"].map((text) => {
    return v1.CheckBulkPermissionsRequestItem.create(question(`document:${text}`));
  });
  const request = v1.CheckBulkPermissionsRequest.create({ consistency: fresh(), items });
  const { pairs } = await client.checkBulkPermissions(request);
  const answers = pairs.slice(0, 3).map(({ response }) => response.item.permissionship);
  expect("bulk check, answers", [YES, NO, DEPENDS], answers);
  const { response } = pairs[3];
  expect("bulk check, error of an item", status.FAILED_PRECONDITION, response.error?.code);
}

async function deleteSteps() {
  const found = ["owner@user:ann", "reader@team:red#member", "reader@user:cem"];
  expect("read relationships", found, await readPlan());
  await write(DELETE, "team:red#member@user:ben");
  expect("read your delete", NO, await permissionship("document:plan#read@user:ben"));
  await write(TOUCH, "team:red#member@user:ben");
  expect("read your write", YES, await permissionship("document:plan#read@user:ben"));
  const deletion = v1.DeleteRelationshipsRequest.create({ relationshipFilter: plan });
  const deleted = await client.deleteRelationships(deletion);
  expect("delete by filter", "3", String(deleted.relationshipsDeletedCount));
  written = deleted.deletedAt;
  expect("nothing is left", [], await readPlan());
  expect("and nobody may", NO, await permissionship("document:plan#read@user:ann"));
}

async function refusalSteps() {
  const stranger = v1.NewClient(`${token}x`, endpoint, insecure).promises;
  await expectError("a wrong key", status.PERMISSION_DENIED, null, () =>
    stranger.readSchema(v1.ReadSchemaRequest.create()),
  );
  stranger.close();
}

await schemaSteps();
await writeSteps();
await checkSteps();
await bulkSteps();
await deleteSteps();
await refusalSteps();
client.close();
