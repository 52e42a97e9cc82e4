# SPDX-License-Identifier: MIT
"""Tables for a terminal, by rich."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from stress.view.text.row_table import QUIET, Line, RowTable, Section
from stress.view.text.table import Cell, Row, Table, Tone
from stress.view.text.whole_table import WholeTable

STYLES = {
    Tone.PLAIN: "",
    Tone.QUIET: QUIET,
    Tone.STRONG: "bold",
    Tone.WORSE: "bold red",
    Tone.BETTER: "bold green",
    Tone.HOLDS: "green",
    Tone.UNDECIDED: "yellow",
    Tone.MISSING: "magenta",
}
TITLE = "bold underline"  # of a group of rows


def cell_text(cell: Cell) -> Text:
    """Return a cell with its detail in brackets, in the style of its tone."""
    return Text(str(cell), style=STYLES[cell.tone])


def cell_lines(cell: Cell) -> Text:
    """Return a cell with its detail on a line of its own."""
    text = Text(cell.text, style=STYLES[cell.tone])
    return Text("\n").join([text, Text(cell.detail, style=QUIET)]) if cell.detail else text


def empty_table() -> WholeTable:
    """Return a table without columns."""
    return WholeTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


@dataclass(frozen=True)
class Widest:
    """The first of several tables that fits without a further line, or the last one. A renderable of rich.

    Attributes:
        tables: of the same rows, the widest first.
    """

    tables: Sequence[RowTable]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield that table."""
        fitting = (table for table in self.tables if table.natural_width <= options.max_width)
        yield next(fitting, self.tables[-1])


def grouped_table(table: Table, *, is_tall: bool = False) -> RowTable:
    """Return a table with a section per group, below the name of the group.

    Args:
        table: columns without numbers may be broken at blanks.
        is_tall: whether details stand below their cells, not after them.
    """
    sections = [Section(Text(group, style=TITLE), lines_of(rows, is_tall=is_tall)) for group, rows in table.groups()]
    return row_table(table, sections)


def row_table(table: Table, sections: Sequence[Section], *, is_underlined: bool = True) -> RowTable:
    """Return sections of rows below the heads of a table."""
    heads = [Text(column.head) for column in table.columns]
    return RowTable(heads, [column.is_number for column in table.columns], sections, is_underlined=is_underlined)


def lines_of(rows: Sequence[Row], *, is_tall: bool = False) -> list[Line]:
    """Return rows with their notes."""
    written = cell_lines if is_tall else cell_text
    return [Line([*map(written, row.cells)], [Text(note, style=QUIET) for note in row.notes]) for row in rows]


def noted_table(table: Table, width: int) -> RenderableType:
    """Return a table of one group, in which lines of text, over all columns, may follow a row.

    Args:
        table: of one group.
        width: of the terminal in columns.
    """
    return Group(*row_table(table, [Section(None, lines_of(table.rows))], is_underlined=False).parts(width))
