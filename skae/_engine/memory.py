"""Amount of free memory."""

import math
import re
from pathlib import Path

# Sources, with their unit in bytes: Linux, and the limit of a container.
SAYINGS = (
    ("/proc/meminfo", r"MemAvailable:\s*(\d+) kB", 1024),
    ("/sys/fs/cgroup/memory.max", r"(\d+)", 1),
)


def free_memory():
    """Bytes that are free or only cache files; inf if unknown."""
    return min(_number_in(*saying) for saying in SAYINGS)


def _number_in(path, pattern, unit):
    try:
        found = re.search(pattern, Path(path).read_text(encoding="utf-8"))
    except OSError:
        return math.inf
    return unit * int(found[1]) if found else math.inf
