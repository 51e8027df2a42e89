"""What the kernel says about a process: the CPU it has used, the memory it holds."""

import os
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads, the ended ones included; exact to a clock tick."""
    # The name, in parentheses, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def cpu_seconds_fine(pid: int) -> float:
    """Time on a core of the threads alive, in the scheduler's nanoseconds.

    An idle server uses less than a clock tick in seconds, which `cpu_seconds` cannot see.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int) -> dict[str, int]:
    """The resident set, and the page tables that describe it, which the set does not count."""
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key in ("VmRSS", "VmPTE"):
            sizes[key] = int(value.split()[0]) * 1024
    return {"resident": sizes["VmRSS"], "page_tables": sizes["VmPTE"]}
