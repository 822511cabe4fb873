"""A client of Kilwa: writes a schema and relationships, and asks about them. Needs `pip install authzed`."""

import os

import grpc

from authzed.api.v1 import (
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    LookupResourcesRequest,
    LookupSubjectsRequest,
    ObjectReference,
    Relationship,
    RelationshipUpdate,
    SubjectReference,
    SyncClient,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
)
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
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


def reason(error):
    """Why a call was refused, such as ERROR_REASON_UNKNOWN_DEFINITION; empty if the server gives no reason."""
    info = ErrorInfo()
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for detail in Status.FromString(value).details:
                if detail.Unpack(info):
                    return info.reason
    return ""


def main():
    key = insecure_bearer_token_credentials(os.environ["KILWA_TOKEN"])
    client = SyncClient(os.environ["KILWA_ENDPOINT"], key)
    client.WriteSchema(WriteSchemaRequest(schema=SCHEMA))

    # TOUCH writes a relationship whether or not it exists, so that the program can be run again.
    updates = [
        RelationshipUpdate(
            operation=RelationshipUpdate.OPERATION_TOUCH,
            relationship=Relationship(resource=document(name), relation=relation, subject=user(who)),
        )
        for name, relation, who in [
            ("plan", "owner", "ann"),
            ("memo", "reader", "ben"),
            ("note", "reader", "ben"),
            ("plan", "reader", "ben"),
        ]
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

    # Many checks in one call; each has an answer or an error of its own.
    items = [
        CheckBulkPermissionsRequestItem(resource=document(name), permission="read", subject=user("ann"))
        for name in ["memo", "plan"]
    ]
    bulk = client.CheckBulkPermissions(CheckBulkPermissionsRequest(consistency=fresh, items=items))
    for pair in bulk.pairs:
        answer = pair.error.message or CheckPermissionResponse.Permissionship.Name(pair.item.permissionship)
        print(f"ann, read, {pair.request.resource.object_id}: {answer}")

    subjects = client.LookupSubjects(
        LookupSubjectsRequest(
            consistency=fresh, resource=document("plan"), permission="read", subject_object_type="user"
        )
    )
    print("readers of the plan:", *sorted(one.subject.subject_object_id for one in subjects))

    # A list in pages: each begins after the cursor of the last result before it, and all show the same revision.
    cursor = None
    while True:
        request = LookupResourcesRequest(
            consistency=fresh,
            resource_object_type="document",
            permission="read",
            subject=user("ben"),
            optional_limit=2,
            optional_cursor=cursor,
        )
        page = list(client.LookupResources(request))
        if not page:
            break
        print("ben may read:", *[one.resource_object_id for one in page])
        cursor = page[-1].after_result_cursor

    # A refused call has a reason for programs beside its text.
    try:
        list(client.LookupResources(LookupResourcesRequest(resource_object_type="film", permission="read", subject=user("ben"))))
    except grpc.RpcError as error:
        print(f"refused: {error.code().name}, {reason(error)}")


main()
