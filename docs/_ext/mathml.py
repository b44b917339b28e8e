"""Formulas as MathML, which browsers draw by themselves: no script, no network, no LaTeX."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml


def visit_inline(writer, node):
    writer.body.append(tex2mathml(node.astext(), as_block=False))
    raise SkipNode


def visit_block(writer, node):
    # Keys can scroll it where it is wider than the screen.
    writer.body.append(writer.starttag(node, "div", CLASS="math", tabindex=0))
    writer.body.append(tex2mathml(node.astext(), as_block=True))
    writer.body.append("</div>\n")
    raise SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
