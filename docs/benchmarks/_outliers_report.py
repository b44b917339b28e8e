"""The report of outliers.py: what its records come to, beside the bars."""

import numpy as np
from _outliers_costs import CHANGES, FACTOR, RACES, UNITS
from _outliers_data import N_BOTH, N_TEST, N_TRAIN, PROTOCOLS, SETS
from _outliers_detectors import (
    ANCHORS,
    CONTAMINATION,
    DEEP,
    DETECTORS,
    ERROR,
    FOREST,
    KNN,
    OURS,
    PCA_ERROR,
    TRIMMED,
)
from _report import table

# Protocol, detector, figure; the least that is asked for.
LEAST = {
    ("normal", OURS, "auc"): 0.87,
    ("normal", OURS, "ap"): 0.69,
    ("contaminated", OURS, "auc"): 0.76,
    ("contaminated", OURS, "ap"): 0.36,
    ("contaminated", TRIMMED, "ap"): 0.41,
}
MOST_RANK = 3.5  # of normal rows
MOONSHOTS = {"normal": KNN, "contaminated": FOREST}
WINS, DEEP_WINS = 24 / 29, 2 / 3  # shares of the sets
SECONDS = 1 / 4  # of pyod's
FLAGGED, WORST_FLAGGED = 0.06, 0.20
TOLERANCE, SAME_RANKS = 1e-3, 0.9999
SHOWN = (OURS, ERROR, PCA_ERROR, KNN, FOREST, DEEP[0])  # set by set


class Figures:
    """Records by part, set, model and seed."""

    def __init__(self, records):
        self.records = records

    def by_seed(self, part, name, model, field):
        start = f"{part} | {name} | {model} | "
        found = {k: r for k, r in self.records.items() if k.startswith(start) and field in r}
        return {key.removeprefix(start): record[field] for key, record in found.items()}

    def by_set(self, part, model, field, names=SETS):
        """Means over seeds of the sets that have been measured."""
        found = {name: list(self.by_seed(part, name, model, field).values()) for name in names}
        return {name: float(np.mean(values)) for name, values in found.items() if values}

    def mean(self, part, model, field):
        """Over all sets; None if one has not been measured."""
        found = self.by_set(part, model, field)
        return float(np.mean(list(found.values()))) if len(found) == len(SETS) else None

    def differences(self, part, one, other, field="auc"):
        """By how much `one` is better, set by set: means over the seeds that both have."""
        pairs = {name: self.paired(part, name, (one, other), field) for name in SETS}
        return {name: float(np.mean(found)) for name, found in pairs.items() if found}

    def paired(self, part, name, models, field):
        ours, theirs = (self.by_seed(part, name, model, field) for model in models)
        return [ours[seed] - theirs[seed] for seed in ours if seed in theirs]

    def mean_rank(self, part, model, candidate):
        """Of the model's AUC among the anchors' and the candidate's; 1 is the best."""
        aucs = [self.by_set(part, one, "auc") for one in (*ANCHORS, candidate)]
        if any(len(found) < len(SETS) for found in aucs):
            return None
        own, table_of = self.by_set(part, model, "auc"), np.array([list(a.values()) for a in aucs])
        own = np.array(list(own.values()))
        return float((1 + (table_of > own).sum(0) + ((table_of == own).sum(0) - 1) / 2).mean())


def text(figure, form=".3f"):
    return "" if figure is None else f"{figure:{form}}"


def verdict(figure, holds):
    """Whether a bar is met, or None where it has not been measured."""
    return "not measured" if figure is None else "met" if holds(figure) else "missed"


def bars(figures):
    """What is judged, the bar, the figure and the verdict."""
    yield from means(figures)
    yield from moonshots(figures)
    yield from rivals(figures)
    yield from flags(figures)
    yield from costs(figures)
    yield from of_units(figures)


def means(figures):
    for (part, model, field), least in LEAST.items():
        found = figures.mean(part, model, field)
        holds = verdict(found, lambda x, m=least: x >= m)
        yield f"{part}, {model}: mean {field.upper()}", f"at least {least}", text(found), holds
    found = figures.mean_rank("normal", OURS, OURS)
    holds = verdict(found, lambda x: x <= MOST_RANK)
    yield f"normal, {OURS}: mean rank of nine", f"at most {MOST_RANK}", text(found, ".2f"), holds


def moonshots(figures):
    for part, rival in MOONSHOTS.items():
        found = np.array(list(figures.differences(part, OURS, rival).values()))
        what = f"{part}: {OURS} against {rival}"
        yield what, "better mean AUC", *compared(found, 0, by_mean=True)


