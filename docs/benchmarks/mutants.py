"""How many changes to formulas, made on purpose, the tests notice.

Run in the top folder with `python docs/benchmarks/mutants.py`, with mutmut installed (`pip install
mutmut`; the figures are of 3.8.1). pyproject.toml says what it changes and which tests it runs. It
works in a folder `mutants`, and continues there if it was interrupted. Writes mutants.md.
"""

import json
import subprocess
from pathlib import Path

from _report import table, write

RESULTS = Path("mutants")
NOTICED = {1, 3, -24, 24, 36, 152, 255}  # a test failed, or did not end
# Parts of changed lines that make no difference, and why.
SAME = {
    "dim=+1": "there are two dimensions, so that the last one is number 1",
    "topk(self.n_active, )": "the last dimension is torch's default",
    "requires_grad=None": "torch treats None as False",
    "torch.empty_like(like, )": "False is torch's default",
    "means - np.sqrt(spread": "the noise is symmetric around 0",
    "rng.random(means.shape) <= means": "a uniform number almost never equals a mean",
    "goes_on=True": "every caller passes this argument",
    ".to(None)": "torch multiplies True and False as 1 and 0",
    "progress <= 0.3": "both formulas give 1 there",
    "self.widths, )": "there are as many parts as widths",
    "strict=": "there are as many parts as widths",
    "means.sum() or 2.0": "only 0 is divided by it",
    'of="XXXX"': "every caller passes this argument",
}


def outcomes(path):
    """Of the changes to a module: name of each, and whether a test noticed it."""
    codes = json.loads(path.read_text())["exit_code_by_key"]
    return {name: code in NOTICED for name, code in codes.items()}


def change(name):
    """The lines that mutmut has changed, as they are then."""
    shown = subprocess.run(["mutmut", "show", name], capture_output=True, text=True, check=True)
    added = [line[1:] for line in shown.stdout.split("\n") if line.startswith("+")]
    return " ".join(line.strip() for line in added if not line.startswith("++"))


def reason(changed):
    return next((why for part, why in SAME.items() if part in changed), "")


def by_module(found):
    """Rows of a table, and their sums."""
    rows = [
        (f"`{path.relative_to(RESULTS).with_suffix('')}`", len(changes), sum(changes.values()))
        for path, changes in found.items()
    ]
    return [*rows, ("all", *(sum(row[i] for row in rows) for i in (1, 2)))]


def unnoticed(found):
    """Rows of a table: a changed line, and why it makes no difference, if it makes none."""
    names = [name for changes in found.values() for name, is_ in changes.items() if not is_]
    lines = sorted(change(name) for name in names)
    return [("`" + line.replace("|", "\\|") + "`", reason(line)) for line in lines]


def main():
    subprocess.run(["mutmut", "run", "--max-children", "1"], check=True)
    found = {path: outcomes(path) for path in sorted(RESULTS.glob("skae/**/*.meta"))}
    modules, left = by_module(found), unnoticed(found)
    _, n, n_noticed = modules[-1]
    write(
        __file__,
        "# Changes to formulas that the tests notice",
        "mutmut changes the code of formulas, one place at a time (`+` to `-`, 1.0 to 2.0, an "
        "argument to None), and runs only the tests of these formulas. A change is noticed if one "
        "of them fails. The bar is 90 % of all changes.",
        f"{100 * n_noticed / n:.1f} % of {n} changes are noticed. Of the other {len(left)}, "
        f"{sum(bool(why) for _, why in left)} make no difference.",
        table(("module", "changes", "noticed"), modules),
        "No test noticed the changes below. The second column says why a change makes no "
        "difference; where it is empty, the change is left to tests of whole fits, which were not "
        "run here.",
        table(("changed line", "why it makes no difference"), left),
    )


if __name__ == "__main__":
    main()
