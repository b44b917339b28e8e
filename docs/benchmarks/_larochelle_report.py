"""The report of larochelle.py: the table, the lecture's beside it, and what was to be shown."""

import numpy as np
from _larochelle_calibration import CALIBRATION, GAMMA, C
from _larochelle_filters import FILTERS
from _larochelle_machines import MACHINES
from _larochelle_methods import (
    DBN,
    LEVELS,
    PIXELS,
    RANDOM,
    SVM_LEVELS,
    SVM_ROWS,
    best,
    denoising_name,
    probe_name,
    svm_name,
)
from _larochelle_problems import N_TEST, PROBLEMS
from _report import table, write_page

PLAIN, SVM = denoising_name(0.0), svm_name(0.0)
SDA, SVM_NU = "SdA-3", "SVM(nu)"  # at the level that validation chooses
METHODS = {SVM: "RBF SVM", DBN: "DBN-3", PLAIN: "SAA-3", SDA: SDA, SVM_NU: SVM_NU}
PAPER = {  # Vincent et al. (2008), in the order of METHODS
    "basic": ("3.03", "3.11", "3.46", "2.80 (10%)", "3.07 (10%)"),
    "rot": ("11.11", "10.30", "10.30", "10.29 (10%)", "11.62 (10%)"),
    "bg-rand": ("14.58", "6.73", "11.28", "10.38 (40%)", "15.63 (25%)"),
    "bg-img": ("22.61", "16.31", "23.00", "16.68 (25%)", "23.15 (25%)"),
    "rot-bg-img": ("55.18", "47.39", "51.93", "44.49 (25%)", "54.16 (10%)"),
    "rect": ("2.15", "2.60", "2.41", "1.99 (10%)", "2.45 (25%)"),
    "rect-img": ("24.04", "22.50", "24.05", "21.59 (25%)", "23.00 (10%)"),
    "convex": ("19.13", "18.63", "18.41", "19.06 (10%)", "24.20 (10%)"),
}


# What was measured


def by_problem(known):
    """Problem, draw, method: record; with what validation chooses, of draws that are complete."""
    found = {}
    for key, record in known.items():
        name, draw, method = key.split(" | ")
        found.setdefault(name, {}).setdefault(int(draw), {})[method] = record
    complete = {
        name: {draw: its for draw, its in draws.items() if set(METHODS) <= set(its)}
        for name, draws in ((name, with_chosen(draws)) for name, draws in found.items())
    }
    return {name: complete[name] for name in PROBLEMS if complete.get(name)}


def with_chosen(draws):
    chosen = {
        SDA: list(map(denoising_name, LEVELS[1:])),
        SVM_NU: list(map(svm_name, SVM_LEVELS[1:])),
    }
    return {
        draw: {
            **measured,
            **{
                name: best([{**measured[level], "level": level.split()[-1]} for level in levels])
                for name, levels in chosen.items()
                if set(levels) <= set(measured)
            },
        }
        for draw, measured in sorted(draws.items())
    }


def errors(draws, method):
    """One for each draw."""
    return np.array([measured[method]["test"] for measured in draws.values() if method in measured])


def is_there(results, name, *methods):
    """Whether all draws of the problem have been measured by these methods."""
    draws = results.get(name, {})
    return bool(draws) and all(set(methods) <= set(measured) for measured in draws.values())


# Tables


def cell(draws, method):
    found = errors(draws, method)
    if not len(found):
        return "-"
    return f"{found.mean():.2f} ({found.min():.2f} to {found.max():.2f}){levels(draws, method)}"


def levels(draws, method):
    """Which were chosen, by draw."""
    found = [measured[method].get("level") for measured in draws.values() if method in measured]
    return "; " + ", ".join(found) if all(found) else ""


def counted(draws):
    return "1 draw" if len(draws) == 1 else f"{len(draws)} draws"


def methods_table(results):
    """A line for each problem, and below it the paper's."""
    lines = []
    for name, draws in results.items():
        lines.append([f"{name}, {counted(draws)}", *(cell(draws, method) for method in METHODS)])
        lines.append(["paper", *PAPER[name]])
    return table(["", *METHODS.values()], lines)


def levels_table(results):
    methods = [RANDOM, *map(denoising_name, LEVELS), *map(svm_name, SVM_LEVELS)]
    lines = ([method, *(cell(draws, method) for draws in results.values())] for method in methods)
    return table(["", *results], lines)


def probes_table(draws):
    """A linear SVM on the first layer's codes."""
    codes = (PIXELS, RANDOM, *map(denoising_name, LEVELS), DBN)
    lines = ([name, *map("{:.2f}".format, errors(draws, probe_name(name)))] for name in codes)
    return table(["codes", *(f"draw {draw}" for draw in draws)], lines)


def records(draws, piece):
    """Of each draw that has it."""
    return [measured[piece] for measured in draws.values() if piece in measured]


def filters_table(draws):
    found = records(draws, FILTERS)
    lines = ([f"{float(level):.0%}", *(f"{one[level]:.3f}" for one in found)] for level in found[0])
    return table(["destroyed", *(f"draw {number}" for number in range(len(found)))], lines)


def machines_table(draws):
    found = records(draws, MACHINES)
    lines = (
        [
            name,
            ", ".join(f"{one[name][0]:.2f}" for one in found),
            f"{np.mean([one[name][1] for one in found]):.0f}",
        ]
        for name in found[0]
    )
    return table(["", "errors, draw by draw", "seconds"], lines)


def calibration_table(draws):
    found = records(draws, CALIBRATION)
    lines = ([name, ", ".join(f"{one[name]:.2f}" for one in found)] for name in found[0])
    return table(["", "errors in %, by draw"], lines)


# Bars


