"""Where a class is documented: for the links in scikit-learn's HTML representation."""

SITE = "https://skae.readthedocs.io/en/stable"  # also in pyproject.toml


class DocumentedMixin:
    """In notebooks, the class and its parameters link to its page."""

    _doc_link_module = "skae"
    _doc_link_template = f"{SITE}/generated/{{estimator_module}}.{{estimator_name}}.html"
