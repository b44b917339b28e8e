"""The report of defaults.py: what its records come to, beside the bars."""

import statistics
from collections import defaultdict

import numpy as np
from _defaults_checks import CHECKS
from _defaults_fits import ESTIMATORS, OURS
from _defaults_tables import MNIST, TABLES
from _report import table, versions

SMALL = 100  # rows, of all; smaller tables are shown, not judged
LEAST_OF_PCA = 0.1  # below this a ratio to it says nothing
NEAR_PLANE = 0.9  # of held-out variance, by PCA(32 or all)
WORST, MEAN = -0.02, 0.05  # differences to PCA(w)
RATIO = 0.75  # to PCA(w), of Denoising(w)
WIDE_MEAN, WIDE_LEAST = 0.9, 0.7
DENOISING_MEAN = 0.85
# Cells of the training rows, and seconds that a fit may take, a stack's three times as many.
CELLS = {1e4: 2, 2e5: 4, 1e6: 15, float("inf"): 90}


class Fits:
    """Records of tables, by (table, estimator, split)."""

    def __init__(self, records):
        keys = (key.split(" | ") for key in records if key.startswith("tables | "))
        found = {(t, e, int(s)): records[f"tables | {t} | {e} | {s}"] for _, t, e, s in keys}
        self.failed = {key: record for key, record in found.items() if "error" in record}
        self.records = {key: record for key, record in found.items() if key not in self.failed}
        known = {t for t, *_ in found}
        self.tables = [name for name in (*TABLES, *MNIST) if name in known]

    def figures(self, name, estimator, field="ev"):
        """Of each split that has one."""
        found = {s: r for (t, e, s), r in self.records.items() if (t, e) == (name, estimator)}
        return {split: record[field] for split, record in found.items() if field in record}

    def median(self, name, estimator, field="ev"):
        """Over splits; None if there are none."""
        figures = self.figures(name, estimator, field).values()
        return statistics.median(figures) if figures else None

    def difference(self, name, estimator, other):
        """Median over splits that both have; None if there are none."""
        ours, theirs = self.figures(name, estimator), self.figures(name, other)
        found = [ours[split] - theirs[split] for split in ours.keys() & theirs.keys()]
        return statistics.median(found) if found else None

    def judged(self, function):
        """Figures by table, of those with enough rows and a figure."""
        found = {name: function(name) for name in self.tables if not self.is_small(name)}
        return {name: figure for name, figure in found.items() if figure is not None}

    def shape(self, name):
        """Training rows and columns."""
        return next(r["shape"] for (t, *_), r in self._all() if t == name)

    def width(self, name):
        return next(r["width"] for (t, *_), r in self._all() if t == name)

    def is_small(self, name):
        """Whether it has few rows, of which three quarters are for training."""
        return name not in MNIST and self.shape(name)[0] < 0.75 * SMALL

    def reference(self, key):
        """The record of PCA with as many components, or None."""
        name, estimator, split = key
        return self.records.get((name, ESTIMATORS[estimator].reference, split))

    def _all(self):
        return [*self.records.items(), *self.failed.items()]


def number(x, digits=3):
    return "" if x is None else f"{x:.{digits}f}"


def figure_rows(fits, field, digits):
    """A row for each table, of all estimators."""
    for name in fits.tables:
        n_rows, n_columns = fits.shape(name)
        title = f"{name} (small)" if fits.is_small(name) else name
        figures = [number(fits.median(name, e, field), digits) for e in ESTIMATORS]
        yield title, f"{n_rows} x {n_columns}", fits.width(name), *figures


def masked_rows(fits):
    """Denoising(w) and PCA(w), from masked rows."""
    for name in fits.tables:
        ours, theirs = (fits.median(name, "dae", f) for f in ("masked_ev", "pca_masked_ev"))
        if ours is not None:
            yield name, number(ours), number(theirs)


def outcome(what, judge, found, sense="", bar=None):
    """A row: what, the figure and where it is, the bar, the verdict, and what misses the bar."""
    text = "" if bar is None else f"{sense} {bar:g}"
    if not found:
        return what, "", text, "", ""
    figure, missed = judge(list(found.values())), {}
    if bar is not None and judge is not np.mean:
        missed = {name: x for name, x in found.items() if misses(x, sense, bar)}
    verdict = "" if bar is None else "missed" if misses(figure, sense, bar) else "met"
    where = "".join(
        f", {name}" for name, x in found.items() if judge is not np.mean and x == figure
    )
    names = ", ".join(f"{name} {number(x)}" for name, x in missed.items())
    return what, number(figure) + where, text, verdict, names


def misses(figure, sense, bar):
    return figure < bar if sense == "at least" else figure > bar


def count(what, n, of, bar, keys):
    """A row of a number of fits, out of some."""
    figure = f"{n} of {of}"
    return what, figure, bar, "missed" if keys else "met", listed(keys)


def summary(fits):
    """Rows of `outcome`."""
    for estimator in ("ae", "vae", "stack"):
        yield from differences(fits, estimator)
    for what, ours, theirs in (
        ("clean rows", ("dae", "ev"), ("pca", "ev")),
        ("masked rows", ("dae", "masked_ev"), ("dae", "pca_masked_ev")),
    ):
        yield ratios(fits, what, ours, theirs)
    for estimator in OURS[OURS.index("dae32") :]:
        yield from levels(fits, estimator)
    yield from warned(fits)
    yield from slowest(fits)
    yield failures(fits)


def differences(fits, estimator):
    """Worst and mean difference to PCA(w)."""
    found = fits.judged(lambda name: fits.difference(name, estimator, "pca"))
    title = f"{ESTIMATORS[estimator].title} less PCA(w)"
    yield outcome(f"{title}: worst", min, found, "at least", WORST)
    yield outcome(f"{title}: mean", np.mean, found, "at least", MEAN)


