"""What every benchmark's report begins with, and where it goes."""

import os
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch

import skae


def setting():
    """One line: processor, cores and versions."""
    return f"{_processor()}, {versions()}"


def versions():
    """One line: cores and versions."""
    return (
        f"{os.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {torch.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, skae {skae.__version__}."
    )


def processor_in_full():
    """Name, generation and instruction set, since names can be as vague as "AMD EPYC"."""
    facts, name = _cpuinfo(), _processor()
    if "cpu family" in facts:
        name += f" (family {facts['cpu family']}, model {facts['model']})"
    amx = ["AMX"] if "amx_tile" in facts.get("flags", "").split() else []
    return ", ".join([name, torch.backends.cpu.get_cpu_capability(), *amx])


def _processor():
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _cpuinfo():
    """What Linux says of the last core; empty on other systems."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(script, *paragraphs):
    """Print the report, with this machine's setting, and keep it as `<script>.md`."""
    write_page(script, *paragraphs, setting())


def write_page(script, *paragraphs):
    """Print paragraphs and keep them beside the script, as `<script>.md`."""
    text = "\n\n".join(paragraphs) + "\n"
    print(text)
    Path(script).with_suffix(".md").write_text(text)
