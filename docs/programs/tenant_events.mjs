// Writes the events of an application's tenants to Kilwa: idempotent, with preconditions and tokens.
//
//     npm install @authzed/authzed-node @protobuf-ts/runtime
//     KILWA_ENDPOINT=127.0.0.1:50051 KILWA_TOKEN=... node tenant_events.mjs
//
// An event may be delivered more than once and after later ones. Each handler writes one transaction whose preconditions say
// what has to be so before it. If they fail, the handler checks whether the event has already taken effect.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { v1 } from "@authzed/authzed-node";
import { BinaryReader, WireType } from "@protobuf-ts/runtime";

const ROLES = ["owner", "admin", "member"];
const { TOUCH, DELETE } = v1.RelationshipUpdate_Operation;
const { MUST_MATCH, MUST_NOT_MATCH } = v1.Precondition_Operation;
const { HAS_PERMISSION } = v1.CheckPermissionResponse_Permissionship;
const { COMPLETE } = v1.DeleteRelationshipsResponse_DeletionProgress;
// The reason of a write whose preconditions failed. The code FAILED_PRECONDITION has other reasons too, such as a relation that
// the schema does not have.
const PRECONDITION_FAILED = "ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE";
// Codes of gRPC. After TRANSIENT the call can be repeated: nothing was written, or the same can be written again.
const TRANSIENT = new Set([14 /* UNAVAILABLE */, 10 /* ABORTED */, 4 /* DEADLINE_EXCEEDED */, 8 /* RESOURCE_EXHAUSTED */]);
const ATTEMPTS = 5;
const DELETE_LIMIT = 1000;
const FULL = { requirement: { oneofKind: "fullyConsistent", fullyConsistent: true } };

/** The event contradicts the stored relationships. Repeating it does not help. */
class Refused extends Error {}

/** Makes a call, and repeats it with growing pauses after a transient error. */
async function retried(call) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      if (!TRANSIENT.has(error.code) || attempt === ATTEMPTS) throw error;
      await pause(100 * 2 ** (attempt - 1));
    }
  }
}

/** The values of a field in an encoded message of protobuf, where they are texts, bytes or messages. */
function fieldValues(bytes, field) {
  const reader = new BinaryReader(bytes);
  const values = [];
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === WireType.LengthDelimited) values.push(reader.bytes());
    else reader.skip(type);
  }
  return values;
}

/** The machine-readable reason of a failed call; undefined if it has none. */
function reasonOf(error) {
  // A google.rpc.Status, whose third field holds details, each with its type and its value.
  for (const status of error.metadata?.get("grpc-status-details-bin") ?? []) {
    for (const detail of fieldValues(status, 3)) {
      const [type] = fieldValues(detail, 1);
      if (Buffer.from(type).toString().endsWith("/google.rpc.ErrorInfo")) {
        const [reason] = fieldValues(fieldValues(detail, 2)[0], 1);
        return Buffer.from(reason).toString();
      }
    }
  }
  return undefined;
}

const object = (objectType, objectId) => ({ objectType, objectId });
const subject = (reference) => ({ object: reference, optionalRelation: "" });
const user = (name) => subject(object("user", name));

function update(operation, resource, relation, toSubject) {
  const relationship = { resource, relation, subject: toSubject };
  return v1.RelationshipUpdate.create({ operation, relationship });
}

/** The relationships of a role in an organization: all of them, or that of one user. No role stands for every role. */
function roleFilter(organization, role, name) {
  return v1.RelationshipFilter.create({
    resourceType: "organization",
    optionalResourceId: organization,
    optionalRelation: role ?? "",
    optionalSubjectFilter: name && { subjectType: "user", optionalSubjectId: name },
  });
}

/** The relationships of an object as a resource, of one relation or of all. */
function objectFilter(resourceType, optionalResourceId, optionalRelation = "") {
  return v1.RelationshipFilter.create({ resourceType, optionalResourceId, optionalRelation });
}

const condition = (operation, filter) => v1.Precondition.create({ operation, filter });

/** The handlers of the events, and the application's checks. */
class Tenants {
  // The revision of the last write of each organization. An application keeps it in its database, in the row of the
  // organization, so that all of its processes read what any of them has written.
  tokens = new Map();

  constructor(client) {
    this.client = client.promises;
  }

