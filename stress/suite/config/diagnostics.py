# SPDX-License-Identifier: MIT
"""Diagnostics of a suite file, in sentences that name the line; and the checks of its tables by types."""

import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from typing import Any

import msgspec

from stress.model.errors import UsageError
from stress.model.text import OBEYED, did_you_mean
from stress.suite.config.keys import PLACES
from stress.suite.config.toml_lines import Position

SHOWN = 5  # errors that are reported at once; the others follow when these are corrected
DEPTH_MAX = 16  # of nested tables and lists; no suite needs as many. It bounds every recursion
INT_MIN, INT_MAX = -(2**63), 2**63 - 1  # what TOML promises
WORDS: dict[type[msgspec.inspect.Type], str] = {
    msgspec.inspect.BoolType: "true or false",
    msgspec.inspect.TupleType: "two whole numbers, such as [40000, 40999]",
    msgspec.inspect.DictType: "a table",
}
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 60


@dataclass
class Diagnostics:
    """The errors in a suite file, each in a sentence.

    Attributes:
        where: the file, as it is named to the user.
        lines: the line of each key, where it is known.
        sentences: of each error the line, or infinity, and the sentence.
    """

    where: str
    lines: Mapping[Position, int]
    sentences: list[tuple[float, str]] = field(default_factory=list)

    def add(self, at: Position, sentence: str) -> None:
        """Add an error in a key; where its line is not known, the key itself is named."""
        line = self.lines.get(at)
        place = f", line {line}" if line is not None else f", {key_path(at)}" if at else ""
        self.sentences.append((math.inf if line is None else line, f"{self.where}{place}: {sentence}"))

    def line(self, at: Position) -> str:
        """Return the line of a key as `` (line 3)``, or an empty text when it is not known."""
        return f" (line {self.lines[at]})" if at in self.lines else ""

    def refuse(self) -> None:
        """Raise UsageError with the first errors, by line, if there are any."""
        texts = list(dict.fromkeys(text for _, text in sorted(self.sentences, key=lambda entry: entry[0])))
        if texts:
            rest = len(texts) - SHOWN
            more = [f"{rest} more {'error is' if rest == 1 else 'errors are'} not shown."] if rest > 0 else []
            raise UsageError("\n".join(texts[:SHOWN] + more))


def key_path(at: Position) -> str:
    """Return a position as Python would write it: ``scenario[0].mines``."""
    text = ""
    for step in at:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if step.isidentifier() else f".{SHORT.repr(step)}"
    return text.removeprefix(".")


def show_value(value: Any) -> str:
    """Return a value for a sentence, in TOML's notation where it differs from Python's, and shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return str(value) if isinstance(value, date | time) else SHORT.repr(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean …?``, also for the first part of a known word; or an empty text."""
    known = list(known)
    longer = next((name for name in known if name.startswith(f"{word}_")), "")
    return did_you_mean(word, known) or (longer and f" Did you mean {longer}?")


def unsupported_values(document: dict[str, Any]) -> Iterator[tuple[Position, str]]:
    """Yield the values that no suite can hold, whatever their key; all other checks rely on this one."""
    todo: list[tuple[Position, Any]] = [((), document)]
    for at, value in todo:
        if len(at) > DEPTH_MAX:
            yield at[:2], f"Here are more than {DEPTH_MAX} levels of nested tables and lists."
        elif isinstance(value, dict):
            todo += [((*at, key), inner) for key, inner in value.items() if isinstance(key, str)]
            yield from ((at, f"The key {SHORT.repr(key)} is no text.") for key in value if not isinstance(key, str))
            yield from (
                (at, f"The key {SHORT.repr(key)} has control characters; leave them out.")
                for key in value
                if isinstance(key, str) and OBEYED.search(key)
            )
        elif isinstance(value, list):
            todo += [((*at, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, int):
            if not INT_MIN <= value <= INT_MAX:
                yield at, "A number has 64 bits in TOML, and this one is larger."
        elif isinstance(value, float):
            if not math.isfinite(value):
                yield at, f"{value} is no number that a suite can use."
        elif isinstance(value, str) and OBEYED.search(value):
            yield at, f"{SHORT.repr(value)} has control characters, which a terminal would obey; leave them out."
        elif not isinstance(value, str | date | time):
            yield at, f"A suite has no value of Python's type {type(value).__name__}; give what TOML has."


def accept_typed(
    table: dict[str, Any], types: Mapping[str, Any], at: Position, name: str, diagnostics: Diagnostics
) -> dict[str, Any]:
    """Return the values of a table that are of the type of their key; errors are added for all others.

    Args:
        table: what was read.
        types: of each key that the table may have.
        at: the table's position.
        name: what the table is called in a sentence.
        diagnostics: errors are added to these.
    """
    accepted = {}
    for key, value in table.items():
        if key not in types:
            diagnostics.add((*at, key), unknown_key(key, types, name))
            continue
        try:
            accepted[key] = convert_value(value, types[key])
        except msgspec.ValidationError:
            diagnostics.add((*at, key), wrong_type(key, value, types[key]))
    return accepted


def convert_value(value: Any, kind: Any) -> Any:
    """Return a value as one of a type; 1e6, which is a float in TOML, also as a whole number.

    Raises:
        msgspec.ValidationError: it is not of the type.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        if isinstance(value, float) and value.is_integer():
            return msgspec.convert(int(value), kind)
        raise


def unknown_key(key: str, types: Mapping[str, Any], name: str) -> str:
    """Return a sentence about a key that a table does not have: where it belongs, a similar key, or all keys."""
    if place := PLACES.get("net" if key.startswith("net.") else key):
        return f"{key} belongs in {place}, not in {name}."
    close = suggestion(key, types)
    listed = "" if close else f"; there are {', '.join(types)}"
    return f"There is no {show_value(key)} in {name}{listed}.{close}"


def wrong_type(key: str, value: Any, kind: Any) -> str:
    """Return a sentence that says which type a value must have."""
    info = msgspec.inspect.type_info(kind)
    if isinstance(info, msgspec.inspect.UnionType):
        info = info.types[0]
    if isinstance(info, msgspec.inspect.ListType):
        return f"{key} must be tables, each under a header [[{key}]], not {show_value(value)}."
    close = ""
    if isinstance(info, msgspec.inspect.EnumType) and isinstance(value, str):
        close = suggestion(value, [member.value for member in info.cls])
    return f"{key} must be {type_words(info)}, not {show_value(value)}.{close}"


def type_words(info: msgspec.inspect.Type) -> str:
    """Return a type in words."""
    if isinstance(info, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return f"a {'whole ' * isinstance(info, msgspec.inspect.IntType)}number{range_words(info)}"
    if isinstance(info, msgspec.inspect.EnumType):
        return f"one of {', '.join(member.value for member in info.cls)}"
    if isinstance(info, msgspec.inspect.LiteralType):
        return " or ".join(map(str, info.values))
    if isinstance(info, msgspec.inspect.StrType):
        if info.max_length:
            return f"a text in one line, of 1 to {info.max_length} characters"
        return "a text that is not empty" if info.min_length else "a text"
    return WORDS[type(info)]


def range_words(info: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    """Return the bounds of a number in words, or nothing."""
    if info.le is None:
        return ""
    return f" from {info.ge:,} to {info.le:,}" if info.gt is None else f" above {info.gt:,} and up to {info.le:,}"
