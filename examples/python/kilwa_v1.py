"""Calls `kilwa.v1`, which the client of SpiceDB does not have: lists all permissions of a user on a document.

The server describes its messages (gRPC reflection), so that no code is generated: `pip install authzed grpcio-reflection`.
Run app.py first, which writes the document.
"""

import os

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class Service:
    """A service of a channel, whose calls take and return dictionaries."""

    def __init__(self, channel, name, key):
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        self.service = pool.FindServiceByName(name)
        self.channel = channel
        self.metadata = [("authorization", f"Bearer {key}")]

    def call(self, method, request):
        described = self.service.methods_by_name[method]
        made = self.channel.unary_unary(
            f"/{self.service.full_name}/{method}",
            request_serializer=GetMessageClass(described.input_type).SerializeToString,
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        message = ParseDict(request, GetMessageClass(described.input_type)())
        return MessageToDict(made(message, metadata=self.metadata, timeout=10))


def main():
    channel = grpc.insecure_channel(os.environ["KILWA_ENDPOINT"])
    permissions = Service(channel, "kilwa.v1.PermissionsService", os.environ["KILWA_TOKEN"])
    answer = permissions.call(
        "ListPermissions",
        {
            "consistency": {"fullyConsistent": True},
            "resource": {"objectType": "document", "objectId": "plan"},
            "subject": {"object": {"objectType": "user", "objectId": "ben"}},
        },
    )
    for one in answer["permissions"]:
        print(f"ben, {one['permission']}: {one['item']['permissionship']}")


main()
