# SPDX-License-Identifier: MIT
"""Annotations of GitHub Actions: lines on standard output that the service shows next to the job."""

from collections.abc import Iterable

from stress.model.text import plural
from stress.store.verdict_file import VerdictFile

SHOWN = 9  # the service shows ten of each level and step, and drops the others without a word
LEVELS = {"broken": "error", "no-data": "error", "inconclusive": "warning"}
ORDER = ("error", "warning", "notice")


def annotation(level: str, title: str, text: str) -> str:
    """Return the line of an annotation (GitHub's documentation: workflow commands).

    Args:
        level: error, warning or notice.
        title: what stands above the text.
        text: a sentence; it may have several lines.
    """
    return f"::{level} title={escape_property(title)}::{escape_data(text)}"


def escape_data(text: str) -> str:
    """Return a text as the message of a workflow command (actions/toolkit: packages/core/src/command.ts)."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return a text as a property of a workflow command (ibid.)."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def verdict_annotations(name: str, verdict: VerdictFile) -> list[str]:
    """Return the annotations of a gate: its conditions that do not hold, the gravest first, then its warnings.

    Conditions without a baseline are one line: in a first run they are many, and say the same.

    Args:
        name: of the gate, before every title.
        verdict: what the gate wrote.
    """
    told = [
        (LEVELS[condition.state], f"{name}: {condition.expr}", place(condition.row, condition.sentence))
        for condition in verdict.conditions
        if condition.state in LEVELS and not condition.allowed
    ]
    told += [("error", name, verdict.error)] if verdict.error is not None else []
    told += [("notice", name, f"allowed by an option: {what}") for what in verdict.allowed]
    told += [("warning", name, warning) for warning in verdict.warnings]
    without = sum(condition.state == "no-baseline" for condition in verdict.conditions)
    told += [("notice", name, f"{plural(without, 'condition has', 'conditions have')} no baseline.")] if without else []
    lines = []
    for level in ORDER:
        texts = [(title, text) for kind, title, text in told if kind == level]
        lines += [annotation(level, title, text) for title, text in texts[:SHOWN]]
        if texts[SHOWN:]:
            lines.append(annotation(level, name, f"{len(texts) - SHOWN:,} more: see the summary of the job."))
    return lines


def place(row: str, sentence: str) -> str:
    """Return a sentence with the row that it is about before it, unless it names it."""
    return sentence if not row or row in sentence else f"{row}: {sentence}"


def join_lines(lines: Iterable[str]) -> str:
    """Return lines as text, each with its end."""
    return "".join(f"{line}\n" for line in lines)
