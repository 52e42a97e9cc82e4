# SPDX-License-Identifier: MIT
"""Tables for a terminal, by rich."""

from collections.abc import Sequence
from itertools import chain

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as RichTable
from rich.text import Text

from stress.view.text.table import Cell, Table, Tone

QUIET = "dim"
NOTE_INDENT = 4  # of lines below a row
NOTED_GAP = 2  # blanks between columns of a table with such lines, where there is room
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


def cell_text(cell: Cell) -> Text:
    """Return a cell with its detail in brackets, in the style of its tone."""
    return Text(str(cell), style=STYLES[cell.tone])


def empty_table() -> RichTable:
    """Return a table without columns, in the style of all tables with sections."""
    return RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def sectioned_table(table: Table, first_width: int) -> RichTable:
    """Return a table with a section per group, below the name of the group.

    Args:
        table: its first column is text that may be folded, the last one has no head.
        first_width: of the first column, at least.
    """
    made = empty_table()
    first, *others = table.columns
    made.add_column(first.head, overflow="fold", min_width=first_width)
    for column in others:
        made.add_column(column.head, justify="right" if column.is_number else "left", no_wrap=True)
    for group, rows in table.groups():
        made.add_section()
        made.add_row(Text(group, style="bold"))
        for row in rows:
            made.add_row(*map(cell_text, row.cells))
    return made


def wide_table(table: Table, width: int, first_min: int) -> list[RenderableType]:
    """Return a table as a head and one grid per group, all of the same columns.

    Args:
        table: its first column is folded where the others leave too little room.
        width: of all columns, at most.
        first_min: the width of the first column, at least.
    """
    heads = [Text(column.head, style="bold") for column in table.columns]
    groups = {group: [[cell_text(cell) for cell in row.cells] for row in rows] for group, rows in table.groups()}
    lines = [heads, *chain.from_iterable(groups.values())]
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    widths[0] = max(min(widths[0], width - sum(widths[1:]) - len(widths) + 1), first_min)
    numbers = [column.is_number for column in table.columns]
    parts: list[RenderableType] = [Text(), column_grid([heads], widths, numbers), Rule(characters="─", style=QUIET)]
    for group, cells in groups.items():
        parts += [Text(group, style="bold underline"), column_grid(cells, widths, numbers), Text()]
    return parts


def column_grid(
    rows: Sequence[Sequence[Text]], widths: Sequence[int], numbers: Sequence[bool], gap: int = 1
) -> RichTable:
    """Return lines of cells in columns of given widths, so that several grids below each other are one table."""
    made = RichTable.grid(padding=(0, gap, 0, 0), pad_edge=False)
    for width, is_number in zip(widths, numbers, strict=True):
        made.add_column(width=width, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def noted_table(table: Table, width: int) -> RenderableType:
    """Return a table in which lines of text, over all columns, may follow a row.

    Args:
        table: of one group; its first column is folded where the others leave too little room.
        width: of the terminal in columns.
    """
    heads = [Text(column.head, style="bold") for column in table.columns]
    lines = [[cell_text(cell) for cell in row.cells] for row in table.rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(heads, *lines, strict=True)]
    gaps = len(widths) - 1
    gap = NOTED_GAP if sum(widths) + NOTED_GAP * gaps <= width else 1
    widths[0] = max(min(widths[0], width - sum(widths[1:]) - gap * gaps), len(heads[0]))
    numbers = [column.is_number for column in table.columns]
    parts: list[RenderableType] = [column_grid([heads], widths, numbers, gap)]
    for row, cells in zip(table.rows, lines, strict=True):
        parts.append(column_grid([cells], widths, numbers, gap))
        parts += [Padding(Text(note, style=QUIET), (0, 0, 0, NOTE_INDENT)) for note in row.notes]
    return Group(*parts)
