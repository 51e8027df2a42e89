"""Finds the tools and the peers, and installs below `bench/.peers` those that can be.

The variables WASMTIME, OHA, DENO, NODE and WRK name a program to be used instead.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
PEERS = BENCH / ".peers"


def say(message: str) -> None:
    """Progress goes to standard error: standard output is the table."""
    print(f"bench: {message}", file=sys.stderr, flush=True)


def version(program: str | Path) -> str:
    """The first number with a dot that the program says of itself."""
    command = [str(program), "-v" if Path(program).name == "wrk" else "--version"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return found.group(0) if found else "unknown"


def _find(variable: str, wanted: str, install: Callable[[], Path] | None, hint: str = "") -> str:
    """By the variable, then by PATH if the version is the wanted one, then by installing it."""
    name = variable.lower()
    if named := os.environ.get(variable):
        if not shutil.which(named):
            raise SystemExit(f"bench: {variable}={named} is no program")
        if not (found := version(named)).startswith(wanted):
            raise SystemExit(f"bench: {variable} names version {found}, not {wanted}")
        return named
    on_path = shutil.which(name)
    if on_path and version(on_path).startswith(wanted):
        return on_path
    if install is None:
        found = f"PATH has {version(on_path)}" if on_path else "it is not on PATH"
        raise SystemExit(f"bench: {name} {wanted} is needed, and {found}: {hint}")
    return str(install())


def _install(what: str, command: list[str], program: Callable[[], Path | None]) -> Path:
    if (there := program()) is None:
        say(f"installing {what} below {PEERS.relative_to(BENCH.parent)} (once)")
        PEERS.mkdir(exist_ok=True)
        # Cargo's target directory of the caller is not the place for somebody else's build.
        environment = {k: v for k, v in os.environ.items() if k != "CARGO_TARGET_DIR"}
        done = subprocess.run(command, cwd=PEERS, env=environment, stdout=sys.stderr)
        if done.returncode != 0 or (there := program()) is None:
            raise SystemExit(f"bench: cannot install {what}: `{' '.join(command)}` failed")
    return there


def _cargo_install(crate: str, wanted: str, name: str) -> Path:
    binary = PEERS / "bin" / name
    command = ["cargo", "install", crate, "--version", wanted, "--locked", "--root", str(PEERS)]
    return _install(f"{crate} {wanted}", command, lambda: binary if binary.is_file() else None)


def _npm_install_deno() -> Path:
    """The package's own command is a script of Node; the binary lies in an optional dependency."""

    def program() -> Path | None:
        return next(iter(PEERS.glob("node_modules/@deno/*/deno")), None)

    command = ["npm", "install", "--prefix", str(PEERS), "--no-fund", "--no-audit", "deno@2.9"]
    return _install("deno 2.9", command, program)


@cache
def wrk() -> str:
    return _find("WRK", "4.", None, "apt-get install wrk")


@cache
def node() -> str:
    return _find("NODE", "20.", None, "install Node 20, or set NODE to its path")


@cache
def wasmtime() -> str:
    return _find("WASMTIME", "48.", lambda: _cargo_install("wasmtime-cli", "48.0.8", "wasmtime"))


@cache
def node_sqlite() -> str:
    """The folder of Node's two packages for SQLite, compiled with the headers beside Node."""
    folder = PEERS / "sqlite"
    modules = folder / "node_modules"
    built = (
        modules / "better-sqlite3" / "build" / "Release" / "better_sqlite3.node",
        modules / "sqlite3" / "build" / "Release" / "node_sqlite3.node",
    )

    def program() -> Path | None:
        return modules if all(path.is_file() for path in built) else None

    nodedir = Path(node()).resolve().parent.parent if "/" in node() else "/usr"
    command = ["npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit"]
    command += ["--build-from-source", f"--nodedir={nodedir}"]
    command += ["better-sqlite3@11", "sqlite3@5.1"]
    folder.mkdir(parents=True, exist_ok=True)
    return str(_install("sqlite3 5.1 and better-sqlite3 11", command, program))


@cache
def piscina() -> str:
    """The folder of Node's package for a pool of threads."""
    folder = PEERS / "piscina"
    package = folder / "node_modules" / "piscina"

    def program() -> Path | None:
        return package if (package / "package.json").is_file() else None

    command = ["npm", "install", "--prefix", str(folder), "--no-fund", "--no-audit"]
    folder.mkdir(parents=True, exist_ok=True)
    return str(_install("piscina 5.3", [*command, "piscina@5.3"], program))


@cache
def oha() -> str:
    return _find("OHA", "1.", lambda: _cargo_install("oha", "^1.16", "oha"))


@cache
def deno() -> str:
    return _find("DENO", "2.9", _npm_install_deno)
