# SPDX-License-Identifier: MIT
"""What a design cannot decide, whatever it measures: by the smallest p that so few trials have. Needs no rich."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.metric_family import GATING_METRICS
from stress.analysis.comparison.verdict import ALPHA, Comparison, Unit
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.result import ConditionResult
from stress.analysis.statistics.power import least_trials, smallest_p
from stress.analysis.statistics.trials import Estimate
from stress.model.suite import Cell, Suite
from stress.model.text import number_text, plural
from stress.view.text.survey_wording import few_blocks_text, surveyed_tests


@dataclass(frozen=True)
class ArmSizes:
    """A test that was made: how many values each arm had, and what one of them stands for."""

    base: int
    new: int
    unit: Unit

    @property
    def smallest_p(self) -> float:
        """The smallest p that it could have had."""
        if self.unit is Unit.BLOCK:
            return smallest_p(min(self.base, self.new), paired=True)
        return min(1.0, 2 / math.comb(self.base + self.new, self.base))

    @property
    def size_text(self) -> str:
        """How many values the arms had: ``'5 blocks'``, ``'2 and 14 trials'``."""
        if self.unit is Unit.BLOCK:
            return plural(min(self.base, self.new), "block")
        sizes = plural(self.new, "trial")
        return f"{sizes} of each arm" if self.base == self.new else f"{self.base:,} and {sizes}"


def never_text(best: ArmSizes, tests: int) -> str:
    """Return that none of some tests that gate together can be decided; ``''`` where one can.

    Args:
        best: the one that could have the smallest p.
        tests: how many p-values are corrected together (Holm): the smallest of them is multiplied by their number.
    """
    if not tests or best.smallest_p * tests <= ALPHA * (1 + 1e-9):
        return ""
    needed = least_trials(ALPHA / tests, paired=best.unit is Unit.BLOCK)
    together = "one test" if tests == 1 else f"{tests:,} tests corrected together (Holm)"
    which = "" if best.base == best.new or best.unit is Unit.BLOCK else " of each"
    return f"{best.size_text} can never reach {number_text(ALPHA)} for {together}; {needed}{which} can."


def design_notes(tested: Iterable[ArmSizes]) -> list[str]:
    """Return that no test of a gate could be decided, if so, of the tests that were corrected together.

    Of sessions the number that would decide is said with each test.
    """
    made = list(tested)
    best = min((test for test in made), key=lambda test: test.smallest_p, default=None)
    if best is None or any(test.unit is Unit.SESSION for test in made):
        return []
    return [text for text in [never_text(best, len(made))] if text]


def comparison_notes(comparisons: Sequence[Comparison]) -> list[str]:
    """Return what comparisons that gate, or that are explored where none gates, could not decide."""
    made = [one for one in comparisons if one.p is not None]
    gating = [one for one in made if one.gating]
    if gating:
        return design_notes(tested_of(one.base_estimate, one.new_estimate, one.unit) for one in gating)
    sizes = [tested_of(one.base_estimate, one.new_estimate, one.unit) for one in made]
    blocks = max((min(size.base, size.new) for size in sizes if size.unit is Unit.BLOCK), default=0)
    text = few_blocks_text(blocks, len(made)) if blocks else ""
    return [f"{text[:1].upper()}{text[1:]}."] if text else []


def tested_of(base: Estimate | None, new: Estimate | None, unit: Unit) -> ArmSizes:
    """Return the test of two arms."""
    return ArmSizes(base.trials if base else 0, new.trials if new else 0, unit)


def condition_notes(results: Sequence[ConditionResult]) -> list[str]:
    """Return what the conditions of a gate could not decide."""
    return design_notes(
        tested_of(result.base, result.new, result.unit) for result in results if result.adjusted_p is not None
    )


def plan_notes(suite: Suite, cells: Sequence[Cell]) -> list[str]:
    """Return what a suite cannot show with its number of trials: by its gates, and as a survey.

    A gate that compares with a baseline is taken as decided within blocks, as those of arms of one suite are.
    """
    conditions = [(parse_condition(gate.expr), gate.scenario) for gate in suite.gates]
    tests = sum(
        scenario in (None, cell.scenario)
        for condition, scenario in conditions
        if condition.kind != "absolute"
        for cell in cells
    )
    if any(cell.arm for cell in cells):
        tests = max(tests, len(GATING_METRICS) * sum(not cell.baseline for cell in cells))
    gates = never_text(ArmSizes(suite.trials, suite.trials, Unit.BLOCK), tests)
    survey = few_blocks_text(suite.trials, surveyed_tests([cell for cell in cells if not cell.arm]))
    return [*([f"gates: {gates}"] if gates else []), *([f"survey: {survey}."] if survey else [])]
