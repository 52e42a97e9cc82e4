# SPDX-License-Identifier: MIT
"""The line of each key and of each element of an array in a TOML text, which tomllib does not report.

No maintained parser on PyPI reports it (requested of tomlkit since 2019, issue 55; of tomllib since 2024, cpython issue
115516). This is a scanner, not a parser: it scans a text that tomllib has read without an error, and its result counts
only when it has the keys that tomllib has read. A syntax of a later TOML that it does not know loses the lines, and
never gives wrong ones. The line of a table is that of its first mention; of a value, that of its first character.
"""

import re
import tomllib
from bisect import bisect
from collections.abc import Iterator
from typing import Any

Position = tuple[str | int, ...]  # keys and indexes from the top: ("scenario", 0, "mines")

DEPTH_MAX = 100  # of a position, which no suite reaches; a key of thousands of parts would take all the memory
STRING = r'"(?:[^"\\\n]|\\.)*"' + r"|'[^'\n]*'"
LONG_STRING = r'"""(?:"{0,2}(?:[^"\\]|\\.))*"{3,5}' + r"|'''(?:'{0,2}[^'])*'{3,5}"
BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
KEY = re.compile(rf"{STRING}|[A-Za-z0-9_-]+")
SCALAR = re.compile(
    rf"{LONG_STRING}|{STRING}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9]{{2}}:[^\s,\]}}#]+|[^\s,\[\]{{}}#=]+", re.DOTALL
)


class LostError(Exception):
    """The scanner has met a syntax that it does not know."""


def line_numbers(text: str, document: dict[str, Any]) -> dict[Position, int]:
    """Return the line, counted from 1, of every key and element of a document that tomllib has read from a text.

    Returns:
        An empty dictionary when the scanner did not see exactly the keys and elements of the document.
    """
    try:
        scanned = Scanner(text.replace("\r\n", "\n")).scan()
    except LostError:
        return {}
    return scanned if scanned.keys() == set(positions(document)) else {}


def positions(document: dict[str, Any]) -> Iterator[Position]:
    """Yield every key and element of a document."""
    todo: list[tuple[Position, Any]] = [((), document)]
    for at, value in todo:
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, inner in inside:
            yield (*at, step)
            todo.append(((*at, step), inner))


class Scanner:
    """One scan of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.breaks = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[Position, int] = {}
        self.last: dict[Position, int] = {}  # of an array of tables: the index of its last

    def scan(self) -> dict[Position, int]:
        """Return the line of every key and element."""
        table: Position = ()
        while self.skip() < len(self.text):
            if self.take("["):
                table = self.header()
            else:
                self.pair(table)
        return self.lines

    def header(self) -> Position:
        """Take what follows the first bracket of ``[a.b]`` or ``[[a.b]]``; return the position of the table."""
        several = self.take("[")
        at: Position = ()
        *parents, name = self.key()
        for parent in parents:
            at = self.note((*at, parent))
            if at in self.last:
                at = (*at, self.last[at])
        at = self.note((*at, name))
        if several:
            self.last[at] = self.last.get(at, -1) + 1
            at = self.note((*at, self.last[at]))
        self.expect("]]" if several else "]")
        return at

    def pair(self, at: Position) -> None:
        """Take ``a.b = value`` of a table."""
        for part in self.key():
            at = self.note((*at, part))
        self.expect("=")
        self.value(at)

    def key(self) -> list[str]:
        """Take a key; return its parts. tomllib decodes those in quotes."""
        parts: list[str] = []
        while not parts or self.take("."):
            part = self.match(KEY)
            parts.append(next(iter(tomllib.loads(f"{part} = 0"))) if part[0] in "\"'" else part)
        return parts

    def value(self, at: Position) -> None:
        """Take a value and all that it contains."""
        if self.take("["):
            index = 0
            while not self.take("]"):
                self.skip()
                self.value(self.note((*at, index)))
                index += 1
                self.take(",")
        elif self.take("{"):
            while not self.take("}"):
                self.pair(at)
                self.take(",")
        else:
            self.match(SCALAR)

    def note(self, at: Position) -> Position:
        """Note the line where a key or an element is mentioned first."""
        if len(at) > DEPTH_MAX:
            raise LostError
        self.lines.setdefault(at, bisect(self.breaks, self.place - 1) + 1)
        return at

    def skip(self) -> int:
        """Skip blanks and comments; return the new place."""
        blank = BLANK.match(self.text, self.place)
        assert blank is not None  # it matches the empty text too
        self.place = blank.end()
        return self.place

    def take(self, word: str) -> bool:
        """Skip a word if the text continues with it; return whether it does."""
        is_next = self.text.startswith(word, self.skip())
        self.place += len(word) * is_next
        return is_next

    def expect(self, word: str) -> None:
        """Skip a word, with which the text must continue."""
        if not self.take(word):
            raise LostError

    def match(self, pattern: re.Pattern[str]) -> str:
        """Skip what a pattern matches, and return it."""
        match = pattern.match(self.text, self.skip())
        if match is None:
            raise LostError
        self.place = match.end()
        return match.group()
