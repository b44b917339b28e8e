"""What to pass for values that scikit-learn or other libraries take, but skae does not."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Integral, Real

from skae._compat import Options

PARAMETER = re.compile(r"The '(\w+)' parameter of ")  # as errors of constraints begin
# Parameters that are words, and those of the number that belongs to the word.
NUMBER_OF = {
    "learning_rate": "learning_rate_init",
    "corruption": "corruption_level",
    "sparsity": "sparsity_weight",
}
_ACTIVATIONS = {"sigmoid": "logistic", "linear": "identity", "none": "identity"}
CALLED_HERE = {
    "activation": _ACTIVATIONS,
    "code_activation": _ACTIVATIONS,
    "loss": {
        **dict.fromkeys(("mse", "mean_squared_error", "l2", "gaussian"), "squared_error"),
        **dict.fromkeys(("bce", "log_loss", "bernoulli"), "binary_cross_entropy"),
        **dict.fromkeys(("cross_entropy", "categorical"), "categorical_cross_entropy"),
    },
    "likelihood": {
        **dict.fromkeys(("mse", "squared_error", "normal"), "gaussian"),
        **dict.fromkeys(("bce", "binary_cross_entropy"), "bernoulli"),
        **dict.fromkeys(("multinomial", "categorical_cross_entropy"), "categorical"),
    },
    "corruption": {"dropout": "masking"},
    "precision": {"bfloat16": "bf16"},
}


def note_on_parameter(estimator, message):
    """A note for the error of a parameter's constraint; None if there is nothing to advise.

    Parameters
    ----------
    estimator : estimator
        The owner of the parameter.
    message : str
        The error's, which names it.
    """
    found = PARAMETER.match(message)
    if not found:
        return None
    name, value = found[1], getattr(estimator, found[1])
    if name == "n_components":
        return _note_on_width(value)
    if name in ("autoencoder", "estimator"):
        return _note_on_prototype(value, estimator._parts[name])
    if name in NUMBER_OF and isinstance(value, Real):
        return f"{name} is one of these words. Pass the number as {NUMBER_OF[name]}={value!r}."
    if isinstance(value, str):
        return _note_on_word(name, value, _words_for(estimator, name))
    return None


def _note_on_width(value):
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (
            "Pass the widths of several layers to StackedAutoencoder, or those of the layers "
            "before the code as hidden_layer_sizes."
        )
    if not isinstance(value, Real):
        return "Unlike PCA's, it is not chosen from X. Pass a number, such as n_components=32."
    if 0 < value < 1:
        return (
            "A fraction of variance, as PCA takes it, does not determine the width of a code. "
            f"Pass a number, such as that of PCA, PCA({value!r}).fit(X).n_components_."
        )
    return None


def _note_on_prototype(value, examples):
    """A note that makes an example of numbers of components."""
    kinds = [re.search(r"(\w+)\(", example)[1] for example in examples]
    kinds.sort(key=lambda kind: (kind == "StackedAutoencoder") != isinstance(value, Sequence))
    sizes = value if isinstance(value, Sequence) else (value,)
    if all(isinstance(size, Integral) for size in sizes):
        return f"Pass an object, such as {kinds[0]}({value!r})."
    return f"Pass an object, such as {examples[0].rpartition('=')[2]}."


def _words_for(estimator, name):
    """The words that a parameter may be."""
    constraints = estimator._parameter_constraints[name]
    options = [its.options for its in constraints if isinstance(its, Options)]
    return {word for some in options for word in some if isinstance(word, str)}


def _note_on_word(name, value, words):
    if name == "precision" and value in ("float32", "float64"):
        return f"'float' computes in the dtype of X. Pass X.astype({value!r})."
    same = CALLED_HERE.get(name, {}).get(value.lower())
    if same in words:
        return f"Here, {value!r} is called {same!r}."
    close = get_close_matches(value.lower(), words, n=1)
    return f"Did you mean {close[0]!r}?" if close else None
