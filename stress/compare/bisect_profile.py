# SPDX-License-Identifier: MIT
"""The profiles of both sides of a bisection: the last good kernel and the first bad one, in the same blocks.

The suites that searched lie minutes apart, each in a session of its own, and between sessions nothing can be named. So
both kernels run once more, in one suite.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.analysis.comparison.arm_pair import ArmPair, pair_arms
from stress.compare.profiles import PairProfile, compare_pair, unprofiled_warnings
from stress.model.errors import LabError, UsageError
from stress.model.observation import Observation
from stress.model.suite import KERNEL, Cell, Suite
from stress.store import suite_folder
from stress.store.runs import read_observations
from stress.suite import matrix, runner
from stress.suite.applicability import refuse_profiles, require_profiler
from stress.suite.executor.base import Executor
from stress.suite.kernels import add_kernel_axis, executor_for_cells

NO_TRIAL = "no cell has a trial with a profile on both kernels"


@dataclass(frozen=True)
class BisectionProfile:
    """The profiles of both sides.

    Attributes:
        path: the folder of their suite, which has the stacks; None where it did not run.
        pairs: a cell on both kernels each, compared.
        reasons: why others, or all, are not compared, and what is missing, in phrases.
    """

    path: Path | None
    pairs: list[PairProfile]
    reasons: list[str]


def profiled(suite: Suite) -> Suite:
    """Return a suite all of whose scenarios are profiled."""
    entries = [msgspec.structs.replace(entry, profile=True) for entry in suite.entries]
    return msgspec.structs.replace(suite, entries=entries)


def refuse_unprofiled(suite: Suite, kernels: Sequence[str], executor: Executor) -> None:
    """Raise UsageError where the profiles of a suite on some kernels could not be had, before anything runs."""
    cells = matrix.build_cells(add_kernel_axis(profiled(suite), kernels))
    refuse_profiles(cells, executor_for_cells(executor, cells))
    require_profiler(cells)


def profile_sides(suite: Suite, kernels: tuple[str, str], results: Path, executor: Executor) -> BisectionProfile:
    """Run a suite on the last good and the first bad kernel, with profiles; return what these say.

    What goes wrong here is a reason, and loses nothing of the bisection.
    """
    try:
        path = runner.run(add_kernel_axis(profiled(suite), kernels), results, executor)
        pairs = list(pair_kernels(path, kernels))
        compared = [(pair, compare_pair(pair)) for pair in pairs]
    except (LabError, UsageError) as error:
        return BisectionProfile(None, [], [str(error).rstrip(".")])
    reasons = [f"{pair.row}: {result}" for pair, result in compared if not isinstance(result, PairProfile)]
    return BisectionProfile(
        path,
        [result for _, result in compared if isinstance(result, PairProfile)],
        [*unprofiled_warnings(pairs), *(reasons if pairs else [NO_TRIAL])],
    )


def pair_kernels(path: Path, kernels: tuple[str, str]) -> Iterable[ArmPair]:
    """Yield the cells of a suite that have trials on both kernels, each as a pair."""
    cells = {cell.name: cell for cell in suite_folder.read(path).cells}
    arms: dict[str, dict[str, list[Observation]]] = {}
    for run in read_observations(path, ""):
        cell = cells[run.cell]
        arms.setdefault(row_name(cell), {}).setdefault(cell.kernel, []).append(run)
    good, bad = kernels
    for row, runs in arms.items():
        if good in runs and bad in runs:
            yield pair_arms(row, good, bad, runs[good], runs[bad])


def row_name(cell: Cell) -> str:
    """Return the name of a cell without its kernel."""
    return " ".join([cell.scenario, *(f"{axis}={level}" for axis, level in cell.levels.items() if axis != KERNEL)])
