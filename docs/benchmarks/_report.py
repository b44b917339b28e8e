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
    return (
        f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        f"torch {torch.__version__}, scikit-learn {sklearn.__version__}, "
        f"numpy {np.__version__}, skae {skae.__version__}."
    )


def _processor():
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def table(header, rows):
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write(script, *paragraphs):
    """Print the report and keep it beside the script, as `<script>.md`."""
    text = "\n\n".join((*paragraphs, setting())) + "\n"
    print(text)
    Path(script).with_suffix(".md").write_text(text)
