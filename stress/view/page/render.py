# SPDX-License-Identifier: MIT
"""A document as HTML. Everything in it is escaped by the templates, whatever a stored run says."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stress.view.page.document import Document
from stress.view.page.inlined import PAGE_SCRIPTS, PAGE_STYLES, content_policy, read_inlined

PAGE = "page.html"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
LINE_ENDS = "\n\t"  # the control characters that HTML may have


def render_page(document: Document) -> str:
    """Return the page of a document: one HTML file without anything outside of it."""
    graphs = document.profile.graphs if document.profile else None
    parts = [part for part in (document.interactive, graphs) if part is not None]
    scripts = read_inlined((*PAGE_SCRIPTS, *(name for part in parts for name in part.scripts)))
    styles = read_inlined((*(name for part in parts for name in part.styles), *PAGE_STYLES))
    return (
        make_environment()
        .get_template(PAGE)
        .render(
            document=document,
            scripts=scripts,
            styles=styles,
            data=[block for part in parts for block in part.data],
            policy=content_policy(scripts, styles),
        )
    )


@cache
def make_environment() -> Environment:
    """Return an environment that escapes every value, and refuses values that are not there."""
    return Environment(
        loader=PackageLoader("stress.view.page", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=make_printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def make_printable(value: object) -> object:
    """Return a value without characters that HTML cannot have: control characters and halves of surrogate pairs.

    Texts of the templates and of scripts are left as they are.
    """
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "".join(character if is_allowed(character) else REPLACEMENT for character in value)


def is_allowed(character: str) -> bool:
    """Return whether HTML may have a character."""
    return character in LINE_ENDS or not (character < " " or "\x7f" <= character < "\xa0" or is_unwritable(character))


def is_unwritable(character: str) -> bool:
    """Return whether a character is half of a surrogate pair, or none at all (Unicode 15, chapter 23.7)."""
    code = ord(character)
    return 0xD800 <= code <= 0xDFFF or 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
