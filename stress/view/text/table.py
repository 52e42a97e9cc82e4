# SPDX-License-Identifier: MIT
"""Tables as values, which ``rich_table`` renders for a terminal and ``markdown`` for a pull request."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum, auto


class Tone(StrEnum):
    """What a cell says, from which a renderer chooses colours and signs."""

    PLAIN = auto()
    QUIET = auto()
    STRONG = auto()
    WORSE = auto()
    BETTER = auto()
    HOLDS = auto()
    UNDECIDED = auto()
    MISSING = auto()


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: one line.
        detail: what a reader may skip, such as the interval of a value; ``""`` if there is none.
        tone: what it says.
        code: whether it is written as it would be typed, such as a condition.
    """

    text: str
    detail: str = ""
    tone: Tone = Tone.PLAIN
    code: bool = False

    def __str__(self) -> str:
        """Return the text with its detail in brackets: ``'11.2 µs (10.5–12 µs)'``."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, and whether it has numbers, which stand to the right."""

    head: str
    is_number: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table: the group that it belongs to, one cell per column, and lines below it over all columns."""

    group: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Columns, and rows in order; rows of a group need not follow each other."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def groups(self) -> Iterator[tuple[str, list[Row]]]:
        """Yield each group with its rows, in the order of first rows."""
        by_name: dict[str, list[Row]] = {}
        for row in self.rows:
            by_name.setdefault(row.group, []).append(row)
        yield from by_name.items()


def without_column(table: Table, place: int) -> Table:
    """Return a table without one of its columns."""
    rows = (replace(row, cells=row.cells[:place] + row.cells[place + 1 :]) for row in table.rows)
    return Table(table.columns[:place] + table.columns[place + 1 :], tuple(rows))
