# SPDX-License-Identifier: MIT
"""Which cells of a suite met other causes than others of their scenario: what single trials show, too."""

from collections.abc import Sequence

from stress.analysis.statistics.trials import CellTrials
from stress.model.outcome import Cause
from stress.model.suite import EMULATED
from stress.model.text import join_words, plural

NOBODYS = frozenset({Cause.NONE, Cause.STALLED, Cause.UNKNOWN})  # what no setting is the reason of, or nobody knows
NO_BASELINE = "nothing is compared with a baseline"

Kinds = dict[frozenset[Cause], CellTrials]  # the first cell of each set of causes


def known_causes(trials: CellTrials) -> frozenset[Cause]:
    """Return the causes that were named in a cell, in any of its trials."""
    named = {Cause(name) for summary in trials.done.values() for name, count in summary.causes.items() if count}
    return frozenset(named - NOBODYS)


def kinds_by_scenario(cells: Sequence[CellTrials]) -> dict[str, Kinds]:
    """Return the first cell of each set of causes, by scenario; emulated kernels count as others do."""
    kinds: dict[str, Kinds] = {}
    for trials in cells:
        if trials.done:
            of_scenario = kinds.setdefault(trials.cell.scenario.removesuffix(EMULATED), {})
            of_scenario.setdefault(known_causes(trials), trials)
    return kinds


def cells_to_look_at(cells: Sequence[CellTrials]) -> list[CellTrials]:
    """Return one cell of each set of causes where a scenario met several, and then the first one of the others."""
    kinds = [list(of_scenario.values()) for of_scenario in kinds_by_scenario(cells).values()]
    differing = [trials for firsts in kinds if len(firsts) > 1 for trials in firsts]
    return [*differing, *(firsts[0] for firsts in kinds if len(firsts) == 1)]


def causes_text(cells: Sequence[CellTrials]) -> str:
    """Return in which scenarios some cell met another cause than the others; of trials without a baseline."""
    done = [trials.cell.scenario.removesuffix(EMULATED) for trials in cells if trials.done]
    several = [scenario for scenario in dict.fromkeys(done) if done.count(scenario) > 1]
    differing = [scenario for scenario, kinds in kinds_by_scenario(cells).items() if len(kinds) > 1]
    if not several:
        return NO_BASELINE
    if not differing:
        return f"each scenario met the same causes in all its cells; {NO_BASELINE}"
    which = f"{len(differing)} of {plural(len(several), 'scenario')}"
    return f"{which} met other causes in some cells than in others, {join_words(differing)}; {NO_BASELINE}"
