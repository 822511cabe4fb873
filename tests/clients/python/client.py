"""Plays the part of an application that uses the official Python client: client.py ENDPOINT TOKEN.

Every step states what it expects; the first one that is not met ends the run with a failure.
"""

import asyncio
import pathlib
import sys

import grpc
from authzed.api.v1 import (
    AsyncClient,
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    DeleteRelationshipsRequest,
    ReadRelationshipsRequest,
    ReadSchemaRequest,
    RelationshipFilter,
    RelationshipUpdate,
    SyncClient,
    WriteRelationshipsRequest,
    WriteSchemaRequest,
)
from grpcutil import insecure_bearer_token_credentials

from words import context, expect, expect_error, question, relationship, subject, text_of, thing

SCHEMA = (pathlib.Path(__file__).parent.parent / "schema.zed").read_text()
YES = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
NO = CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION
DEPENDS = CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION
CREATE = RelationshipUpdate.OPERATION_CREATE
TOUCH = RelationshipUpdate.OPERATION_TOUCH
DELETE = RelationshipUpdate.OPERATION_DELETE


class Application:
    def __init__(self, client):
        self.client = client
        self.token = None

    def write(self, operation, *relationships):
        updates = [RelationshipUpdate(operation=operation, relationship=r) for r in relationships]
        written = self.client.WriteRelationships(WriteRelationshipsRequest(updates=updates))
        self.token = written.written_at

    def fresh(self):
        """Sees at least what this application wrote last."""
        return Consistency(at_least_as_fresh=self.token)

    def check(self, text, consistency=None, **values):
        request = CheckPermissionRequest(
            consistency=consistency or self.fresh(), context=context(**values), **question(text)
        )
        return self.client.CheckPermission(request)

    def read(self, **conditions):
        request = ReadRelationshipsRequest(
            consistency=self.fresh(), relationship_filter=RelationshipFilter(**conditions)
        )
        return [text_of(found.relationship) for found in self.client.ReadRelationships(request)]


def schema_steps(app):
    written = app.client.WriteSchema(WriteSchemaRequest(schema=SCHEMA))
    expect("write schema", True, bool(written.written_at.token))
    read = app.client.ReadSchema(ReadSchemaRequest())
    expect("read schema", True, "permission read" in read.schema_text)
    expect_error(
        "schema that does not parse",
        grpc.StatusCode.INVALID_ARGUMENT,
        "SCHEMA_PARSE_ERROR",
        lambda: app.client.WriteSchema(WriteSchemaRequest(schema="definition {")),
    )


def write_steps(app):
    app.write(
        TOUCH,
        relationship("document:plan#owner@user:ann"),
        relationship("document:plan#reader@team:red#member"),
        relationship("team:red#member@user:ben"),
        relationship("document:plan#reader@user:cem[at_work]"),
    )
    expect("write relationships", True, bool(app.token.token))
    app.write(CREATE, relationship("document:memo#owner@user:ben"))
    expect_error(
        "create what is there",
        grpc.StatusCode.ALREADY_EXISTS,
        "ATTEMPT_TO_RECREATE_RELATIONSHIP",
        lambda: app.write(CREATE, relationship("document:memo#owner@user:ben")),
    )


def check_steps(app):
    full = Consistency(fully_consistent=True)
    expect("check, direct", YES, app.check("document:plan#read@user:ann").permissionship)
    expect("check, by team", YES, app.check("document:plan#read@user:ben", full).permissionship)
    expect("check, nobody", NO, app.check("document:plan#edit@user:ben").permissionship)
    expect("check, userset", YES, app.check("document:plan#read@team:red#member").permissionship)
    conditional = app.check("document:plan#read@user:cem")
    expect("check, condition open", DEPENDS, conditional.permissionship)
    missing = set(conditional.partial_caveat_info.missing_required_context)
    expect("check, missing context", {"hour"}, missing)
    expect("check, in time", YES, app.check("document:plan#read@user:cem", hour=9).permissionship)
    expect("check, too late", NO, app.check("document:plan#read@user:cem", hour=20).permissionship)
    expect_error(
        "check, unknown permission",
        grpc.StatusCode.FAILED_PRECONDITION,
        "UNKNOWN_RELATION_OR_PERMISSION",
        lambda: app.check("document:plan#print@user:ann"),
    )
    expect_error(
        "check, unknown definition",
        grpc.StatusCode.FAILED_PRECONDITION,
        "UNKNOWN_DEFINITION",
        lambda: app.check("folder:home#read@user:ann"),
    )


