// A client of Kilwa: writes a schema and relationships, and asks about them. Needs `npm install @authzed/authzed-node`.

import { v1 } from "@authzed/authzed-node";

const SCHEMA = `
definition user {}

definition document {
  relation owner: user
  relation reader: user
  permission edit = owner
  permission read = reader + edit
}
`;

const { KILWA_ENDPOINT, KILWA_TOKEN } = process.env;
const plaintext = v1.ClientSecurity.INSECURE_PLAINTEXT_CREDENTIALS;
const client = v1.NewClient(KILWA_TOKEN, KILWA_ENDPOINT, plaintext).promises;

const object = (objectType, objectId) => v1.ObjectReference.create({ objectType, objectId });
const user = (name) => v1.SubjectReference.create({ object: object("user", name) });
const document = (name) => object("document", name);
const plan = document("plan");

/** Why a call was refused, such as ERROR_REASON_UNKNOWN_DEFINITION; empty if the server gives no reason. */
function reason(error) {
  // An encoded google.rpc.Status. The client has no type for the ErrorInfo in it, whose reason is plain text.
  const details = error.metadata?.get("grpc-status-details-bin") ?? [];
  const texts = details.map((bytes) => bytes.toString("latin1"));
  return texts.join().match(/ERROR_REASON_[A-Z_]+/)?.[0] ?? "";
}

await client.writeSchema(v1.WriteSchemaRequest.create({ schema: SCHEMA }));

// TOUCH writes a relationship whether or not it exists, so that the program can be run again.
const updates = [
  ["plan", "owner", "ann"],
  ["memo", "reader", "ben"],
  ["note", "reader", "ben"],
  ["plan", "reader", "ben"],
].map(([name, relation, who]) =>
  v1.RelationshipUpdate.create({
    operation: v1.RelationshipUpdate_Operation.TOUCH,
    relationship: v1.Relationship.create({
      resource: document(name),
      relation,
      subject: user(who),
    }),
  }),
);
const { writtenAt } = await client.writeRelationships(
  v1.WriteRelationshipsRequest.create({ updates }),
);

// The token of the write: an answer at least as fresh as it has seen the relationships.
const consistency = v1.Consistency.create({
  requirement: { oneofKind: "atLeastAsFresh", atLeastAsFresh: writtenAt },
});
for (const [name, permission] of [
  ["ann", "edit"],
  ["ben", "edit"],
  ["ben", "read"],
]) {
  const { permissionship } = await client.checkPermission(
    v1.CheckPermissionRequest.create({
      consistency,
      resource: plan,
      permission,
      subject: user(name),
    }),
  );
  const has = permissionship === v1.CheckPermissionResponse_Permissionship.HAS_PERMISSION;
  console.log(`${name} may ${permission} the plan: ${has ? "yes" : "no"}`);
}

// Many checks in one call; each has an answer or an error of its own.
const items = ["memo", "plan"].map((name) =>
  v1.CheckBulkPermissionsRequestItem.create({
    resource: document(name),
    permission: "read",
    subject: user("ann"),
  }),
);
const { pairs } = await client.checkBulkPermissions(
  v1.CheckBulkPermissionsRequest.create({ consistency, items }),
);
for (const { request, response } of pairs) {
  const answer =
    response.oneofKind === "item"
      ? `PERMISSIONSHIP_${v1.CheckPermissionResponse_Permissionship[response.item.permissionship]}`
      : response.error.message;
  console.log(`ann, read, ${request.resource.objectId}: ${answer}`);
}

const subjects = await client.lookupSubjects(
  v1.LookupSubjectsRequest.create({
    consistency,
    resource: plan,
    permission: "read",
    subjectObjectType: "user",
  }),
);
console.log("readers of the plan:", ...subjects.map((one) => one.subject.subjectObjectId).sort());

// A list in pages: each begins after the cursor of the last result before it, and all show the same revision.
let optionalCursor;
for (;;) {
  const page = await client.lookupResources(
    v1.LookupResourcesRequest.create({
      consistency,
      resourceObjectType: "document",
      permission: "read",
      subject: user("ben"),
      optionalLimit: 2,
      optionalCursor,
    }),
  );
  if (page.length === 0) break;
  console.log("ben may read:", ...page.map(({ resourceObjectId }) => resourceObjectId));
  optionalCursor = page.at(-1).afterResultCursor;
}

// A refused call has a reason for programs beside its text.
try {
  await client.lookupResources(
    v1.LookupResourcesRequest.create({
      resourceObjectType: "film",
      permission: "read",
      subject: user("ben"),
    }),
  );
} catch (error) {
  const codes = { 9: "FAILED_PRECONDITION" };
  console.log(`refused: ${codes[error.code] ?? error.code}, ${reason(error)}`);
}
client.close();
