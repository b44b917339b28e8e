"""The report of others.py: a table for each part, written from the records."""

from _others_better import BETTER
from _others_figures import BATCH, LINEAR, N_EPOCHS, N_ROUNDS, TABLES, WIDTHS
from _others_libraries import LIBRARIES
from _others_models import MODELS
from _others_questions import QUESTIONS
from _report import table

NOT_RUN = "not run"
NOTHING = "–"  # noqa: RUF001  where a question does not arise


class Answers:
    """Records by part, library and question."""

    def __init__(self, records):
        self.records = records

    def of(self, part, library, question):
        record = self.records.get(f"{part} | {library} | {question}", {})
        return record.get("answer", NOT_RUN)

    def libraries(self, part=None):
        """Those that have been asked, in all or for one part, in the order of the page."""
        keys = (key.split(" | ") for key in self.records)
        known = {library for asked, library, _ in keys if part in (None, asked)}
        return [name for name in LIBRARIES if name in known]

    def first(self, library):
        """One of its records, for what all of them say."""
        return next(r for key, r in self.records.items() if key.split(" | ")[1] == library)


def with_answers(rows):
    """The rows that have more than a name and dashes."""
    return [row for row in rows if set(row[1:]) != {NOTHING}]


def paragraphs(records):
    answers = Answers(records)
    return [
        *beginning(answers),
        *yes_and_no(answers),
        *models(answers),
        *speed(answers),
        *defaults(answers),
        *closed_forms(answers),
        *better_elsewhere(),
        *measured_on(records),
    ]


def beginning(answers):
    yield "# skae and other libraries"
    yield (
        "A program (`docs/benchmarks/others.py`) asked each library the same questions, each "
        "library in an environment of its own. A cell says what the version named here did. It "
        "does not judge a library that is made for something else; the "
        "[last section](#where-others-are-better) says where others are the better choice. A dash "
        "means that a question does not apply, or was not asked; a library with dashes alone is "
        "left out."
    )
    yield table(["", "made for", "asked about", "version", "licence"], libraries(answers))


def libraries(answers):
    for name in answers.libraries():
        record, library = answers.first(name), LIBRARIES[name]
        month = f" ({library.released})" if library.released else ""
        yield name, library.purpose, library.about, record["version"] + month, record["licence"]


PARTS = {
    "ways": (
        "## With scikit-learn",
        "The kind of estimator decides which checks of scikit-learn's `check_estimator` run. skae "
        "fails two: they demand that a row of weight 2 have the effect of two equal rows, which "
        'training in batches cannot give. With `solver="lbfgs"` skae passes these as well. '
        "*In a Pipeline* means as the step before a classifier, and GridSearchCV uses the "
        "estimator's own score. H2O's wrapper for scikit-learn was not asked.",
    ),
    "rows": (
        "## Data",
        "`sample_weight` counts if other weights give another fit. For missing values, skae's "
        "estimator is `DenoisingAutoencoder`. The last two columns show what happens if an array "
        "contains NaN, and if a fitted model gets a column too few. An error is clear if it is a "
        "ValueError or ArithmeticError that names NaN or the features. pythae, H2O and ctgan were "
        "asked about these two alone: H2O fills in missing values and columns, and H2O and ctgan "
        "take categories.",
    ),
    "state": (
        "## Seeds and state",
        "*Same seed, same bits*: two fits with one seed give equal results, although other code "
        "draws random numbers between them. *Global generators* are those of `random`, NumPy and "
        "torch, compared before and after a fit. *Usable after Ctrl-C*: a fit is interrupted after "
        "a few seconds, and then the model is used. *pickle*: a copy gives the same numbers. "
        "skl2onnx was not installed beside encdr.",
    ),
}
# Parts of error messages that say no more than the cell's "no".
EXPECTED = (
    "AttributeError",  # there is no such method
    "All intermediate steps should be transformers",
    "If no scoring is specified",
    "could not convert string to float",
    "contains NaN",
    "Sparse data was passed",
    "unexpected keyword argument",
    "MissingShapeCalculator",  # skl2onnx does not know the class
)


def yes_and_no(answers):
    """For each part a table of short answers, and below it the errors that say more."""
    for part, (title, words) in PARTS.items():
        questions = QUESTIONS[part]
        yield title
        yield words
        yield table(["", *questions], with_answers(short_rows(answers, part, questions)))
        reasons = list(what_was_said(answers, part, questions))
        if reasons:
            yield "\n".join(reasons)


def short_rows(answers, part, questions):
    for name in answers.libraries(part):
        yield name, *(short(answers.of(part, name, question)) for question in questions)


def short(answer):
    """ "yes", "no" or a count, without the reason."""
    if answer.startswith("("):
        return NOTHING
    return answer.partition(":")[0]


