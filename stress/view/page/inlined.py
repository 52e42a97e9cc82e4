# SPDX-License-Identifier: MIT
"""Scripts, styles and data that a page has inside itself, and the policy that lets nothing else run.

A script or style is allowed by the hash of its text (Content Security Policy Level 3, section 2.3.1), so that nothing
that a stored run says can run, whatever it is. A data block is a script element of another type, which is never run.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

PAGE_STYLES = ("assets/page.css",)
PAGE_SCRIPTS = ("assets/table.js",)
POLICY = (
    "default-src 'none'; script-src {scripts}; style-src {styles}; base-uri 'none'; form-action 'none'"  # frames: none
)


@dataclass(frozen=True)
class DataBlock:
    """Data for scripts: the element's id, its type, which is no script's, and its text, which contains no ``<``."""

    name: str
    kind: str
    text: str

    def __post_init__(self) -> None:
        """Refuse text that could end the element, and types that a browser would run."""
        if "<" in self.text or not self.kind.startswith(("application/json", "application/octet-stream")):
            raise ValueError(f"the data block {self.name} ({self.kind}) could end its element, or be run")


@dataclass(frozen=True)
class Inlined:
    """The text of a script or a style, and its source in the policy: ``'sha256-…'``."""

    text: str
    source: str


def read_inlined(names: Iterable[str]) -> tuple[Inlined, ...]:
    """Return scripts or styles of this package, each once, in the order of their first mention.

    Args:
        names: of files below this module's folder: ``assets/page.css``.
    """
    here = resources.files(__package__)
    return tuple(inline_text(here.joinpath(name).read_text("utf-8")) for name in dict.fromkeys(names))


def inline_text(text: str) -> Inlined:
    """Return a text with its hash as browsers compute it: of the element's content, in UTF-8."""
    if "\r" in text or "\0" in text or any(end in text.lower() for end in ("</script", "</style", "<!--")):
        raise ValueError("a script or style would not arrive as it is written")
    digest = hashlib.sha256(text.encode()).digest()
    return Inlined(text, f"'sha256-{base64.b64encode(digest).decode()}'")


def content_policy(scripts: Iterable[Inlined], styles: Iterable[Inlined]) -> str:
    """Return the Content Security Policy of a page: nothing but its own scripts and styles."""
    sources = [" ".join(part.source for part in parts) or "'none'" for parts in (scripts, styles)]
    return POLICY.format(scripts=sources[0], styles=sources[1])
