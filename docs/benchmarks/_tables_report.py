"""The report of tables.py: what its records come to, beside the bars."""

import statistics
from itertools import product

from _report import table
from _tables_codes import CLASSIFIERS, CODERS, PEERS
from _tables_codes import DEEP as DEEP_CODES
from _tables_codes import OURS as CODES
from _tables_codes import TABLES as CODED
from _tables_cost import FIT, MEMORY, OUTPUTS
from _tables_given import MODELS as GIVEN_MODELS
from _tables_given import TABLES as GIVEN
from _tables_imputation import KNN, METHODS, MISSING
from _tables_imputation import OURS as IMPUTER
from _tables_imputation import TABLES as IMPUTED
from _tables_outliers import CELLS, FINDERS, ROWS
from _tables_outliers import DEEP as DEEP_FINDER
from _tables_outliers import OURS as FINDER
from _tables_synthetic import EPOCHS, MODELS, N_TRAIN

QUALITIES = {
    "c2st": "told apart",
    "c2st5": "the same, 5 folds",
    "tstr": "trained on them",
    "shapes": "columns",
    "pairs": "pairs",
    "dcr": "nearer to training",
    "seconds": "seconds",
}
# Part, table, model, figure; and what it may be.
MOST = {
    ("synthetic", "credit_data", "VAE", "c2st"): 0.68,
    ("synthetic", "nmes1988", "VAE", "c2st"): 0.58,
    ("synthetic", "german", "VAE", "c2st"): 0.65,
}
LEAST = {
    ("synthetic", "credit_data", "VAE", "tstr"): 0.79,
    ("synthetic", "credit_data", "VAE", "pairs"): 0.965,
    ("synthetic", "nmes1988", "VAE", "tstr"): 0.77,
    ("synthetic", "german", "VAE", "tstr"): 0.72,
    ("outliers", "credit_data", FINDER, "rows"): 0.70,
    ("outliers", "credit_data", FINDER, "cells"): 0.72,
    ("outliers", "credit_data", DEEP_FINDER, "rows"): 0.70,
    ("outliers", "credit_data", DEEP_FINDER, "cells"): 0.72,
}
RIVALS = "Gaussian copula", "TVAE"
SECONDS = 1 / 3  # of TVAE's
POINTS, ERROR = 0.01, 0.97  # of accuracy more than KNNImputer's, and of its error
SOFTMAXES, MIB, ENCODING = 2.0, 1024, 1.6


class Figures:
    """Records by part, table, model and seed."""

    def __init__(self, records):
        self.records = records

    def by_seed(self, part, name, model, field):
        start = f"{part} | {name} | {model} | "
        found = {k: r for k, r in self.records.items() if k.startswith(start) and field in r}
        return {key.removeprefix(start): record[field] for key, record in found.items()}

    def median(self, *key):
        """Over seeds; None if there are none."""
        return median(self.by_seed(*key).values())

    def compared(self, how, one, other):
        """The median over seeds that both have of what `how` makes of the two."""
        ours, theirs = self.by_seed(*one), self.by_seed(*other)
        return median([how(ours[seed], theirs[seed]) for seed in ours if seed in theirs])


def median(figures):
    return statistics.median(figures) if figures else None


def text(figure, form=".3f"):
    return "" if figure is None else f"{figure:{form}}"


def texts(figures):
    """Differences, if all have been measured."""
    return "" if None in figures else ", ".join(text(figure, "+.3f") for figure in figures)


def verdict(figures, holds):
    """Whether all figures hold, if all have been measured."""
    if None in figures:
        return "not measured"
    return "met" if all(map(holds, figures)) else "missed"


def difference(ours, theirs):
    return ours - theirs


def ratio(ours, theirs):
    return ours / theirs


def bars(figures):
    """What is judged, the bar, the figure and the verdict."""
    yield from absolute(figures)
    yield from against_rivals(figures)
    yield from against_knn(figures)
    yield from against_linear(figures)
    yield from costs(figures)


