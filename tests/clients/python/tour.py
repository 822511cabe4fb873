"""Plays every call of the official Python client: tour.py ENDPOINT TOKEN [--kilwa].

The store behind the token has to be empty. Every step states what it expects; the first one that is
not met ends the run with a failure. With `--kilwa`, what Kilwa has beyond SpiceDB is played as well.
Against SpiceDB, start `spicedb serve` with `--datastore-revision-quantization-interval 10ms`: an answer
without a consistency may rest on what was true one interval ago.
"""

import sys

import grpc
from authzed.api.v1 import InsecureClient, ReadSchemaRequest, SyncClient
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpcutil import insecure_bearer_token_credentials

import tour_async
import tour_bulk
import tour_checks
import tour_lookups
import tour_relationships
import tour_schema
import tour_watch
from session import Session
from words import expect

STEPS = (
    tour_schema.write_and_read,
    tour_relationships.write,
    tour_relationships.refused_writes,
    tour_schema.taken_relation,
    tour_schema.reflect,
    tour_schema.dependencies,
    tour_schema.differences,
    tour_relationships.read,
    tour_relationships.read_pages,
    tour_relationships.refused_reads,
    tour_relationships.delete,
    tour_checks.answers,
    tour_checks.refused,
    tour_checks.consistencies,
    tour_checks.traces,
    tour_checks.bulk,
    tour_checks.expand,
    tour_lookups.resources,
    tour_lookups.pages_of_resources,
    tour_lookups.refused_resources,
    tour_lookups.subjects,
    tour_lookups.refused_subjects,
    tour_watch.changes,
    tour_watch.live,
    tour_watch.refused,
    tour_bulk.imports,
    tour_bulk.exports,
    tour_bulk.counters,
)
KILWA_STEPS = (tour_lookups.pages_of_subjects, tour_checks.messages)
SERVICES = {
    "authzed.api.v1.ExperimentalService",
    "authzed.api.v1.PermissionsService",
    "authzed.api.v1.SchemaService",
    "authzed.api.v1.WatchService",
    "grpc.health.v1.Health",
}


def other_clients(endpoint, token):
    """The client for networks without TLS, and one that compresses what it sends."""
    credentials = insecure_bearer_token_credentials(token)
    for what, client in (
        ("insecure", InsecureClient(endpoint, token)),
        ("compressing", SyncClient(endpoint, credentials, compression=grpc.Compression.Gzip)),
    ):
        found = client.ReadSchema(ReadSchemaRequest()).schema_text
        expect(f"{what} client", True, "definition document" in found)


def other_services(endpoint):
    """Health and reflection, which ask for no key."""
    channel = grpc.insecure_channel(endpoint)
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", "authzed.api.v1.PermissionsService"):
        found = health.Check(health_pb2.HealthCheckRequest(service=name)).status
        expect(f"health of `{name}`", health_pb2.HealthCheckResponse.SERVING, found)
    reflected = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    expect("reflection", SERVICES, SERVICES & reflected)


def main():
    endpoint, token, *flags = sys.argv[1:]
    credentials = insecure_bearer_token_credentials(token)
    session = Session(SyncClient(endpoint, credentials))
    for step in STEPS + (KILWA_STEPS if "--kilwa" in flags else ()):
        step(session)
    tour_async.run(endpoint, token)
    other_clients(endpoint, token)
    other_services(endpoint)
    expect("calls of the client that were left out", [], session.client.left_out())


main()
