"""Every call of the schema service, and its deprecated twins."""

import grpc
from authzed.api.v1 import (
    ComputablePermissionsRequest,
    DependentRelationsRequest,
    DiffSchemaRequest,
    ReadSchemaRequest,
    ReflectionSchemaFilter,
    ReflectSchemaRequest,
    WriteSchemaRequest,
)
from authzed.api.v1.experimental_service_pb2 import (
    ExperimentalComputablePermissionsRequest,
    ExperimentalDependentRelationsRequest,
    ExperimentalDiffSchemaRequest,
    ExperimentalReflectSchemaRequest,
    ExpSchemaFilter,
)

from session import CLIENTS, FULL
from words import expect, expect_error

INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
RELATIONS = ["parent", "owner", "reader", "banned"]
PERMISSIONS = ["edit", "read", "audit"]
SCHEMA = (CLIENTS / "tour.zed").read_text()


def write_and_read(session):
    client = session.client
    expect_error(
        "read schema, none yet",
        grpc.StatusCode.NOT_FOUND,
        None,
        lambda: client.ReadSchema(ReadSchemaRequest()),
    )
    written = client.WriteSchema(WriteSchemaRequest(schema=SCHEMA))
    session.token = written.written_at
    read = client.ReadSchema(ReadSchemaRequest())
    expect("read schema", True, "permission audit = read & edit" in read.schema_text)
    expect("read schema, moment", True, bool(read.read_at.token))
    place = expect_error(
        "schema that does not parse",
        INVALID,
        "SCHEMA_PARSE_ERROR",
        lambda: client.WriteSchema(WriteSchemaRequest(schema="definition user {}\ndefinition {")),
    )
    expect("schema that does not parse: line", "1", place["start_line_number"])
    wrong = WriteSchemaRequest(schema="definition document {\n\trelation reader: nobody\n}")
    expect_error(
        "schema that does not fit", FAILED, "SCHEMA_TYPE_ERROR", lambda: client.WriteSchema(wrong)
    )


def taken_relation(session):
    """With relationships in place, their relation cannot go."""
    kept = SCHEMA.replace("\trelation parent: folder\n", "").replace(" + parent->view", "")
    found = expect_error(
        "schema that would orphan a relationship",
        INVALID,
        "SCHEMA_TYPE_ERROR",
        lambda: session.client.WriteSchema(WriteSchemaRequest(schema=kept)),
    )
    expect(
        "what would be orphaned",
        ("document", "parent"),
        (found["resource_type"], found["relation"]),
    )


def reflect(session):
    for reflect_schema, request, condition in (
        (session.client.ReflectSchema, ReflectSchemaRequest, ReflectionSchemaFilter),
        (
            session.client.ExperimentalReflectSchema,
            ExperimentalReflectSchemaRequest,
            ExpSchemaFilter,
        ),
    ):
        name = request.DESCRIPTOR.name

        def ask(*filters):
            conditions = [condition(**one) for one in filters]
            return reflect_schema(request(consistency=FULL, optional_filters=conditions))

        whole = ask()
        names = [found.name for found in whole.definitions]
        expect(f"{name}, definitions", ["document", "folder", "team", "user"], names)
        expect_definition(name, whole.definitions[0])
        expect_caveat(name, whole.caveats)
        expect(f"{name}, moment", True, bool(whole.read_at.token))
        expect_filters(name, ask)


def expect_definition(name, document):
    expect(f"{name}, comment", "/** What is read and written. */", document.comment)
    relations = [found.name for found in document.relations]
    expect(f"{name}, relations", RELATIONS, relations)
    permissions = [found.name for found in document.permissions]
    expect(f"{name}, permissions", PERMISSIONS, permissions)
    reader = document.relations[2]
    expect(
        f"{name}, comment of a relation", "/** Those who were let in one by one. */", reader.comment
    )
    expect(f"{name}, parent", "document", reader.parent_definition_name)
    kinds = [
        (
            found.subject_definition_name,
            found.optional_caveat_name,
            found.WhichOneof("typeref"),
            found.optional_relation_name,
        )
        for found in reader.subject_types
    ]
    expected = [
        ("user", "", "is_terminal_subject", ""),
        ("user", "", "is_public_wildcard", ""),
        ("user", "at_work", "is_terminal_subject", ""),
        ("user", "", "is_terminal_subject", ""),
        ("team", "", "optional_relation_name", "member"),
    ]
    expect(f"{name}, subject types", expected, kinds)


def expect_caveat(name, caveats):
    expect(f"{name}, caveats", ["at_work"], [found.name for found in caveats])
    expect(f"{name}, expression", "hour >= 8 && hour < 18", caveats[0].expression)
    expect(f"{name}, comment of a caveat", "/** Holds in working hours. */", caveats[0].comment)
    parameters = [
        (found.name, found.type, found.parent_caveat_name) for found in caveats[0].parameters
    ]
    expect(f"{name}, parameters", [("hour", "int", "at_work")], parameters)


