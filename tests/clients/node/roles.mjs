// Plays an application and a tenant of it over TLS: roles.mjs FOLDER ENDPOINT CA OTHER_CA FULL_KEY TENANT_KEY.
//
// The store has to be empty. The tenant's key is limited to ids that begin with `alpha/`, and to the methods of the groups
// `check`, `lookup`, `read` and `write`. Every step states what it expects; the first one that is not met ends the run with
// a failure.

import { readFileSync } from "node:fs";
import {
  DELETE,
  expect,
  file,
  full,
  NO,
  question,
  relationship,
  status,
  subject,
  textOf,
  thing,
  TOUCH,
  v1,
  YES,
} from "./words.mjs";

const [endpoint, trusted, other, fullKey, tenantKey] = process.argv.slice(3);
const ALPHA = "document:alpha/plan#owner@user:alpha/ann";
const BRAVO = "document:bravo/plan#owner@user:bravo/ben";
const MEMO = "document:alpha/memo#reader@user:alpha/ann";

function connect(key, authority) {
  return v1.NewClientWithCustomCert(key, endpoint, readFileSync(authority)).promises;
}

function write(client, operation, ...texts) {
  const updates = texts.map((text) =>
    v1.RelationshipUpdate.create({ operation, relationship: relationship(text) }),
  );
  return client.writeRelationships(v1.WriteRelationshipsRequest.create({ updates }));
}

async function check(client, text) {
  const request = v1.CheckPermissionRequest.create({ consistency: full, ...question(text) });
  return (await client.checkPermission(request)).permissionship;
}

async function read(client, conditions) {
  const relationshipFilter = v1.RelationshipFilter.create(conditions);
  const request = v1.ReadRelationshipsRequest.create({ consistency: full, relationshipFilter });
  const found = await client.readRelationships(request);
  return found.map(({ relationship }) => textOf(relationship)).sort();
}

async function resources(client, who) {
  const request = v1.LookupResourcesRequest.create({
    consistency: full,
    resourceObjectType: "document",
    permission: "read",
    subject: subject(who),
  });
  return (await client.lookupResources(request)).map((found) => found.resourceObjectId).sort();
}

async function subjects(client, resource) {
  const request = v1.LookupSubjectsRequest.create({
    consistency: full,
    resource: thing(resource),
    permission: "read",
    subjectObjectType: "user",
  });
  return (await client.lookupSubjects(request)).map((found) => found.subject.subjectObjectId).sort();
}

/** A refusal by a role says what was missing. */
async function expectDenied(what, missing, call) {
  const error = await call().then(
    () => undefined,
    (thrown) => thrown,
  );
  expect(`${what}: code`, status.PERMISSION_DENIED, error?.code);
  // The reason is text inside the encoded details, which this client has no type for.
  const details = error.metadata.get("grpc-status-details-bin");
  for (const text of ["ACCESS_DENIED", "kilwa", "missing", missing]) {
    const told = details.some((bytes) => bytes.includes(text));
    expect(`${what}: the details have ${text}`, true, told);
  }
}

async function ownerSteps(owner) {
  await owner.writeSchema(v1.WriteSchemaRequest.create({ schema: file("schema.zed") }));
  await write(owner, TOUCH, ALPHA, BRAVO);
  const allowed = await check(owner, "document:bravo/plan#read@user:bravo/ben");
  expect("full key, check", YES, allowed);
  expect("full key, read", [ALPHA, BRAVO], await read(owner, { resourceType: "document" }));
}

async function tenantSteps(tenant) {
  expect("check", YES, await check(tenant, "document:alpha/plan#read@user:alpha/ann"));
  await write(tenant, TOUCH, MEMO);
  expect("written", YES, await check(tenant, "document:alpha/memo#read@user:alpha/ann"));
  expect("read", [MEMO, ALPHA], await read(tenant, { resourceType: "document" }));
  const found = await resources(tenant, "user:alpha/ann");
  expect("lookup of resources", ["alpha/memo", "alpha/plan"], found);
  expect("lookup of subjects", ["alpha/ann"], await subjects(tenant, "document:alpha/plan"));
  await write(tenant, DELETE, MEMO);
  expect("deleted", NO, await check(tenant, "document:alpha/memo#read@user:alpha/ann"));
}

async function refusedSteps(tenant) {
  const outside = "document:bravo/plan#read@user:bravo/ben";
  const bravo = { resourceType: "document", optionalResourceId: "bravo/plan" };
  await expectDenied("check", "object_id", () => check(tenant, outside));
  await expectDenied("write", "object_id", () => write(tenant, TOUCH, BRAVO));
  await expectDenied("read", "object_id", () => read(tenant, bravo));
  await expectDenied("lookup", "object_id", () => resources(tenant, "user:bravo/ben"));
  await expectDenied("subjects", "object_id", () => subjects(tenant, "document:bravo/plan"));
  const readSchema = () => tenant.readSchema(v1.ReadSchemaRequest.create());
  await expectDenied("schema", "method", readSchema);

  const items = [outside, ALPHA].map((text) =>
    v1.CheckBulkPermissionsRequestItem.create(question(text)),
  );
  const request = v1.CheckBulkPermissionsRequest.create({ consistency: full, items });
  const [refused, answered] = (await tenant.checkBulkPermissions(request)).pairs;
  expect("bulk check, item outside", status.PERMISSION_DENIED, refused.response.error?.code);
  expect("bulk check, item inside", YES, answered.response.item?.permissionship);
}

/** A client that does not trust the authority fails, and sends its key to nobody. */
async function untrustedSteps() {
  const stranger = connect(fullKey, other);
  const error = await stranger.readSchema(v1.ReadSchemaRequest.create()).then(
    () => undefined,
    (thrown) => thrown,
  );
  expect("untrusted authority: code", status.UNAVAILABLE, error?.code);
  stranger.close();
}

const owner = connect(fullKey, trusted);
const tenant = connect(tenantKey, trusted);
await ownerSteps(owner);
await tenantSteps(tenant);
await refusedSteps(tenant);
await untrustedSteps();
owner.close();
tenant.close();
