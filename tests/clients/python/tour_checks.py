"""Checks: one, many, traced, at every consistency."""

import grpc
from authzed.api.v1 import (
    BulkCheckPermissionRequest,
    BulkCheckPermissionRequestItem,
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    CheckPermissionRequest,
    Consistency,
    ExpandPermissionTreeRequest,
    ZedToken,
)
from authzed.api.v1.core_pb2 import AlgebraicSubjectSet
from authzed.api.v1.debug_pb2 import CaveatEvalInfo, CheckDebugTrace

from session import CREATE, DELETE, DEPENDS, FULL, NO, TOUCH, YES
from words import (
    context,
    expect,
    expect_error,
    message_of,
    name_of,
    question,
    subject_text,
    thing,
)

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
OUT_OF_RANGE = grpc.StatusCode.OUT_OF_RANGE


def answers(session):
    for text, expected in (
        ("document:plan#read@user:ann", YES),
        ("document:plan#read@user:ben", YES),
        ("document:plan#read@user:dan", YES),
        ("document:plan#edit@user:ben", NO),
        ("document:plan#read@team:blue#member", YES),
        ("document:plan#read@user:cem", DEPENDS),
        ("document:memo#read@user:zoe", YES),
        ("document:memo#read@user:eve", NO),
        ("document:memo#read@user:fay", DEPENDS),
        ("document:note#audit@user:ann", YES),
        ("document:note#read@user:hal", NO),
        ("document:note#read@user:ida", YES),
        ("document:memo#reader@user:gil", YES),
        ("document:none#read@user:ann", NO),
    ):
        expect(f"check {text}", expected, session.check(text).permissionship)
    for hour, expected in ((9, YES), (20, NO)):
        found = session.check("document:plan#read@user:cem", hour=hour)
        expect(f"check at {hour}", expected, found.permissionship)
    found = session.check("document:plan#read@user:cem")
    missing = set(found.partial_caveat_info.missing_required_context)
    expect("check, missing context", {"hour"}, missing)
    expect("check, moment", True, bool(found.checked_at.token))


def refused(session):
    for what, code, reason, call in (
        (
            "unknown definition",
            FAILED,
            "UNKNOWN_DEFINITION",
            lambda: session.check("letter:a#read@user:ann"),
        ),
        (
            "unknown permission",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: session.check("document:a#print@user:ann"),
        ),
        (
            "everybody",
            INVALID,
            "WILDCARD_NOT_ALLOWED",
            lambda: session.check("document:plan#read@user:*"),
        ),
        ("every resource", INVALID, None, lambda: session.check("document:*#read@user:ann")),
        (
            "context of another type",
            INVALID,
            "CAVEAT_PARAMETER_TYPE_ERROR",
            lambda: session.check("document:plan#read@user:cem", hour="late"),
        ),
        (
            "large context",
            INVALID,
            None,
            lambda: session.check("document:plan#read@user:cem", more="x" * 5000),
        ),
        (
            "bad token",
            INVALID,
            None,
            lambda: session.check(
                "document:plan#read@user:ann", Consistency(at_least_as_fresh=ZedToken(token="?"))
            ),
        ),
        (
            "no resource",
            INVALID,
            None,
            lambda: session.client.CheckPermission(CheckPermissionRequest(permission="read")),
        ),
    ):
        expect_error(f"check, {what}", code, reason, call)


def messages(session):
    """Every letter of a message comes through, percent signs and those beyond ASCII as well."""
    for what, text in (
        ("plain", "document:a b#read@user:ann"),
        ("percent and beyond ASCII", "document:100%é?#read@user:ann"),
    ):
        object_id = text.removeprefix("document:").split("#")[0]
        message = message_of(lambda text=text: session.check(text))
        expect(f"message, {what}: {message}", True, f"`{object_id}`" in message)
    known = "document:plan#owner@user:ann"
    session.write(TOUCH, known)
    message = message_of(lambda: session.write(CREATE, known))
    expect(f"message, relationship: {message}", True, known in message)


