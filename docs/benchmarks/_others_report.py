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
        "What each library answers to the same questions, asked by a program "
        "(`docs/benchmarks/others.py`) in an environment of its own. A cell says what that version "
        "did: it is no judgement of a library that is made for something else, and the last "
        "section says where others are the better choice. A dash stands where there is nothing to "
        "ask, or where it was not asked."
    )
    yield table(["", "version", "of", "licence", "asked about"], libraries(answers))


def libraries(answers):
    for name in answers.libraries():
        record = answers.first(name)
        library = LIBRARIES[name]
        yield name, record["version"], library.released, record["licence"], library.about


PARTS = {
    "ways": (
        "## In scikit-learn's ways",
        "The first column has the checks of `sklearn.utils.estimator_checks.check_estimator` that "
        "fail, of those that are run, counted by name: which ones are run depends on what an "
        "estimator says that it is. "
        "Those about weights ask that a weight of 2 be the same as a row that is there twice, "
        'which training in batches does not give; with `solver="lbfgs"` skae passes them, too.',
    ),
    "rows": (
        "## Rows",
        "Weights count if other weights give another fit. skae's `DenoisingAutoencoder` is asked "
        "about rows with gaps. An error is clear if it is a ValueError or an ArithmeticError "
        "that names NaN, or the features.",
    ),
    "state": (
        "## Seeds and state",
        "Two fits with one seed, between which others draw random numbers; the global generators "
        "of `random`, NumPy and torch before and after a fit; a fit that is interrupted after a "
        "few seconds, and then used; a copy by `pickle` that gives the same numbers.",
    ),
}


def yes_and_no(answers):
    """For each part a table of short answers, and below it what the errors were."""
    for part, (title, words) in PARTS.items():
        questions = QUESTIONS[part]
        yield title
        yield words
        yield table(["", *questions], short_rows(answers, part, questions))
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
    for name in answers.libraries(part):
        found = {q: answers.of(part, name, q).partition(": ")[2] for q in questions}
        by_reason = {}
        for question, reason in found.items():
            if reason and not reason.startswith("AttributeError"):  # it has no such method
                by_reason.setdefault(reason, []).append(question)
        for reason, asked in by_reason.items():
            yield f"- {name}, {'; '.join(asked)}: {as_code(reason)}"


def as_code(text):
    return f"`{text}`" if "`" not in text else text


def models(answers):
    yield "## Models"
    yield "Classes that are there in the versions above."
    yield table(["model", "classes"], model_rows(answers))


def model_rows(answers):
    for model in MODELS:
        found = {name: answers.of("models", name, model) for name in answers.libraries()}
        there = [
            f"{LIBRARIES[name].distribution}: `{cls}`"
            for name, cls in found.items()
            if not cls.startswith(("(", "no:", NOT_RUN))
        ]
        if there:
            yield model, "; ".join(there)


def speed(answers):
    yield "## Speed and length"
    yield (
        f"A fit of the digits by 64-32-8-32-64, {N_EPOCHS} epochs of batches of {BATCH}, by one "
        f"thread: medians of {N_ROUNDS} rounds in which skae and the other library take turns in "
        "one process. Other programs were running on the machine, so that the processor's time, as "
        "a multiple of skae's, says more than seconds. Lines are those of a program that "
        "trains this network and returns codes and reconstructions, imports included "
        "(`docs/benchmarks/_others_snippets.py`)."
    )
    header = ["", "seconds", "times skae's, by the clock", "times skae's, processor", "lines"]
    yield table(header, speed_rows(answers))


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
    return NOTHING if answer.startswith("(") else answer.partition(":")[2].strip() or answer


def defaults(answers):
    widths = ", ".join(f"{name} {width}" for name, width in WIDTHS.items())
    yield "## Defaults"
    yield (
        "The share of the variance of held-out rows that reconstructions explain, with nothing set "
        f"but the width of the code ({widths}); a quarter of the rows is held out, the same for "
        "all. 0 is what the column means explain, and negative is worse. "
        "*Raw* are the columns as they are. *Scaled* are standardised ones; "
        "pythae gets them in [0, 1], where its decoder's last layer has its values, and its "
        "reconstructions are brought back. "
        "MLPRegressor has the code as its one hidden layer; pyod has the 64 units of its default "
        "before it, and divides by standard deviations, which are 0 for some pixels of the digits."
    )
    for how in ("raw", "scaled"):
        yield f"### {how.capitalize()}"
        yield table(["", *TABLES], default_rows(answers, how))


def default_rows(answers, how):
    for name in answers.libraries("defaults"):
        found = [answers.of("defaults", name, f"{data}, {how}") for data in TABLES]
        yield name, *(figure(one, "kept", ".3f") for one in found)


def closed_forms(answers):
    yield "## Closed forms"
    yield (
        "*PCA*: the variance of wine, standardised, that a linear autoencoder of "
        f"{LINEAR.width} components explains after {LINEAR.max_iter} epochs of batches of "
        f"{LINEAR.batch_size}, over that of PCA: 1 is the most that there is, and "
        "where skae starts. *Probabilistic PCA*: "
        "by how many nats a row the likelihood of a linear VAE, after 200 epochs (of pythae with "
        "steps of 0.001), or its bound, "
        "stays below the greatest, on 3000 rows of 10 features whose noise has variance 1."
    )
    rows = []
    for name in answers.libraries("closed forms"):
        ratio = figure(answers.of("closed forms", name, "PCA"), "ratio", ".5f")
        nats = figure(answers.of("closed forms", name, "probabilistic PCA"), "nats below", ".3f")
        rows.append((name, ratio, nats))
    yield table(["", "PCA: ratio", "probabilistic PCA: nats below"], rows)


def better_elsewhere():
    yield "## Where others are better"
    yield "Read in documentation or source of these versions, where it is not measured above."
    yield "\n".join(f"- **{library}**: {words}" for library, words in BETTER.items())


def measured_on(records):
    yield "Measured on: " + "; ".join(sorted({r["processor"] for r in records.values()})) + "."
