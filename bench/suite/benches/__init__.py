"""The benches, each a module with `prepare()`, which builds and installs, and `run(options)`."""

from . import (
    cold,
    fetch,
    files,
    hello,
    hop,
    idle,
    neighbours,
    offload,
    passwords,
    routes,
    sleepers,
    spin,
    sql,
)

BENCHES = {
    "hello": hello,
    "sleepers": sleepers,
    "idle": idle,
    "spin": spin,
    "neighbours": neighbours,
    "cold": cold,
    "hop": hop,
    "routes": routes,
    "files": files,
    "sql": sql,
    "fetch": fetch,
    "passwords": passwords,
    "offload": offload,
}
