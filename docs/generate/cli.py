# SPDX-License-Identifier: MIT
"""Write docs/cli.md: its head, then the help of every verb, as on a terminal of 100 columns."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from stress.cli.main import SETTINGS, connstorm

HEAD = Path(__file__).with_name("cli_head.md")
PAGE = Path(__file__).parents[1] / "cli.md"
COLUMNS = 100


def verbs(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Context]]:
    """Yield the words of each verb, and the context that its help needs."""
    context = click.Context(command, info_name=" ".join(path), terminal_width=COLUMNS, **SETTINGS)
    if not command.hidden:
        yield path, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            verb = command.get_command(context, name)
            assert verb is not None
            yield from verbs(verb, (*path, name))


def page() -> str:
    """Return the page."""
    parts = [HEAD.read_text()]
    for path, context in verbs(connstorm, ("connstorm",)):
        parts.append(f"## {' '.join(path)}\n\n```\n{context.get_help().rstrip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    os.environ.pop("COLUMNS", None)
    Path(sys.argv[1] if sys.argv[1:] else PAGE).write_text(page())
