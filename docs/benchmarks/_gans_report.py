"""The report of gans.py: what its records come to, beside the bars."""

import math
import statistics

from _gans_data import N_MIXED
from _gans_labelled import EPOCHS as EPOCHS_OF_IMAGES
from _gans_labelled import N_COVERED, N_DRAWN, N_FOLDS, N_TREES, OURS, RIVALS, SETS, TRAINING
from _gans_step import BATCH_SIZE, N_ROUNDS, WORKS
from _gans_unlabelled import EPOCHS, EPOCHS_OF_CATEGORIES, FOUND, HIDDEN, MIXED_BATCH, STDS
from _report import table

# Part and task: what its figures must be at least; those of AT_MOST at most.
BARS = {
    ("ring", "1 minute"): {"modes": 8, "within": 0.95},
    ("grid", "1 minute"): {"modes": 25, "within": 0.6},
    ("grid", "3 minutes"): {"modes": 25, "within": 0.8},
    ("digits", "digits"): {"labels": 0.985, "cas": 0.95, "coverage": 0.75},
    ("mnist_dense", "512, 512"): {"labels": 0.92, "cas": 0.90, "coverage": 0.80},
    ("mnist_conv", "ConvNet"): {"labels": 0.97, "cas": 0.88, "coverage": 0.80},
    ("cancer", "cancer"): {"c2st": 0.75, "coverage": 0.95, "tstr": 0.94},
    ("features", "digits"): {"points": 0.8},
    ("ratio", "pair"): {"error": 0.03},
    ("infogan_digits", "digits"): {"gain": 0.05},
    ("infogan_mnist", "MNIST"): {"purity": 0.85},
    **{("step", work): {"ratio": 1.4} for work in WORKS},
}
AT_MOST = {"c2st", "error"}
BUDGETS = {  # seconds of a processor for a fit
    ("ring", "1 minute"): 60,
    ("grid", "1 minute"): 60,
    ("grid", "3 minutes"): 180,
    ("digits", "digits"): 60,
    ("mnist_dense", "512, 512"): 240,
    ("mnist_conv", "ConvNet"): 420,
    ("cancer", "cancer"): 10,
    ("infogan_digits", "digits"): 180,
    ("infogan_mnist", "MNIST"): 900,
}
NAMES = {
    "modes": "modes found",
    "within": f"samples within {STDS} standard deviations",
    "labels": "labels are right",
    "cas": "trained on samples",
    "coverage": "coverage",
    "c2st": "told apart",
    "tstr": "trained on samples",
    "points": "points above pixels",
    "error": "mean error of p / (p + q)",
    "gain": "purity above KMeans'",
    "purity": "purity",
    "k_means": "KMeans' purity",
    "ratio": "torch's milliseconds, of ours",
    "pixels": "pixels",
    "features": "features",
    "ours": "ours",
    "plain": "torch",
    "seconds": "seconds",
}
DECIMALS = {"modes": 0, "points": 1, "ratio": 2, "ours": 2, "plain": 2, "seconds": 1}
# Figures of each part's table.
LABELLED = ("labels", "cas", "coverage", "seconds")
OF_SETS = {"digits": LABELLED, "cancer": ("c2st", "coverage", "tstr", "seconds")}
OF_MNIST = {
    ("mnist_dense", "512, 512"): f"{OURS}, dense 512, 512",
    ("mnist_conv", "ConvNet"): f"{OURS}, ConvNet 16, 32",
    ("mnist_rows", TRAINING): TRAINING,
}
OF_CATEGORIES = {("infogan_digits", "digits"): "digits", ("infogan_mnist", "MNIST"): "MNIST"}
DERIVATIVES = "`test_adversarial.py::test_both_gradients_of_the_game_are_autograds`"


class Figures:
    """Records by part, task and seed."""

    def __init__(self, records):
        self.records = records

    def by_seed(self, part, task, field):
        start = f"{part} | {task} | "
        found = {k: r for k, r in self.records.items() if k.startswith(start) and field in r}
        return [found[key][field] for key in sorted(found)]

    def median(self, part, task, field):
        """Over seeds; None if there are none."""
        found = self.by_seed(part, task, field)
        return statistics.median(found) if found else None

    def texts(self, part, task, fields):
        return [text(self.median(part, task, field), field) for field in fields]


def text(figure, field):
    return "" if figure is None else f"{figure:.{DECIMALS.get(field, 3)}f}"


def bars(figures):
    """What is judged, the bar, the median, the seeds, seconds and their budget, the verdict."""
    for (part, task), bounds in BARS.items():
        budget, seconds = BUDGETS.get((part, task)), figures.median(part, task, "seconds")
        for field, bound in bounds.items():
            found = figures.by_seed(part, task, field)
            yield (
                f"{part}, {task}: {NAMES[field]}",
                f"at {'most' if field in AT_MOST else 'least'} {bound}",
                text(figures.median(part, task, field), field),
                ", ".join(text(figure, field) for figure in found),
                text(seconds, "seconds"),
                budget or "",
                verdict(figures.median(part, task, field), field, bound, seconds, budget),
            )


