"""Relationships and questions in their text form, and what is expected of answers."""

import json
import re

import grpc
from authzed.api.v1 import (
    ContextualizedCaveat,
    ObjectReference,
    Relationship,
    SubjectReference,
)
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

RELATIONSHIP = re.compile(
    r"(?P<resource>[^#]+)#(?P<relation>[^@]+)@(?P<subject>[^[]+)"
    r"(?:\[(?!expiration)(?P<caveat>\w+)(?::(?P<context>\{.*\}))?\])?(?:\[expiration:(?P<expires>[^]]+)\])?"
)


def thing(text):
    kind, name = text.split(":")
    return ObjectReference(object_type=kind, object_id=name)


def subject(text):
    name, _, relation = text.partition("#")
    return SubjectReference(object=thing(name), optional_relation=relation)


def question(text):
    """The three parts of `document:plan#read@user:ann`, as requests have them."""
    resource, permission, who = text.replace("@", "#", 1).split("#", 2)
    return {"resource": thing(resource), "permission": permission, "subject": subject(who)}


def relationship(text):
    parts = RELATIONSHIP.fullmatch(text).groupdict()
    found = Relationship(
        resource=thing(parts["resource"]),
        relation=parts["relation"],
        subject=subject(parts["subject"]),
    )
    if parts["caveat"]:
        values = context(**json.loads(parts["context"])) if parts["context"] else None
        caveat = ContextualizedCaveat(caveat_name=parts["caveat"], context=values)
        found.optional_caveat.CopyFrom(caveat)
    if parts["expires"]:
        expires = Timestamp()
        expires.FromJsonString(parts["expires"])
        found.optional_expires_at.CopyFrom(expires)
    return found


def context(**values):
    struct = Struct()
    struct.update(values)
    return struct


def text_of(found):
    """The text form, without condition and expiration."""
    return f"{name_of(found.resource)}#{found.relation}@{subject_text(found.subject)}"


def subject_text(who):
    suffix = f"#{who.optional_relation}" if who.optional_relation else ""
    return f"{name_of(who.object)}{suffix}"


def name_of(found):
    return f"{found.object_type}:{found.object_id}"


def expect(what, expected, actual):
    if expected != actual:
        raise SystemExit(f"{what}: expected {expected!r}, got {actual!r}")
    print(f"ok  {what}")


def expect_error(what, code, reason, call):
    """Code and reason are what applications branch on. Gives the metadata of the reason."""
    try:
        # A stream only fails when it is read.
        answer = call()
        if hasattr(answer, "__next__"):
            list(answer)
    except grpc.RpcError as error:
        info = info_of(error)
        expect(f"{what}: code", code, error.code())
        if reason:
            expect(f"{what}: reason", f"ERROR_REASON_{reason}", info.reason)
        return dict(info.metadata)
    raise SystemExit(f"{what}: expected an error, got an answer")


def message_of(call):
    """What a refusal says, as this client shows it."""
    try:
        call()
    except grpc.RpcError as error:
        return error.details()
    raise SystemExit("expected an error, got an answer")


def info_of(error):
    details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
    info = ErrorInfo()
    for detail in Status.FromString(details).details:
        detail.Unpack(info)
    return info
