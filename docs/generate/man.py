# SPDX-License-Identifier: MIT
"""Write docs/connstorm.1, the manual page, from the help of every verb.

click-man 0.6 makes a page per verb from ``Group.commands``, which a group that imports its verbs late does not have,
cuts summaries short, and lets a line that begins with a dot become a request.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from cli import verbs

import stress
from stress.cli.main import COMPLETION, connstorm
from stress.cli.verb import group_options, unescape

PAGE = Path(__file__).parents[1] / "connstorm.1"
LITERAL = "\b"  # click's mark of a paragraph whose lines stay as they are
SUMMARY = "TCP connect()/close() storms on Linux: what every attempt cost, and why it was slow"
FILES = (
    ("results/", "the folder of all runs; a run's folder is complete or absent"),
    ("/var/lib/connstorm/", "what a run has changed of the host's settings, until it restores them"),
    ("~/.cache/connstorm/", "kernels that were fetched"),
)


def roff(text: str) -> str:
    """Return a text of which groff and mandoc take no letter for a request or an escape."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    escaped = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in escaped)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def paragraphs(text: str) -> Iterator[str]:
    """Yield the lines of a help text."""
    for number, paragraph in enumerate(inspect.cleandoc(unescape(text)).split("\n\n")):
        if number:
            yield ".PP"
        if paragraph.startswith(LITERAL):
            yield from (".nf", *map(roff, paragraph.removeprefix(LITERAL).strip("\n").split("\n")), ".fi")
        else:
            yield roff(" ".join(paragraph.split()))


def entries(rows: Iterator[tuple[str, str]] | list[tuple[str, str]]) -> Iterator[str]:
    """Yield the lines of a list of terms, each with a description."""
    for term, text in rows:
        breakable = roff(term).replace("|", "|\\:")
        yield from (".TP", f"\\fB{breakable}\\fR", roff(" ".join(text.split())))


def verb_lines(path: tuple[str, ...], context: click.Context) -> Iterator[str]:
    """Yield the lines of a verb: how it is called, its help, and its options in their groups."""
    pieces = " ".join(context.command.collect_usage_pieces(context))
    yield f'.SS "{roff(" ".join((*path, pieces)))}"'.replace("\\&", "")
    yield from paragraphs(context.command.help or "")
    for title, rows in group_options(context.command, context).items():
        if own := [row for row in rows if not row[0].startswith("-h, ")]:
            yield from (".PP", f"\\fI{roff(title)}\\fR")
            yield from entries(own)


def page() -> str:
    """Return the page."""
    lines = [
        '.\\" Made by docs/generate/man.py from connstorm --help.',
        f'.TH CONNSTORM 1 "" "connstorm {stress.__version__}" "User Commands"',
        ".ad l",  # commands and names are not to be pulled apart or broken
        ".nh",
        ".SH NAME",
        f"connstorm \\- {roff(SUMMARY)}",
        ".SH SYNOPSIS",
        "\\fBconnstorm\\fR \\fIVERB\\fR [\\fIOPTIONS\\fR] ...",
        ".SH DESCRIPTION",
        *paragraphs((connstorm.help or "").partition("\n\n")[2]),
        ".PP",
        roff("Every verb understands -h and --help."),
        ".SH VERBS",
    ]
    for path, context in verbs(connstorm, ("connstorm",)):
        if len(path) > 1:
            lines += verb_lines(path, context)
    lines += [".SH COMPLETION", *entries(list(COMPLETION)), ".SH FILES", *entries(list(FILES))]
    lines += [".SH SEE ALSO", roff("ss(8), nft(8), tcpdump(1), tcp(7), network_namespaces(7)")]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1] if sys.argv[1:] else PAGE).write_text(page())
