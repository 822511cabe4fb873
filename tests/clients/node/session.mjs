// An application with a client: it remembers what it wrote last, and which calls it has made.

import { context, endpoint, full, question, relationship, token, v1 } from "./words.mjs";

const insecure = v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS;
const SERVICES = [
  v1.PermissionsServiceClient,
  v1.SchemaServiceClient,
  v1.WatchServiceClient,
  v1.ExperimentalServiceClient,
];
const made = new Set();

function recorded(client) {
  return new Proxy(client, {
    get(target, name) {
      made.add(name);
      return target[name];
    },
  });
}

const whole = v1.NewClient(token, endpoint, insecure);
/** The client with callbacks and streams, and the one with promises. */
export const client = recorded(whole);
export const promises = recorded(whole.promises);

/** The calls that the client has, and nobody made. */
export function leftOut() {
  const has = SERVICES.flatMap((service) => Object.getOwnPropertyNames(service.prototype));
  const calls = has.filter((name) => name !== "constructor");
  if (calls.length === 0) throw new Error("the client shows none of its calls");
  console.log("calls made:", ...calls.filter((name) => made.has(name)).sort());
  return calls.filter((name) => !made.has(name)).sort();
}

let written;

export function lastWritten() {
  return written;
}

export function updates(operation, texts) {
  return texts.map((text) =>
    v1.RelationshipUpdate.create({ operation, relationship: relationship(text) }),
  );
}

export async function write(operation, texts, more = {}) {
  const request = v1.WriteRelationshipsRequest.create({
    updates: updates(operation, texts),
    ...more,
  });
  written = (await promises.writeRelationships(request)).writtenAt;
  return written;
}

export async function remove(optionalFilter, more = {}) {
  const relationshipFilter = filter(optionalFilter);
  const request = v1.DeleteRelationshipsRequest.create({ relationshipFilter, ...more });
  const deleted = await promises.deleteRelationships(request);
  written = deleted.deletedAt;
  return deleted;
}

/** Sees at least what this application wrote last. */
export function fresh() {
  return { requirement: { oneofKind: "atLeastAsFresh", atLeastAsFresh: written } };
}

export function filter(conditions) {
  return v1.RelationshipFilter.create(conditions);
}

export function subjectFilter(conditions) {
  return v1.SubjectFilter.create(conditions);
}

export function checkRequest(text, values, more = {}) {
  return v1.CheckPermissionRequest.create({
    consistency: fresh(),
    context: values && context(values),
    ...question(text),
    ...more,
  });
}

export function check(text, values, more) {
  return promises.checkPermission(checkRequest(text, values, more));
}

export function read(conditions, more = {}) {
  const relationshipFilter = filter(conditions);
  const request = { consistency: full, relationshipFilter, ...more };
  return promises.readRelationships(v1.ReadRelationshipsRequest.create(request));
}
