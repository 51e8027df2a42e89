"""The benches, each a module with `prepare()`, which builds and installs, and `run(options)`."""

from . import cold, hello, idle, sleepers, spin

BENCHES = {"hello": hello, "sleepers": sleepers, "idle": idle, "spin": spin, "cold": cold}
