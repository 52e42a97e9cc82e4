# SPDX-License-Identifier: MIT
"""The profiles on both sides of the steps of a history, for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from stress.analysis.history.change import Track
from stress.profile.step_profile import StepProfile
from stress.view.text.row_table import QUIET
from stress.view.text.step_wording import shorten_steps, stacks_line, step_sentences, step_title


def step_lines(steps: Sequence[StepProfile], tracks: Sequence[Track]) -> RenderableType:
    """Return what the profiles say of each step of a history, and where their stacks lie."""
    several = len({track.series.testbed for track in tracks}) > 1
    parts: list[RenderableType] = []
    for step in shorten_steps(steps, tracks):
        parts += [
            Text(),
            Text(f"profile: {step_title(step, several=several)}", style="bold"),
            *(Text(line) for line in step_sentences(step)),
            Text(stacks_line(step, whole_paths=True), style=QUIET),
        ]
    return Group(*parts)
