// Relationships and questions in their text form, the client, and what is expected of answers.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The folder of the installed client, then what the script itself is told. */
const [folder, ...told] = process.argv.slice(2);
const require = createRequire(join(folder, "package.json"));

export const { v1 } = require("@authzed/authzed-node");
export const grpc = require("@grpc/grpc-js");
export const { status } = grpc;
export const [endpoint, token, ...flags] = told;
export const {
  HAS_PERMISSION: YES,
  NO_PERMISSION: NO,
  CONDITIONAL_PERMISSION: DEPENDS,
} = v1.CheckPermissionResponse_Permissionship;
export const { CREATE, TOUCH, DELETE } = v1.RelationshipUpdate_Operation;
export const full = { requirement: { oneofKind: "fullyConsistent", fullyConsistent: true } };

const FORM =
  /^([^#]+)#([^@]+)@([^[]+)(?:\[(at_work)(?::(\{.*\}))?\])?(?:\[expiration:([^\]]+)\])?$/;

export function file(name) {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

export function thing(text) {
  const [objectType, objectId] = text.split(":");
  return v1.ObjectReference.create({ objectType, objectId });
}

export function subject(text) {
  const [object, optionalRelation = ""] = text.split("#");
  return v1.SubjectReference.create({ object: thing(object), optionalRelation });
}

/** The three parts of `document:plan#read@user:ann`, as requests have them. */
export function question(text) {
  const [left, who] = text.split("@");
  const [resource, permission] = left.split("#");
  return { resource: thing(resource), permission, subject: subject(who) };
}

export function context(values) {
  return v1.createStructFromObject(values);
}

export function relationship(text) {
  const [, resource, relation, who, caveatName, values, expires] = FORM.exec(text);
  const found = v1.Relationship.create({
    resource: thing(resource),
    relation,
    subject: subject(who),
  });
  if (caveatName) {
    found.optionalCaveat = v1.ContextualizedCaveat.create({ caveatName });
    if (values) found.optionalCaveat.context = context(JSON.parse(values));
  }
  if (expires) {
    found.optionalExpiresAt = { seconds: String(Date.parse(expires) / 1000), nanos: 0 };
  }
  return found;
}

export function nameOf({ objectType, objectId }) {
  return `${objectType}:${objectId}`;
}

export function subjectText({ object, optionalRelation }) {
  return nameOf(object) + (optionalRelation && `#${optionalRelation}`);
}

/** The text form, without condition and expiration. */
export function textOf({ resource, relation, subject }) {
  return `${nameOf(resource)}#${relation}@${subjectText(subject)}`;
}

export function expect(what, expected, actual) {
  assert.deepEqual(actual, expected, what);
  console.log(`ok  ${what}`);
}

/** Code and reason are what applications branch on. */
export async function expectError(what, code, reason, call) {
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  assert(error, `${what}: expected an error, got an answer`);
  expect(`${what}: code`, code, error.code);
  const details = error.metadata?.get("grpc-status-details-bin") ?? [];
  // The reason is text inside the encoded details, which this client has no type for.
  const told = details.some((bytes) => bytes.includes(`ERROR_REASON_${reason}`));
  if (reason) expect(`${what}: reason`, true, told);
}

/** What a refusal says, as this client shows it. */
export async function messageOf(call) {
  try {
    await call();
  } catch (error) {
    return error.details;
  }
  throw new Error("expected an error, got an answer");
}
