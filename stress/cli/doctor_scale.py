# SPDX-License-Identifier: MIT
"""connstorm doctor --scale: how rates grow with the CPUs of this machine."""

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from stress.cli.interrupts import catch_sigterm, interrupted_code
from stress.cli.output import Progress, console, print_object
from stress.cli.streams import print_text
from stress.lab import namespace
from stress.lab.cpu_pairs import most_pairs, place_pairs, placement_sentences
from stress.lab.cpu_topology import Topology, read_topology
from stress.lab.perf import Recording, require_perf, sampling_refusal
from stress.model.errors import LabError, UsageError
from stress.model.scale import LOOP_S, ROUNDS, ScaleStep, profile_rate_hz, scale_steps
from stress.model.text import plural
from stress.run.process import ONE_THREAD
from stress.view.text.cpu_plan import plan_text

if TYPE_CHECKING:
    from stress.profile.contention import Growth

PAIRS_MAX = 128  # as many processes as a listener may have
NOTHING_TO_COMPARE = "With one pair there is nothing to compare it with."


def examine_scale(most: int | None, rounds: int | None, *, only_plan: bool, as_json: bool) -> None:
    """Measure 1, 2, 4 … pairs of a client and a server on CPUs of their own, or print which these would be.

    Args:
        most: how many pairs at most; None: as many as need nothing to be given up.
        rounds: of each step; None: the usual number.
        only_plan: measure nothing.
        as_json: print one JSON object.

    Raises:
        UsageError: there are fewer CPUs than pairs, or there is no room for them.
        LabError: there is no private namespace, or what was started ended.
    """
    topology = read_topology()
    steps = scale_steps(min(most_pairs(topology), PAIRS_MAX) if most is None else most)
    place_pairs(topology, steps[-1])  # refuses too many
    if only_plan:
        print_plan(topology, steps, as_json=as_json)
        return
    with ExitStack() as stack:
        recording, unprofiled = start_recording(stack, topology, is_wanted=len(steps) > 1)
        try:
            namespace.enter_namespace()
        except LabError as error:
            raise LabError(f"Rates are measured in a private namespace only. {error}") from error
        os.environ |= ONE_THREAD  # numpy's libraries start no threads, as in a storm's process
        measured, growth, failure, was_interrupted = measure(topology, steps, rounds, recording, as_json=as_json)
    unprofiled = failure or unprofiled
    if as_json:
        document = {"topology": topology, "steps": measured, "growth": growth, "unprofiled": unprofiled}
        print_object(msgspec.to_builtins(document))
    else:
        from stress.view.text.scale import scale_report  # noqa: PLC0415  # imports numpy

        console().print(scale_report(measured, growth, unprofiled))
    if was_interrupted:
        sys.exit(interrupted_code())


def start_recording(stack: ExitStack, topology: Topology, *, is_wanted: bool) -> tuple[Recording | None, str]:
    """Start perf, which has to be done before the namespace is entered; or return why there will be no profile."""
    if not is_wanted:
        return None, NOTHING_TO_COMPARE
    try:
        require_perf("The profile")
        if refusal := sampling_refusal():
            return None, f"{refusal[0].upper()}{refusal[1:]}."
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="connstorm-"))
        return stack.enter_context(Recording(Path(folder), profile_rate_hz(topology.online))), ""
    except UsageError as error:
        return None, str(error)


def measure(
    topology: Topology, steps: list[int], rounds: int | None, recording: Recording | None, *, as_json: bool
) -> tuple[list[ScaleStep], "Growth | None", str, bool]:
    """Measure the steps; return them, what grew, why that is not known, and whether an interrupt left some out."""
    # numpy starts threads, and a process with threads cannot enter a namespace: only now.
    from stress.run.scale import Pairs, ScaleProfile, refuse_excess  # noqa: PLC0415

    catch_sigterm()
    notify = Progress("doctor", quiet=as_json)
    rounds = rounds or ROUNDS
    measured: list[ScaleStep] = []
    profile = ScaleProfile(recording) if recording is not None else None
    refuse_excess(steps[-1])
    try:
        for count in steps:
            loops = 2 + (count > 1)
            seconds = (rounds + 1) * loops * LOOP_S
            notify(f"{plural(count, 'pair')}: {plural(rounds, 'round')} of {loops} loops, some {seconds:.0f} s")
            with Pairs(place_pairs(topology, count)) as pairs:
                measured.append(pairs.measure(topology, rounds, LOOP_S))
                if profile is not None and count == steps[-1]:
                    notify(f"profile of 1 pair and of {count}")
                    profile.record(pairs)
        growth = profile.growth() if profile is not None else None
    except KeyboardInterrupt:
        if not measured:
            raise
        print_text(f"interrupted after {plural(measured[-1].pairs, 'pair')}", err=True)
        return measured, None, "It was interrupted.", True
    except LabError as error:
        if len(measured) < len(steps):
            raise
        return measured, None, str(error), False
    return measured, growth, "", False


def print_plan(topology: Topology, steps: list[int], *, as_json: bool) -> None:
    """Print which CPUs the pairs of each step would have."""
    if as_json:
        placements = [place_pairs(topology, count) for count in steps]
        print_object(
            msgspec.to_builtins(
                {
                    "topology": topology,
                    "steps": [
                        {
                            "clients": placement.clients,
                            "servers": placement.servers,
                            "given_up": list(placement_sentences(topology, placement)),
                        }
                        for placement in placements
                    ],
                }
            )
        )
        return
    print_text(plan_text(topology, steps))
