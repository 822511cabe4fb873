"""An application with a client: it remembers what it wrote last, and which calls it has made."""

import pathlib

import grpc
from authzed.api.v1 import (
    CheckPermissionRequest,
    CheckPermissionResponse,
    Consistency,
    ReadRelationshipsRequest,
    RelationshipFilter,
    RelationshipUpdate,
    WriteRelationshipsRequest,
)

from words import context, question, relationship

CLIENTS = pathlib.Path(__file__).parent.parent
YES = CheckPermissionResponse.PERMISSIONSHIP_HAS_PERMISSION
NO = CheckPermissionResponse.PERMISSIONSHIP_NO_PERMISSION
DEPENDS = CheckPermissionResponse.PERMISSIONSHIP_CONDITIONAL_PERMISSION
CREATE = RelationshipUpdate.OPERATION_CREATE
TOUCH = RelationshipUpdate.OPERATION_TOUCH
DELETE = RelationshipUpdate.OPERATION_DELETE
FULL = Consistency(fully_consistent=True)
CALLS = (
    grpc.UnaryUnaryMultiCallable,
    grpc.UnaryStreamMultiCallable,
    grpc.StreamUnaryMultiCallable,
    grpc.StreamStreamMultiCallable,
)


class Recorder:
    """A client that keeps the names of the calls that are made."""

    def __init__(self, client):
        self._client = client
        self._made = set()

    def __getattr__(self, name):
        self._made.add(name)
        return getattr(self._client, name)

    def left_out(self):
        """The calls that the client has, and nobody made."""
        has = {name for name, member in vars(self._client).items() if isinstance(member, CALLS)}
        if not has:
            raise SystemExit("the client shows none of its calls")
        print("calls made:", *sorted(has & self._made))
        return sorted(has - self._made)


class Session:
    def __init__(self, client):
        self.client = Recorder(client)
        self.token = None

    def write(self, operation, *texts, **more):
        updates = [update(operation, text) for text in texts]
        written = self.client.WriteRelationships(WriteRelationshipsRequest(updates=updates, **more))
        self.token = written.written_at
        return written.written_at

    def fresh(self):
        """Sees at least what this application wrote last."""
        return Consistency(at_least_as_fresh=self.token)

    def check(self, text, consistency=None, **values):
        request = CheckPermissionRequest(
            consistency=consistency or self.fresh(), context=context(**values), **question(text)
        )
        return self.client.CheckPermission(request)

    def read(self, consistency=None, limit=0, cursor=None, **conditions):
        request = ReadRelationshipsRequest(
            consistency=consistency or self.fresh(),
            relationship_filter=RelationshipFilter(**conditions),
            optional_limit=limit,
            optional_cursor=cursor,
        )
        return self.client.ReadRelationships(request)


def update(operation, text):
    return RelationshipUpdate(operation=operation, relationship=relationship(text))
