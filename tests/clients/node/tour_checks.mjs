// Checks: one, many, traced, at every consistency; trees.

import { check, checkRequest, client, fresh, promises, write } from "./session.mjs";
import {
  CREATE,
  DELETE,
  DEPENDS,
  expect,
  expectError,
  full,
  grpc,
  messageOf,
  nameOf,
  NO,
  question,
  status,
  subjectText,
  thing,
  TOUCH,
  v1,
  YES,
} from "./words.mjs";

const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;

export async function answers() {
  for (const [text, expected, values] of [
    ["document:plan#read@user:ann", YES],
    ["document:plan#read@user:dan", YES],
    ["document:plan#edit@user:ben", NO],
    ["document:plan#read@team:blue#member", YES],
    ["document:plan#read@user:cem", DEPENDS],
    ["document:plan#read@user:cem", YES, { hour: 9 }],
    ["document:plan#read@user:cem", NO, { hour: 20 }],
    ["document:memo#read@user:zoe", YES],
    ["document:memo#read@user:eve", NO],
    ["document:memo#read@user:fay", DEPENDS],
    ["document:note#read@user:hal", NO],
    ["document:note#read@user:ida", YES],
    ["document:note#audit@user:ann", YES],
  ]) {
    expect(`check ${text}`, expected, (await check(text, values)).permissionship);
  }
  const { partialCaveatInfo, checkedAt } = await check("document:plan#read@user:cem");
  const missing = new Set(partialCaveatInfo.missingRequiredContext);
  expect("check, missing context", new Set(["hour"]), missing);
  expect("check, moment", true, Boolean(checkedAt.token));
}

export async function refused() {
  for (const [what, code, reason, text, values] of [
    ["unknown definition", FAILED, "UNKNOWN_DEFINITION", "letter:a#read@user:ann"],
    ["unknown permission", FAILED, "UNKNOWN_RELATION_OR_PERMISSION", "document:a#print@user:ann"],
    ["everybody", INVALID, "WILDCARD_NOT_ALLOWED", "document:plan#read@user:*"],
    ["every resource", INVALID, null, "document:*#read@user:ann"],
    [
      "context of another type",
      INVALID,
      "CAVEAT_PARAMETER_TYPE_ERROR",
      "document:plan#read@user:cem",
      { hour: "late" },
    ],
    ["large context", INVALID, null, "document:plan#read@user:cem", { more: "x".repeat(5000) }],
  ]) {
    await expectError(`check, ${what}`, code, reason, () => check(text, values));
  }
}

/** Every letter of a message comes through, percent signs and those beyond ASCII as well. */
export async function messages() {
  for (const [what, text] of [
    ["plain", "document:a b#read@user:ann"],
    ["percent and beyond ASCII", "document:100%é?#read@user:ann"],
  ]) {
    const [id] = text.slice("document:".length).split("#");
    const message = await messageOf(() => check(text));
    expect(`message, ${what}: ${message}`, true, message.includes(`\`${id}\``));
  }
  const known = "document:plan#owner@user:ann";
  await write(TOUCH, [known]);
  const message = await messageOf(() => write(CREATE, [known]));
  expect(`message, relationship: ${message}`, true, message.includes(known));
}

export async function consistencies() {
  const before = await write(DELETE, ["document:memo#owner@user:ann"]);
  const after = await write(TOUCH, ["document:memo#owner@user:ann"]);
  const text = "document:memo#edit@user:ann";
  const snapshot = (token) => ({
    requirement: { oneofKind: "atExactSnapshot", atExactSnapshot: token },
  });
  for (const [what, expected, consistency] of [
    ["fully consistent", YES, full],
    ["at least as fresh", YES, fresh()],
    ["at exact snapshot, then", NO, snapshot(before)],
    ["at exact snapshot, now", YES, snapshot(after)],
  ]) {
    const { permissionship } = await check(text, undefined, { consistency });
    expect(`check, ${what}`, expected, permissionship);
  }
  const latency = { requirement: { oneofKind: "minimizeLatency", minimizeLatency: true } };
  for (const consistency of [latency, undefined]) {
    const { permissionship } = await check("document:plan#read@user:ann", undefined, {
      consistency,
    });
    expect(`check, ${consistency ? "minimal latency" : "no consistency"}`, YES, permissionship);
  }
  const nonsense = { requirement: { oneofKind: "atLeastAsFresh", atLeastAsFresh: { token: "?" } } };
  await expectError("check, bad token", INVALID, null, () =>
    check(text, undefined, { consistency: nonsense }),
  );
  await write(DELETE, ["document:memo#owner@user:ann"]);
}

/** Calls back with an answer; gives it with the trailers. */
function withTrailers(request, values) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) metadata.set(name, value);
  return new Promise((resolve, reject) => {
    let answer;
    const call = client.checkPermission(request, metadata, (error, found) => {
      if (error) reject(error);
      answer = found;
    });
    call.on("status", ({ metadata: trailers }) =>
      setImmediate(() => resolve({ answer, trailers })),
    );
  });
}

function step(trace, relation) {
  if (trace.permission === relation) return trace;
  const below =
    trace.resolution.oneofKind === "subProblems" ? trace.resolution.subProblems.traces : [];
  return below.map((one) => step(one, relation)).find(Boolean);
}