def consistencies(session):
    text = "document:memo#edit@user:ann"
    before = session.write(DELETE, "document:memo#owner@user:ann")
    after = session.write(TOUCH, "document:memo#owner@user:ann")
    for what, expected, consistency in (
        ("fully consistent", YES, FULL),
        ("at least as fresh", YES, Consistency(at_least_as_fresh=after)),
        ("at exact snapshot, then", NO, Consistency(at_exact_snapshot=before)),
        ("at exact snapshot, now", YES, Consistency(at_exact_snapshot=after)),
    ):
        expect(f"check, {what}", expected, session.check(text, consistency).permissionship)
    old = "document:plan#read@user:ann"
    latency = Consistency(minimize_latency=True)
    expect("check, minimal latency", YES, session.check(old, latency).permissionship)
    request = CheckPermissionRequest(**question(old))
    expect("check, no consistency", YES, session.client.CheckPermission(request).permissionship)
    session.write(DELETE, "document:memo#owner@user:ann")


def traces(session):
    request = CheckPermissionRequest(
        consistency=FULL,
        with_tracing=True,
        context=context(hour=9),
        **question("document:plan#read@user:cem"),
    )
    found = session.client.CheckPermission(request)
    expect_trace("check, trace", found.debug_trace)
    quiet = CheckPermissionRequest(
        consistency=FULL, context=context(hour=9), **question("document:plan#read@user:cem")
    )
    # At a new revision no answer is known yet, which would end the trace.
    session.write(TOUCH)
    older = session.client.CheckPermission(quiet, metadata=[("io.spicedb.requestdebuginfo", "1")])
    expect_trace("check, trace by metadata", older.debug_trace)
    expect("check, no trace", False, session.client.CheckPermission(quiet).HasField("debug_trace"))
    found, call = session.client.CheckPermission.with_call(
        quiet, metadata=[("io.spicedb.requestversion", "1"), ("x-request-id", "tour")]
    )
    trailers = dict(call.trailing_metadata())
    expect("check, its answer with trailers", YES, found.permissionship)
    expect("trailers, version", True, bool(trailers.get("io.spicedb.debug.version")))
    expect("trailers, id of the request", "tour", trailers.get("x-request-id"))
    for name in ("dispatchedoperationscount", "cachedoperationscount"):
        expect(f"trailers, {name}", True, trailers[f"io.spicedb.respmeta.{name}"].isdigit())


def expect_trace(what, debug):
    check = debug.check
    expect(f"{what}, schema", True, "definition document" in debug.schema_used)
    expect(f"{what}, resource", "document:plan", name_of(check.resource))
    expect(
        f"{what}, permission",
        ("read", CheckDebugTrace.PERMISSION_TYPE_PERMISSION),
        (check.permission, check.permission_type),
    )
    expect(f"{what}, subject", "user:cem", subject_text(check.subject))
    # What a condition decides stays conditional in a trace, which tells how it came out beside it.
    expect(f"{what}, result", CheckDebugTrace.PERMISSIONSHIP_CONDITIONAL_PERMISSION, check.result)
    expect(f"{what}, duration", True, check.duration.ToNanoseconds() > 0)
    [reader] = [step for step in steps(check) if step.permission == "reader"]
    expect(f"{what}, relation", CheckDebugTrace.PERMISSION_TYPE_RELATION, reader.permission_type)
    caveat = reader.caveat_evaluation_info
    shown = (caveat.caveat_name, caveat.result, caveat.expression)
    expect(
        f"{what}, condition",
        ("at_work", CaveatEvalInfo.RESULT_TRUE, "hour >= 8 && hour < 18"),
        shown,
    )


def steps(trace):
    yield trace
    for below in trace.sub_problems.traces:
        yield from steps(below)


TEXTS = (
    "document:plan#read@user:ann",
    "document:plan#edit@user:ben",
    "document:plan#read@user:cem",
    "document:plan#print@user:ann",
    "document:plan#read@user:*",
    "document:plan#read@user:ann",
)