def absolute(figures):
    for key, most in MOST.items():
        found = figures.median(*key)
        yield named(key), f"at most {most}", text(found), verdict([found], lambda x, m=most: x <= m)
    for key, least in LEAST.items():
        found = figures.median(*key)
        holds = verdict([found], lambda x, m=least: x >= m)
        yield named(key), f"at least {least}", text(found), holds


def named(key):
    part, name, model, field = key
    return f"{part}, {name}, {model}: {QUALITIES.get(field, field)}"


def against_rivals(figures):
    for name in N_TRAIN:
        for rival in RIVALS:
            what = f"synthetic, {name}: VAE against {rival}"
            better = [less_told_apart(figures, name, rival), better_to_train(figures, name, rival)]
            holds = verdict(better, lambda x: x > 0)
            yield what, "better in both AUCs", texts(better), holds
    sides = (("race", "credit_data", "TVAE", side) for side in ("ours", "theirs"))
    share = figures.compared(ratio, *sides)
    holds = verdict([share], lambda x: x <= SECONDS)
    yield "race, credit_data: the VAE's seconds, of TVAE's", "at most 1/3", text(share), holds


def less_told_apart(figures, name, rival):
    """By how much the rival's rows are easier to tell from real ones."""
    sides = (("synthetic", name, model, "c2st") for model in (rival, "VAE"))
    return figures.compared(difference, *sides)


def better_to_train(figures, name, rival):
    """By how much the VAE's rows are better to train on."""
    sides = (("synthetic", name, model, "tstr") for model in ("VAE", rival))
    return figures.compared(difference, *sides)


def against_knn(figures):
    for name in ("german", "titanic", "credit_data"):
        sides = [("imputation", name, model, "accuracy") for model in (IMPUTER, KNN)]
        more = figures.compared(difference, *sides)
        what = f"imputation, {name}: {IMPUTER} against KNNImputer"
        holds = verdict([more], lambda x: x >= POINTS)
        yield f"{what}, accuracy", f"at least {POINTS:+}", text(more, "+.3f"), holds
        sides = [("imputation", name, model, "error") for model in (IMPUTER, KNN)]
        share = figures.compared(ratio, *sides)
        holds = verdict([share], lambda x: x <= ERROR)
        yield f"{what}, error", f"at most {ERROR}x", text(share), holds


def against_linear(figures):
    for name, ours in product(CODED, (CODES, DEEP_CODES)):
        more = [
            figures.compared(difference, *(("codes", name, c, "boosting") for c in (ours, peer)))
            for peer in PEERS
        ]
        what = f"codes, {name}: {ours} with boosting, against {'; '.join(PEERS)}"
        yield what, "above all", texts(more), verdict(more, lambda x: x > 0)


def costs(figures):
    for width in OUTPUTS:
        sides = (("output", width, "Mixed", side) for side in ("mixed", "softmax"))
        share = figures.compared(ratio, *sides)
        holds = verdict([share], lambda x: x <= SOFTMAXES)
        yield f"output, width {width}: in softmaxes", f"at most {SOFTMAXES}", text(share), holds
    for model in MEMORY:
        found = figures.median("memory", "100,000 x 10", model, "MiB")
        holds = verdict([found], lambda x: x < MIB)
        yield f"memory, {model}: MiB beyond the frame", f"under {MIB}", text(found, ".0f"), holds
    sides = (("fit", FIT, "Autoencoder(8)", side) for side in ("frame", "matrix"))
    share = figures.compared(ratio, *sides)
    holds = verdict([share], lambda x: x <= ENCODING)
    yield f"fit, {FIT}: on the frame, of on the matrix", f"at most {ENCODING}x", text(share), holds


def medians(figures, part, names, models, fields):
    """A row for each table and model that has been measured."""
    for name in names:
        for model in models:
            found = [figures.median(part, name, model, field) for field in fields]
            if any(figure is not None for figure in found):
                yield name, model, *map(text, found)


def paragraphs(records):
    figures = Figures(records)
    return [
        "# Tables",
        "Data frames of numbers and categories, without preparation: skae's estimators with only "
        "`random_state` set, and 8 components for codes. Medians of three seeds, each with its "
        "own split, missing values or swaps. Comparisons are made seed by seed.",
        table(["", "bar", "figure", ""], bars(figures)),
        *synthetic(figures),
        *given(figures),
        *imputation(figures),
        *codes(figures),
        *outliers(figures),
        *cost(figures),
        "Measured on: " + "; ".join(sorted({r["processor"] for r in records.values()})) + ".",
    ]


