# SPDX-License-Identifier: MIT
"""Widths of columns in which every word and every number stands whole."""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.text import Text

MARK = "•"  # of a line that matters more than others
Range = tuple[int, int]  # of a column: the least width and the one that needs no second line, in characters


def longest_line(text: Text) -> int:
    """Return the width of the longest line of a text."""
    return max(map(cell_len, text.plain.split("\n")))


def indent_of(line: str) -> int:
    """Return the number of blanks and marks at the beginning of a line."""
    return len(line) - len(line.lstrip(f" {MARK}"))


def longest_word(text: Text) -> int:
    """Return the width of the longest word of a text, with the indent of its line."""
    longest = 0
    for line in text.plain.split("\n"):
        indent = indent_of(line)
        longest = max(longest, indent + max(map(cell_len, line[indent:].split()), default=0))
    return longest


def column_range(head: Text, cells: Iterable[Text], *, is_whole: bool) -> Range:
    """Return the least and the natural width of a column.

    Args:
        head: may have a line per word.
        cells: below it.
        is_whole: whether cells are numbers, which are not broken even between a number and its unit.
    """
    cells = list(cells)
    least = max(map(longest_line if is_whole else longest_word, cells), default=0)
    return max(least, longest_word(head)), max(map(longest_line, [head, *cells]))


def fit_widths(ranges: Sequence[Range], room: int) -> list[int] | None:
    """Return the width of each column, or None where the least widths need more room than there is.

    Columns that miss little get it first, so that most rows have one line.
    """
    widths = [least for least, _ in ranges]
    spare = room - sum(widths)
    if spare < 0:
        return None
    by_need = sorted(range(len(ranges)), key=lambda place: ranges[place][1] - ranges[place][0])
    for done, place in enumerate(by_need):
        least, natural = ranges[place]
        more = min(natural - least, spare // (len(by_need) - done))
        widths[place] += more
        spare -= more
    return widths
