// Lists of resources and of subjects.

import { promises, remove, subjectFilter, write } from "./session.mjs";
import {
  context,
  DELETE,
  expect,
  expectError,
  full,
  status,
  subject,
  thing,
  TOUCH,
  v1,
} from "./words.mjs";

const { INVALID_ARGUMENT: INVALID, FAILED_PRECONDITION: FAILED } = status;

function mark(permissionship) {
  return permissionship === v1.LookupPermissionship.CONDITIONAL_PERMISSION ? "?" : "";
}

function findResources(who, permission, more = {}) {
  const request = { consistency: full, resourceObjectType: "document", permission, ...more };
  request.subject = subject(who);
  return promises.lookupResources(v1.LookupResourcesRequest.create(request));
}

/** In order, conditional ones with a question mark. A server may name one twice. */
function ordered(texts) {
  return [...new Set(texts)].sort();
}

export async function resources() {
  for (const [what, who, permission, expected, values] of [
    ["by wildcard, relation and owner", "user:ann", "read", ["memo", "note", "plan"]],
    ["by team", "user:dan", "read", ["memo", "plan"]],
    ["of a team", "team:blue#member", "read", ["plan"]],
    ["conditional", "user:cem", "read", ["memo", "plan?"]],
    ["context", "user:cem", "read", ["memo", "plan"], { hour: 9 }],
    ["false condition", "user:cem", "read", ["memo"], { hour: 20 }],
    ["banned", "user:eve", "read", []],
    ["banned on condition", "user:fay", "read", ["memo?"]],
    ["intersection", "user:ann", "audit", ["note", "plan"]],
  ]) {
    const found = await findResources(who, permission, { context: values && context(values) });
    const ids = found.map((one) => one.resourceObjectId + mark(one.permissionship));
    expect(`lookup resources, ${what}`, expected, ordered(ids));
  }
}

/** Pages of one revision, while others write. */
export async function pagesOfResources() {
  const many = Array.from({ length: 25 }, (_, number) => `document:page${number}#owner@user:kim`);
  await write(TOUCH, many);
  const [found, sizes] = [[], []];
  let page;
  do {
    const optionalCursor = page?.at(-1).afterResultCursor;
    page = await findResources("user:kim", "edit", { optionalLimit: 10, optionalCursor });
    found.push(...page.map((one) => `document:${one.resourceObjectId}#owner@user:kim`));
    sizes.push(page.length);
    await write(TOUCH, [`document:later${sizes.length}#owner@user:kim`]);
    await write(DELETE, [many[24]]);
  } while (page.length > 0);
  expect("lookup resources, pages", [...many].sort(), found.sort());
  expect("lookup resources, sizes of pages", [10, 10, 5, 0], sizes);
  const [{ afterResultCursor: optionalCursor }] = await findResources("user:kim", "edit");
  await expectError("lookup resources, cursor of another call", INVALID, "INVALID_CURSOR", () =>
    findResources("user:ann", "edit", { optionalCursor }),
  );
  const kim = subjectFilter({ subjectType: "user", optionalSubjectId: "kim" });
  await remove({ optionalSubjectFilter: kim });
}

export async function refusedResources() {
  for (const [what, code, reason, who, permission, more] of [
    [
      "unknown definition",
      FAILED,
      "UNKNOWN_DEFINITION",
      "user:ann",
      "read",
      { resourceObjectType: "letter" },
    ],
    ["unknown permission", FAILED, "UNKNOWN_RELATION_OR_PERMISSION", "user:ann", "print"],
    ["everybody", INVALID, "WILDCARD_NOT_ALLOWED", "user:*", "read"],
    [
      "large page",
      INVALID,
      "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT",
      "user:ann",
      "read",
      { optionalLimit: 1001 },
    ],
    [
      "bad cursor",
      INVALID,
      "INVALID_CURSOR",
      "user:ann",
      "read",
      { optionalCursor: { token: "?" } },
    ],
  ]) {
    await expectError(`lookup resources, ${what}`, code, reason, () =>
      findResources(who, permission, more),
    );
  }
}

function findSubjects(resource, permission, more = {}) {
  const request = {
    consistency: full,
    resource: thing(resource),
    permission,
    subjectObjectType: "user",
  };
  return promises.lookupSubjects(v1.LookupSubjectsRequest.create({ ...request, ...more }));
}

/** Everybody stands with the exclusions. */
function subjectText({ subject, excludedSubjects }) {
  const text = subject.subjectObjectId + mark(subject.permissionship);
  const but = excludedSubjects.map((one) => one.subjectObjectId + mark(one.permissionship));
  return but.length ? `${text} but ${but.sort().join(" ")}` : text;
}

export async function subjects() {
  const team = { subjectObjectType: "team", optionalSubjectRelation: "member" };
  for (const [what, resource, permission, expected, more] of [
    ["conditional", "document:plan", "read", ["ann", "ben", "cem?", "dan"]],
    [
      "context",
      "document:plan",
      "read",
      ["ann", "ben", "cem", "dan"],
      { context: context({ hour: 9 }) },
    ],
    [
      "false condition",
      "document:plan",
      "read",
      ["ann", "ben", "dan"],
      { context: context({ hour: 20 }) },
    ],
    ["everybody", "document:memo", "read", ["* but eve fay?", "gil"]],
    [
      "exclusion that is lifted",
      "document:memo",
      "read",
      ["* but eve", "gil"],
      { context: context({ hour: 20 }) },
    ],
    ["by relation", "document:plan", "read", ["blue", "red"], team],
    ["intersection", "document:plan", "audit", ["ann"]],
  ]) {
    const found = await findSubjects(resource, permission, more);
    expect(`lookup subjects, ${what}`, expected, ordered(found.map(subjectText)));
  }
  await expectError(
    "lookup subjects, unknown permission",
    FAILED,
    "UNKNOWN_RELATION_OR_PERMISSION",
    () => findSubjects("document:plan", "print"),
  );
  await expectError("lookup subjects, unknown subject", FAILED, "UNKNOWN_DEFINITION", () =>
    findSubjects("document:plan", "read", { subjectObjectType: "robot" }),
  );
}

/** Limits, cursors and the option to leave out everybody, which SpiceDB does not have. */
export async function pagesOfSubjects() {
  const [found, sizes] = [[], []];
  let page;
  do {
    const optionalCursor = page?.at(-1).afterResultCursor;
    page = await findSubjects("document:plan", "read", {
      optionalConcreteLimit: 3,
      optionalCursor,
    });
    found.push(...page.map(({ subject }) => subject.subjectObjectId));
    sizes.push(page.length);
    await write(TOUCH, [`document:plan#reader@user:aaa${sizes.length}`]);
  } while (page.length > 0);
  expect("lookup subjects, pages", ["ann", "ben", "cem", "dan"], found.sort());
  expect("lookup subjects, sizes of pages", [3, 1, 0], sizes);
  const wildcardOption = v1.LookupSubjectsRequest_WildcardOption.EXCLUDE_WILDCARDS;
  const without = await findSubjects("document:memo", "read", { wildcardOption });
  expect("lookup subjects, without everybody", ["gil"], without.map(subjectText));
  await write(
    DELETE,
    sizes.map((_, number) => `document:plan#reader@user:aaa${number + 1}`),
  );
}
