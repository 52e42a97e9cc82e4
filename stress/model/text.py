# SPDX-License-Identifier: MIT
"""Text functions of all rooms: suggestions, lists, counts, parts of file names, JSON."""

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._=-]+")
LONGEST_GUESSED = 200  # characters; to compare a word of megabytes takes seconds
# What a terminal obeys, and what changes the order of letters or hides them, but for ends of lines and tabs.
OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    r"\U000e0000-\U000e007f]"
)


def closest_match(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is spelled most like a given one, or None when none is similar."""
    if len(word) > LONGEST_GUESSED:
        return None
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def did_you_mean(word: str, known: Iterable[str], *, clause: bool = False) -> str:
    """Return a suggestion to append to a message, or an empty text when no known word is similar.

    Args:
        word: as the user wrote it.
        known: the valid words.
        clause: return ``; did you mean …?``, which ends a sentence, instead of the sentence `` Did you mean …?``.
    """
    match = closest_match(word, known)
    if match is None:
        return ""
    return f"; did you mean {match}?" if clause else f" Did you mean {match}?"


def matching_names(text: str, known: Iterable[str]) -> list[str]:
    """Return the known names that a short one may stand for: that name itself, or those that end with it.

    The end begins after a dot, or, where none does, after an underscore: of ``net.ipv4.tcp_syn_retries`` both
    ``tcp_syn_retries`` and ``syn_retries`` are ends. Several names are ambiguous, none is unknown.
    """
    names = sorted(set(known))
    if not text or text in names:
        return [text] if text else []
    for boundary in "._":
        if matches := [name for name in names if name.endswith(boundary + text)]:
            return matches
    return []


def ambiguous_text(text: str, matches: Sequence[str]) -> str:
    """Return the sentence about a short name that may stand for several."""
    return f"{text!r} may be {join_words(matches, 'or')}; give more of its name."


def slug(name: str, longest: int | None = None) -> str:
    """Return a name as part of a file name: other characters than letters, digits and ``._=-`` become ``-``.

    Args:
        name: any text.
        longest: maximum length in characters; None does not shorten it.
    """
    return NOT_IN_A_FILE_NAME.sub("-", name)[:longest]


def plural(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: ``'1 test'``, ``'12 tests'``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def join_words(words: Sequence[str], conjunction: str = "and") -> str:
    """Return words as a sentence lists them: ``'a, b and c'``."""
    return f" {conjunction} ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def endpoint_text(address: str, port: int) -> str:
    """Return an address with its port: ``127.0.0.1:5000``, ``[::1]:5000``."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def rate_text(rate_per_s: float) -> str:
    """Return a rate without decimals, but for a low one, which would be 0: ``'2,369'``, ``'0.5'``."""
    return f"{rate_per_s:,.0f}" if rate_per_s >= 10 else f"{rate_per_s:.2g}"


def number_text(value: float | None) -> str:
    """Return a number with three significant digits, or whole from 1000."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:.3g}"


def json_bytes(document: Any) -> bytes:
    """Return a document as indented JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def one_line(text: str) -> str:
    """Return a text that another program wrote as one line without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def shown_text(text: str) -> str:
    """Return a text of a file or of another program without what a terminal obeys; its lines are as they were."""
    return OBEYED.sub("?", text)


def escape_json(text: bytes) -> bytes:
    """Return JSON with what a terminal obeys as escapes: the same to who decodes it."""
    return OBEYED.sub(lambda letter: json.dumps(letter[0])[1:-1], text.decode()).encode()


def shown_json(document: Any) -> bytes:
    """Return a document as ``json_bytes`` does, without what a terminal obeys."""
    return escape_json(json_bytes(document))