def synthetic(figures):
    numbers = ", ".join(f"{n} of {name}" for name, n in N_TRAIN.items())
    return [
        "## Synthetic rows",
        f"As many rows as were trained on ({numbers}). *Told apart*: AUC of boosted trees that "
        "tell them from as many held-out rows, 0.5 at best, trained on one half of both and "
        "tested on the other, both ways. It grows with the number of rows that the trees are "
        "trained on, as five folds show. *Trained on them*: AUC on held-out rows of boosted "
        "trees that predict the table's target. *Columns* and *pairs*: how close columns are to "
        "the training rows' columns (1 - Kolmogorov-Smirnov or total variation distance), and "
        "pairs to their pairs (correlations, contingency tables), 1 at best. *Nearer to "
        "training*: the share of rows that are nearer to a training row than to any of as many "
        "held-out ones; above 0.5 they remember. Seconds are those of the fit and the draw.",
        f"TVAE and CTGAN come from the package ctgan, with {EPOCHS} epochs; for a number's "
        "missing values they get its mean and an indicator column, and their numbers are rounded "
        "like the column's. The copula is Gaussian, with the columns of the training rows.",
        table(
            ["table", "rows by", *QUALITIES.values()],
            medians(figures, "synthetic", N_TRAIN, MODELS, QUALITIES),
        ),
    ]


def given(figures):
    what = ", ".join(f"{column} of {name}" for name, column in GIVEN.items())
    return [
        "## Samples with a given category",
        f"1000 samples for each category of a column ({what}) that at least 100 held-out rows "
        "have, against half of these rows. *Means*: the difference of a number's means, in its "
        "standard deviations. *Shares*: the total variation distance of a category's shares. Both "
        "are averaged over the other columns and over categories, and 0 at best; the other half "
        "of the real rows shows how far chance alone goes.",
        table(
            ["table", "rows by", "means", "shares"],
            medians(figures, "given", GIVEN, GIVEN_MODELS, ("means", "shares")),
        ),
    ]


def imputation(figures):
    return [
        "## Missing values",
        f"{MISSING:.0%} of the cells removed at random. Accuracy is the mean over columns of "
        "categories; error is the root mean squared error in the column's standard deviations, "
        "averaged over columns of numbers.",
        table(
            ["table", "filled by", "accuracy", "error"],
            medians(figures, "imputation", IMPUTED, METHODS, ("accuracy", "error")),
        ),
    ]


def codes(figures):
    return [
        "## Codes of width 8",
        "AUC of classifiers on codes of held-out rows; trained on 60% of the rows. The encoder "
        "does not get the target.",
        table(
            ["table", "codes by", *CLASSIFIERS],
            medians(figures, "codes", CODED, CODERS, CLASSIFIERS),
        ),
    ]


def outliers(figures):
    return [
        "## Cells of other rows",
        f"In {ROWS:.0%} of the rows, {CELLS} cells are replaced by those of other rows. AUC for "
        "finding the changed rows, by the sum of their cells' errors, and the changed cells "
        "among all.",
        table(
            ["table", "found by", "rows", "cells"],
            medians(figures, "outliers", ["credit_data"], FINDERS, ("rows", "cells")),
        ),
    ]


def cost(figures):
    return [
        "## Cost",
        "Value and pullback of a table's output against those of one softmax of the whole width, "
        "written out (which is judged) and by autograd: microseconds for 200 rows. Seconds of a "
        "fit on the data frame, and of the same network's fit on its matrix. All in the order A "
        "B A B.",
        table(
            ["width", "by", "table's output", "softmax", "softmax by autograd"],
            medians(figures, "output", OUTPUTS, ["Mixed"], ("mixed", "softmax", "autograd")),
        ),
        table(
            ["table", "by", "frame", "matrix"],
            medians(figures, "fit", [FIT], ["Autoencoder(8)"], ("frame", "matrix")),
        ),
    ]