def bulk(session):
    client = session.client
    for check, request, item, more in (
        (
            client.CheckBulkPermissions,
            CheckBulkPermissionsRequest,
            CheckBulkPermissionsRequestItem,
            {"with_tracing": True},
        ),
        (
            client.BulkCheckPermission,
            BulkCheckPermissionRequest,
            BulkCheckPermissionRequestItem,
            {},
        ),
    ):
        name = request.DESCRIPTOR.name
        items = [item(**question(text)) for text in TEXTS]
        answer = check(request(consistency=session.fresh(), items=items, **more))
        found = [pair.item.permissionship for pair in answer.pairs]
        expect(f"{name}, answers", [YES, NO, DEPENDS, 0, 0, YES], found)
        expect(f"{name}, echo", items, [pair.request for pair in answer.pairs])
        missing = answer.pairs[2].item.partial_caveat_info.missing_required_context
        expect(f"{name}, missing context", {"hour"}, set(missing))
        codes = [pair.error.code for pair in answer.pairs]
        expect(f"{name}, errors", [0, 0, 0, FAILED.value[0], INVALID.value[0], 0], codes)
        expect(f"{name}, details of an error", 1, len(answer.pairs[3].error.details))
        expect(f"{name}, moment", True, bool(answer.checked_at.token))
        if more:
            [root, _, condition] = [pair.item.debug_trace.check for pair in answer.pairs[:3]]
            expect(
                f"{name}, trace",
                ("document:plan", "read"),
                (name_of(root.resource), root.permission),
            )
            expect(
                f"{name}, trace of a condition",
                CheckDebugTrace.PERMISSIONSHIP_CONDITIONAL_PERMISSION,
                condition.result,
            )
        expect(f"{name}, nothing", 0, len(check(request(consistency=FULL)).pairs))
        with_context = item(context=context(hour=9), **question(TEXTS[2]))
        [pair] = check(request(consistency=FULL, items=[with_context])).pairs
        expect(f"{name}, context", YES, pair.item.permissionship)
        expect_error(
            f"{name}, too many", INVALID, None, lambda: check(request(items=items[:1] * 10001))
        )


def expand(session):
    def tree(resource, permission):
        request = ExpandPermissionTreeRequest(
            consistency=FULL, resource=thing(resource), permission=permission
        )
        return session.client.ExpandPermissionTree(request)

    found = tree("document:plan", "read")
    expect("expand, moment", True, bool(found.expanded_at.token))
    expected = (
        "exclusion document:plan#read",
        [
            (
                "union document:plan#read",
                [
                    ("leaf document:plan#owner", ["user:ann"]),
                    ("leaf document:plan#reader", ["team:red#member", "user:cem"]),
                    (
                        "union document:plan#read",
                        [
                            (
                                "union folder:home#view",
                                [("leaf folder:home#viewer", ["team:red#member"])],
                            )
                        ],
                    ),
                ],
            ),
            ("leaf document:plan#banned", []),
        ],
    )
    expect("expand, permission", expected, shape(found.tree_root))
    expected = ("leaf document:memo#reader", ["user:*", "user:gil"])
    expect("expand, relation", expected, shape(tree("document:memo", "reader").tree_root))
    kind = shape(tree("document:note", "audit").tree_root)[0]
    expect("expand, intersection", "intersection document:note#audit", kind)
    for what, code, reason, call in (
        (
            "unknown permission",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: tree("document:plan", "print"),
        ),
        ("unknown definition", FAILED, "UNKNOWN_DEFINITION", lambda: tree("letter:plan", "read")),
        ("every resource", INVALID, None, lambda: tree("document:*", "read")),
    ):
        expect_error(f"expand, {what}", code, reason, call)


OPERATIONS = {
    AlgebraicSubjectSet.OPERATION_UNION: "union",
    AlgebraicSubjectSet.OPERATION_INTERSECTION: "intersection",
    AlgebraicSubjectSet.OPERATION_EXCLUSION: "exclusion",
}


def shape(node):
    """A node's kind and place with what is below it; the children of a union stand in order."""
    place = f"{name_of(node.expanded_object)}#{node.expanded_relation}"
    if node.WhichOneof("tree_type") == "leaf":
        return f"leaf {place}", sorted(subject_text(found) for found in node.leaf.subjects)
    kind = OPERATIONS[node.intermediate.operation]
    children = [shape(child) for child in node.intermediate.children]
    return f"{kind} {place}", sorted(children) if kind == "union" else children
