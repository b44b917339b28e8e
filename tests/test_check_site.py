"""docs/check_site.py finds what it is there to find."""

import importlib.util
import shutil
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "docs" / "check_site.py"
PAGE = """<!doctype html><html><head><meta charset="utf-8">{head}</head>
<body><h1 id="top">A page</h1><div id="search-results"></div>{body}</body></html>"""
# What Sphinx's search does with ?q=contractive.
SEARCH = """<script>setTimeout(() => { document.getElementById("search-results").innerHTML =
'<ul><li><a href="index.html">Contractive</a></li></ul>'; }, 10);</script>"""
PAGES = ("index.html", "search.html")  # of the smallest site
DEFECTS = {
    '<a href="nowhere.html">x</a>': "nowhere.html is not there",
    '<a href="#nothing">x</a>': "#nothing has no such anchor",
    '<a href="../outside.html">x</a>': "outside.html is not there",
    '<img src="nowhere.png">': "nowhere.png is not there",
    '<script src="https://example.org/x.js"></script>': "fetches https://example.org/x.js",
}
DEFECTS_IN_BROWSER = {
    '<script>console.error("oh dear")</script>': "oh dear",
    "<script>nothing.at.all()</script>": "nothing is not defined",
    '<script>Promise.reject(new Error("broken"))</script>': "broken",
    '<img src="index.html">': "broken image",
    '<div style="width: 600px">wide</div>': "is 6",
}
# In place of axe-core: it finds two things wrong with every page.
AXE = """window.axe = {run: async () => {
  const nodes = [{target: ["img"], any: [{message: "no name"}], all: [], none: []}];
  return {violations: ["serious", "moderate"].map(impact => ({id: "is-" + impact, impact, nodes}))};
}};"""


@pytest.fixture(scope="module")
def check_site():
    spec = importlib.util.spec_from_file_location("check_site", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write_site(tmp_path):
    def write(*bodies, search=SEARCH):
        for number, body in enumerate(["", *bodies]):
            name = f"page{number}.html" if number else "index.html"
            (tmp_path / name).write_text(PAGE.format(head="", body=body))
        (tmp_path / "search.html").write_text(PAGE.format(head="", body=search))
        return tmp_path

    return write


def test_nothing_is_wrong_with_a_good_site(check_site, write_site):
    body = '<a href="index.html#top">x</a> <a href="https://example.org">elsewhere</a>'
    assert list(check_site.check_links(write_site(body))) == []


@pytest.mark.parametrize(("body", "problem"), DEFECTS.items())
def test_defects(check_site, write_site, body, problem):
    (found,) = check_site.check_links(write_site(body))
    assert found.startswith("page1.html: ") and found.endswith(problem)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_defects_that_a_browser_sees(check_site, write_site, monkeypatch):
    monkeypatch.setattr(check_site, "SEARCH_SECONDS", 1)
    site = write_site(*DEFECTS_IN_BROWSER, search="")
    found = check_site.check_in_browser(site, "chromium")
    for number, problem in enumerate(DEFECTS_IN_BROWSER.values(), start=1):
        lines = [line for line in found if line.startswith(f"/page{number}.html: ")]
        assert any(problem in line for line in lines), (problem, lines)
    assert "/search.html: does not find 'contractive'" in found
    assert not any(line.startswith("/index.html") for line in found)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_good_site_in_a_browser(check_site, write_site):
    assert check_site.check_in_browser(write_site("all is well"), "chromium") == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_what_axe_finds(check_site, write_site):
    site = write_site()
    (site / "axe.js").write_text(AXE)
    found = check_site.check_in_browser(site, "chromium", site / "axe.js")
    colours = [f"{theme}, {width} px" for width in (400, 1200) for theme in ("light", "dark")]
    places = "; ".join(["400 px", "1200 px", *colours])
    assert found == [f"/{PAGES[0]} and 1 more: is-serious: img: no name ({places})"]
