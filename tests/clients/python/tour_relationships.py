"""Writing, reading and deleting relationships."""

import grpc
from authzed.api.v1 import (
    Cursor,
    DeleteRelationshipsRequest,
    DeleteRelationshipsResponse,
    Precondition,
    RelationshipFilter,
    RelationshipUpdate,
    SubjectFilter,
    WriteRelationshipsRequest,
)

from session import CLIENTS, CREATE, DELETE, FULL, TOUCH
from words import context, expect, expect_error, relationship, text_of

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
RELATIONSHIPS = (CLIENTS / "tour.relationships").read_text().splitlines()
RELATION = SubjectFilter.RelationFilter
MUST = Precondition.OPERATION_MUST_MATCH
MUST_NOT = Precondition.OPERATION_MUST_NOT_MATCH


def condition(operation, **conditions):
    return Precondition(operation=operation, filter=RelationshipFilter(**conditions))


def write(session):
    session.write(
        CREATE,
        *RELATIONSHIPS,
        optional_preconditions=[condition(MUST_NOT, resource_type="document")],
        optional_transaction_metadata=context(reason="tour"),
    )
    expect("write, moment", True, bool(session.token.token))
    session.write(
        TOUCH,
        RELATIONSHIPS[0],
        optional_preconditions=[
            condition(MUST, resource_type="document", optional_relation="owner")
        ],
    )
    session.write(DELETE, "document:plan#reader@user:zoe")
    session.write(TOUCH)
    found = expect_error(
        "write, condition not met",
        FAILED,
        "WRITE_OR_DELETE_PRECONDITION_FAILURE",
        lambda: session.write(
            TOUCH,
            RELATIONSHIPS[1],
            optional_preconditions=[
                condition(MUST, resource_type="folder", optional_resource_id="attic")
            ],
        ),
    )
    expect("write, condition not met: which", "attic", found["precondition_resource_id"])


def refused_writes(session):
    found = expect_error(
        "create what is there",
        grpc.StatusCode.ALREADY_EXISTS,
        "ATTEMPT_TO_RECREATE_RELATIONSHIP",
        lambda: session.write(CREATE, RELATIONSHIPS[1]),
    )
    expect("create what is there: which", "plan", found["resource_object_id"])
    for what, code, reason, texts in (
        ("twice the same", INVALID, "UPDATES_ON_SAME_RELATIONSHIP", [RELATIONSHIPS[1]] * 2),
        ("on a permission", INVALID, "CANNOT_UPDATE_PERMISSION", ["document:plan#edit@user:ann"]),
        ("subject that may not", INVALID, "INVALID_SUBJECT_TYPE", ["document:plan#owner@team:red"]),
        ("wildcard that may not", INVALID, "INVALID_SUBJECT_TYPE", ["document:plan#owner@user:*"]),
        ("unknown definition", FAILED, "UNKNOWN_DEFINITION", ["letter:plan#owner@user:ann"]),
        (
            "unknown relation",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            ["document:plan#printer@user:ann"],
        ),
        ("malformed id", INVALID, None, ["document:a.b#owner@user:ann"]),
        ("wildcard as resource", INVALID, None, ["document:*#owner@user:ann"]),
        (
            "too many",
            INVALID,
            "TOO_MANY_UPDATES_IN_REQUEST",
            [f"document:plan#owner@user:u{number}" for number in range(1001)],
        ),
    ):
        expect_error(
            f"write, {what}", code, reason, lambda texts=texts: session.write(TOUCH, *texts)
        )
    expect_error(
        "write, too much metadata",
        INVALID,
        "TRANSACTION_METADATA_TOO_LARGE",
        lambda: session.write(TOUCH, optional_transaction_metadata=context(text="x" * 66000)),
    )
    expect_error(
        "write, no operation",
        INVALID,
        None,
        lambda: session.client.WriteRelationships(
            WriteRelationshipsRequest(
                updates=[RelationshipUpdate(relationship=relationship(RELATIONSHIPS[1]))]
            )
        ),
    )
    expect_error(
        "write, condition without a filter",
        INVALID,
        None,
        lambda: session.write(TOUCH, optional_preconditions=[Precondition(operation=MUST)]),
    )


