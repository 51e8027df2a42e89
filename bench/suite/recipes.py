"""The servers that are measured, each with the command that starts it.

All run one loop, and on one core if nothing else is said. Peers get their defaults, apart from flags that a guest needs.
"""

import tempfile
from functools import cache
from pathlib import Path

from . import build, machine, tools
from .server import HELLO, Recipe

SERVERS = tools.BENCH / "servers"


@cache
def _scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="hob-bench-")


def scratch(name: str) -> Path:
    """A folder of this run, removed at its end."""
    folder = Path(_scratch().name) / name
    folder.mkdir(exist_ok=True)
    return folder


def hob(
    name: str,
    target: str | Path,
    isolation: str | None = None,
    log: str = "off",
    cache: Path | None = None,
    path: str = "/",
    body: bytes = HELLO,
    cores: tuple[int, ...] = (machine.SERVER_CORE,),
) -> Recipe:
    """Hob with a component, or a folder of them. Code is compiled once in a run."""
    command = [build.programs()["hob"], "serve", str(target), "--listen", "127.0.0.1:{port}"]
    command += ["--admin", "off", "--loops", "1", "--access-log", log]
    command += ["--cache", str(cache or scratch("cache"))]
    if isolation:
        command += ["--isolation", isolation]
    return Recipe(name, tuple(command), path, body, keeps_output=log == "on", cores=cores)


def capable(
    name: str,
    path: str,
    body: bytes,
    data: Path,
    upstream: str = "",
    databases: str = "read",
) -> Recipe:
    """Hob with the handler of the capabilities, granted all that it imports; `data` is its folder."""
    folder = scratch(f"capable{path.replace('/', '-')}")
    file = folder / "hob.toml"
    file.write_text(
        f"""
        [server]
        data = "{data}"
        [[handler]]
        name = "capable"
        component = "{build.bench_guest("capable")}"
        environment = {{ UPSTREAM = "{upstream}" }}
        [handler.grants]
        files = "read"
        sql = {{ main = "{databases}" }}
        fetch = ["http://127.0.0.1:*"]
        """
    )
    return hob(name, file, path=f"/capable{path}", body=body)


def hob_native() -> Recipe:
    return Recipe("hob, native handler", (build.programs()["hob-bench-native"], "127.0.0.1:{port}"))


def node(
    name: str,
    script: str,
    *arguments: str,
    path="/",
    body: bytes = HELLO,
    cores: tuple[int, ...] = (machine.SERVER_CORE,),
) -> Recipe:
    command = (tools.node(), str(SERVERS / script), "{port}", *arguments)
    return Recipe(name, command, path, body, cores=cores)


def deno() -> Recipe:
    command = (tools.deno(), "serve", "--host", "127.0.0.1", "--port", "{port}")
    environment = {"DENO_NO_UPDATE_CHECK": "1", "DENO_DIR": str(scratch("deno"))}
    return Recipe("deno serve", (*command, str(SERVERS / "deno-hello.js")), environment=environment)


def wasmtime(name: str, component: str, *flags: str, path="/") -> Recipe:
    """`-Scli` is what Rust's standard library in the guest imports."""
    command = (tools.wasmtime(), "serve", "-Scli", *flags, "--addr", "127.0.0.1:{port}", component)
    return Recipe(name, command, path)
