# SPDX-License-Identifier: MIT
"""What the profiles on both sides of the steps of a history say, in lines for a terminal and a page."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from stress.analysis.history.change import Track
from stress.analysis.metric import find_metric
from stress.model.text import join_words, plural
from stress.profile.difference import ActDifference
from stress.profile.step_profile import Side, StepProfile
from stress.view.text.history_names import name_without, shared_settings
from stress.view.text.metric_wording import name_text
from stress.view.text.profile_wording import sentences


def shorten_steps(steps: Sequence[StepProfile], tracks: Sequence[Track]) -> list[StepProfile]:
    """Return steps whose cells are named without what all cells of a history set."""
    shared = shared_settings(tracks)
    return [replace(step, cell=name_without(step.cell, shared)) for step in steps]


def step_title(step: StepProfile, *, several: bool) -> str:
    """Return which step it is: ``'clean since 2026-01-16 10:20 (rate per s, body p50)'``; of several testbeds whose."""
    metrics = ", ".join(name_text(find_metric(name)) for name in step.metrics)
    return f"{step.cell} since {step.time:%Y-%m-%d %H:%M} ({metrics}{f'; testbed {step.testbed}' if several else ''})"


def step_sentences(step: StepProfile) -> Iterator[str]:
    """Yield what can be said of each storm of a step, and of how many profiles; or why nothing can be."""
    if step.reason:
        yield f"{step.reason[0].upper()}{step.reason[1:]}."
    for act in step.acts:
        yield f"{act_text(step, act)}:"
        yield from sentences(act, step.unit)


def act_text(step: StepProfile, act: ActDifference) -> str:
    """Return how many profiles a storm has: ``'5 and 5 profiled sessions'``; of several storms also which one it is."""
    units = f"{act.units[0]} and {plural(act.units[1], f'profiled {step.unit}')}"
    return f"{act.act}, {units}" if len(step.acts) > 1 else units


def stacks_line(step: StepProfile, *, whole_paths: bool) -> str:
    """Return where the stacks of both sides lie, in a sentence; with ``whole_paths``, or by the names of folders."""
    before, after = (side_text(side, whole_paths=whole_paths) for side in (step.before, step.after))
    return f"stacks before: {before}; after: {after}"


def side_text(side: Side, *, whole_paths: bool) -> str:
    """Return where the stacks of one side lie."""
    return join_words([str(folder) if whole_paths else folder.name for folder in side.folders])