def read(session):
    def texts(**conditions):
        return sorted(text_of(found.relationship) for found in session.read(**conditions))

    plan = [text.split("[")[0] for text in RELATIONSHIPS if text.startswith("document:plan")]
    expect(
        "read, one resource",
        sorted(plan),
        texts(resource_type="document", optional_resource_id="plan"),
    )
    expect(
        "read, id prefix",
        sorted(plan),
        texts(resource_type="document", optional_resource_id_prefix="pl"),
    )
    owners = ["document:note#owner@user:ann", "document:plan#owner@user:ann"]
    expect("read, one relation", owners, texts(resource_type="document", optional_relation="owner"))
    team = SubjectFilter(
        subject_type="team",
        optional_subject_id="red",
        optional_relation=RELATION(relation="member"),
    )
    teams = ["document:plan#reader@team:red#member", "folder:home#viewer@team:red#member"]
    expect("read, by userset, any type", teams, texts(optional_subject_filter=team))
    direct = SubjectFilter(subject_type="team", optional_relation=RELATION(relation=""))
    expect("read, by direct subject", [], texts(optional_subject_filter=direct))
    everybody = SubjectFilter(subject_type="user", optional_subject_id="*")
    expect(
        "read, by wildcard",
        ["document:memo#reader@user:*"],
        texts(optional_subject_filter=everybody),
    )
    expired = SubjectFilter(subject_type="user", optional_subject_id="hal")
    expect("read, expired", [], texts(optional_subject_filter=expired))
    [found] = session.read(
        resource_type="document",
        optional_subject_filter=SubjectFilter(subject_type="user", optional_subject_id="gil"),
    )
    expect(
        "read, expiration",
        "2100-01-02T03:04:05Z",
        found.relationship.optional_expires_at.ToJsonString(),
    )
    [found] = session.read(
        resource_type="document",
        optional_subject_filter=SubjectFilter(subject_type="user", optional_subject_id="ida"),
    )
    caveat = found.relationship.optional_caveat
    expect("read, condition", ("at_work", context(hour=9)), (caveat.caveat_name, caveat.context))
    expect("read, moment", True, bool(found.read_at.token))


def pages(session, limit, **conditions):
    """All that is read page by page, at one revision, while somebody else writes."""
    cursor, texts, sizes = None, [], []
    while True:
        page = list(session.read(FULL, limit, cursor, **conditions))
        if not page:
            return texts, sizes
        texts += [text_of(found.relationship) for found in page]
        sizes.append(len(page))
        cursor = page[-1].after_result_cursor
        session.write(TOUCH, f"document:zz{len(sizes)}#owner@user:ann")


def read_pages(session):
    everything = [text_of(found.relationship) for found in session.read(resource_type="document")]
    found, sizes = pages(session, 4, resource_type="document")
    expect("read, pages", everything, found)
    expect("read, sizes of pages", [4, 4, 2], sizes)
    for number in range(1, len(sizes) + 1):
        session.write(DELETE, f"document:zz{number}#owner@user:ann")


def refused_reads(session):
    first = next(iter(session.read(FULL, 1, resource_type="document")))
    cursor = first.after_result_cursor
    for what, code, reason, call in (
        ("no condition", INVALID, "INVALID_FILTER", lambda: session.read()),
        (
            "id and prefix",
            INVALID,
            "INVALID_FILTER",
            lambda: session.read(
                resource_type="document", optional_resource_id="a", optional_resource_id_prefix="a"
            ),
        ),
        (
            "unknown definition",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: session.read(resource_type="letter"),
        ),
        (
            "unknown relation",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: session.read(resource_type="document", optional_relation="printer"),
        ),
        (
            "large page",
            INVALID,
            "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT",
            lambda: session.read(limit=1001, resource_type="document"),
        ),
        (
            "bad cursor",
            INVALID,
            "INVALID_CURSOR",
            lambda: session.read(limit=1, cursor=Cursor(token="?"), resource_type="document"),
        ),
        (
            "cursor of another read",
            INVALID,
            "INVALID_CURSOR",
            lambda: session.read(FULL, 1, cursor, resource_type="folder"),
        ),
    ):
        expect_error(f"read, {what}", code, reason, call)


def delete(session):
    for number in range(5):
        session.write(
            TOUCH, f"folder:f{number}#viewer@user:zoe", f"folder:g{number}#viewer@user:zoe"
        )

    def remove(conditions=None, **more):
        conditions = conditions or {"resource_type": "folder", "optional_resource_id_prefix": "f"}
        request = DeleteRelationshipsRequest(
            relationship_filter=RelationshipFilter(**conditions), **more
        )
        deleted = session.client.DeleteRelationships(request)
        session.token = deleted.deleted_at
        return deleted.deletion_progress, deleted.relationships_deleted_count

    complete = DeleteRelationshipsResponse.DELETION_PROGRESS_COMPLETE
    partial = DeleteRelationshipsResponse.DELETION_PROGRESS_PARTIAL
    found = expect_error(
        "delete, more than the limit",
        INVALID,
        "TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE",
        lambda: remove(optional_limit=2),
    )
    expect("delete, more than the limit: which", "2", found["limit"])
    expect_error(
        "delete, condition not met",
        FAILED,
        "WRITE_OR_DELETE_PRECONDITION_FAILURE",
        lambda: remove(optional_preconditions=[condition(MUST_NOT, resource_type="document")]),
    )
    expect_error(
        "delete, no condition", INVALID, "INVALID_FILTER", lambda: remove({"resource_type": ""})
    )
    step = {"optional_limit": 2, "optional_allow_partial_deletions": True}
    expect("delete, first part", (partial, 2), remove(**step))
    expect("delete, second part", (partial, 2), remove(**step))
    expect("delete, last part", (complete, 1), remove(**step))
    expect("delete, nothing", (complete, 0), remove())
    by_subject = {
        "optional_subject_filter": SubjectFilter(subject_type="user", optional_subject_id="zoe")
    }
    last = remove(by_subject, optional_transaction_metadata=context(reason="tidy"))
    expect("delete, by subject", (complete, 5), last)
