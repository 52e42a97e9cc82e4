# SPDX-License-Identifier: MIT
"""Report: the page of stored runs, read from the disk and put together."""

from collections.abc import Sequence
from pathlib import Path

from stress.analysis.attribution.summary import analyse
from stress.model import atomic
from stress.model.errors import StoreError
from stress.store import run_folder
from stress.view.page.document import Document
from stress.view.page.render import render_page
from stress.view.page.run_document import run_document


def write_report(arguments: Sequence[str], output: Path, *, is_public: bool = False) -> Path:
    """Write the page of some stored runs as one HTML file, complete or not at all, and return its path.

    Args:
        arguments: of a run folder.
        output: the file.
        is_public: whether host names, addresses, paths and user names are left out.

    Raises:
        UsageError: there is no such run, or it is damaged.
        StoreError: the file cannot be written.
    """
    document = read_document(arguments, is_public=is_public)
    try:
        atomic.write(output, render_page(document).encode())
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror}; choose another file with -o.") from error
    return output


def read_document(arguments: Sequence[str], *, is_public: bool) -> Document:
    """Return the document of some stored runs."""
    del is_public
    path = Path(arguments[0])
    run, summary = run_folder.read(path)
    findings = analyse(run, summary.evidence)
    return run_document(findings, path.resolve().name, None)
