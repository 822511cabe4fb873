"""The asynchronous client: one call of every kind."""

import asyncio

import grpc
from authzed.api.v1 import (
    AsyncClient,
    CheckPermissionRequest,
    LookupResourcesRequest,
    ReadRelationshipsRequest,
    RelationshipFilter,
    WatchRequest,
    WriteRelationshipsRequest,
)
from authzed.api.v1.permission_service_pb2 import ImportBulkRelationshipsRequest
from grpcutil import insecure_bearer_token_credentials

from session import DELETE, FULL, YES, update
from words import expect, info_of, question, relationship, subject, text_of

TEXTS = [f"folder:async{number}#viewer@user:ann" for number in range(20)]


def run(endpoint, token):
    asyncio.run(steps(endpoint, token))


async def steps(endpoint, token):
    client = AsyncClient(endpoint, insecure_bearer_token_credentials(token))
    checks = (
        client.CheckPermission(
            CheckPermissionRequest(consistency=FULL, **question("document:plan#read@user:ann"))
        )
        for _ in range(20)
    )
    expect(
        "asynchronous, checks",
        {YES},
        {answer.permissionship for answer in await asyncio.gather(*checks)},
    )

    async def parts():
        for text in TEXTS:
            yield ImportBulkRelationshipsRequest(relationships=[relationship(text)])

    loaded = await client.ImportBulkRelationships(parts())
    expect("asynchronous, import", len(TEXTS), loaded.num_loaded)
    folders = RelationshipFilter(resource_type="folder", optional_resource_id_prefix="async")
    read = client.ReadRelationships(
        ReadRelationshipsRequest(consistency=FULL, relationship_filter=folders)
    )
    found = [text_of(one.relationship) async for one in read]
    expect("asynchronous, read", sorted(TEXTS), sorted(found))
    lookup = client.LookupResources(
        LookupResourcesRequest(
            consistency=FULL,
            resource_object_type="folder",
            permission="view",
            subject=subject("user:ann"),
        )
    )
    found = {one.resource_object_id async for one in lookup}
    expect("asynchronous, lookup", {f"async{number}" for number in range(20)}, found)
    await watch(client)
    try:
        await client.CheckPermission(
            CheckPermissionRequest(consistency=FULL, **question("document:plan#print@user:ann"))
        )
    except grpc.RpcError as error:
        expect("asynchronous, error", grpc.StatusCode.FAILED_PRECONDITION, error.code())
        expect(
            "asynchronous, reason",
            "ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION",
            info_of(error).reason,
        )
    else:
        raise SystemExit("asynchronous: expected an error, got an answer")


async def watch(client):
    start = (await client.WriteRelationships(WriteRelationshipsRequest())).written_at
    stream = client.Watch(WatchRequest(optional_start_cursor=start), timeout=30)
    updates = [update(DELETE, text) for text in TEXTS]
    await client.WriteRelationships(WriteRelationshipsRequest(updates=updates))
    told = []
    async for message in stream:
        told += [text_of(one.relationship) for one in message.updates]
        if len(told) >= len(TEXTS):
            break
    stream.cancel()
    expect("asynchronous, watch", sorted(TEXTS), sorted(told))
