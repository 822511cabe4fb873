"""Import and export, and their deprecated twins."""

import grpc
from authzed.api.v1 import (
    BulkExportRelationshipsRequest,
    BulkImportRelationshipsRequest,
    Cursor,
    RelationshipFilter,
)
from authzed.api.v1.experimental_service_pb2 import (
    ExperimentalCountRelationshipsRequest,
    ExperimentalRegisterRelationshipCounterRequest,
    ExperimentalUnregisterRelationshipCounterRequest,
)
from authzed.api.v1.permission_service_pb2 import (
    ExportBulkRelationshipsRequest,
    ImportBulkRelationshipsRequest,
)

from session import FULL
from words import expect, expect_error, relationship, text_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION


def imports(session):
    client = session.client
    for load, request, prefix in (
        (client.ImportBulkRelationships, ImportBulkRelationshipsRequest, "new"),
        (client.BulkImportRelationships, BulkImportRelationshipsRequest, "old"),
    ):
        name = request.DESCRIPTOR.name

        def parts(*lists):
            return (
                request(relationships=[relationship(text) for text in texts]) for texts in lists
            )

        lists = [
            [f"folder:{prefix}{part}x{number}#viewer@user:kim" for number in range(100)]
            for part in range(5)
        ]
        expect(f"{name}, many parts", 500, load(parts(*lists)).num_loaded)
        expect(f"{name}, nothing", 0, load(parts()).num_loaded)
        for what, code, reason, text in (
            (
                "what is there",
                grpc.StatusCode.ALREADY_EXISTS,
                "ATTEMPT_TO_RECREATE_RELATIONSHIP",
                lists[0][0],
            ),
            (
                "unknown relation",
                FAILED,
                "UNKNOWN_RELATION_OR_PERMISSION",
                "folder:home#printer@user:kim",
            ),
            ("wrong subject", INVALID, "INVALID_SUBJECT_TYPE", "folder:home#viewer@folder:home"),
            ("malformed", INVALID, None, "folder:a.b#viewer@user:kim"),
        ):
            expect_error(
                f"{name}, {what}",
                code,
                reason,
                lambda text=text: load(parts([f"folder:{prefix}lost#viewer@user:kim"], [text])),
            )
        lost = session.read(FULL, resource_type="folder", optional_resource_id=f"{prefix}lost")
        expect(f"{name}, all or nothing", [], list(lost))


def exports(session):
    client = session.client
    everything = sorted(
        text_of(found.relationship)
        for kind in ("document", "folder", "team")
        for found in session.read(FULL, resource_type=kind)
    )
    for export, request in (
        (client.ExportBulkRelationships, ExportBulkRelationshipsRequest),
        (client.BulkExportRelationships, BulkExportRelationshipsRequest),
    ):
        name = request.DESCRIPTOR.name

        def messages(**more):
            return list(export(request(consistency=session.fresh(), **more)))

        def texts(found):
            return [text_of(one) for message in found for one in message.relationships]

        whole = messages()
        expect(f"{name}, everything", everything, sorted(texts(whole)))
        pages = messages(optional_limit=200)
        expect(f"{name}, largest page", 200, max(len(page.relationships) for page in pages))
        expect(f"{name}, in pages", texts(whole), texts(pages))
        rest = messages(optional_limit=200, optional_cursor=pages[0].after_result_cursor)
        expect(f"{name}, resumed", texts(pages[1:]), texts(rest))
        teams = messages(optional_relationship_filter=RelationshipFilter(resource_type="team"))
        expected = [text for text in everything if text.startswith("team:")]
        expect(f"{name}, filtered", expected, sorted(texts(teams)))
        bad = Cursor(token="?")
        expect_error(
            f"{name}, bad cursor", INVALID, "INVALID_CURSOR", lambda: messages(optional_cursor=bad)
        )
        if export is client.ExportBulkRelationships:
            expect_error(
                f"{name}, large page",
                INVALID,
                "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT",
                lambda: messages(optional_limit=10001),
            )


def counters(session):
    client = session.client
    kim = RelationshipFilter(resource_type="folder", optional_relation="viewer")

    def register(name="viewers", condition=kim):
        client.ExperimentalRegisterRelationshipCounter(
            ExperimentalRegisterRelationshipCounterRequest(name=name, relationship_filter=condition)
        )

    def count(name="viewers"):
        found = client.ExperimentalCountRelationships(
            ExperimentalCountRelationshipsRequest(name=name)
        )
        return found.read_counter_value

    def unregister(name="viewers"):
        client.ExperimentalUnregisterRelationshipCounter(
            ExperimentalUnregisterRelationshipCounterRequest(name=name)
        )

    expected = len(list(session.read(FULL, resource_type="folder")))
    register()
    expect("counter", expected, count().relationship_count)
    expect("counter, moment", True, bool(count().read_at.token))
    expect_error("counter, registered twice", FAILED, "COUNTER_ALREADY_REGISTERED", register)
    unregister()
    for what, call in (("counted", count), ("unregistered", unregister)):
        expect_error(f"counter, {what} when unknown", FAILED, "COUNTER_NOT_REGISTERED", call)
    expect_error("counter, no name", INVALID, None, lambda: register(""))
    expect_error(
        "counter, no condition",
        INVALID,
        "INVALID_FILTER",
        lambda: register("all", RelationshipFilter()),
    )
    unknown = RelationshipFilter(resource_type="letter")
    expect_error(
        "counter, unknown definition",
        FAILED,
        "UNKNOWN_DEFINITION",
        lambda: register("letters", unknown),
    )
