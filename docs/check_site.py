"""Check the built site: `sphinx-build -W docs docs/_build && python docs/check_site.py`.

With Python alone: every link, anchor and image inside the site is there, and no page fetches
anything from elsewhere. In headless Chromium, where there is one (`--chromium PATH`, or on PATH):
every page loads without an error in its console, no image is broken, the search finds
"contractive", and a screen of 400 pixels needs no scrolling sideways. With axe-core, too
(`npm pack axe-core && tar xzf axe-core-*.tgz`, then `--axe package/axe.min.js`): nothing on a page
keeps out those who see little or use the keyboard, on a small screen and a large one, in the light
theme and the dark one. Exits with 1 if something is wrong, and with 3 if `--need-all` is given and
Chromium or axe-core is lacking.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from urllib.parse import unquote, urlsplit

WORD = "contractive"
SECONDS = 900  # for all pages in the browser
SEARCH_SECONDS = 10  # for the search's results to appear
LEFT_OUT = {
    "chromium": "links are checked, pages are not opened",
    "axe": "accessibility is not checked",
}
LENIENT = {"ignore_cleanup_errors": True}  # the browser's last processes may still write

# Goes in front of all else in a page, so that no error comes too early for it.
LISTENER = b"""<script>
window.problems = [];
window.addEventListener("error", event => problems.push(
    event.message || "failed to load " + (event.target.src || event.target.href)), true);
