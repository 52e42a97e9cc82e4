# SPDX-License-Identifier: MIT
"""Profiled run: the stacks of a run, for programs that draw them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stress.model.errors import UsageError
from stress.model.observation import Observation
from stress.model.profile import ProfileReport, Stack, Stacks
from stress.store import profile_file, run_folder


@dataclass(frozen=True)
class ProfiledRun:
    """A run and its stacks.

    Attributes:
        name: of its folder.
        report: how it was profiled.
        stacks: of all its storms.
    """

    name: str
    report: ProfileReport
    stacks: Stacks

    def of_act(self, act: str) -> Iterator[tuple[Stack, int]]:
        """Yield the stacks of one storm without the name of its act, in order, and their numbers of samples."""
        yield from ((stack[1:], count) for stack, count in sorted(self.stacks.items()) if stack[0] == act)


def read_profiles(runs: Sequence[Observation]) -> list[ProfiledRun]:
    """Read the profiles of runs.

    Raises:
        UsageError: one has none, or is damaged.
    """
    profiles = []
    for run in runs:
        path = run.profile or run.path  # of a trial of a suite, the run that was profiled is another one
        report = run_folder.read_document(path).profiled
        stacks = profile_file.read(path)
        if not isinstance(report, ProfileReport) or not stacks:
            raise UsageError(f"{run.path} has no profile; connstorm run {run.scenario} --profile makes one.")
        profiles.append(ProfiledRun(path.resolve().name, report, stacks))
    return profiles
