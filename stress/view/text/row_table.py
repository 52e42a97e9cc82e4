# SPDX-License-Identifier: MIT
"""A table for a terminal of any width: what does not fit into columns moves to other lines, and nothing is cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stress.view.text.fitting import Range, column_range, fit_widths, indent_of, longest_line

QUIET = "dim"
INDENT = 4  # of lines below a row
GAPS = (2, 1)  # blanks between columns, the first where there is room
PAIR_GAP = "   "  # between values that stand one after the other


@dataclass(frozen=True)
class Line:
    """A row: a cell in each column, of one line or several, and texts over all columns below it."""

    cells: Sequence[Text]
    notes: Sequence[Text] = ()


@dataclass(frozen=True)
class Section:
    """Rows below a title; None is no title."""

    title: Text | None
    lines: Sequence[Line]


@dataclass(frozen=True)
class RowTable:
    """Columns, and rows in sections. A renderable of rich.

    Where the columns do not fit side by side, the first cell of each row stands above the others; where these do not
    fit either, they follow each other, each after the head of its column.

    Attributes:
        heads: of the columns; empty ones have none.
        numbers: whether a column has numbers: they stand to the right, and are not broken.
        sections: the rows.
        is_underlined: whether there is a line below the heads.
    """

    heads: Sequence[Text]
    numbers: Sequence[bool]
    sections: Sequence[Section]
    is_underlined: bool = True

    @property
    def lines(self) -> list[Line]:
        """All rows."""
        return [line for section in self.sections for line in section.lines]

    @property
    def natural_width(self) -> int:
        """The width in which no cell needs a line more than it has."""
        ranges = self.ranges(0)
        return sum(natural for _, natural in ranges) + GAPS[-1] * (len(ranges) - 1)

    def ranges(self, first: int) -> list[Range]:
        """Return the widths of the columns from one on."""
        columns = list(zip(*(line.cells for line in self.lines), strict=True)) or [()] * len(self.heads)
        return [
            column_range(head, column, is_whole=is_number)
            for head, column, is_number in list(zip(self.heads, columns, self.numbers, strict=True))[first:]
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table in the first of its layouts that fits."""
        yield from self.parts(options.max_width)

    def parts(self, width: int) -> list[RenderableType]:
        """Return the table in the first of its layouts that fits."""
        return self.in_columns(width) or self.name_above(width) or self.stacked(width)

    def in_columns(self, width: int) -> list[RenderableType]:
        """Return one line of columns per row; an empty list if they do not fit."""
        widths, gap = fit_columns(self.ranges(0), width)
        if not widths:
            return []
        parts = self.head_parts(self.heads, widths, gap, 0)
        for section in self.sections:
            parts += title_parts(section, is_first=section is self.sections[0])
            parts += self.section_parts(section, widths, gap)
        return parts

    def section_parts(self, section: Section, widths: Sequence[int], gap: int) -> Iterator[RenderableType]:
        """Yield the rows of a section: grids of rows that have no notes, and each other row with its notes."""
        together: list[Sequence[Text]] = []
        for line in section.lines:
            together.append(line.cells)
            if line.notes:
                yield column_grid(together, widths, self.numbers, gap)
                yield from (Padding(note, (0, 0, 0, INDENT)) for note in line.notes)
                together = []
        if together:
            yield column_grid(together, widths, self.numbers, gap)

    def name_above(self, width: int) -> list[RenderableType]:
        """Return the first cell of each row above the others; an empty list if these do not fit."""
        widths, gap = fit_columns(self.ranges(1), width - INDENT)
        if not widths:
            return []
        numbers = self.numbers[1:]
        parts: list[RenderableType] = [self.heads[0]] if self.heads[0].plain.strip() else []
        parts += self.head_parts(without_empty_lines(self.heads[1:]), widths, gap, INDENT)
        for section in self.sections:
            parts += title_parts(section, is_first=section is self.sections[0])
            for line in section.lines:
                if line.cells[0].plain.strip():
                    parts.append(line.cells[0])
                parts.append(Padding(column_grid([line.cells[1:]], widths, numbers, gap), (0, 0, 0, INDENT)))
                parts += [Padding(note, (0, 0, 0, INDENT)) for note in line.notes]
        return parts

    def stacked(self, width: int) -> list[RenderableType]:
        """Return each row as its first cell, and below it each value after the head of its column."""
        parts: list[RenderableType] = []
        for section in self.sections:
            parts += title_parts(section, is_first=section is self.sections[0])
            for line in section.lines:
                first, *others = zip(self.heads, line.cells, strict=True)
                parts += [first[1]] if first[1].plain.strip() else []
                pairs = [pair_text(head, cell) for head, cell in others if cell.plain.strip()]
                parts += [
                    Padding(text, (0, 0, 0, INDENT)) for text in (*join_pairs(pairs, width - INDENT), *line.notes)
                ]
        return parts

    def head_parts(self, heads: Sequence[Text], widths: Sequence[int], gap: int, indent: int) -> list[RenderableType]:
        """Return the heads of columns, if there are any, and the rule below them."""
        if not any(head.plain.strip() for head in heads):
            return []
        numbers = self.numbers[-len(widths) :]
        grid = column_grid([[styled(head, "bold") for head in heads]], widths, numbers, gap)
        for column in grid.columns:
            column.vertical = "bottom"
        parts: list[RenderableType] = [Padding(grid, (0, 0, 0, indent)) if indent else grid]
        if self.is_underlined:
            parts.append(Text("─" * (indent + sum(widths) + gap * (len(widths) - 1)), style=QUIET))
        return parts