def expect_filters(name, ask):
    found = ask({"optional_definition_name_filter": "doc"})
    shown = ([one.name for one in found.definitions], len(found.caveats))
    expect(f"{name}, definitions by prefix", (["document"], 0), shown)
    found = ask({"optional_caveat_name_filter": "at_"})
    expect(f"{name}, caveats by prefix", (0, 1), (len(found.definitions), len(found.caveats)))
    found = ask(
        {"optional_definition_name_filter": "document", "optional_relation_name_filter": "par"}
    )
    document = found.definitions[0]
    shown = ([one.name for one in document.relations], [one.name for one in document.permissions])
    # What a filter does not name is shown whole.
    expect(f"{name}, relations by prefix", (["parent"], PERMISSIONS), shown)
    found = ask(
        {"optional_definition_name_filter": "document", "optional_permission_name_filter": "aud"}
    )
    document = found.definitions[0]
    shown = ([one.name for one in document.relations], [one.name for one in document.permissions])
    expect(f"{name}, permissions by prefix", (RELATIONS, ["audit"]), shown)
    found = ask(
        {"optional_definition_name_filter": "te"}, {"optional_definition_name_filter": "us"}
    )
    expect(f"{name}, two filters", ["team", "user"], [one.name for one in found.definitions])
    for wrong in (
        {"optional_definition_name_filter": "document", "optional_caveat_name_filter": "at_work"},
        {"optional_relation_name_filter": "parent"},
        {"optional_permission_name_filter": "read"},
        {
            "optional_definition_name_filter": "document",
            "optional_relation_name_filter": "parent",
            "optional_permission_name_filter": "read",
        },
    ):
        expect_error(
            f"{name}, {len(wrong)} conditions that do not go together",
            INVALID,
            "INVALID_FILTER",
            lambda wrong=wrong: ask(wrong),
        )


def dependencies(session):
    client = session.client
    for computable, request in (
        (client.ComputablePermissions, ComputablePermissionsRequest),
        (client.ExperimentalComputablePermissions, ExperimentalComputablePermissionsRequest),
    ):
        name = request.DESCRIPTOR.name

        def ask(definition, relation, only=""):
            found = computable(
                request(
                    consistency=FULL,
                    definition_name=definition,
                    relation_name=relation,
                    optional_definition_name_filter=only,
                )
            )
            return [reference(one) for one in found.permissions]

        expected = [
            "document#audit*",
            "document#read*",
            "document#reader",
            "folder#view*",
            "folder#viewer",
        ]
        expect(name, expected, ask("team", "member"))
        expect(f"{name}, filtered", expected[3:], ask("team", "member", "fol"))
        expect_error(
            f"{name}, unknown",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: ask("team", "captain"),
        )
        expect_error(f"{name}, unknown definition", FAILED, None, lambda: ask("club", "member"))
    for dependent, request in (
        (client.DependentRelations, DependentRelationsRequest),
        (client.ExperimentalDependentRelations, ExperimentalDependentRelationsRequest),
    ):
        name = request.DESCRIPTOR.name

        def ask(definition, permission):
            found = dependent(
                request(consistency=FULL, definition_name=definition, permission_name=permission)
            )
            return [reference(one) for one in found.relations]

        expected = [
            "document#banned",
            "document#owner",
            "document#parent",
            "document#reader",
            "folder#view*",
            "folder#viewer",
            "team#member",
        ]
        expect(name, expected, ask("document", "read"))
        expect_error(
            f"{name}, of a relation",
            INVALID,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: ask("document", "owner"),
        )
        expect_error(
            f"{name}, unknown",
            FAILED,
            "UNKNOWN_RELATION_OR_PERMISSION",
            lambda: ask("document", "print"),
        )


def reference(found):
    """`definition#relation`, permissions with a star."""
    return f"{found.definition_name}#{found.relation_name}{'*' if found.is_permission else ''}"


OTHER_SCHEMA = """
caveat at_work(hour int, day int) {
	hour >= 9 && hour < 18 && day < 6
}

definition user {}

definition club {}

definition team {
	relation member: user
	relation captain: user
}

/** What is read, written and printed. */
definition document {
	relation owner: user
	relation banned: user | user with at_work
	permission edit = owner
	permission read = owner - banned
	permission print = read
}
"""


def differences(session):
    client = session.client
    for diff, request in (
        (client.DiffSchema, DiffSchemaRequest),
        (client.ExperimentalDiffSchema, ExperimentalDiffSchemaRequest),
    ):
        name = request.DESCRIPTOR.name

        def ask(text):
            found = diff(request(consistency=FULL, comparison_schema=text))
            return sorted(difference(one) for one in found.diffs)

        expect(f"{name}, none", [], ask(SCHEMA))
        expected = [
            "caveat_doc_comment_changed at_work",
            "caveat_expr_changed at_work",
            "caveat_parameter_added at_work day",
            "definition_added club",
            "definition_doc_comment_changed document",
            "definition_removed folder",
            "permission_added document#print",
            "permission_expr_changed document#read",
            "permission_removed document#audit",
            "relation_added team#captain",
            "relation_removed document#parent",
            "relation_removed document#reader",
            "relation_subject_type_removed team#member team#member",
        ]
        expect(name, expected, ask(OTHER_SCHEMA))
        expect_error(
            f"{name}, no schema", INVALID, "SCHEMA_PARSE_ERROR", lambda: ask("definition {")
        )


def difference(found):
    kind = found.WhichOneof("diff")
    value = getattr(found, kind)
    if kind.startswith("relation_subject_type"):
        changed = value.changed_subject_type
        subject = f"{changed.subject_definition_name}#{changed.optional_relation_name}"
        return f"{kind} {value.relation.parent_definition_name}#{value.relation.name} {subject}"
    if kind.startswith("caveat_parameter"):
        return f"{kind} {value.parent_caveat_name} {value.name}"
    if kind.startswith(("relation", "permission")):
        return f"{kind} {value.parent_definition_name}#{value.name}"
    return f"{kind} {value.name}"