  // ---- Events ------------------------------------------------------------------------------------------------------

  async signedUp(organization, owner) {
    const added = update(TOUCH, object("organization", organization), "owner", user(owner));
    const isNew = condition(MUST_NOT_MATCH, roleFilter(organization));
    await this.write(organization, [added], [isNew], [["owner", owner]]);
  }

  async joined(organization, name, role) {
    const added = update(TOUCH, object("organization", organization), role, user(name));
    const exists = condition(MUST_MATCH, roleFilter(organization, "owner"));
    const hasNoRole = condition(MUST_NOT_MATCH, roleFilter(organization, undefined, name));
    // A user with any role has joined; it may have changed since.
    const done = ROLES.map((known) => [known, name]);
    await this.write(organization, [added], [exists, hasNoRole], done);
  }

  async roleChanged(organization, name, before, after) {
    const resource = object("organization", organization);
    const updates = [update(DELETE, resource, before, user(name)), update(TOUCH, resource, after, user(name))];
    const conditions = [condition(MUST_MATCH, roleFilter(organization, before, name))];
    if (before === "owner") conditions.push(await this.otherOwner(organization, name));
    await this.write(organization, updates, conditions, [[after, name]]);
  }

  async projectCreated(organization, project) {
    const parent = subject(object("organization", organization));
    const added = update(TOUCH, object("project", project), "organization", parent);
    const exists = condition(MUST_MATCH, roleFilter(organization, "owner"));
    await this.write(organization, [added], [exists], []);
  }

  async documentCreated(organization, project, document) {
    const parent = subject(object("project", project));
    const added = update(TOUCH, object("document", document), "project", parent);
    // While its project is being deleted, none can be added to it.
    const exists = condition(MUST_MATCH, objectFilter("project", project));
    await this.write(organization, [added], [exists], []);
  }

  /**
   * Deletes the project first, which ends all access at once and lets no further document in; then its documents, which are
   * still found by their project. Repeating it deletes what is left.
   */
  async projectDeleted(organization, project) {
    await this.deleteObject(organization, "project", project);
    const children = v1.RelationshipFilter.create({
      resourceType: "document",
      optionalRelation: "project",
      optionalSubjectFilter: { subjectType: "project", optionalSubjectId: project },
    });
    for (const document of await this.resources(children)) {
      // The relationship that it is found by goes last, so that a repetition finds it if this is interrupted.
      for (const relation of ["editor", "project"]) {
        await this.deleteObject(organization, "document", document, relation);
      }
    }
  }

  /** Deletes the relationships of an object as a resource, in parts, so that other writes are never delayed for long. */
  async deleteObject(organization, objectType, objectId, relation) {
    const request = v1.DeleteRelationshipsRequest.create({
      relationshipFilter: objectFilter(objectType, objectId, relation),
      optionalLimit: DELETE_LIMIT,
      optionalAllowPartialDeletions: true,
    });
    let progress;
    do {
      const response = await retried(() => this.client.deleteRelationships(request));
      this.tokens.set(organization, response.deletedAt.token);
      progress = response.deletionProgress;
    } while (progress !== COMPLETE);
  }

  // ---- Checks ------------------------------------------------------------------------------------------------------

  /** Whether a user has a permission, at least as fresh as the last write of the organization. */
  async can(name, permission, resource, organization) {
    const token = this.tokens.get(organization);
    const fresh = { requirement: { oneofKind: "atLeastAsFresh", atLeastAsFresh: { token } } };
    const request = v1.CheckPermissionRequest.create({
      consistency: token ? fresh : FULL,
      resource,
      permission,
      subject: user(name),
    });
    const response = await retried(() => this.client.checkPermission(request));
    return response.permissionship === HAS_PERMISSION;
  }

  // ---- Writing -----------------------------------------------------------------------------------------------------

  async write(organization, updates, optionalPreconditions, done) {
    const request = v1.WriteRelationshipsRequest.create({ updates, optionalPreconditions });
    try {
      const response = await retried(() => this.client.writeRelationships(request));
      this.tokens.set(organization, response.writtenAt.token);
    } catch (error) {
      if (reasonOf(error) !== PRECONDITION_FAILED) throw error;
      for (const [role, name] of done) {
        if ((await this.read(roleFilter(organization, role, name))).length > 0) return;
      }
      throw new Refused(error.details);
    }
  }