def bulk_steps(app):
    texts = [
        "plan#read@user:ann",
        "plan#edit@user:ben",
        "plan#read@user:cem",
        "plan#print@user:ann",
    ]
    items = [CheckBulkPermissionsRequestItem(**question(f"document:{text}")) for text in texts]
    request = CheckBulkPermissionsRequest(consistency=app.fresh(), items=items)
    pairs = app.client.CheckBulkPermissions(request).pairs
    expect("bulk check, answers", [YES, NO, DEPENDS], [p.item.permissionship for p in pairs[:3]])
    expect("bulk check, echo", items, [pair.request for pair in pairs])
    expect("bulk check, error of an item", True, pairs[3].HasField("error"))
    expect(
        "bulk check, its code", grpc.StatusCode.FAILED_PRECONDITION.value[0], pairs[3].error.code
    )


def read_steps(app):
    found = app.read(resource_type="document", optional_resource_id="plan")
    expected = [
        "document:plan#owner@user:ann",
        "document:plan#reader@team:red#member",
        "document:plan#reader@user:cem",
    ]
    expect("read relationships", expected, sorted(found))


def delete_steps(app):
    app.write(DELETE, relationship("team:red#member@user:ben"))
    expect("read your delete", NO, app.check("document:plan#read@user:ben").permissionship)
    before = Consistency(at_exact_snapshot=app.token)
    app.write(TOUCH, relationship("team:red#member@user:ben"))
    expect("read your write", YES, app.check("document:plan#read@user:ben").permissionship)
    past = app.check("document:plan#read@user:ben", before).permissionship
    expect("read the past by its token", NO, past)
    deleted = app.client.DeleteRelationships(
        DeleteRelationshipsRequest(
            relationship_filter=RelationshipFilter(
                resource_type="document", optional_resource_id="plan"
            )
        )
    )
    expect("delete by filter", 3, deleted.relationships_deleted_count)
    app.token = deleted.deleted_at
    expect("nothing is left", [], app.read(resource_type="document", optional_resource_id="plan"))
    expect("and nobody may", NO, app.check("document:plan#read@user:ann").permissionship)


def refusal_steps(app, endpoint, token):
    stranger = Application(SyncClient(endpoint, insecure_bearer_token_credentials(token + "x")))
    stranger.token = app.token
    expect_error(
        "a wrong key",
        grpc.StatusCode.PERMISSION_DENIED,
        None,
        lambda: stranger.check("document:plan#read@user:ann"),
    )


async def asynchronous_steps(endpoint, token):
    client = AsyncClient(endpoint, insecure_bearer_token_credentials(token))
    request = CheckPermissionRequest(
        consistency=Consistency(fully_consistent=True),
        resource=thing("document:memo"),
        permission="edit",
        subject=subject("user:ben"),
    )
    answers = await asyncio.gather(*(client.CheckPermission(request) for _ in range(20)))
    expect("asynchronous checks", {YES}, {answer.permissionship for answer in answers})


def main():
    endpoint, token = sys.argv[1:]
    app = Application(SyncClient(endpoint, insecure_bearer_token_credentials(token)))
    schema_steps(app)
    write_steps(app)
    check_steps(app)
    bulk_steps(app)
    read_steps(app)
    delete_steps(app)
    refusal_steps(app, endpoint, token)
    asyncio.run(asynchronous_steps(endpoint, token))


main()
