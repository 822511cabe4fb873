// A client of Kilwa: writes a schema and two relationships, and asks about them. Needs `npm install @authzed/authzed-node`.

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
const plan = object("document", "plan");

await client.writeSchema(v1.WriteSchemaRequest.create({ schema: SCHEMA }));

// TOUCH writes a relationship whether or not it exists, so that the program can be run again.
const updates = [
  ["owner", "ann"],
  ["reader", "ben"],
].map(([relation, name]) =>
  v1.RelationshipUpdate.create({
    operation: v1.RelationshipUpdate_Operation.TOUCH,
    relationship: v1.Relationship.create({ resource: plan, relation, subject: user(name) }),
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

const found = await client.lookupResources(
  v1.LookupResourcesRequest.create({
    consistency,
    resourceObjectType: "document",
    permission: "read",
    subject: user("ben"),
  }),
);
console.log("ben may read:", ...found.map(({ resourceObjectId }) => resourceObjectId));
client.close();
