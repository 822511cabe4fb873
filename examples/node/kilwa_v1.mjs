// Calls `kilwa.v1`, which the client of SpiceDB does not have: lists all permissions of a user on a document.
//
// The messages are read from the folder `proto` of this repository, which KILWA_PROTO names, so that no code is generated:
// `npm install @grpc/grpc-js @grpc/proto-loader`. Run app.mjs first, which writes the document.

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { promisify } from "node:util";

const { KILWA_ENDPOINT, KILWA_TOKEN, KILWA_PROTO } = process.env;
const definition = loadSync("kilwa/v1/permissions_service.proto", {
  includeDirs: [KILWA_PROTO],
  enums: String,
  defaults: true,
  oneofs: true,
});
const { PermissionsService } = grpc.loadPackageDefinition(definition).kilwa.v1;

const client = new PermissionsService(KILWA_ENDPOINT, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${KILWA_TOKEN}`);
const listPermissions = promisify(client.listPermissions.bind(client));

const { permissions } = await listPermissions(
  {
    consistency: { fullyConsistent: true },
    resource: { objectType: "document", objectId: "plan" },
    subject: { object: { objectType: "user", objectId: "ben" } },
  },
  metadata,
);
for (const { permission, item } of permissions) {
  console.log(`ben, ${permission}: ${item.permissionship}`);
}
client.close();