def without_empty_lines(heads: Sequence[Text]) -> list[Text]:
    """Return heads without the lines that are empty in all of them, above their words."""
    empty = min(len(head.plain) - len(head.plain.lstrip("\n")) for head in heads)
    return [head[empty:] for head in heads]


def styled(text: Text, style: str) -> Text:
    """Return a text in a style."""
    copy = text.copy()
    copy.stylize(style)
    return copy


def title_parts(section: Section, *, is_first: bool) -> list[RenderableType]:
    """Return the title of a section below an empty line."""
    parts: list[RenderableType] = [] if is_first else [Text()]
    return [*parts, section.title] if section.title is not None else parts


def fit_columns(ranges: Sequence[Range], width: int) -> tuple[list[int], int]:
    """Return the widths of columns and the gap between them; no widths if they do not fit."""
    for gap in GAPS:
        room = width - gap * (len(ranges) - 1)
        widths = fit_widths(ranges, room)
        if widths and (gap == GAPS[-1] or sum(natural for _, natural in ranges) <= room):
            return widths, gap
    return [], 0


def pair_text(head: Text, cell: Text) -> Text:
    """Return a value after the head of its column, on one line."""
    name = " ".join(head.plain.split())
    value = Text(" ").join(cell.split("\n"))
    return Text.assemble((f"{name} ", QUIET), value) if name else value


def join_pairs(pairs: Sequence[Text], width: int) -> list[Text]:
    """Return texts one after the other, in as many lines as it takes to break none that fits into one."""
    lines: list[Text] = []
    for pair in pairs:
        if lines and longest_line(lines[-1]) + len(PAIR_GAP) + longest_line(pair) <= width:
            lines[-1] = Text.assemble(lines[-1], PAIR_GAP, pair)
        else:
            lines.append(pair)
    return lines


def column_grid(rows: Sequence[Sequence[Text]], widths: Sequence[int], numbers: Sequence[bool], gap: int) -> Table:
    """Return lines of cells in columns of given widths, so that several grids below each other are one table."""
    made = Table.grid(padding=(0, gap, 0, 0), pad_edge=False)
    for width, is_number in zip(widths, numbers, strict=True):
        made.add_column(width=width, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(hang_lines, row))
    return made


def hang_lines(cell: Text) -> RenderableType:
    """Return a cell whose lines keep their indent, or hang behind their mark, where they are broken."""
    lines = cell.split("\n")
    indents = [indent_of(line.plain) for line in lines]
    return Group(*map(hang_line, lines, indents)) if any(indents) else cell


def hang_line(line: Text, indent: int) -> RenderableType:
    """Return a line whose further lines begin where its text does."""
    if not indent:
        return line
    made = Table.grid()
    made.add_column(width=indent)
    made.add_column()
    made.add_row(line[:indent], line[indent:])
    return made
