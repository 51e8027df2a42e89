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
    redeploy,
    routes,
    sleepers,
    spin,
    sql,
    tenants,
)

BENCHES = {
    "hello": hello,
    "sleepers": sleepers,
    "idle": idle,
    "spin": spin,
    "neighbours": neighbours,
    "redeploy": redeploy,
    "tenants": tenants,
    "cold": cold,
    "hop": hop,
    "routes": routes,
    "files": files,
    "sql": sql,
    "fetch": fetch,
    "passwords": passwords,
    "offload": offload,
}