// The client does not pass on the names of what a trace says.
const [RELATION, PERMISSION] = [1, 2];
const CONDITION_HOLDS = 3;

function expectTrace(what, { check: root, schemaUsed }) {
  expect(`${what}, schema`, true, schemaUsed.includes("definition document"));
  const place = `${nameOf(root.resource)}#${root.permission}@${subjectText(root.subject)}`;
  expect(what, "document:plan#read@user:cem", place);
  expect(`${what}, kind`, PERMISSION, root.permissionType);
  const reader = step(root, "reader");
  expect(`${what}, relation`, RELATION, reader.permissionType);
  const { caveatName, expression, result } = reader.caveatEvaluationInfo;
  const expected = ["at_work", "hour >= 8 && hour < 18", CONDITION_HOLDS];
  expect(`${what}, condition`, expected, [caveatName, expression, result]);
}

export async function traces() {
  // At a new revision no answer is known yet, which would end the trace.
  await write(TOUCH, []);
  const more = { consistency: full, withTracing: true };
  const { debugTrace } = await check("document:plan#read@user:cem", { hour: 9 }, more);
  expectTrace("check, trace", debugTrace);
  await write(TOUCH, []);
  const quiet = checkRequest("document:plan#read@user:cem", { hour: 9 }, { consistency: full });
  const { answer, trailers } = await withTrailers(quiet, {
    "io.spicedb.requestdebuginfo": "1",
    "io.spicedb.requestversion": "1",
    "x-request-id": "tour",
  });
  expectTrace("check, trace by metadata", answer.debugTrace);
  expect("trailers, version", 1, trailers.get("io.spicedb.debug.version").length);
  expect("trailers, id of the request", ["tour"], trailers.get("x-request-id"));
  const [dispatched] = trailers.get("io.spicedb.respmeta.dispatchedoperationscount");
  expect("trailers, dispatched", true, Number(dispatched) >= 0);
  const untraced = await promises.checkPermission(quiet);
  expect("check, no trace", undefined, untraced.debugTrace);
}

export async function bulk() {
  const texts = [
    "plan#read@user:ann",
    "plan#edit@user:ben",
    "plan#read@user:cem",
    "plan#print@user:ann",
  ];
  for (const [name, call, request, item, more] of [
    [
      "bulk check",
      promises.checkBulkPermissions,
      v1.CheckBulkPermissionsRequest,
      v1.CheckBulkPermissionsRequestItem,
      { withTracing: true },
    ],
    [
      "bulk check, deprecated",
      promises.bulkCheckPermission,
      v1.BulkCheckPermissionRequest,
      v1.BulkCheckPermissionRequestItem,
      {},
    ],
  ]) {
    const items = texts.map((text) => item.create(question(`document:${text}`)));
    const { pairs } = await call(request.create({ consistency: full, items, ...more }));
    const found = pairs.slice(0, 3).map(({ response }) => response.item.permissionship);
    expect(name, [YES, NO, DEPENDS], found);
    expect(`${name}, error of an item`, FAILED, pairs[3].response.error?.code);
    expect(`${name}, echo`, "edit", pairs[1].request.permission);
    if (more.withTracing) {
      const { debugTrace } = pairs[0].response.item;
      expect(`${name}, trace`, "read", debugTrace.check.permission);
    }
    const nothing = await call(request.create({ consistency: full }));
    expect(`${name}, nothing`, [], nothing.pairs);
  }
}

/** A node's kind and place with what is below it; the children of a union stand in order. */
function shape({ treeType, expandedObject, expandedRelation }) {
  const place = `${nameOf(expandedObject)}#${expandedRelation}`;
  if (treeType.oneofKind === "leaf") {
    return `leaf ${place}(${treeType.leaf.subjects.map(subjectText).sort().join(" ")})`;
  }
  const { operation, children } = treeType.intermediate;
  const kind = v1.AlgebraicSubjectSet_Operation[operation].toLowerCase();
  const below = children.map(shape);
  return `${kind} ${place}(${(kind === "union" ? below.sort() : below).join(" ")})`;
}

export async function expand() {
  const tree = async (resource, permission) => {
    const request = { consistency: full, resource: thing(resource), permission };
    const found = await promises.expandPermissionTree(
      v1.ExpandPermissionTreeRequest.create(request),
    );
    return shape(found.treeRoot);
  };
  const expected =
    "exclusion document:plan#read(" +
    "union document:plan#read(" +
    "leaf document:plan#owner(user:ann) " +
    "leaf document:plan#reader(team:red#member user:cem) " +
    "union document:plan#read(union folder:home#view(leaf folder:home#viewer(team:red#member)))) " +
    "leaf document:plan#banned())";
  expect("expand, permission", expected, await tree("document:plan", "read"));
  const everybody = "leaf document:memo#reader(user:* user:gil)";
  expect("expand, relation", everybody, await tree("document:memo", "reader"));
  await expectError("expand, unknown permission", FAILED, "UNKNOWN_RELATION_OR_PERMISSION", () =>
    tree("document:plan", "print"),
  );
}
