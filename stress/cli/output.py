# SPDX-License-Identifier: MIT
"""What verbs print, and where."""

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from stress.cli.streams import leave_broken_pipe, print_text
from stress.model.progress import ProgressCallback
from stress.model.record import Record
from stress.model.summary import Summary
from stress.model.text import shown_json, shown_text
from stress.view.text.run_report import run_report

RESULTS = Path("results")
CLEAR = "\r\x1b[K"  # to the begin of the line, and clear it
STREAMS = (0, 1, 2)
UNKNOWN_WIDTH = 120  # columns of output where neither COLUMNS nor any terminal says: a file, the log of a CI job


output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=RESULTS,
    show_default=True,
    help="the folder of all runs",
)
books_option = click.option("--books", "with_books", is_flag=True, help="show all books, however narrow the terminal")
json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object and nothing else")


@contextmanager
def figure_optional(where: Path) -> Iterator[None]:
    """Say that a figure could not be written, and go on: a table of results is worth more than its picture."""
    try:
        yield
    except OSError as error:
        text = f"{where} could not be written: {error.strerror}; make room, and draw it again."
        print_text(f"warning: {text}", err=True)


class Progress:
    """Prints each stage as it begins, on standard error, as one plain line; and how far a long storm is.

    On a terminal that is a line which is drawn again and again, elsewhere one line each time.
    """

    def __init__(self, label: str, *, quiet: bool = False) -> None:
        self.label = label
        self.quiet = quiet
        self.start_s = time.monotonic()
        self.is_drawn = False  # a line that is to be drawn over

    def __call__(self, stage: str) -> None:
        """Print a stage with the seconds since the beginning."""
        if not self.quiet:
            click.echo(self.line(stage), err=True)

    @property
    def watch(self) -> ProgressCallback | None:
        """What shows how far a storm is; None where nothing is printed, so that nobody looks either."""
        return None if self.quiet else self.show_storm

    def show_storm(self, text: str) -> None:
        """Show how far a storm is; an empty text clears that line."""
        if not text:
            click.echo(CLEAR * self.is_drawn, err=True, nl=False)
            self.is_drawn = False
            return
        line = self.line(text)
        if not sys.stderr.isatty():
            click.echo(line, err=True)
            return
        while len(line) >= shutil.get_terminal_size().columns and ", " in line:
            line = line.rpartition(", ")[0]
        click.echo(f"{CLEAR}{line}", err=True, nl=False)
        self.is_drawn = True

    def line(self, text: str) -> str:
        """Return a text with the seconds since the beginning."""
        return shown_text(f"{time.monotonic() - self.start_s:6.1f} s  {self.label}: {text}")


class PipedConsole(Console):
    """A console whose reader may leave: rich would end the program with 1 then, as if something were wrong.

    What stored files and other hosts are called is printed, too: a terminal must not obey it.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Yield the segments of a renderable, without control characters but those of rich itself."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown_text(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Raise SystemExit."""
        leave_broken_pipe()


def console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or error: as wide as COLUMNS says, or the terminal behind a pager."""
    terminal = PipedConsole(highlight=False, stderr=stderr)
    if os.environ.get("COLUMNS", "").isdecimal() or any(map(os.isatty, STREAMS)):
        return terminal  # rich asks these too
    return PipedConsole(highlight=False, stderr=stderr, width=UNKNOWN_WIDTH)


def print_report(record: Record, summary: Summary, path: Path, *, with_books: bool = False) -> None:
    """Print the summary of one run; ``with_books`` shows all books on narrow terminals, too."""
    console().print(run_report(record, summary, path, with_books=with_books))


def run_object(scenario: str, path: Path, summary: Summary) -> dict[str, Any]:
    """Return what ``--json`` says of a run."""
    from stress.store.run_schema import SCHEMA  # noqa: PLC0415  # numpy comes with it, and doctor may load none yet

    return {"schema": SCHEMA, "scenario": scenario, "path": str(path), "summary": summary}


def print_object(document: dict[str, Any] | msgspec.Struct) -> None:
    """Print one JSON object."""
    try:
        click.echo(shown_json(document).decode(), nl=False)
    except BrokenPipeError:  # click would end with 1
        leave_broken_pipe()
