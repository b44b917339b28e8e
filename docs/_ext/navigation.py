"""Names for the arrows in the sidebar, which screen readers would otherwise announce as nothing."""

SUMMARY = '<summary aria-label="pages below">'


def name_arrows(app, pagename, templatename, context, doctree):
    generate = context["generate_toctree_html"]

    def generate_named(*arguments, **settings):
        return str(generate(*arguments, **settings)).replace("<summary>", SUMMARY)

    context["generate_toctree_html"] = generate_named


def setup(app):
    app.connect("html-page-context", name_arrows, priority=600)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
