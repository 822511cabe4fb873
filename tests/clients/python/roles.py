"""Plays an application and a tenant of it over TLS: roles.py ENDPOINT CA OTHER_CA FULL_KEY TENANT_KEY.

The store has to be empty. The tenant's key is limited to ids that begin with `alpha/`, and to the methods of the groups
`check`, `lookup`, `read` and `write`. Every step states what it expects; the first one that is not met ends the run with a failure.
"""

import pathlib
import sys

import grpc
from authzed.api.v1 import (
    CheckBulkPermissionsRequest,
    CheckBulkPermissionsRequestItem,
    LookupResourcesRequest,
    LookupSubjectsRequest,
    ReadSchemaRequest,
    SyncClient,
    WriteSchemaRequest,
)
from grpcutil import bearer_token_credentials

from session import CLIENTS, DELETE, FULL, NO, TOUCH, YES, Session
from words import expect, info_of, question, subject, text_of, thing

ALPHA = "document:alpha/plan#owner@user:alpha/ann"
BRAVO = "document:bravo/plan#owner@user:bravo/ben"
# An untrusted server is refused at the first connection; this ends what would wait instead.
PATIENCE_SECONDS = 60


def expect_denied(what, missing, call):
    """A refusal by a role says what was missing."""
    try:
        answer = call()
        if hasattr(answer, "__next__"):
            list(answer)
    except grpc.RpcError as error:
        info = info_of(error)
        expect(f"{what}: code", grpc.StatusCode.PERMISSION_DENIED, error.code())
        expect(f"{what}: reason", ("ACCESS_DENIED", "kilwa"), (info.reason, info.domain))
        expect(f"{what}: what was missing", missing, info.metadata["missing"])
        return
    raise SystemExit(f"{what}: expected a refusal, got an answer")


def found_resources(session, who):
    request = LookupResourcesRequest(
        consistency=FULL, resource_object_type="document", permission="read", subject=subject(who)
    )
    return sorted(found.resource_object_id for found in session.client.LookupResources(request))


def found_subjects(session, resource):
    request = LookupSubjectsRequest(
        consistency=FULL, resource=thing(resource), permission="read", subject_object_type="user"
    )
    found = session.client.LookupSubjects(request)
    return sorted(one.subject.subject_object_id for one in found)


def owner_steps(owner):
    schema = (CLIENTS / "schema.zed").read_text()
    owner.client.WriteSchema(WriteSchemaRequest(schema=schema))
    owner.write(TOUCH, ALPHA, BRAVO)
    expect("full key, check", YES, owner.check("document:bravo/plan#read@user:bravo/ben").permissionship)
    read = sorted(text_of(found.relationship) for found in owner.read(resource_type="document"))
    expect("full key, read", [ALPHA, BRAVO], read)


def tenant_steps(tenant):
    expect("check", YES, tenant.check("document:alpha/plan#read@user:alpha/ann", FULL).permissionship)
    memo = "document:alpha/memo#reader@user:alpha/ann"
    tenant.write(TOUCH, memo)
    expect("written", YES, tenant.check("document:alpha/memo#read@user:alpha/ann").permissionship)
    read = sorted(text_of(found.relationship) for found in tenant.read(resource_type="document"))
    expect("read", [memo, ALPHA], read)
    expect("lookup of resources", ["alpha/memo", "alpha/plan"], found_resources(tenant, "user:alpha/ann"))
    expect("lookup of subjects", ["alpha/ann"], found_subjects(tenant, "document:alpha/plan"))
    tenant.write(DELETE, memo)
    expect("deleted", NO, tenant.check("document:alpha/memo#read@user:alpha/ann").permissionship)


def refused_steps(tenant):
    outside = "document:bravo/plan#read@user:bravo/ben"
    expect_denied("check", "object_id", lambda: tenant.check(outside, FULL))
    expect_denied("write", "object_id", lambda: tenant.write(TOUCH, BRAVO))
    bravo = {"resource_type": "document", "optional_resource_id": "bravo/plan"}
    expect_denied("read", "object_id", lambda: tenant.read(FULL, **bravo))
    expect_denied("lookup", "object_id", lambda: found_resources(tenant, "user:bravo/ben"))
    expect_denied("subjects", "object_id", lambda: found_subjects(tenant, "document:bravo/plan"))
    expect_denied("schema", "method", lambda: tenant.client.ReadSchema(ReadSchemaRequest()))
    items = [CheckBulkPermissionsRequestItem(**question(text)) for text in (outside, ALPHA)]
    request = CheckBulkPermissionsRequest(consistency=FULL, items=items)
    refused, answered = tenant.client.CheckBulkPermissions(request).pairs
    denied = grpc.StatusCode.PERMISSION_DENIED.value[0]
    expect("bulk check, item outside", denied, refused.error.code)
    expect("bulk check, item inside", YES, answered.item.permissionship)


def untrusted_steps(endpoint, other, token):
    """A client that does not trust the authority fails, and sends its key to nobody."""
    client = SyncClient(endpoint, bearer_token_credentials(token, other))
    try:
        client.ReadSchema(ReadSchemaRequest(), timeout=PATIENCE_SECONDS)
    except grpc.RpcError as error:
        expect("untrusted authority: code", grpc.StatusCode.UNAVAILABLE, error.code())
        return
    raise SystemExit("an authority that is not trusted: expected an error, got an answer")


def main():
    endpoint, trusted, other, full, limited = sys.argv[1:]
    trusted, other = (pathlib.Path(path).read_bytes() for path in (trusted, other))
    owner, tenant = (
        Session(SyncClient(endpoint, bearer_token_credentials(key, trusted))) for key in (full, limited)
    )
    owner_steps(owner)
    tenant_steps(tenant)
    refused_steps(tenant)
    untrusted_steps(endpoint, other, full)


main()
