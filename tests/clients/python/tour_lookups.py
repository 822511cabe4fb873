"""Lists of resources and of subjects."""

import grpc
from authzed.api.v1 import Cursor, LookupResourcesRequest, LookupSubjectsRequest
from authzed.api.v1.permission_service_pb2 import (
    LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION as DEPENDS,
)
from authzed.api.v1.permission_service_pb2 import LOOKUP_PERMISSIONSHIP_HAS_PERMISSION as YES

from session import DELETE, FULL, TOUCH
from words import context, expect, expect_error, subject, thing

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION


def find_resources(session, who, permission="read", kind="document", consistency=FULL, **more):
    request = LookupResourcesRequest(
        consistency=consistency,
        resource_object_type=kind,
        permission=permission,
        subject=subject(who),
        **more,
    )
    return session.client.LookupResources(request)


def resources(session):
    def ids(*asked, **more):
        """A server may name a resource twice."""
        return sorted(
            {
                (one.resource_object_id, one.permissionship)
                for one in find_resources(session, *asked, **more)
            }
        )

    expect("lookup resources", [("memo", YES), ("note", YES), ("plan", YES)], ids("user:ann"))
    expect("lookup resources, by team", [("memo", YES), ("plan", YES)], ids("user:dan"))
    expect("lookup resources, of a team", [("plan", YES)], ids("team:blue#member"))
    expect("lookup resources, conditional", [("memo", YES), ("plan", DEPENDS)], ids("user:cem"))
    expect(
        "lookup resources, context",
        [("memo", YES), ("plan", YES)],
        ids("user:cem", context=context(hour=9)),
    )
    expect(
        "lookup resources, false condition",
        [("memo", YES)],
        ids("user:cem", context=context(hour=20)),
    )
    expect("lookup resources, banned", [], ids("user:eve"))
    expect("lookup resources, banned on condition", [("memo", DEPENDS)], ids("user:fay"))
    expect("lookup resources, expired", [("memo", YES)], ids("user:hal"))
    expect(
        "lookup resources, intersection", [("note", YES), ("plan", YES)], ids("user:ann", "audit")
    )
    expect("lookup resources, relation", [("note", YES), ("plan", YES)], ids("user:ann", "owner"))
    expect(
        "lookup resources, of itself",
        [("blue", YES), ("red", YES)],
        ids("team:blue#member", "member", "team"),
    )
    [found] = [
        one for one in find_resources(session, "user:cem") if one.resource_object_id == "plan"
    ]
    missing = set(found.partial_caveat_info.missing_required_context)
    expect("lookup resources, missing context", {"hour"}, missing)
    expect("lookup resources, moment", True, bool(found.looked_up_at.token))
    expect("lookup resources, a cursor with each", True, bool(found.after_result_cursor.token))


def pages_of_resources(session):
    """Pages of one revision, while others write."""
    many = [f"document:page{number:02}#owner@user:kim" for number in range(25)]
    session.write(TOUCH, *many)
    cursor, found, sizes = None, [], []
    while True:
        asked = {"optional_limit": 10, "optional_cursor": cursor}
        page = list(find_resources(session, "user:kim", "edit", **asked))
        if not page:
            break
        found += [one.resource_object_id for one in page]
        sizes.append(len(page))
        cursor = page[-1].after_result_cursor
        session.write(TOUCH, f"document:later{len(sizes)}#owner@user:kim")
        session.write(DELETE, many[-1])
    expected = sorted(text.split(":")[1].split("#")[0] for text in many)
    expect("lookup resources, pages", expected, sorted(found))
    expect("lookup resources, sizes of pages", [10, 10, 5], sizes)
    expect_error(
        "lookup resources, cursor of another call",
        INVALID,
        "INVALID_CURSOR",
        lambda: find_resources(
            session, "user:ann", "edit", optional_limit=10, optional_cursor=cursor
        ),
    )
    session.write(
        DELETE, *many, *(f"document:later{number}#owner@user:kim" for number in (1, 2, 3))
    )


def refused_resources(session):
    for what, code, reason, call in (
        (
            "unknown definition",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: find_resources(session, "user:ann", kind="letter"),
        ),
        (
            "unknown permission",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: find_resources(session, "user:ann", "print"),
        ),
        (
            "unknown subject",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: find_resources(session, "robot:ann"),
        ),
        ("everybody", INVALID, "WILDCARD_NOT_ALLOWED", lambda: find_resources(session, "user:*")),
        (
            "large page",
            INVALID,
            "EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT",
            lambda: find_resources(session, "user:ann", optional_limit=1001),
        ),
        (
            "bad cursor",
            INVALID,
            "INVALID_CURSOR",
            lambda: find_resources(
                session, "user:ann", optional_limit=1, optional_cursor=Cursor(token="?")
            ),
        ),
        ("no permission", INVALID, None, lambda: find_resources(session, "user:ann", "")),
    ):
        expect_error(f"lookup resources, {what}", code, reason, call)


