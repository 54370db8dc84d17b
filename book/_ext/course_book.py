"""What the book needs beside the theme: links to the repository, words for link previews, maths without scripts,
answers that wait for the reader's.

A Sphinx extension, named in `book/_config.yml`.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

logger = logging.getLogger(__name__)

SOCIAL_IMAGE = "_static/social.png"  # book/build.py draws it
DESCRIPTION_LENGTH = 200
# Without scripts the TeX gives way to the MathML beside it
WITHOUT_SCRIPTS = "<noscript><style>.bd-article .math { display: none; }</style></noscript>"
ENTITY = re.compile(r"&#x(\w{5});")  # written out, since the search would take its number for a word
# TeX that latex2mathml draws badly or not at all, and what says the same
SIMPLER_TEX = {"{aligned}": "{align*}", r"\lVert": r"\|", r"\rVert": r"\|", r"\_": "_"}


# ---- one repository address ----


def link_to_the_repository(app: Sphinx, config: Config) -> None:
    """Turn the repository's address into buttons: launch, repository, issue. Without an address there are none."""
    options = config.html_theme_options
    if not options["repository_url"]:
        return
    launch = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
    if "github.com/" in options["repository_url"]:
        launch["colab_url"] = "https://colab.research.google.com"  # Colab opens nothing else
    options |= {"launch_buttons": launch, "use_repository_button": True, "use_issues_button": True}


def offer_notebooks_only(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave out the button that downloads a page's source where that is no notebook: nobody can run it."""
    for group in context["header_buttons"]:
        if group.get("label") == "download-buttons" and context["page_source_suffix"] != ".ipynb":
            group["buttons"] = [b for b in group["buttons"] if b["label"] != "download-source-button"]


# ---- what a link to a page shows elsewhere ----


def add_meta_tags(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Title, description and picture of the page for search engines and for link previews."""
    home = app.config.html_baseurl.rstrip("/")
    tags = {
        "og:type": "website" if pagename == app.config.root_doc else "article",
        "og:site_name": app.config.html_title,
        "og:title": context.get("pagetitle", app.config.html_title),  # the search and the index have none
        "og:description": description(doctree),
        "og:url": f"{home}/{pagename}.html" if home else "",
        "og:image": f"{home}/{SOCIAL_IMAGE}" if home else context["pathto"](SOCIAL_IMAGE, resource=True),
        "og:image:alt": "Five points on a wave, and the curve that a network draws through them after one step",
        "twitter:card": "summary_large_image",
    }
    lines = [
        f'<meta {"name" if key.startswith("twitter") else "property"}="{key}" content="{escape(value)}">'
        for key, value in tags.items()
        if value
    ]
    if tags["og:description"]:
        lines.append(f'<meta name="description" content="{escape(tags["og:description"])}">')
    context["metatags"] = "\n".join([context.get("metatags", ""), *lines, WITHOUT_SCRIPTS])


def description(doctree: nodes.document | None) -> str:
    """The page's first paragraph, cut at a word; nothing for pages such as the search."""
    first = next(iter(doctree.findall(nodes.paragraph)), None) if doctree else None
    words = " ".join(first.astext().split()) if first else ""
    return words if len(words) <= DESCRIPTION_LENGTH else words[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"


# ---- maths ----


def add_mathml(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put each formula once more, as MathML, after the TeX that MathJax draws: for pages where no script runs."""
    for kind, display in ((nodes.math, "inline"), (nodes.math_block, "block")):
        for node in list(doctree.findall(kind)):
            written = f"<noscript>{mathml(node, display)}</noscript>"
            node.parent.insert(node.parent.index(node) + 1, nodes.raw("", written, format="html"))


def mathml(node: nodes.Element, display: str) -> str:
    """A formula as MathML; what cannot be translated is a warning, so the build fails."""
    tex = node.astext()
    for theirs, simpler in SIMPLER_TEX.items():
        tex = tex.replace(theirs, simpler)
    try:
        written = ENTITY.sub(lambda found: escape(chr(int(found[1], 16))), convert(tex, display=display))
    except Exception as error:  # latex2mathml's errors have no common ancestor
        written = f"\\{error!r}"
    if "\\" in written or "<mi>&</mi>" in written:
        logger.warning("cannot be shown without scripts, write it in simpler TeX: %s", tex, location=node)
    return written


# ---- predictions ----


# How a paragraph begins that asks for a prediction, and one that says what came of it: the class that each gets
PREDICTIONS = {"Predict.": "question", "What you saw.": "answer"}


def mark_predictions(app: Sphinx, doctree: nodes.document) -> None:
    """Tell `_static/book.js` what waits: outputs of the cells that the build tags "answer", and words on them."""
    for node in doctree.findall(nodes.paragraph):
        node["classes"] += [name for words, name in PREDICTIONS.items() if node.astext().startswith(words)]
    for node in doctree.findall(nodes.container):
        if "tag_answer" in node["classes"]:
            for output in node.children:
                if "cell_output" in output["classes"]:
                    output["classes"].append("answer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", link_to_the_repository)
    app.connect("doctree-read", mark_predictions)
    app.connect("doctree-resolved", add_mathml)
    app.connect("html-page-context", offer_notebooks_only, priority=600)  # after the theme has made its buttons
    app.connect("html-page-context", add_meta_tags, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
