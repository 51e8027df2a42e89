"""Builds what is measured: Hob, and the handlers it serves."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from .tools import BENCH, say

ROOT = BENCH.parent
PROGRAMS = ("hob", "hob-bench-native")

# What the command line said; see `bench/run --help`.
builds = True


@cache
def programs() -> dict[str, str]:
    """The paths of the programs of the workspace, as cargo says them; Hob's as the variable HOB does, if it does."""
    named = {"hob": path for path in [os.environ.get("HOB")] if path}
    if named and not shutil.which(named["hob"]):
        raise SystemExit(f"bench: HOB={named['hob']} is no program")
    wanted = [name for name in PROGRAMS if name not in named]
    return named | (_built(wanted) if builds else _found(wanted))


def _built(wanted: list[str]) -> dict[str, str]:
    say(f"building {' and '.join(wanted)} (profile dist)")
    command = ["cargo", "build", "--profile", "dist", "--message-format=json-render-diagnostics"]
    for package in wanted:
        command += ["-p", package]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("bench: hob does not build: cargo's messages are above")
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            found[message["target"]["name"]] = message["executable"]
    return {name: found[name] for name in wanted}


def _found(wanted: list[str]) -> dict[str, str]:
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = Path(json.loads(said)["target_directory"]) / "dist"
    found = {name: folder / name for name in wanted}
    if missing := [name for name, path in found.items() if not path.is_file()]:
        raise SystemExit(f"bench: {', '.join(missing)} not built: run without --no-build")
    return {name: str(path) for name, path in found.items()}


@cache
def components(folder: str) -> dict[str, str]:
    """The components of a folder of handlers, by name."""
    hob = programs()["hob"]
    say(f"building {folder}")
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    command = [hob, "build", str(ROOT / folder)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench: `hob build {folder}` failed: its messages are above")
    return {Path(line).stem: line for line in done.stdout.splitlines()}


def example(name: str) -> str:
    """A component of the examples."""
    return components("examples")[name]


def bench_guest(name: str) -> str:
    """A component that only the benchmarks serve."""
    return components("bench/guests")[name]


@cache
def chore() -> str:
    """The hashing that jobs do, as a core module for those who have no components."""
    command = ["cargo", "rustc", "--release", "--target", "wasm32-wasip2", "-p", "chore", "--lib"]
    command += ["--crate-type", "cdylib", "--features", "exported"]
    command += ["--message-format=json-render-diagnostics", "--"]
    command += ["-Clink-arg=--skip-wit-component"]
    environment = {k: v for k, v in os.environ.items() if k != "CARGO_TARGET_DIR"}
    folder = ROOT / "bench" / "guests"
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("bench: the hashing does not build: cargo's messages are above")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "chore":
            return next(file for file in message["filenames"] if file.endswith(".wasm"))
    raise SystemExit("bench: cargo says of no file with the hashing")


def guest(name: str) -> str:
    """A component of the tests: a behaviour for each path."""
    return components("tests/guests")[name]
