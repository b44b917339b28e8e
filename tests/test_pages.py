"""What pages of the documentation say of this repository is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NAMED = re.findall(r"`(test_\w+\.py)::(test_\w+)`", (ROOT / "docs/reliability.md").read_text())
FOLDERS = (DOCS, DOCS / "choosing", DOCS / "user_guide")
PAGES = [ROOT / "README.md", *(page for folder in FOLDERS for page in sorted(folder.glob("*.rst")))]
REPORT = re.compile(r"benchmarks/(\w+)")
# With one decimal and below 1 it may as well be the value of a parameter.
FIGURE = re.compile(r"(?<![\w.])(?:\d+\.\d\d+|[1-9]\d*\.\d)(?![\w]|\.\d)")


@pytest.mark.parametrize(("file", "test"), sorted(set(NAMED)))
def test_reliability_names_tests_that_exist(file, test):
    assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text()


def figures_in_reports(page):
    """Figures of the benchmarks that a page links to, as they are written there."""
    text = "".join((DOCS / f"benchmarks/{name}.md").read_text() for name in REPORT.findall(page))
    return re.findall(r"\d+\.\d+", text)


def quotes(paragraph, figures):
    """Figures of the paragraph, each with whether a report has it, perhaps with more decimals."""
    for quoted in FIGURE.findall(paragraph):
        decimals = len(quoted.partition(".")[2])
        exact = [figure for figure in figures if len(figure.partition(".")[2]) >= decimals]
        yield quoted, any(f"{float(figure):.{decimals}f}" == quoted for figure in exact)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_figures_are_those_of_the_benchmarks(page):
    text = page.read_text(encoding="utf-8")
    figures = figures_in_reports(text)
    for paragraph in re.split(r"\n\s*\n", text):
        if REPORT.search(paragraph):
            wrong = [quoted for quoted, there in quotes(paragraph, figures) if not there]
            assert not wrong, paragraph


def test_figures_are_found():
    """So that a change of the pages' style does not leave them unchecked."""
    figures = [FIGURE.findall(p) for page in PAGES for p in page.read_text().split("\n\n")]
    assert sum(map(len, figures)) > 30
    assert dict(quotes("of 3.6 %, at 0.1, not 3.7", ["3.61"])) == {"3.6": True, "3.7": False}


def test_links_of_the_readme_are_there():
    for target in re.findall(r"\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target
