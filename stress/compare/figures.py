# SPDX-License-Identifier: MIT
"""Pictures of a comparison: one of all metrics, and of the rows that matter most those of their attempts."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from stress.analysis.comparison.arm import Arm
from stress.analysis.comparison.arm_pair import ArmPair
from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.model.observation import Observation
from stress.model.text import slug
from stress.store import run_folder
from stress.store.run_folder import ATTEMPTS_FILE
from stress.view.figure.comparison.comparison_figures import draw_all, draw_arms

ROWS_MAX = 4  # that are drawn; nobody looks at more
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)


def draw_comparison(comparisons: Sequence[Comparison], found: Sequence[ArmPair], results: Path) -> list[Path]:
    """Draw a comparison into a folder and return what was written.

    Attempts are drawn of the rows with most changes, of runs that still have them.

    Args:
        comparisons: all of them.
        found: what they compare.
        results: the folder; each row that is drawn has one of its own inside.

    Raises:
        UsageError: a run is damaged.
    """
    written = draw_all(comparisons, results)
    for row in rows_to_draw(comparisons, found):
        arms = arms_of_row([each for each in found if each.row == row])
        if arms:
            written += draw_arms(arms, results / slug(row) if row else results)
    return written


def rows_to_draw(comparisons: Iterable[Comparison], found: Sequence[ArmPair]) -> list[str]:
    """Return the rows that are drawn: those with most changes first."""
    changes = dict.fromkeys((each.row for each in found), 0)
    for each in comparisons:
        changes[each.row] += each.verdict in CHANGED
    return sorted(changes, key=lambda row: -changes[row])[:ROWS_MAX]


def arms_of_row(found: Sequence[ArmPair]) -> list[Arm]:
    """Return the columns of a row with their attempts, the base first; nothing if two of them lack theirs."""
    base = found[0]
    arms = [arm_with_attempts(base.base, base.base_runs, paired=base.paired)]
    arms += [arm_with_attempts(each.new, each.new_runs, paired=each.paired) for each in found]
    return arms if all(arm.runs for arm in arms) else []


def arm_with_attempts(label: str, runs: Mapping[Hashable, Observation], *, paired: bool) -> Arm:
    """Return the runs of a column that have attempts."""
    whole = {key: run for key, run in runs.items() if (run.path / ATTEMPTS_FILE).exists()}
    return Arm(label, [run_folder.read(run.path)[0] for run in whole.values()], blocks=tuple(whole) if paired else ())