def below(results, name, method, other, by=0.0):
    """A line that says by what part of its errors a method is below another one."""
    if not is_there(results, name, method, other):
        return
    less, more = (errors(results[name], which) for which in (method, other))
    part = 1 - less.mean() / more.mean()
    met = part >= by and (less < more).all()
    yield (
        f"{name}: {METHODS.get(method, method)} below {METHODS.get(other, other)}",
        f"{part:.0%}; below in {np.sum(less < more)} of {len(less)} draws",
        f"{by:.0%} in the mean, each draw below" if by else "each draw",
        "met" if met else "missed",
    )


def at_most(results, name, method, bar):
    if is_there(results, name, method):
        mean = errors(results[name], method).mean()
        met = "met" if mean <= bar else "missed"
        yield f"{name}: {METHODS.get(method, method)}, mean", f"{mean:.2f}", f"at most {bar}", met


def bars(results):
    for name in ("bg-img", "rot-bg-img"):
        yield from below(results, name, SDA, PLAIN, by=0.1)
    yield from below(results, "rect-img", SDA, PLAIN, by=0.04)
    yield from below(results, "rect-img", SDA, SVM, by=0.04)
    for name in ("bg-img", "rot-bg-img"):
        yield from below(results, name, SDA, SVM)
    yield from below(results, "bg-rand", DBN, SDA)
    yield from below_svm_nu(results)
    yield from below(results, "rect", denoising_name(0.25), PLAIN, by=0.05)
    yield from below(results, "rect", PLAIN, RANDOM)
    yield from at_most(results, "rect", probe_name(denoising_name(0.25)), 12)
    yield from below(results, "rot", SDA, PLAIN)
    yield from at_most(results, "rot", SDA, 10.3)
    yield from at_most(results, "basic", SDA, 3.0)
    yield from below(results, "bg-rand", denoising_name(0.4), PLAIN, by=0.05)


def below_svm_nu(results):
    names = [name for name in results if is_there(results, name, SDA, SVM_NU)]
    n_below = sum(
        errors(results[name], SDA).mean() < errors(results[name], SVM_NU).mean() for name in names
    )
    met = "met" if n_below >= 7 else "missed"
    yield f"{SDA} below {SVM_NU}, mean", f"{n_below} of {len(names)} problems", "7 of 8", met


# The page


def recipe():
    header = ["", "images", "validation", "batch", "epochs of a layer", "of the rest"]
    lines = (
        [
            *(name, one.n_training, one.n_validation, one.batch_size),
            f"{one.pretraining}, up to {one.pretraining_rate:g}",
            f"{one.training} + {one.training}, from {' or '.join(f'{r:g}' for r in one.rates)}",
        ]
        for name, one in PROBLEMS.items()
    )
    return table(header, lines)


def write_report(script, known, processors):
    results = by_problem(known)
    paragraphs = [
        "# Larochelle's problems, and five methods",
        f"Test errors in % on {N_TEST} images: mean and range over draws of all images, with the "
        "level of destruction that validation chose in each draw. Below each line are the errors "
        "of Vincent et al. (2008). Shapes, digits out of all 70000 of MNIST, and patches of 20 "
        "pictures come from skae.datasets. The paper's data sets are different, made in the same "
        "way, and its widths, epochs and step sizes were chosen from larger grids: compare "
        "orders and ratios.",
        methods_table(results),
        table(["", "measured", "bar", ""], bars(results)),
        "Level by level, and for rect networks that are not pretrained ('random'):",
        levels_table(results),
    ]
    if is_there(results, "rect", probe_name(PIXELS)):
        paragraphs += [
            "A linear SVM on the first layer's codes of rect:",
            probes_table(results["rect"]),
        ]
    if records(results.get("bg-rand", {}), MACHINES):
        paragraphs += [
            "A linear SVM on the codes of one Boltzmann machine, bg-rand; seconds of a processor "
            "that its training takes:",
            machines_table(results["bg-rand"]),
        ]
    if records(results.get("bg-img", {}), FILTERS):
        paragraphs += [
            "## Filters",
            "How local the first layer's filters are, on bg-img: the share of a filter's squared "
            "weights that lies in its strongest 9 x 9 pixels (0.10 for evenly spread weights).",
            filters_table(results["bg-img"]),
            "![Filters at 0, 10, 25 and 50% destroyed: the more, the more local they "
            "are](larochelle_filters.png)",
        ]
    if records(results.get("basic", {}), CALIBRATION):
        paragraphs += [
            "## Pictures",
            f"How hard images with pictures are for one RBF SVM (C={C}, gamma={GAMMA}). Patches "
            "vary by at least min_std=0.1, unless a line says otherwise. Pictures as they are have "
            "their full size and their own range of grey values. The paper's SVM errs on 22.61% of "
            "the digits (bg-img) and on 24.04% of the rectangles (rect-img).",
            calibration_table(results["basic"]),
        ]
    paragraphs += [
        "## Recipe",
        "Three layers of 500 logistic units, tied weights, cross-entropy, Adam, one-cycle. "
        "Destroyed cells are 0, as in the papers. SAA-3 is the same without destruction; the "
        "layers of DBN-3 are RestrictedBoltzmannMachine. Then the output layer is trained alone, "
        "and everything together, each at a rate that falls as a cosine. The start of the rate, "
        f"if there are two, levels, C and gamma of the SVMs (these with at most {SVM_ROWS} "
        "training images) have the lowest validation error. SVM(nu) is trained on images whose "
        "cells are destroyed once. Step sizes and epochs of the pretraining are the same for all "
        "networks of a problem; validation images of first draws chose them among few (0.005 or "
        "0.02, 30 or 60).",
        recipe(),
        processors,
    ]
    write_page(script, *paragraphs)
