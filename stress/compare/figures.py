# SPDX-License-Identifier: MIT
"""Figures of a comparison: one of all metrics, and figures of the attempts of the rows with most changes."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from stress.analysis.comparison.arm import Arm
from stress.analysis.comparison.arm_pair import ArmPair
from stress.analysis.comparison.verdict import Comparison, Verdict
from stress.model.observation import Observation
from stress.model.text import slug
from stress.store import run_folder
from stress.store.run_folder import ATTEMPTS_FILE
from stress.view.figure.comparison.comparison_figures import save_arm_figures, save_forest

ROWS_MAX = 4  # whose attempts are drawn
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)


def draw_comparison(comparisons: Sequence[Comparison], pairs: Sequence[ArmPair], results: Path) -> list[Path]:
    """Draw a comparison into a folder; return the files that were written.

    The attempts are drawn of the rows with most changes, and of runs that still have them.

    Args:
        comparisons: all comparisons.
        pairs: the arms that they compare.
        results: the folder; each row that is drawn has a folder of its own in it.

    Raises:
        UsageError: a run is damaged.
    """
    written = save_forest(comparisons, results, with_svg=True)
    for row in rows_to_draw(comparisons, pairs):
        arms = arms_of_row([pair for pair in pairs if pair.row == row])
        if arms:
            written += save_arm_figures(arms, results / slug(row) if row else results, with_svg=True)
    return written


def rows_to_draw(comparisons: Iterable[Comparison], pairs: Sequence[ArmPair]) -> list[str]:
    """Return the names of the rows whose attempts are drawn, those with most changes first."""
    changes = dict.fromkeys((pair.row for pair in pairs), 0)
    for comparison in comparisons:
        changes[comparison.row] += comparison.verdict in CHANGED
    return sorted(changes, key=lambda row: -changes[row])[:ROWS_MAX]


def arms_of_row(pairs: Sequence[ArmPair]) -> list[Arm]:
    """Return the columns of a row with their attempts, the base first; an empty list if a column has no attempts."""
    base = pairs[0]
    arms = [arm_with_attempts(base.base, base.base_runs, paired=base.paired)]
    arms += [arm_with_attempts(pair.new, pair.new_runs, paired=pair.paired) for pair in pairs]
    return arms if all(arm.runs for arm in arms) else []


def arm_with_attempts(label: str, runs: Mapping[Hashable, Observation], *, paired: bool) -> Arm:
    """Return the runs of a column that have attempts."""
    complete = {key: run for key, run in runs.items() if (run.path / ATTEMPTS_FILE).exists()}
    return Arm(
        label, [run_folder.read(run.path)[0] for run in complete.values()], blocks=tuple(complete) if paired else ()
    )
