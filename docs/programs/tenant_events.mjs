// Writes the events of an application's tenants to Kilwa: idempotent, with preconditions and tokens.
//
//     npm install @authzed/authzed-node
//     KILWA_ENDPOINT=127.0.0.1:50051 KILWA_TOKEN=... node tenant_events.mjs
//
// An event may be delivered more than once and after later ones. Each handler writes one transaction whose preconditions say
// what has to be so before it. If they fail, the handler checks whether the event has already taken effect.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { v1 } from "@authzed/authzed-node";

const ROLES = ["owner", "admin", "member"];
const { TOUCH, DELETE } = v1.RelationshipUpdate_Operation;
const { MUST_MATCH, MUST_NOT_MATCH } = v1.Precondition_Operation;
const { HAS_PERMISSION } = v1.CheckPermissionResponse_Permissionship;
const { COMPLETE } = v1.DeleteRelationshipsResponse_DeletionProgress;
// Codes of gRPC. After TRANSIENT the call can be repeated: nothing was written, or the same can be written again.
const FAILED_PRECONDITION = 9;
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

  /** Deletes in parts, so that other writes are never delayed for long. Repeating it deletes what is left. */
  async projectDeleted(organization, project) {
    const request = v1.DeleteRelationshipsRequest.create({
      relationshipFilter: { resourceType: "project", optionalResourceId: project },
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
      if (error.code !== FAILED_PRECONDITION) throw error;
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
}

const { KILWA_ENDPOINT, KILWA_TOKEN } = process.env;
const client = v1.NewClient(KILWA_TOKEN, KILWA_ENDPOINT, v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS);
const schema = readFileSync(new URL("tenants.zed", import.meta.url), "utf8");
await client.promises.writeSchema(v1.WriteSchemaRequest.create({ schema }));

const tenants = new Tenants(client);
const acme = object("organization", "acme");
const site = object("project", "site");

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
    if (!(error instanceof Refused)) throw error;
    console.log(`${event}: refused`);
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
await twice(() => tenants.joined("acme", "ben", "member"));
await show("ben joins", ["ben", "view", site], ["ben", "edit", site]);
await twice(() => tenants.roleChanged("acme", "ben", "member", "admin"));
await show("ben becomes admin", ["ben", "edit", site]);

await tenants.joined("acme", "ben", "member");
await show("ben joins, delivered late", ["ben", "edit", site]);
await attempt("eve signs up acme", () => tenants.signedUp("acme", "eve"));
await attempt("eve joins birch", () => tenants.joined("birch", "eve", "member"));
await attempt("ann becomes member", () => tenants.roleChanged("acme", "ann", "owner", "member"));

await twice(() => tenants.roleChanged("acme", "ben", "admin", "owner"));
await twice(() => tenants.roleChanged("acme", "ann", "owner", "member"));
await show("ben is owner, ann is member", ["ben", "manage", acme], ["ann", "manage", acme]);
await twice(() => tenants.projectDeleted("acme", "site"));
await show("site is deleted", ["ben", "view", site]);
client.close();
