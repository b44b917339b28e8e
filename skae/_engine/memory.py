"""How much memory there is."""

import math
import re
from pathlib import Path

# What says so, with the number of bytes that it counts in: of Linux, and of a container's limit.
SAYINGS = (
    ("/proc/meminfo", r"MemAvailable:\s*(\d+) kB", 1024),
    ("/sys/fs/cgroup/memory.max", r"(\d+)", 1),
)


def free_memory():
    """Bytes that are free, or that hold no more than what files have, too; inf if nothing says."""
    return min(_number_in(*saying) for saying in SAYINGS)


def _number_in(path, pattern, unit):
    try:
        found = re.search(pattern, Path(path).read_text(encoding="utf-8"))
    except OSError:
        return math.inf
    return unit * int(found[1]) if found else math.inf
