"""What a class's page shows: skae's own methods, and types as they stand in docstrings.

Methods that are scikit-learn's (`get_params`, `set_output`) are known, and their docstrings link
to pages that are not here; fitted attributes stand in the class's docstring.
"""

import inspect
import re

TYPE_LINE = re.compile(r"^[\w*, ]+ : ")
FITTED = re.compile(r"\b(\w+_)(?=[,)])")  # such as n_features_in_, to reStructuredText a link


def skips(app, what, name, member, skip, options):
    """True for what is left out, None for what autodoc decides by itself."""
    if name.startswith("_") or not (inspect.isroutine(member) or isinstance(member, property)):
        return None
    function = inspect.unwrap(getattr(member, "fget", None) or member)
    module = getattr(function, "__module__", None) or ""
    return True if name.endswith("_") or not module.startswith("skae.") else None


def quote_fitted(app, what, name, obj, options, lines):
    """Put names with a trailing underscore in a type, as in a shape, into backticks."""
    lines[:] = [FITTED.sub(r"`\1`", line) if TYPE_LINE.match(line) else line for line in lines]


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-skip-member", skips)
    app.connect("autodoc-process-docstring", quote_fitted, priority=100)  # before numpydoc
    return {"parallel_read_safe": True, "parallel_write_safe": True}
