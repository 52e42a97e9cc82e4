# SPDX-License-Identifier: MIT
"""The table of rich with columns in which every word and every number stands whole."""

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Column, Table
from rich.text import Text

from stress.view.text.fitting import column_range, fit_widths
from stress.view.text.row_table import Line, RowTable, Section


class WholeTable(Table):
    """A table of texts that breaks lines at blanks only, and takes another layout where its columns do not fit.

    Columns with numbers, to the right, are not broken at all.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table of rich where its columns fit, otherwise a RowTable of the same cells."""
        ranges = [
            column_range(head, cells, is_whole=column.no_wrap or column.justify == "right")
            for column, (head, *cells) in zip(self.columns, self.column_texts(console), strict=True)
        ]
        widths = fit_widths(ranges, options.max_width - self.blanks)
        if widths is None:
            yield from self.narrow_parts(console)
            return
        for column, width in zip(self.columns, widths, strict=True):
            column.width, column.overflow = width, "fold"
        yield from super().__rich_console__(console, options)

    @property
    def blanks(self) -> int:
        """How many characters of a line are edges, dividers and padding."""
        _, right, _, left = self.padding
        edges = 2 if self.box and self.show_edge else 0
        dividers = len(self.columns) - 1 if self.box else 0
        padding = (left + right) * len(self.columns) - (0 if self.pad_edge else left + right)
        return edges + dividers + padding

    def column_texts(self, console: Console) -> list[list[Text]]:
        """Return the head and the cells of each column."""
        return [[as_text(console, column.header), *cells_of(console, column)] for column in self.columns]

    def narrow_parts(self, console: Console) -> Iterator[RenderableType]:
        """Yield the same cells in another layout, with the title and the caption."""
        heads, *rows = zip(*self.column_texts(console), strict=True)
        sections: list[Section] = []
        lines: list[Line] = []
        for row, cells in zip(self.rows, rows, strict=True):
            lines.append(Line(cells))
            if row.end_section:
                sections.append(Section(None, lines))
                lines = []
        sections += [Section(None, lines)] if lines else []
        yield Text()
        if self.title:
            yield as_text(console, self.title)
        yield RowTable(heads, [column.justify == "right" for column in self.columns], sections)
        if self.caption:
            yield as_text(console, self.caption)
        yield Text()


def cells_of(console: Console, column: Column) -> list[Text]:
    """Return the cells of a column."""
    return [as_text(console, cell) for cell in column.cells]


def as_text(console: Console, cell: RenderableType) -> Text:
    """Return a cell as a text; all of ours are texts."""
    assert isinstance(cell, str | Text)
    return console.render_str(cell) if isinstance(cell, str) else cell
