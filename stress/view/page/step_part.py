# SPDX-License-Identifier: MIT
"""The functions that the steps of a history came from, as a table of its page."""

from collections.abc import Iterator, Sequence
from typing import Any

from stress.analysis.history.change import Track
from stress.profile.difference import ActDifference, FunctionChange
from stress.profile.step_profile import StepProfile
from stress.view.page.document import PageCell, PageColumn, PageTable
from stress.view.text.profile_wording import (
    DISPLACED_NOTE,
    function_mark,
    interval_text,
    ns_text,
    signed_text,
)
from stress.view.text.step_wording import shorten_steps, stacks_line, step_sentences, step_title
from stress.view.text.table import Tone

FUNCTIONS = 5  # of a storm, without those that changed


def steps_tables(steps: Sequence[StepProfile], tracks: Sequence[Track]) -> Iterator[PageTable]:
    """Yield the table of functions of all steps that have profiles on both sides; none for none."""
    if not steps:
        return
    several = len({track.series.testbed for track in tracks}) > 1
    heads: tuple[tuple[Any, ...], ...] = (
        ("function",), ("step",), ("storm",), ("ns before", True), ("ns after", True), ("difference", True),
        ("95 % interval", True), ("state",),
    )  # fmt: skip
    rows, notes = [], []
    for step in shorten_steps(steps, tracks):
        title = step_title(step, several=several)
        said = [text if text.endswith((".", ":")) else f"{text}." for text in step_sentences(step)]
        where = stacks_line(step, whole_paths=False)
        notes.append(" ".join([f"{title}:", *said, f"{where[0].upper()}{where[1:]}."]))
        rows += [function_cells(title, act, one) for act in step.acts for one in shown_functions(act)]
    if any(one.displaced for step in steps for act in step.acts for one in shown_functions(act)):
        notes.append(f"{DISPLACED_NOTE}.")
    columns = tuple(PageColumn(*head) for head in heads)
    caption = "Which functions of the kernel the steps came from, for an attempt"
    yield PageTable("history-functions", caption, columns, tuple(rows), tuple(notes), is_sortable=True)


def shown_functions(act: ActDifference) -> list[FunctionChange]:
    """Return the functions that changed or moved, and those with the largest differences."""
    return [one for place, one in enumerate(act.functions) if place < FUNCTIONS or one.changed or one.moved]


def function_cells(title: str, act: ActDifference, function: FunctionChange) -> tuple[PageCell, ...]:
    """Return the row of a function."""
    change = function.change
    return (
        PageCell(function.name, order=function.name),
        PageCell(title, order=title),
        PageCell(act.act, order=act.act),
        PageCell(ns_text(change.base_ns), order=change.base_ns),
        PageCell(ns_text(change.new_ns), order=change.new_ns),
        PageCell(signed_text(change.ns, ",.0f"), order=change.ns),
        PageCell(interval_text(change)),
        PageCell(function_mark(function), tone=Tone.STRONG if function.named else Tone.PLAIN),
    )
