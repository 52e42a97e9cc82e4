# SPDX-License-Identifier: MIT
"""Bisect: on which of many kernels a gate first closes. Each kernel runs a small suite of its own."""

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.gate.bisection import Bisection, Mark
from stress.analysis.gate.evaluate import ConditionResult, State
from stress.compare.arms import Question
from stress.compare.gate import evaluate_gate
from stress.model.errors import LabError, UsageError
from stress.model.progress import ProgressCallback
from stress.model.suite import Suite
from stress.suite import runner
from stress.suite.executor.base import Executor
from stress.suite.executor.local import Local
from stress.suite.kernels import add_kernel_axis
from stress.view.text.gate_wording import sentence

# Kernels differ in their kernel; one that is booted also is another machine, with its own defaults.
ALLOWED = ("kernel", "testbed", "settings")
SHOWN_LINES = 3  # of what a build said that failed


@dataclass(frozen=True)
class Probe:
    """What was found of one kernel.

    Attributes:
        name: as the list has it.
        mark: good, bad, or that it cannot be told.
        why: in sentences.
        path: the folder of its suite; None where it did not come so far.
    """

    name: str
    mark: Mark
    why: str
    path: Path | None


@dataclass(frozen=True)
class BisectionResult:
    """What a bisection came to.

    Attributes:
        probes: in the order in which they were made.
        last_good: the last kernel that is known to be good.
        suspects: the first bad kernel, or those that may be it.
    """

    probes: list[Probe]
    last_good: str
    suspects: list[str]


def bisect_kernels(
    suite: Suite,
    names: Sequence[str],
    exprs: Sequence[str],
    results: Path,
    notify: ProgressCallback,
    *,
    build: str | None = None,
    executor: Callable[[], Executor] = Local,
) -> BisectionResult:
    """Find the first kernel on which a gate closes.

    Args:
        suite: what is run on each, without an axis of kernels.
        names: of kernels, or of what ``build`` makes kernels of; the first is good and the last bad, which is tried.
        exprs: conditions besides those of the suite; those against a baseline are against the first kernel.
        results: where the suites' folders will be.
        notify: is told how it gets on.
        build: a command that makes a kernel; ``{}`` is replaced by a name, and the last line that it prints is a path.
        executor: makes one for each suite; this machine's, by default.

    Raises:
        UsageError: there are fewer than two, or the gate is not open on the first, or not closed on the last.
        LabError: the first or the last could not be told.
    """
    if len(names) < 2:
        raise UsageError("A bisection needs a good kernel and a bad one, and had better have some between.")
    search = Bisection(len(names))
    probes: list[Probe] = []
    good: Path | None = None

    def probe(place: int) -> Probe:
        name = names[place]
        notify(f"{name}: {search.first_bad - search.last_good - 1} between good and bad")
        try:
            path = runner.run(add_kernel_axis(suite, [build_kernel(name, build)]), results, executor())
        except LabError as error:
            found = Probe(name, Mark.SKIPPED, str(error), None)
        else:
            rulings = evaluate_gate(
                Question(arms=probe_arms(good, path), allowed=ALLOWED, results=results), exprs
            ).rulings
            found = Probe(name, *mark_kernel(rulings, first=good is None), path)
        probes.append(found)
        search.marks[place] = found.mark
        notify(f"{name}: {found.mark}; {found.why}")
        return found

    first = probe(0)
    require_mark(first, Mark.GOOD)
    good = first.path
    require_mark(probe(len(names) - 1), Mark.BAD)
    while (place := search.next()) is not None:
        probe(place)
    return BisectionResult(probes, names[search.last_good], [names[place] for place in search.suspects])


def probe_arms(good: Path | None, path: Path) -> tuple[str, str]:
    """Return base and new; the first kernel has no baseline."""
    return f"good={good or path / 'no-baseline'}", f"new={path}"


def build_kernel(name: str, build: str | None) -> str:
    """Return the kernel that a name stands for, built if need be.

    Raises:
        LabError: it cannot be built.
    """
    if build is None:
        return name
    command = build.replace("{}", shlex.quote(name))
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602  # the user's
    lines = ended.stdout.split("\n")
    made = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if ended.returncode:
        said = " | ".join(ended.stderr.strip().split("\n")[-SHOWN_LINES:])
        raise LabError(f"{command} ended with code {ended.returncode}: {said or 'it said nothing'}.")
    if not made:
        raise LabError(f"{command} did not print the path of a kernel as its last line.")
    return made


def mark_kernel(rulings: Sequence[ConditionResult], *, first: bool) -> tuple[Mark, str]:
    """Return what rulings say of a kernel, and why; the first one has no baseline, and needs none."""
    broken = [ruling for ruling in rulings if ruling.state is State.BROKEN]
    if broken:
        return Mark.BAD, " ".join(sentence(ruling) for ruling in broken)
    fine = (State.HOLDS, State.NO_BASELINE) if first else (State.HOLDS,)
    untold = [ruling for ruling in rulings if ruling.state not in fine]
    if untold:
        return Mark.SKIPPED, " ".join(sentence(ruling) for ruling in untold)
    return Mark.GOOD, "every condition holds."


def require_mark(probe: Probe, expected: Mark) -> None:
    """Raise an error unless an end of the list is what the user says it is."""
    if probe.mark is Mark.SKIPPED:
        raise LabError(f"It cannot be told whether {probe.name} is {expected}: {probe.why}")
    if probe.mark is not expected:
        raise UsageError(f"{probe.name} should be {expected}, but is {probe.mark}: {probe.why}")
