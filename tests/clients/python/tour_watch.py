"""The stream of changes."""

import threading

import grpc
from authzed.api.v1 import (
    DeleteRelationshipsRequest,
    RelationshipFilter,
    WatchRequest,
    WriteSchemaRequest,
    ZedToken,
)
from authzed.api.v1.watch_service_pb2 import (
    WATCH_KIND_INCLUDE_CHECKPOINTS,
    WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES,
    WATCH_KIND_INCLUDE_SCHEMA_UPDATES,
)

from session import CREATE, DELETE, TOUCH
from tour_schema import SCHEMA
from words import context, expect, expect_error, text_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
ALL_KINDS = [
    WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES,
    WATCH_KIND_INCLUDE_SCHEMA_UPDATES,
    WATCH_KIND_INCLUDE_CHECKPOINTS,
]
SIGNS = {TOUCH: "+", DELETE: "-"}
TIME_MAX = 30
LAST = "document:end#owner@user:ann"


def changes(session):
    start = session.token
    session.write(
        CREATE,
        "document:w1#owner@user:ann",
        "folder:w1#viewer@user:ann",
        optional_transaction_metadata=context(reason="first"),
    )
    session.write(TOUCH, "document:w1#owner@user:ann")
    session.write(TOUCH, 'document:w2#reader@user:cem[at_work:{"hour": 7}]')
    session.write(DELETE, "document:w2#reader@user:cem")
    session.client.WriteSchema(WriteSchemaRequest(schema=f"{SCHEMA}\ndefinition robot {{}}\n"))
    kept = RelationshipFilter(resource_type="folder", optional_resource_id="w1")
    session.client.DeleteRelationships(
        DeleteRelationshipsRequest(
            relationship_filter=kept, optional_transaction_metadata=context(reason="last")
        )
    )
    session.write(TOUCH, LAST)
    expected = [
        (["+document:w1#owner@user:ann", "+folder:w1#viewer@user:ann"], "first"),
        (["+document:w2#reader@user:cem"], None),
        (["-document:w2#reader@user:cem"], None),
        "schema",
        (["-folder:w1#viewer@user:ann"], "last"),
        ([f"+{LAST}"], None),
    ]
    found = replay(session, start, optional_update_kinds=ALL_KINDS)
    expect("watch, everything", expected, shown(found))
    expect("watch, checkpoints", True, any(one.is_checkpoint for one in found))
    expect("watch, a moment with each", True, all(one.changes_through.token for one in found))
    [touched] = [
        one
        for message in found
        for one in message.updates
        if text_of(one.relationship) == "document:w2#reader@user:cem" and one.operation == TOUCH
    ]
    expect("watch, condition", context(hour=7), touched.relationship.optional_caveat.context)
    first = [one for one in found if one.full_revision_metadata][0]
    told = [one for one in found if one.optional_transaction_metadata.fields.get("reason")]
    expect(
        "watch, metadata with what was written alone",
        [True, True],
        [bool(one.updates) for one in told],
    )
    expect("watch, all metadata", [context(reason="first")], list(first.full_revision_metadata))
    resumed = replay(session, first.changes_through, optional_update_kinds=ALL_KINDS)
    expect("watch, resumed", expected[1:], shown(resumed))
    plain = replay(session, start)
    expect("watch, relationships alone", [one for one in expected if one != "schema"], shown(plain))
    expect("watch, no checkpoints", False, any(one.is_checkpoint for one in plain))
    by_type = replay(session, start, optional_object_types=["document"])
    expect(
        "watch, by type",
        [(["+document:w1#owner@user:ann"], "first"), *expected[1:3], expected[5]],
        shown(by_type),
    )
    condition = [RelationshipFilter(resource_type="document", optional_relation="owner")]
    by_filter = replay(session, start, optional_relationship_filters=condition)
    expect(
        "watch, by filter",
        [(["+document:w1#owner@user:ann"], "first"), expected[5]],
        shown(by_filter),
    )
    session.write(DELETE, LAST, "document:w1#owner@user:ann")


def replay(session, start, **more):
    """What a watch tells up to the change that was made last."""
    stream = session.client.Watch(
        WatchRequest(optional_start_cursor=start, **more), timeout=TIME_MAX
    )
    found = []
    for message in stream:
        found.append(message)
        if any(text_of(one.relationship) == LAST for one in message.updates):
            break
    # A checkpoint follows the change that it closes, when it was asked for.
    if ALL_KINDS == more.get("optional_update_kinds"):
        found.append(next(message for message in stream if message.is_checkpoint))
    stream.cancel()
    return found


def shown(found):
    """Updates with their reason, and `schema` where it changed; order in one message says nothing."""
    told = []
    for message in found:
        if message.updates:
            reason = message.optional_transaction_metadata.fields.get("reason")
            told.append((sorted(texts(message)), reason.string_value if reason else None))
        if message.schema_updated:
            told.append("schema")
    return told


def texts(message):
    return [SIGNS[one.operation] + text_of(one.relationship) for one in message.updates]


def live(session):
    """A watch without a start shows what is written from then on."""
    stream = session.client.Watch(WatchRequest(), timeout=TIME_MAX)
    seen = threading.Event()

    def write():
        # Nothing tells when the server has begun to watch.
        while not seen.wait(0.05):
            session.write(TOUCH, LAST)
            session.write(DELETE, LAST)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = next(text for message in stream for text in texts(message) if text == f"+{LAST}")
    finally:
        seen.set()
        writer.join()
    expect("watch, live", f"+{LAST}", found)
    stream.cancel()


def refused(session):
    def watch(**more):
        return session.client.Watch(WatchRequest(**more), timeout=TIME_MAX)

    document = RelationshipFilter(resource_type="document")
    for what, code, reason, more in (
        (
            "types and filters",
            INVALID,
            None,
            {"optional_object_types": ["document"], "optional_relationship_filters": [document]},
        ),
        ("bad start", INVALID, None, {"optional_start_cursor": ZedToken(token="?")}),
        (
            "unknown definition",
            FAILED,
            "UNKNOWN_DEFINITION",
            {"optional_relationship_filters": [RelationshipFilter(resource_type="letter")]},
        ),
        (
            "empty filter",
            INVALID,
            "INVALID_FILTER",
            {"optional_relationship_filters": [RelationshipFilter()]},
        ),
    ):
        expect_error(f"watch, {what}", code, reason, lambda more=more: watch(**more))