window.addEventListener("unhandledrejection", event => problems.push(String(event.reason)));
for (const name of ["error", "assert"]) {
  const log = console[name].bind(console);
  console[name] = (...words) => {
    if (name === "error" || !words[0]) problems.push(words.join(" "));
    log(...words);
  };
}
</script>"""

VISITOR = """<!doctype html><title>visitor</title><body><script>
const settings = %s;
%s
</script>"""


class Page(HTMLParser):
    """What a page links to, fetches, and offers as anchors."""

    def __init__(self, path):
        super().__init__()
        self.links, self.sources, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("rel") in ("stylesheet", "icon", "preload"):
            self.sources.append(attrs["href"])
        elif tag in ("img", "script", "iframe") and attrs.get("src"):
            self.sources.append(attrs["src"])


def pages_of(site):
    """Files of the site's pages, without the theme's own."""
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def check_links(site):
    """Problems that need no browser, as strings."""
    pages = {path: Page(path) for path in pages_of(site)}
    for path, page in pages.items():
        where = path.relative_to(site)
        for target in page.sources:
            if urlsplit(target).netloc:
                yield f"{where}: fetches {target}"
        for target in page.links + page.sources:
            yield from check_target(where, path, target, site, pages)


def check_target(where, path, target, site, pages):
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return
    file = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if file.is_dir():
        file = file / "index.html"
    if not file.is_file() or not file.is_relative_to(site):
        yield f"{where}: {target} is not there"
    elif parts.fragment and file in pages and unquote(parts.fragment) not in pages[file].anchors:
        yield f"{where}: {target} has no such anchor"


class Handler(SimpleHTTPRequestHandler):
    """Serves the site, the listener in every page, and the visitor; takes its report."""

    def do_GET(self):
        path = urlsplit(self.path).path
        if path == "/visitor":
            self.answer(self.server.visitor.encode())
        elif path == "/axe":
            self.answer(self.server.axe.read_bytes(), "text/javascript")
        elif path.endswith(".html") and (file := Path(self.translate_path(path))).is_file():
            self.answer(file.read_bytes().replace(b"<head>", b"<head>" + LISTENER, 1))
        else:
            super().do_GET()

    def answer(self, content, kind="text/html"):
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(b"")
        self.server.report = json.loads(body)
        self.server.done.set()

    def send_error(self, code, *args):
        if urlsplit(self.path).path != "/favicon.ico":
            self.server.refused.append(f"{self.path}: {code}")
        super().send_error(code, *args)

    def log_message(self, *args):
        pass


@contextmanager
def serving(site, axe=None):
    """A server of the site on this machine, while it is needed."""
    paths = [f"/{path.relative_to(site).as_posix()}" for path in pages_of(site)]
    settings = {
        **{"paths": paths, "axe": axe is not None},
        **{"word": WORD, "search_seconds": SEARCH_SECONDS},
    }
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site)) as server:
        server.visitor = VISITOR % (json.dumps(settings), script)
        server.axe = axe
        server.refused, server.report, server.done = [], None, threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def browser_command(chromium, profile, *arguments):
    offline = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-extensions"]
    where = [f"--user-data-dir={profile}", f"--host-resolver-rules={offline}"]
    return [chromium, *options, *quiet, *where, *arguments]


def has_reported(server, browser):
    """Whether the visitor reports before the browser or the time ends."""
    end = time.monotonic() + SECONDS
    while browser.poll() is None and time.monotonic() < end:
        if server.done.wait(1):
            return True
    return server.done.is_set()


def check_in_browser(site, chromium, axe=None):
    """Problems that a browser sees, as strings; those of axe-core, too, if there is its script."""
    silent = subprocess.DEVNULL
    with serving(site, axe) as server, tempfile.TemporaryDirectory(**LENIENT) as profile:
        address = f"http://127.0.0.1:{server.server_port}/visitor"
        command = browser_command(chromium, profile, "--remote-debugging-port=0", address)
        with subprocess.Popen(command, stdout=silent, stderr=silent) as browser:
            finished = has_reported(server, browser)
            browser.terminate()
    if not finished:
        return [f"{chromium} has ended, or needs more than {SECONDS} seconds, without a report"]
    found = [*once(server.report["pages"])]
    print(f"{len(server.report['pages'])} pages opened; the search for {WORD!r} finds:")
    print("  " + "\n  ".join(server.report["search"][:5]))
    if not server.report["search"]:
        found.append(f"/search.html: does not find {WORD!r}")
    return found + server.refused


def once(problems):
    """A line for each problem of some pages, since what they share would be told for each page."""
    pages = defaultdict(list)
    for path, found in problems.items():
        for problem in found:
            pages[problem].append(path)
    for problem, paths in pages.items():
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"{paths[0]}{more}: {problem}"


def screenshots(site, chromium, folder):
    """Pictures of some pages, on a small screen and a large one, for eyes."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = ("index", "user_guide/sparse", "coming_from_pytorch", "generated/skae.VAE")
    with serving(site) as server, tempfile.TemporaryDirectory(**LENIENT) as profile:
        for name, width in product(pages, (500, 1400)):  # Chromium's windows are no narrower
            picture = folder / f"{name.replace('/', '-')}-{width}.png"
            shot = [f"--screenshot={picture}", f"--window-size={width},1400"]
            url = f"http://127.0.0.1:{server.server_port}/{name}.html"
            command = browser_command(chromium, profile, *shot, url)
            subprocess.run(command, check=True, capture_output=True, timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("site", nargs="?", type=Path, default=Path(__file__).parent / "_build")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--axe", type=Path, metavar="AXE.MIN.JS")
    parser.add_argument("--need-all", action="store_true")
    parser.add_argument("--screenshots", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    site = options.site.resolve()
    if not (site / "index.html").is_file():
        parser.error(f"{site} holds no site: build it with sphinx-build -W docs docs/_build")
    if options.axe and not options.axe.is_file():
        parser.error(f"{options.axe} is not there: get it with npm pack axe-core")
    problems = list(check_links(site))
    lacking = [name for name in ("chromium", "axe") if not getattr(options, name)]
    if options.chromium:
        problems += check_in_browser(site, options.chromium, options.axe)
    if options.chromium and options.screenshots:
        screenshots(site, options.chromium, options.screenshots)
    for name in lacking:
        print(f"No {name}: {LEFT_OUT[name]}.")
    print("\n".join(problems) or "Nothing is wrong.")
    return 1 if problems else 3 if options.need_all and lacking else 0


if __name__ == "__main__":
    sys.exit(main())
