# SPDX-License-Identifier: MIT
"""Wording of planned trials that have no result or no value; needs neither matplotlib nor rich."""

from collections.abc import Sequence

from stress.model.planned import PlannedTrial, TrialState
from stress.model.text import plural

REASONS_SHOWN = 2
NAMES_SHOWN = 3


def absence_text(planned: int, absent: Sequence[PlannedTrial]) -> str:
    """Return how many trials have a value, and why others have none: ``1 of 8 trials with a value; 7 failed (…)``."""
    parts = [
        state_text(state, [trial for trial in absent if trial.state is state])
        for state in TrialState
        if any(trial.state is state for trial in absent)
    ]
    return f"{planned - len(absent)} of {plural(planned, 'trial')} with a value; {', '.join(parts)}"


def state_text(state: TrialState, trials: Sequence[PlannedTrial]) -> str:
    """Return how many trials are in a state, which, and why: ``2 failed (0005-clean, 0007-clean: it died)``."""
    names = names_text([trial.name for trial in trials if trial.name])
    reasons = list(dict.fromkeys(trial.reason.rstrip(".") for trial in trials if trial.reason))
    shown = "; ".join(reasons[:REASONS_SHOWN])
    if len(reasons) > REASONS_SHOWN:
        shown += f"; and {len(reasons) - REASONS_SHOWN} more reasons"
    inside = ": ".join(filter(None, [names, shown]))
    return f"{len(trials)} {state.value}{inside and f' ({inside})'}"


def names_text(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = [f"{len(names) - NAMES_SHOWN} more"] if len(names) > NAMES_SHOWN else []
    return ", ".join([*names[:NAMES_SHOWN], *more])