def find_subjects(session, resource, permission="read", kind="user", consistency=FULL, **more):
    request = LookupSubjectsRequest(
        consistency=consistency,
        resource=thing(resource),
        permission=permission,
        subject_object_type=kind,
        **more,
    )
    return session.client.LookupSubjects(request)


def subjects(session):
    def ids(*asked, **more):
        """A server may name a subject twice."""
        found = find_subjects(session, *asked, **more)
        return sorted(
            {(one.subject.subject_object_id, one.subject.permissionship) for one in found}
        )

    expected = [("ann", YES), ("ben", YES), ("cem", DEPENDS), ("dan", YES)]
    expect("lookup subjects", expected, ids("document:plan"))
    expected = [("ann", YES), ("ben", YES), ("cem", YES), ("dan", YES)]
    expect("lookup subjects, context", expected, ids("document:plan", context=context(hour=9)))
    expected = [("ann", YES), ("ben", YES), ("dan", YES)]
    expect(
        "lookup subjects, false condition", expected, ids("document:plan", context=context(hour=20))
    )
    teams = [("blue", YES), ("red", YES)]
    expect(
        "lookup subjects, by relation",
        teams,
        ids("document:plan", "read", "team", optional_subject_relation="member"),
    )
    expect("lookup subjects, intersection", [("ann", YES)], ids("document:plan", "audit"))
    expect("lookup subjects, nobody", [], ids("document:none"))
    wildcard, gil = sorted(
        find_subjects(session, "document:memo"), key=lambda one: one.subject.subject_object_id
    )
    expect(
        "lookup subjects, everybody",
        ("*", YES),
        (wildcard.subject.subject_object_id, wildcard.subject.permissionship),
    )
    exclusions = sorted(
        (one.subject_object_id, one.permissionship) for one in wildcard.excluded_subjects
    )
    expect("lookup subjects, exclusions", [("eve", YES), ("fay", DEPENDS)], exclusions)
    expect("lookup subjects, beside everybody", "gil", gil.subject.subject_object_id)
    expect(
        "lookup subjects, older field",
        ("*", YES),
        (wildcard.subject_object_id, wildcard.permissionship),
    )
    expect(
        "lookup subjects, older exclusions", ["eve", "fay"], sorted(wildcard.excluded_subject_ids)
    )
    [late] = [
        one
        for one in find_subjects(session, "document:memo", context=context(hour=20))
        if one.subject.subject_object_id == "*"
    ]
    exclusions = [one.subject_object_id for one in late.excluded_subjects]
    expect("lookup subjects, exclusion that is lifted", ["eve"], exclusions)
    [cem] = [
        one
        for one in find_subjects(session, "document:plan")
        if one.subject.subject_object_id == "cem"
    ]
    missing = set(cem.subject.partial_caveat_info.missing_required_context)
    expect("lookup subjects, missing context", {"hour"}, missing)
    expect("lookup subjects, moment", True, bool(cem.looked_up_at.token))


def refused_subjects(session):
    for what, code, reason, call in (
        (
            "unknown definition",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: find_subjects(session, "letter:plan"),
        ),
        (
            "unknown permission",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: find_subjects(session, "document:plan", "print"),
        ),
        (
            "unknown subject",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: find_subjects(session, "document:plan", kind="robot"),
        ),
        (
            "unknown subject relation",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: find_subjects(
                session, "document:plan", kind="team", optional_subject_relation="captain"
            ),
        ),
    ):
        expect_error(f"lookup subjects, {what}", code, reason, call)


def pages_of_subjects(session):
    """Limits, cursors and the option to leave out everybody, which SpiceDB does not have."""
    cursor, found, sizes = None, [], []
    while True:
        asked = {"optional_concrete_limit": 3, "optional_cursor": cursor}
        page = list(find_subjects(session, "document:plan", **asked))
        if not page:
            break
        found += [one.subject.subject_object_id for one in page]
        sizes.append(len(page))
        cursor = page[-1].after_result_cursor
        session.write(TOUCH, f"document:plan#reader@user:aaa{len(sizes)}")
    expect("lookup subjects, pages", ["ann", "ben", "cem", "dan"], sorted(found))
    expect("lookup subjects, sizes of pages", [3, 1], sizes)
    without = find_subjects(
        session,
        "document:memo",
        wildcard_option=LookupSubjectsRequest.WILDCARD_OPTION_EXCLUDE_WILDCARDS,
    )
    expect(
        "lookup subjects, without everybody",
        ["gil"],
        [one.subject.subject_object_id for one in without],
    )
    session.write(DELETE, *(f"document:plan#reader@user:aaa{number}" for number in (1, 2)))
