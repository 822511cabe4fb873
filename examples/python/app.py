"""A client of Kilwa: writes a schema and two relationships, and asks about them. Needs `pip install authzed`."""

import os

from authzed.api.v1 import (
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    LookupResourcesRequest,
    ObjectReference,
    Relationship,
    RelationshipUpdate,
    SubjectReference,
    SyncClient,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
)
from grpcutil import insecure_bearer_token_credentials

SCHEMA = """
definition user {}

definition document {
  relation owner: user
  relation reader: user
  permission edit = owner
  permission read = reader + edit
}
"""


def user(name):
    return SubjectReference(object=ObjectReference(object_type="user", object_id=name))


def document(name):
    return ObjectReference(object_type="document", object_id=name)


def main():
    key = insecure_bearer_token_credentials(os.environ["KILWA_TOKEN"])
    client = SyncClient(os.environ["KILWA_ENDPOINT"], key)
    client.WriteSchema(WriteSchemaRequest(schema=SCHEMA))

    # TOUCH writes a relationship whether or not it exists, so that the program can be run again.
    updates = [
        RelationshipUpdate(
            operation=RelationshipUpdate.OPERATION_TOUCH,
            relationship=Relationship(resource=document("plan"), relation=relation, subject=user(name)),
        )
        for relation, name in [("owner", "ann"), ("reader", "ben")]
    ]
    written = client.WriteRelationships(WriteRelationshipsRequest(updates=updates))

    # The token of the write: an answer at least as fresh as it has seen the relationships.
    fresh = Consistency(at_least_as_fresh=written.written_at)
    for name, permission in [("ann", "edit"), ("ben", "edit"), ("ben", "read")]:
        answer = client.CheckPermission(
            CheckPermissionRequest(
                consistency=fresh, resource=document("plan"), permission=permission, subject=user(name)
            )
        )
        has = answer.permissionship == CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
        print(f"{name} may {permission} the plan: {'yes' if has else 'no'}")

    found = client.LookupResources(
        LookupResourcesRequest(
            consistency=fresh, resource_object_type="document", permission="read", subject=user("ben")
        )
    )
    print("ben may read:", *[one.resource_object_id for one in found])


main()
