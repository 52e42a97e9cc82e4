# SPDX-License-Identifier: MIT
"""Bisect: on which of many kernels a gate first closes. Each kernel runs a small suite of its own."""

import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stress.analysis.gate.bisection import Bisection, Mark
from stress.analysis.gate.result import ConditionResult, State
from stress.compare.arms import Question
from stress.compare.bisect_profile import BisectionProfile, profile_sides, refuse_unprofiled
from stress.compare.gate import evaluate_gate
from stress.model.errors import LabError, UsageError
from stress.model.kernel import HOST
from stress.model.progress import ProgressCallback
from stress.model.suite import Suite
from stress.suite import runner
from stress.suite.executor.base import Executor
from stress.suite.executor.local import Local
from stress.suite.kernels import add_kernel_axis
from stress.view.text.gate_wording import sentence

# Kernels differ in their kernel; a kernel that is booted is also another machine, with its own defaults.
ALLOWED = ("kernel", "testbed", "settings")
SHOWN_LINES = 3  # of the errors of a failed build


@dataclass(frozen=True)
class Probe:
    """The result for one kernel.

    Attributes:
        name: as the list has it.
        mark: good, bad or skipped.
        reason: for the mark, in sentences.
        path: the folder of its suite; None when the suite was not run.
    """

    name: str
    mark: Mark
    reason: str
    path: Path | None


@dataclass(frozen=True)
class BisectionResult:
    """The result of a bisection.

    Attributes:
        probes: in the order in which they were made.
        last_good: the last kernel that is known to be good.
        suspects: the first bad kernel, or the kernels that may be the first.
        profile: of the last good kernel and the first that is known to be bad; None where it was not asked for.
    """

    probes: list[Probe]
    last_good: str
    suspects: list[str]
    profile: BisectionProfile | None = None


def bisect_kernels(
    suite: Suite,
    names: Sequence[str],
    exprs: Sequence[str],
    results: Path,
    notify: ProgressCallback,
    *,
    build: str | None = None,
    executor: Callable[[], Executor] = Local,
    with_profile: bool = False,
) -> BisectionResult:
    """Find the first kernel on which a gate closes.

    Args:
        suite: it is run on each kernel, and has no axis of kernels.
        names: of kernels, or arguments of ``build``; the first must be good and the last bad, which is checked.
        exprs: conditions in addition to those of the suite; the baseline is the first kernel.
        results: where the suites' folders will be.
        notify: progress callback.
        build: a command that builds a kernel; ``{}`` is replaced by a name, and the last line that it prints is a path.
        executor: returns the executor of each suite; by default that of this machine.
        with_profile: at the end, run the last good and the first bad kernel once more in one suite, with profiles.

    Raises:
        UsageError: there are fewer than two kernels, the gate does not pass on the first, or does not fail on the last;
            or there can be no profile.
        LabError: the first or the last kernel was skipped.
    """
    if len(names) < 2:
        raise UsageError("A bisection needs a good kernel and a bad one, and more between them to be of use.")
    if with_profile:
        refuse_unprofiled(suite, [names[0], names[-1]] if build is None else [HOST], executor())
    search = Bisection(len(names))
    kernels: dict[int, str] = {}  # by their place; what they were built as
    probes: list[Probe] = []
    good: Path | None = None

    def probe(place: int) -> Probe:
        name = names[place]
        notify(f"{name}: {search.first_bad - search.last_good - 1} between good and bad")
        try:
            kernels[place] = build_kernel(name, build)
            if with_profile and build is not None:
                refuse_one_place(list(kernels.values()))
            path = runner.run(add_kernel_axis(suite, [kernels[place]]), results, executor())
        except LabError as error:
            tried = Probe(name, Mark.SKIPPED, str(error), None)
        else:
            conditions = evaluate_gate(
                Question(arms=probe_arms(good, path), allowed=ALLOWED, results=results), exprs
            ).conditions
            tried = Probe(name, *mark_kernel(conditions, first=good is None), path)
        probes.append(tried)
        search.marks[place] = tried.mark
        notify(f"{name}: {tried.mark}; {tried.reason}")
        return tried

    first = probe(0)
    require_mark(first, Mark.GOOD)
    good = first.path
    require_mark(probe(len(names) - 1), Mark.BAD)
    while (place := search.next()) is not None:
        probe(place)
    profile = None
    if with_profile:
        notify(f"profiling {names[search.last_good]} and {names[search.first_bad]} in the same blocks")
        sides = kernels[search.last_good], kernels[search.first_bad]
        profile = profile_sides(suite, sides, results, executor())
    return BisectionResult(probes, names[search.last_good], [names[place] for place in search.suspects], profile)


def refuse_one_place(kernels: Sequence[str]) -> None:
    """Raise UsageError if the last of some kernels was built where another one is, which the profile needs as well."""
    if kernels[-1] in kernels[:-1]:
        raise UsageError(
            f"With --profile each kernel has to stay where it was built, but two are {kernels[-1]}; let the command of "
            "--build copy each to a place of its own, or leave out --profile."
        )


def probe_arms(good: Path | None, path: Path) -> tuple[str, str]:
    """Return the arms base and new; the first kernel has no baseline."""
    return f"good={good or path / 'no-baseline'}", f"new={path}"


def build_kernel(name: str, build: str | None) -> str:
    """Return the kernel of a name, which is built if there is a command for it.

    Raises:
        LabError: it cannot be built.
    """
    if build is None:
        return name
    command = build.replace("{}", shlex.quote(name))
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602  # the user's
    lines = ended.stdout.split("\n")
    path = next((line.strip() for line in reversed(lines) if line.strip()), "")
    if ended.returncode:
        errors = " | ".join(ended.stderr.strip().split("\n")[-SHOWN_LINES:])
        raise LabError(f"{command} ended with code {ended.returncode}: {errors or 'it printed no error'}.")
    if not path:
        raise LabError(f"{command} did not print the path of a kernel as its last line.")
    return path


def mark_kernel(conditions: Sequence[ConditionResult], *, first: bool) -> tuple[Mark, str]:
    """Return the mark of a kernel by its conditions, and the reason; the first kernel needs no baseline."""
    broken = [condition for condition in conditions if condition.state is State.BROKEN]
    if broken:
        return Mark.BAD, " ".join(sentence(condition) for condition in broken)
    passing = (State.HOLDS, State.NO_BASELINE) if first else (State.HOLDS,)
    undecided = [condition for condition in conditions if condition.state not in passing]
    if undecided:
        return Mark.SKIPPED, " ".join(sentence(condition) for condition in undecided)
    return Mark.GOOD, "every condition holds."


def require_mark(probe: Probe, expected: Mark) -> None:
    """Raise an error unless the first or last kernel of the list has the mark that the user says."""
    if probe.mark is Mark.SKIPPED:
        raise LabError(f"It cannot be decided whether {probe.name} is {expected}: {probe.reason}")
    if probe.mark is not expected:
        raise UsageError(f"{probe.name} should be {expected}, but is {probe.mark}: {probe.reason}")