  /** Requires that the organization keeps an owner: one is read, and has to be there still when it is written. */
  async otherOwner(organization, name) {
    const owners = await this.read(roleFilter(organization, "owner"));
    const other = owners.find((owner) => owner !== name);
    if (!other) throw new Refused(`${name} is the last owner of ${organization}`);
    return condition(MUST_MATCH, roleFilter(organization, "owner", other));
  }

  /** The users of the relationships that a filter matches. */
  async read(relationshipFilter) {
    const request = v1.ReadRelationshipsRequest.create({ consistency: FULL, relationshipFilter });
    const found = await this.client.readRelationships(request);
    return found.map(({ relationship }) => relationship.subject.object.objectId);
  }

  /** The resources of the relationships that a filter matches. */
  async resources(relationshipFilter) {
    const request = v1.ReadRelationshipsRequest.create({ consistency: FULL, relationshipFilter });
    const found = await this.client.readRelationships(request);
    return found.map(({ relationship }) => relationship.resource.objectId);
  }
}

const { KILWA_ENDPOINT, KILWA_TOKEN } = process.env;
const client = v1.NewClient(KILWA_TOKEN, KILWA_ENDPOINT, v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS);
const schema = readFileSync(new URL("tenants.zed", import.meta.url), "utf8");
await client.promises.writeSchema(v1.WriteSchemaRequest.create({ schema }));

const tenants = new Tenants(client);
const acme = object("organization", "acme");
const site = object("project", "site");
const plan = object("document", "plan");

async function show(event, ...answers) {
  const texts = [];
  for (const [name, permission, resource] of answers) {
    const verb = (await tenants.can(name, permission, resource, "acme")) ? "can" : "cannot";
    texts.push(`${name} ${verb} ${permission} ${resource.objectId}`);
  }
  console.log(`${event}: ${texts.join(", ")}`);
}

async function attempt(event, handle) {
  try {
    await handle();
    console.log(`${event}: accepted`);
  } catch (error) {
    // Anything else is a fault of the program: an application lets it surface and does not count the event as done.
    console.log(`${event}: ${error instanceof Refused ? "refused" : reasonOf(error)}`);
  }
}

/** Delivers an event twice. */
async function twice(handle) {
  await handle();
  await handle();
}

await twice(() => tenants.signedUp("acme", "ann"));
await show("acme signs up", ["ann", "manage", acme], ["ben", "access", acme]);
await twice(() => tenants.projectCreated("acme", "site"));
await show("site is created", ["ann", "edit", site], ["ben", "view", site]);
await twice(() => tenants.documentCreated("acme", "site", "plan"));
await show("plan is created", ["ann", "edit", plan], ["ben", "view", plan]);
await twice(() => tenants.joined("acme", "ben", "member"));
await show("ben joins", ["ben", "view", site], ["ben", "edit", site]);
await twice(() => tenants.roleChanged("acme", "ben", "member", "admin"));
await show("ben becomes admin", ["ben", "edit", site]);

await tenants.joined("acme", "ben", "member");
await show("ben joins, delivered late", ["ben", "edit", site]);
await attempt("eve signs up acme", () => tenants.signedUp("acme", "eve"));
await attempt("eve joins birch", () => tenants.joined("birch", "eve", "member"));
await attempt("ben joins with a wrong role", () => tenants.joined("acme", "ben", "membr"));
await attempt("ben gets a wrong role", () => tenants.roleChanged("acme", "ben", "admin", "ownr"));
await attempt("ann becomes member", () => tenants.roleChanged("acme", "ann", "owner", "member"));

await twice(() => tenants.roleChanged("acme", "ben", "admin", "owner"));
await twice(() => tenants.roleChanged("acme", "ann", "owner", "member"));
await show("ben is owner, ann is member", ["ben", "manage", acme], ["ann", "manage", acme]);
await twice(() => tenants.projectDeleted("acme", "site"));
await show("site is deleted", ["ben", "view", site], ["ben", "view", plan]);
await attempt("draft is created in site", () => tenants.documentCreated("acme", "site", "draft"));
const left = await tenants.resources(v1.RelationshipFilter.create({ resourceType: "document" }));
console.log(`left of site: ${left.length} documents`);
client.close();
