"""Validates the document of a server, generates a client from it, and asks with it.

generated.py ENDPOINT TOKEN
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

ENDPOINT, TOKEN = sys.argv[1:]
URL = f"http://{ENDPOINT}"
SCHEMA = "definition user {}\n\ndefinition document {\n  relation viewer: user\n  permission view = viewer\n}\n"


def validated():
    with urllib.request.urlopen(f"{URL}/openapi.json") as answer:
        document = json.load(answer)
    mistakes = [f"{list(mistake.path)}: {mistake.message}" for mistake in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not mistakes, mistakes
    # The validator does find mistakes.
    broken = json.loads(json.dumps(document))
    del broken["paths"]["/v1/permissions/check"]["post"]["requestBody"]["content"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())
    return document


def generate(document, folder):
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    programs = Path(sys.executable).parent
    # It formats what it has generated with a program beside it.
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    command = [programs / "openapi-python-client", "generate", "--path", file, "--output-path", folder / "client", "--meta", "none", "--fail-on-warning"]
    generated = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    sys.path.insert(0, str(folder))


def ask():
    from client import AuthenticatedClient, models
    from client.api.authzed_api_v_1_permissions_service import check_permission, write_relationships
    from client.api.authzed_api_v_1_schema_service import write_schema
    from client.api.auth_zen import authzen_evaluation

    client = AuthenticatedClient(base_url=URL, token=TOKEN)
    written = write_schema.sync(client=client, body=models.WriteSchemaRequest(schema=SCHEMA))
    assert written.written_at.token, written

    document = models.ObjectReference(object_type="document", object_id="plan")

    def subject(name):
        return models.SubjectReference(object_=models.ObjectReference(object_type="user", object_id=name))

    viewer = models.Relationship(resource=document, relation="viewer", subject=subject("ann"))
    update = models.RelationshipUpdate(operation=models.RelationshipUpdateOperation.OPERATION_TOUCH, relationship=viewer)
    write_relationships.sync(client=client, body=models.WriteRelationshipsRequest(updates=[update]))

    for name, expected in [("ann", "PERMISSIONSHIP_HAS_PERMISSION"), ("bob", "PERMISSIONSHIP_NO_PERMISSION")]:
        request = models.CheckPermissionRequest(
            consistency=models.Consistency(fully_consistent=True), resource=document, permission="view", subject=subject(name)
        )
        answer = check_permission.sync(client=client, body=request)
        assert answer.permissionship == expected, answer

    refused = check_permission.sync(client=client, body=models.CheckPermissionRequest(permission="view"))
    assert isinstance(refused, models.GoogleRpcStatus) and refused.code == 3, refused

    question = models.AuthZENEvaluation(
        subject=models.AuthZENEntity(type_="user", id="ann"),
        action=models.AuthZENAction(name="view"),
        resource=models.AuthZENEntity(type_="document", id="plan"),
    )
    assert authzen_evaluation.sync(client=client, body=question).decision is True


with tempfile.TemporaryDirectory() as temporary:
    generate(validated(), Path(temporary))
    ask()
print("ok")