def rivals(figures):
    for part in PROTOCOLS:
        for rival, share in {PCA_ERROR: WINS, **dict.fromkeys(DEEP, DEEP_WINS)}.items():
            found = figures.differences(part, OURS, rival)
            what = f"{part}: {OURS} against {rival}, {len(found)} sets"
            bar = f"wins on {share:.0%}" + (", better mean AUC" if rival in DEEP else "")
            yield what, bar, *compared(np.array(list(found.values())), share, rival in DEEP)


def compared(differences, share, by_mean):
    """Mean difference with its standard error, and wins, as text; whether they are enough."""
    if not len(differences):
        return "", "not measured"
    mean, n_wins = differences.mean(), int((differences > 0).sum())
    error = differences.std() / np.sqrt(len(differences))
    holds = n_wins >= share * len(differences) and (mean > 0 or not by_mean)
    return f"{mean:+.3f} ± {error:.3f}, {n_wins} wins", "met" if holds else "missed"


def flags(figures):
    shares = list(figures.by_set("normal", OURS, "flagged").values())
    for what, of, most in (("mean", np.mean, FLAGGED), ("worst set", max, WORST_FLAGGED)):
        found = float(of(shares)) if shares else None
        holds = verdict(found, lambda x, m=most: x <= m)
        yield f'"auto": normal test rows flagged, {what}', f"at most {most}", text(found), holds


def costs(figures):
    for name in RACES:
        ours, theirs = (figures.by_set("race", DEEP[0], s, [name]) for s in ("ours", "theirs"))
        found = ours[name] / theirs[name] if ours else None
        holds = verdict(found, lambda x: x <= SECONDS)
        yield f"race, {name}: seconds, of {DEEP[0]}'s", f"at most {SECONDS}", text(found), holds


def of_units(figures):
    for change in CHANGES:
        differences = figures.by_set("units", change, "difference", UNITS).values()
        ranks = figures.by_set("units", change, "ranks", UNITS).values()
        worst, least = max(differences, default=None), min(ranks, default=None)
        holds = verdict(worst, lambda x: x <= TOLERANCE)
        yield f"units, {change}: scores", f"within {TOLERANCE}", text(worst, ".1e"), holds
        holds = verdict(least, lambda x: x >= SAME_RANKS)
        yield f"units, {change}: ranks' correlation", f"at least {SAME_RANKS}", text(least), holds


def detectors(figures, part):
    """Each detector's means; ranks in the pool of nine, where it is one of them."""
    for model in DETECTORS:
        n_sets = len(figures.by_set(part, model, "auc"))
        if n_sets:
            found = [figures.mean(part, model, field) for field in ("auc", "ap")]
            candidate = OURS if model in ANCHORS else model
            rank = None if model in DEEP else figures.mean_rank(part, model, candidate)
            seconds = np.median(list(figures.by_set(part, model, "seconds").values()))
            yield model, n_sets, *map(text, found), text(rank, ".2f"), text(seconds, ".2f")


def by_set(figures):
    """AUC in both protocols."""
    for name in SETS:
        yield (
            name,
            *(
                text(figures.by_set(part, model, "auc", [name]).get(name))
                for part in PROTOCOLS
                for model in SHOWN
            ),
        )


def paragraphs(records):
    figures = Figures(records)
    return [
        "# Outliers",
        f"{len(SETS)} labelled data sets of ADBench, whose features are standardised by the "
        f"training rows. *Normal*: trained on half of the normal rows (at most {N_TRAIN}), and "
        f"judged on the other half and all outliers, thinned to about {N_TEST} rows. "
        "*Contaminated*: trained on rows with outliers among them, and judged on the same rows, "
        f"at most about {N_BOTH}. Means over data sets of means over three seeds, each with its "
        "own rows; PyOD's networks have one seed. Comparisons are made set by set, with the "
        "seeds that both have; ± is the standard error over sets. Detectors have defaults, "
        "except for what is named.",
        table(["", "bar", "figure", ""], bars(figures)),
        *protocols(figures),
        "## Set by set",
        "AUC.",
        table(
            ["set", *(f"{part}: {model}" for part in PROTOCOLS for model in SHOWN)], by_set(figures)
        ),
        "Measured on: " + "; ".join(sorted({r["processor"] for r in records.values()})) + ".",
    ]


def protocols(figures):
    yield "## Detectors"
    yield (
        f"Rank: mean rank by AUC among nine, of which eight are the same ({', '.join(ANCHORS)}); "
        f"their ranks are beside {OURS}. Seconds are processor time of the fit and the scores, "
        f"medians over data sets. Units: every other feature is multiplied by {FACTOR}, and the "
        f"scaler is part of the autoencoder. contamination={CONTAMINATION} is about the data "
        "sets' average."
    )
    for part in PROTOCOLS:
        yield f"### {part.capitalize()}"
        header = ["detector", "sets", "AUC", "AP", "rank", "seconds"]
        yield table(header, detectors(figures, part))
