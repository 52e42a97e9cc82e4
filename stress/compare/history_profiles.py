# SPDX-License-Identifier: MIT
"""Compare the profiles on both sides of each step of a history.

What a step is compared by are the runs between it and the steps next to it, those nearest to it, by the rules of
``compare --profile``: nothing is named where no interval is possible.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stress.analysis.comparison.arm_pair import pair_arms
from stress.analysis.history.change import ChangePoint, Track
from stress.analysis.history.history import History
from stress.analysis.history.series import Point
from stress.compare.history_cache import identify_file
from stress.compare.profiles import PairProfile, act_object, compare_pair
from stress.model.observation import Observation
from stress.profile.difference import ActDifference
from stress.profile.step_profile import Side, StepProfile
from stress.store import profile_file
from stress.store.run_folder import RUN_FILE
from stress.store.runs import read_observations
from stress.store.sessions import with_sessions
from stress.store.suite_folder import SUITE_FILE

POINTS_MAX = 5  # on either side: older ones are less like what came before the step, and each takes its time to read
BEFORE, AFTER = "before", "after"

Result = tuple[str, list[ActDifference], str]  # unit, storms, and why there are none
Remember = Callable[[bytes, Callable[[], Any]], Any]  # looks up what a function computes from some contents
Key = tuple[str, str, tuple[Path, ...], tuple[Path, ...]]  # cell, testbed, and the points before and after
Steps = list[tuple[Track, ChangePoint]]  # of several metrics of one cell, at the same point


class EntryReader:
    """Reads the runs and suites of a history folder, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_entry = (folder / RUN_FILE).is_file() or (folder / SUITE_FILE).is_file()
        self.read: dict[Path, list[Observation]] = {}

    def profiled_runs(self, cell: str, points: Sequence[Point]) -> list[Observation]:
        """Return the runs of points of a cell that have a profile."""
        runs = []
        for point in points:
            entry = self.entry_of(point.path)
            if entry not in self.read:
                self.read[entry] = list(read_observations(entry, ""))
            own = (run for run in self.read[entry] if run.cell == cell and run.path.name in point.runs)
            runs += [run for run in own if run.profile is not None]
        return runs

    def entry_of(self, run: Path) -> Path:
        """Return the run folder or suite folder that a run of the history is of."""
        return self.folder if self.is_entry else self.folder / run.relative_to(self.folder).parts[0]

    def side(self, runs: Sequence[Observation]) -> Side:
        """Return one side of a step."""
        stacks = [run.profile / profile_file.NAME for run in runs if run.profile is not None]
        return Side(stacks, list(dict.fromkeys(self.entry_of(run.path) for run in runs)))


def compute_anew(contents: bytes, compute: Callable[[], Any]) -> Any:
    """Return what a function computes."""
    del contents
    return compute()


def compare_steps(history: History, folder: Path, remember: Remember = compute_anew) -> list[StepProfile]:
    """Return the steps of a history that have profiles on both sides, compared, in the order of its series.

    Args:
        history: of the folder.
        folder: of runs and suites, or one of these.
        remember: where results are looked up, and stored.

    Raises:
        UsageError: a run or a profile is damaged.
    """
    steps: dict[Key, Steps] = {}
    sides: dict[Key, tuple[list[Point], list[Point]]] = {}
    for track, change, before, after in profiled_steps(history):
        paths = (tuple(point.path for point in before), tuple(point.path for point in after))
        key = (track.series.cell, track.series.testbed, *paths)
        steps.setdefault(key, []).append((track, change))
        sides[key] = before, after
    reader = EntryReader(folder)
    compared = (compare_step(of_key, sides[key], reader, remember) for key, of_key in steps.items())
    return [step for step in compared if step is not None]


def profiled_steps(history: History) -> Iterator[tuple[Track, ChangePoint, list[Point], list[Point]]]:
    """Yield each step that has points with profiles on both sides, with the nearest of these."""
    for track in history.tracks:
        points = track.series.points
        places = [0, *(change.place for change in track.changes), len(points)]
        for change in track.changes:
            first = max(place for place in places if place < change.place)
            last = min(place for place in places if place > change.place)
            before = has_profiles(points[first : change.place])[-POINTS_MAX:]
            after = has_profiles(points[change.place : last])[:POINTS_MAX]
            if before and after:
                yield track, change, before, after


def has_profiles(points: Sequence[Point]) -> list[Point]:
    """Return the points that have profiles, without those of a busy machine."""
    return [point for point in points if point.profiled and not point.is_busy]


def compare_step(
    steps: Steps, points: tuple[Sequence[Point], Sequence[Point]], reader: EntryReader, remember: Remember
) -> StepProfile | None:
    """Return what the profiles on both sides of a step say; None where they are no longer there."""
    (track, change), *_ = steps
    series, first = track.series, track.series.points[change.place]
    before, after = (reader.profiled_runs(series.cell, side) for side in points)
    if not before or not after:
        return None
    runs = with_sessions([*before, *after])
    arms = runs[: len(before)], runs[len(before) :]
    plain = remember(identify_arms(arms), lambda: msgspec.to_builtins(compare_sides(*arms)))
    unit, acts, reason = msgspec.convert(plain, Result)
    return StepProfile(
        cell=series.cell,
        testbed=series.testbed,
        metrics=[track.series.metric.name for track, _ in steps],
        at=first.runs[0],
        time=first.time,
        before=reader.side(before),
        after=reader.side(after),
        unit=unit,
        acts=acts,
        reason=reason,
    )


def compare_sides(before: Sequence[Observation], after: Sequence[Observation]) -> Result:
    """Return what the profiles of two sides say: the unit of the comparison, its storms, or a reason."""
    result = compare_pair(pair_arms("", BEFORE, AFTER, before, after))
    return (result.unit, result.acts, "") if isinstance(result, PairProfile) else ("", [], result)


def identify_arms(arms: Iterable[Sequence[Observation]]) -> bytes:
    """Return all that a comparison of profiles depends on: the files, and what is known of their runs."""
    return repr([[identify_profile(run) for run in arm] for arm in arms]).encode()


def identify_profile(run: Observation) -> tuple[Any, ...]:
    """Return all that a comparison of profiles takes from a run that has one."""
    assert run.profile is not None
    files = (run.profile / name for name in (RUN_FILE, profile_file.NAME))
    facts = (run.session, run.group, run.block, run.host.kernel, run.host.emulated)
    return *facts, *(identify_file(str(file)) for file in files)


def step_object(step: StepProfile) -> dict[str, Any]:
    """Return the profiles of a step as ``--json`` prints them."""
    return {
        **{name: getattr(step, name) for name in ("cell", "testbed", "metrics", "at", "time", "unit")},
        "stacks": {
            name: [str(path) for path in side.stacks] for name, side in ((BEFORE, step.before), (AFTER, step.after))
        },
        "reason": step.reason or None,
        "acts": [act_object(act) for act in step.acts],
    }
