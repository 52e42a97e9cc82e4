# SPDX-License-Identifier: MIT
"""Tables as GitHub-flavoured Markdown."""

from collections.abc import Callable, Iterable

from stress.model.text import shown_text
from stress.view.text.table import Cell, Table, Tone

SIGNS = {Tone.WORSE: "🔴", Tone.BETTER: "🟢", Tone.HOLDS: "🟢", Tone.UNDECIDED: "🟡", Tone.MISSING: "⚪"}


def escape(text: str) -> str:
    """Return text that Markdown shows literally, in a table too."""
    text = shown_text(text)
    for letter in "\\`*_[]<>|~":
        text = text.replace(letter, f"&#{ord(letter)};" if letter in "<>|" else f"\\{letter}")
    return " ".join(text.split())


def escape_pipes(text: str) -> str:
    """Return Markdown that does not end a cell of a table."""
    return shown_text(text).replace("|", "\\|").replace("\n", " ")


def markdown_table(table: Table, escape_text: Callable[[str], str] = escape) -> str:
    """Return a table without its groups, and without a newline at the end.

    Args:
        table: the table; details of cells are in brackets.
        escape_text: applied to each cell that is not code.
    """
    lines = [
        table_line(column.head for column in table.columns),
        table_line("---:" if column.is_number else "---" for column in table.columns),
        *(table_line(cell_markdown(cell, escape_text) for cell in row.cells) for row in table.rows),
    ]
    return "\n".join(lines)


def cell_markdown(cell: Cell, escape_text: Callable[[str], str]) -> str:
    """Return a cell as Markdown."""
    return f"`{shown_text(cell.text)}`" if cell.code else escape_text(str(cell))


def table_line(texts: Iterable[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(texts)} |"


def fold_away(summary: str, block: str) -> str:
    """Return a block that shows its summary until a reader opens it."""
    return f"<details>\n<summary>{summary}</summary>\n\n{block}\n\n</details>"