def what_was_said(answers, part, questions):
    """A line for each reason of a "no", with all libraries that gave it."""
    by_reason = {}
    for name in answers.libraries(part):
        for question in questions:
            reason = answers.of(part, name, question).partition(": ")[2]
            if reason and not any(words in reason for words in EXPECTED):
                by_reason.setdefault((question, reason), []).append(name)
    for (question, reason), names in by_reason.items():
        yield f"- {question} ({', '.join(names)}): {as_code(reason)}"


def as_code(text):
    return f"`{text}`" if "`" not in text else text


def models(answers):
    yield "## Models"
    yield (
        "Classes that the versions above have. A class can be in several rows, if a parameter or "
        "a method makes it so."
    )
    yield table(["model", "classes"], model_rows(answers))


def model_rows(answers):
    for model in MODELS:
        found = {name: answers.of("models", name, model) for name in answers.libraries()}
        there = [
            f"{LIBRARIES[name].distribution}: `{classes.replace(', ', '`, `')}`"
            for name, classes in found.items()
            if not classes.startswith(("(", "no:", NOT_RUN))
        ]
        if there:
            yield model, "; ".join(there)


def speed(answers):
    yield "## Speed and length"
    yield (
        f"A fit of 64-32-8-32-64 to the digits, with {N_EPOCHS} epochs in batches of {BATCH} and "
        f"one thread: medians of {N_ROUNDS} rounds, in which skae and the other library take turns "
        "in one process. Other programs were running on the machine, so the ratios of processor "
        "time say more than the seconds. H2O's seconds include sending the rows to its server. "
        "*Lines* is the length of a program, imports included, that trains this network and "
        "returns codes and reconstructions (`docs/benchmarks/_others_snippets.py`)."
    )
    header = ["", "seconds", "time / skae's", "processor time / skae's", "lines"]
    yield table(header, with_answers(speed_rows(answers)))


def speed_rows(answers):
    for name in answers.libraries("speed"):
        found = answers.of("speed", name, "64-32-8-32-64")
        fields = {"seconds": ".2f", "times": ".1f", "CPU times": ".1f"}
        figures = [figure(found, *field) for field in fields.items()]
        yield name, *figures, figure(answers.of("lines", name, "program"), "lines", "d")


def figure(answer, field, form):
    """A number of an answer, or what there is in its place."""
    if isinstance(answer, dict):
        return NOTHING if answer[field] is None else f"{answer[field]:{form}}"
    if answer.startswith("("):
        return NOTHING
    return "error" if answer.startswith("no:") else answer


def defaults(answers):
    widths = ", ".join(f"{name} {width}" for name, width in WIDTHS.items())
    yield "## Defaults"
    yield (
        "The fraction of the variance of held-out rows that reconstructions explain, if only the "
        f"width of the code is set ({widths}). A quarter of the rows is held out, the same for "
        "all. Column means would explain 0; negative numbers are worse than that. *Raw* are the "
        "columns as they are; *scaled* are standardised. pythae's decoder ends in [0, 1], so it "
        "gets scaled columns in that range, and its reconstructions are transformed back. "
        "MLPRegressor's only hidden layer is the code; pyod's code follows a layer of 64 units, "
        "the first of its default."
    )
    for how in ("raw", "scaled"):
        yield f"### {how.capitalize()}"
        yield table(["", *TABLES], with_answers(default_rows(answers, how)))


def default_rows(answers, how):
    for name in answers.libraries("defaults"):
        found = [answers.of("defaults", name, f"{data}, {how}") for data in TABLES]
        yield name, *(figure(one, "kept", ".3f") for one in found)


def closed_forms(answers):
    yield "## Closed forms"
    yield (
        "*PCA*: no linear autoencoder explains more variance than PCA with as many components. The "
        "figure is the variance that one explains, divided by PCA's, for standardised wine and "
        f"{LINEAR.width} components, after {LINEAR.max_iter} epochs in batches of "
        f"{LINEAR.batch_size}; 1 is the best possible. skae starts there, since its first weights "
        "are the principal components. *Probabilistic PCA*: no linear VAE is more likely than it, "
        "given the variance of the noise. The figure is how many nats per row the likelihood of "
        "one, or a bound of it, stays below this maximum after 200 epochs, on 3000 rows of 10 "
        "features with noise of variance 1. pythae's learning rate is 0.001."
    )
    rows = []
    for name in answers.libraries("closed forms"):
        ratio = figure(answers.of("closed forms", name, "PCA"), "ratio", ".5f")
        nats = figure(answers.of("closed forms", name, "probabilistic PCA"), "nats below", ".3f")
        rows.append((name, ratio, nats))
    yield table(["", "PCA, ratio", "probabilistic PCA, nats below"], with_answers(rows))


def better_elsewhere():
    yield "## Where others are better"
    yield (
        "What is not measured above is from the source or documentation of these versions. "
        "scvi-tools was not installed."
    )
    yield "\n".join(f"- **{library}**: {words}" for library, words in BETTER.items())


def measured_on(records):
    yield "Measured on: " + "; ".join(sorted({r["processor"] for r in records.values()})) + "."
