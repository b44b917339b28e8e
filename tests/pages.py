"""The Python of the documentation's pages, as programs."""

import importlib.util
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1 +\S.*\n|\s*\n)+)", re.MULTILINE)
TITLE = re.compile(r"^(.+)\n-+\n", re.MULTILINE)


def code_of(text):
    """A page's Python as one program, in which each line has the number that it has there."""
    lines = []
    for block in BLOCK.finditer(text):
        if "sklearn.callback" in block[2] and importlib.util.find_spec("sklearn.callback") is None:
            continue  # scikit-learn before 1.9
        lines += [""] * (text.count("\n", 0, block.start(2)) - len(lines))
        lines += textwrap.dedent(block[2]).rstrip().split("\n")
    return "\n".join(lines)


def sections_of(text):
    """Programs by title: what a section has, after what stands above the first of them."""
    titles = list(TITLE.finditer(text))
    ends = [title.start() for title in titles[1:]] + [len(text)]
    first = titles[0].start()
    for title, end in zip(titles, ends, strict=True):
        between = "\n" * text.count("\n", first, title.start())  # for the lines in a traceback
        section = text[title.start() : end]
        if code_of(section):
            yield title[1], code_of(text[:first] + between + section)