def ratios(fits, what, ours, theirs):
    """Worst ratio of Denoising(w) to PCA(w)."""

    def ratio(name):
        figures = fits.median(name, *ours), fits.median(name, *theirs)
        is_told = None not in figures and figures[1] >= LEAST_OF_PCA
        return figures[0] / figures[1] if is_told else None

    title = f"Denoising(w) / PCA(w), {what}, where PCA >= {LEAST_OF_PCA}: worst"
    found = fits.judged(ratio)
    return outcome(title, min, found, "at least", RATIO)


def levels(fits, estimator):
    """What wide codes explain: mean and least, and least where PCA does."""
    title, found = ESTIMATORS[estimator].title, fits.judged(lambda n: fits.median(n, estimator))
    by_pca = fits.judged(lambda name: fits.median(name, "pca32"))
    near = {name: x for name, x in found.items() if by_pca.get(name, 0) >= NEAR_PLANE}
    bar = DENOISING_MEAN if estimator == "dae32" else WIDE_MEAN
    yield outcome(f"{title}: mean", np.mean, found, "at least", bar)
    yield outcome(f"{title}: least", min, found)
    what = f"{title}: least where PCA(32 or all) >= {NEAR_PLANE}"
    yield outcome(what, min, near, "at least", WIDE_LEAST)


def warned(fits):
    """Whether fits that have learnt little say so, and others do not."""
    little, others = {}, {}
    for key, record in fits.records.items():
        pca = fits.reference(key)
        if key[1] in OURS and pca is not None:
            has_learnt_little = record["train_ev"] < pca["train_ev"] / 2
            kinds = [kind for kind, _ in record["warnings"]]
            (little if has_learnt_little else others)[key] = "ConvergenceWarning" in kinds
    silent = [key for key, warns in little.items() if not warns]
    loud = [key for key, warns in others.items() if warns]
    what = "ConvergenceWarning where training rows are explained"
    n_warned = len(little) - len(silent)
    yield count(f"{what} below half as much as by PCA", n_warned, len(little), "all", silent)
    yield count(f"{what} better", len(loud), len(others), "0", loud)


def listed(keys):
    """Tables and their estimators, with how many splits."""
    n_splits = defaultdict(int)
    for name, estimator, _ in keys:
        n_splits[f"{name} {ESTIMATORS[estimator].title}"] += 1
    return ", ".join(f"{name} x{n}" for name, n in n_splits.items())


def slowest(fits):
    """The largest seconds of a fit, by the size of its table."""
    least = 0
    for most, bar in CELLS.items():
        for kind, names, bar_of_it in (
            ("", [e for e in OURS if e != "stack"], bar),
            (", stack", ["stack"], 3 * bar),
        ):
            found = {
                f"{t} {ESTIMATORS[e].title}, split {s}": record["seconds"]
                for (t, e, s), record in fits.records.items()
                if e in names and least < np.prod(record["shape"]) <= most
            }
            size = f"above {least:g}" if most == float("inf") else f"up to {most:g}"
            what = f"seconds of a fit, {size} cells{kind}"
            yield outcome(what, max, found, "at most", bar_of_it)
        least = most


def failures(fits):
    n, of = len(fits.failed), len(fits.failed) + len(fits.records)
    return count("fits that end with an error", n, of, "0", fits.failed)


def check_rows(records):
    """Check, piece, figure, bar, and whether it is met."""
    for name, check in CHECKS.items():
        for piece in check(None):
            record = records.get(f"checks | {name} | {piece.what}")
            if record:
                yield name, piece.what, *judged(piece, record)


def judged(piece, record):
    """Figure, bar, verdict."""
    bar = "" if piece.bar is None else f"{piece.sense} {piece.bar:g}"
    if "error" in record:
        return record["error"], bar, "missed"
    figure = piece.judge(record["figures"])
    verdict = "" if piece.bar is None else "met" if piece.is_met(figure) else "missed"
    return f"{figure:.4g}", bar, verdict


def paragraphs(records):
    """The page, but for what is measured on which machine."""
    fits = Fits(records)
    header = ["table", "rows", "w", *(estimator.title for estimator in ESTIMATORS.values())]
    yield "# Defaults"
    yield (
        "Estimators with defaults, except for the number of components: the fraction of the "
        "variance of held-out rows that reconstructions explain (for the VAE those of "
        "`reconstruct`). Medians over splits, whose numbers are the random_state; a quarter is "
        "held out, for MNIST 2000 test images. Columns are standardised on the training rows, "
        "except in those named raw, digits_16, patches, spectra and MNIST. Bars are the "
        "project's targets, met or not."
    )
    yield table(header, figure_rows(fits, "ev", 3))
    yield "## Against bars"
    yield (
        f"Tables of fewer than {SMALL} rows are left out, except for warnings and seconds. "
        "*Less PCA(w)* is the median over splits of the difference in each split."
    )
    yield table(["what", "measured", "bar", "", "missed by"], summary(fits))
    yield "## From masked rows"
    yield "On clean held-out rows; `corrupt` masks 30% of the cells. PCA is fitted to clean rows."
    yield table(["table", "Denoising(w)", "PCA(w)"], masked_rows(fits))
    yield "## Seconds of a fit"
    yield table(header, figure_rows(fits, "seconds", 2))
    yield "## Checks"
    yield table(["check", "of", "measured", "bar", ""], check_rows(records))
    yield setting(records)


def setting(records):
    """Where and with what."""
    processors = {record["processor"]: None for record in records.values()}
    return f"{'; '.join(processors)}; {versions()}"
