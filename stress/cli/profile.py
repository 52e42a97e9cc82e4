# SPDX-License-Identifier: MIT
"""The profile of a run: what asks for it, and what is printed of it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from stress.cli.output import console
from stress.cli.streams import print_text
from stress.lab import perf
from stress.model.errors import UsageError
from stress.model.profile import RATE_HZ, RATES_HZ, ProfileReport
from stress.model.run import Run
from stress.profile.costs import run_costs
from stress.profile.loop_times import loop_times
from stress.store import profile_file
from stress.view.text.profile_table import loop_report, profile_report

OF_OTHERS = (
    "--profile is for storms whose client and server are both connstorm's own and on this host: leave out --peer, "
    "--against, or --profile."
)


def add_profile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a profile to a command."""
    for option in (
        click.option(
            "--profile-rate",
            "profile_hz",
            type=click.IntRange(*RATES_HZ),
            metavar="HZ",
            help=f"with --profile: so many samples a second on each CPU; by default {RATE_HZ}",
        ),
        click.option(
            "--profile",
            "with_profile",
            is_flag=True,
            help="sample what the kernel does during the storm, by perf, as root; its times are then not compared",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class ProfileChoice:
    """What the options of a profile say.

    Attributes:
        refusal: why there is none although it was asked for; empty otherwise.
        options: of ``run-cell``.
    """

    refusal: str = ""
    options: tuple[str, ...] = ()


def take_profile_choice(given: dict[str, Any], *, is_local: bool) -> ProfileChoice:
    """Take the options of a profile out of those that were given, and look whether it can be had.

    Args:
        given: the options of a command, by name.
        is_local: whether client and server are both connstorm's own, on this host.

    Raises:
        UsageError: it cannot be had of this storm, or without perf.
    """
    profile_hz, is_wanted = given.pop("profile_hz"), given.pop("with_profile")
    if not is_wanted:
        if profile_hz is not None:
            raise UsageError("--profile-rate is for a profile: give --profile too, or leave it out.")
        return ProfileChoice()
    if not is_local:
        raise UsageError(OF_OTHERS)
    perf.require_perf()
    if refusal := perf.sampling_refusal():
        print_text(f"warning: there will be no profile: {refusal}.", err=True)
        return ProfileChoice(refusal=refusal)
    return ProfileChoice(options=("--profile", str(profile_hz or RATE_HZ)))


def print_profile(observed: Run, path: Path, *, is_whole: bool = False, refusal: str = "") -> None:
    """Print the profile of a stored run, if it has one; after a ``refusal`` what the loop's own timestamps say."""
    if refusal:
        print_loop_times(observed, refusal)
    if isinstance(report := observed.record.profiled, ProfileReport):
        costs = list(run_costs(observed.record, profile_file.read(path)))
        console().print(profile_report(report, costs, is_whole=is_whole))


def print_whole_profile(observed: Run, path: Path) -> None:
    """Print the profile of a stored run with all functions.

    Raises:
        UsageError: it has none.
    """
    if not isinstance(observed.record.profiled, ProfileReport):
        raise UsageError(f"{path} was not profiled; connstorm run {observed.record.plan.scenario} --profile makes one.")
    print_profile(observed, path, is_whole=True)


def print_loop_times(observed: Run, why: str) -> None:
    """Print what the loop's own timestamps say, in place of a profile."""
    console().print(loop_report(why, list(loop_times(observed))))