def verdict(figure, field, bound, seconds, budget):
    """Whether a bar is met within its budget."""
    if figure is None:
        return "not measured"
    holds = figure <= bound if field in AT_MOST else figure >= bound
    if holds and budget and seconds > budget:
        return "too slow"
    return "met" if holds else "missed"


def of_set(figures, name):
    """The GAN and its rivals on a set."""
    yield OURS, *figures.texts(name, name, OF_SETS[name])
    for rival in RIVALS:
        yield rival, *figures.texts("compare", f"{name}: {rival}", OF_SETS[name])


def rows(figures, named, fields):
    for (part, task), name in named.items():
        yield name, *figures.texts(part, task, fields)


def header(*fields):
    return ["", *(NAMES[field] for field in fields)]


def paragraphs(records):
    figures = Figures(records)
    return [
        "# Generative adversarial networks",
        "Medians over seeds that were fixed before; a seed draws the data or their halves, too. "
        "Seconds are processor time of a fit on one thread; a bar applies to fits within the "
        "budget.",
        table(["", "bar", "median", "by seed", "seconds", "budget", ""], bars(figures)),
        f"{DERIVATIVES} checks that all derivatives, the penalty's included, equal autograd's.",
        *mixtures(),
        *sets(figures),
        *of_mnist(figures),
        *of_discriminator(figures),
        *of_categories(figures),
        *of_steps(figures),
        "Measured on: " + "; ".join(sorted({r["processor"] for r in records.values()})) + ".",
    ]


def mixtures():
    yield "## Mixtures"
    yield (
        f"{N_MIXED} training rows; `GAN(2, batch_size={MIXED_BATCH})`, and epochs for a minute: "
        f"{EPOCHS['1 minute']}, for three: {EPOCHS['3 minutes']}. A mode counts if {FOUND:.0%} of "
        f"its share of the samples lie within {STDS} of its standard deviations; of perfect "
        f"samples, {1 - math.exp(-(STDS**2) / 2):.3f} lie that near to a mode."
    )


def sets(figures):
    yield "## Small sets"
    yield (
        "Trained with defaults on half of the rows, judged by as many samples as the other half "
        "has. *Labels are right*: the accuracy on the samples of an SVC trained on the training "
        "rows. *Trained on samples*: the accuracy on the other half of an SVC (cancer: a forest) "
        f"trained on samples. *Told apart*: AUC of a forest of {N_TREES} trees, cross-validated "
        f"in {N_FOLDS} folds, between samples and the other half; 0.5 is perfect. Bandwidths of "
        "KernelDensity are chosen by cross-validation."
    )
    for name in SETS:
        yield f"### {name.capitalize()}"
        yield table(header(*OF_SETS[name]), of_set(figures, name))


def of_mnist(figures):
    yield "## MNIST"
    yield (
        f"{EPOCHS_OF_IMAGES['512, 512']} epochs of dense layers, {EPOCHS_OF_IMAGES['ConvNet']} of "
        f"convolutions; {N_DRAWN} samples. A judge, MLPClassifier with 256 units, was trained on "
        "the training rows (*labels are right*) or on the samples (*trained on samples*, on all "
        f"test rows); coverage is that of {N_COVERED} test rows by as many samples. Training rows "
        "in place of samples show what is possible; their labels are those of test rows."
    )
    yield table(header(*LABELLED), rows(figures, OF_MNIST, LABELLED))


def of_discriminator(figures):
    yield "## The discriminator"
    yield (
        "Accuracy of LogisticRegression on half of the digits, trained on the other half's "
        "pixels, or on features of a GAN with defaults that has seen that half without labels."
    )
    fields = ("pixels", "features", "points", "seconds")
    yield table(header(*fields), rows(figures, {("features", "digits"): "digits"}, fields))
    yield (
        "Two known densities in one dimension: rows come from two normal distributions, and a "
        "wide one stands for the generator. The error is that of `discriminate` against p / (p + "
        "q), over equal numbers of rows of both."
    )
    named = {("ratio", "pair"): "gradient_penalty=0"}
    yield table(header("error", "seconds"), rows(figures, named, ("error", "seconds")))


def of_categories(figures):
    yield "## Categories"
    yield (
        "Purity: the share of rows that have the most frequent label of their category, on all "
        "digits, and on MNIST's test rows. KMeans has ten clusters, and the best of ten starts. "
        f"InfoGAN has its defaults on digits, and layers of {HIDDEN} and {EPOCHS_OF_CATEGORIES} "
        "epochs on MNIST; its seconds include the search for neighbours."
    )
    fields = ("purity", "k_means", "gain", "coverage", "seconds")
    yield table(header(*fields), rows(figures, OF_CATEGORIES, fields))


def of_steps(figures):
    yield "## A step"
    yield (
        "Milliseconds of processor time for a step of the discriminator and one of the "
        f"generator, batches of {BATCH_SIZE}; PyTorch takes them in turn, with the same loss and "
        f"a penalty by autograd, a fused Adam and averaged weights. The two alternate {N_ROUNDS} "
        "times."
    )
    fields, named = ("ours", "plain", "ratio"), {("step", work): work for work in WORKS}
    yield table(header(*fields), rows(figures, named, fields))
