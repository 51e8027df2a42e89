"""An operator of a Hob under test: versions of a handler, and the API that deploys them."""

import http.client
import json
import shutil
from pathlib import Path

from . import machine, recipes
from .build import guest
from .server import ADDRESS, Failure, Recipe, free_port

TOKEN = "0123456789abcdef0123456789abcdef"


def version(name: str, word: str) -> bytes:
    """A guest of the tests that greets with another word of five letters: who asks can tell it apart."""
    component = Path(guest(name)).read_bytes()
    if len(word) != 5 or b"hello world" not in component:
        raise Failure(f"{name} cannot greet with {word}")
    return component.replace(b"hello world", b"hello " + word.encode())


def serve(name: str, tables: str, folder: str, path: str) -> tuple[Recipe, int]:
    """Hob with these tables and an API, and the port of that. It knows nothing of an earlier round."""
    place = recipes.scratch(folder)
    shutil.rmtree(place)
    place.mkdir()
    admin = free_port()
    (place / "token").write_text(TOKEN)
    file = place / "hob.toml"
    file.write_text(f'[deploy]\ntoken = {{ file = "token" }}\ntrial_requests = 0\n{tables}')
    recipe = recipes.hob(name, file, path=path, cores=(machine.SERVER_CORE,))
    command = list(recipe.command)
    command[command.index("--admin") + 1] = f"{ADDRESS}:{admin}"
    return Recipe(name, tuple(command), path, recipe.body), admin


def deploy(admin: int, handler: str, component: bytes, tenant: str = "default") -> dict:
    """Deploys a version; when this returns, it is acknowledged."""
    connection = http.client.HTTPConnection(ADDRESS, admin, timeout=120)
    try:
        path = f"/v1/tenants/{tenant}/handlers/{handler}/versions"
        headers = {"authorization": f"Bearer {TOKEN}"}
        connection.request("POST", path, body=component, headers=headers)
        response = connection.getresponse()
        said = json.loads(response.read())
        if response.status != 200:
            raise Failure(f"deploying {handler}: {response.status} {said}")
        return said
    finally:
        connection.close()
