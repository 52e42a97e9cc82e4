# SPDX-License-Identifier: MIT
"""One cell: a plan carried out in this process, analysed, drawn and stored as a run folder."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from stress.analysis.attribution.evidence import select_captured_attempts
from stress.analysis.attribution.summary import analyse
from stress.lab import host_names
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.signals import disregard_interrupts
from stress.model.extra import require_package
from stress.model.plan import Plan
from stress.model.profile import Stacks
from stress.model.progress import ProgressCallback, StormCallback, ignore_storm
from stress.model.run import Run
from stress.run.peer.peer_storm import storm_across_link
from stress.run.peer.relay_spec import RelaySpec
from stress.run.served import ServedArm
from stress.store import pcap, profile_file, run_folder
from stress.storm.external_storm import storm_external_server
from stress.storm.profiler import Profiler
from stress.storm.run_plan import WHERE_THE_SERVER_IS, carry_out

EVIDENCE = "evidence.pcap"
PROFILED = "A profiler took samples during this run: its times are not compared with those of other runs."
SERVED_HERE = (
    "This ran in a private namespace with the server of a suite's arm: the counters include all that this does itself."
)


def run(
    plan: Plan,
    results: Path,
    notify: ProgressCallback,
    *,
    draw: bool = True,
    asked: AskedKernel | None = None,
    hosts: Path = host_names.HOSTS,
    relay: RelaySpec | None = None,
    server: ServedArm | None = None,
    may_change: bool = False,
    announce: StormCallback = ignore_storm,
    profiler: Profiler | None = None,
) -> Path:
    """Carry out a plan in this process and its namespace; return the new run folder under ``results``.

    An interrupt during the storm ends it early; from then on they are ignored, so that what was recorded is also
    written.
    Figures are left out unless ``draw``; ``connstorm plot`` makes them at any time. ``asked`` is as of ``carry_out``;
    ``hosts`` is the file of host names for the target of a storm against the server of others. ``relay`` and
    ``may_change`` are for a storm across a link, as of ``storm_across_link``. ``server`` is that of a suite's arm,
    and ends with the storm. ``announce`` is called when each storm is about to begin. ``profiler`` is for storms whose
    client and server are both connstorm's own, on this host.

    Raises:
        UsageError: a package is missing that a capture needs.
        UsageError, LabError: as ``carry_out`` and ``run_folder.write``.
    """
    if plan.capture and relay is not None:  # before the storm, not after it
        require_package("scipy", "fleet", "--capture across a link")
    if plan.is_external:
        observed, packets, epoch_ns = storm_external_server(plan, asked, notify, results, hosts, announce=announce)
        if server is not None:
            server.finish()
            observed = in_private_namespace(observed)
    elif relay is not None:
        observed, packets, epoch_ns = storm_across_link(
            plan, relay, notify, results, asked, may_change=may_change, announce=announce
        )
    else:
        observed, packets, epoch_ns = carry_out(plan, notify, results, asked, announce=announce, profiler=profiler)
    disregard_interrupts()
    files: dict[str, Callable[[Path], None]] = {}
    if profiler is not None:
        notify("reading the profile")
        observed, stacks = with_profile(observed, profiler)
        if stacks:
            files[profile_file.NAME] = partial(profile_file.write, stacks=stacks)
    notify("analysing and drawing" if draw else "analysing")
    findings = analyse(observed)
    if packets:
        selected = [
            select_captured_attempts(act, captured, epoch_ns)
            for act, captured in zip(findings.acts, packets, strict=True)
        ]
        findings = analyse(observed, [attempt.evidence for of_act in selected for attempt in of_act])
        rows = [np.concatenate([np.zeros(0, np.intp), *(attempt.rows for attempt in of_act)]) for of_act in selected]
        files[EVIDENCE] = partial(pcap.write, captures=list(zip(packets, rows, strict=True)))
    figures: dict[str, Callable[[Path], None]] = {}
    if draw:
        from stress.view.figure.run.run_figures import figure_writers  # noqa: PLC0415  # matplotlib takes longer than many a trial

        figures = figure_writers(findings)
    return run_folder.write(observed, findings.summary, results, files, figures=figures, notify=notify)


def with_profile(run: Run, profiler: Profiler) -> tuple[Run, Stacks]:
    """End the profiler; return the run with how it was profiled, and its stacks."""
    report, stacks = profiler.finish()
    warnings = [*run.record.warnings, f"It has no profile. {report.failure}" if report.failure else PROFILED]
    record = msgspec.structs.replace(run.record, profiled=report, warnings=warnings)
    return dataclasses.replace(run, record=record), stacks


def in_private_namespace(run: Run) -> Run:
    """Return a run against the server of an arm with what is true of its counters and settings."""
    warnings = [text for text in run.record.warnings if text != WHERE_THE_SERVER_IS]
    return dataclasses.replace(run, record=msgspec.structs.replace(run.record, warnings=[SERVED_HERE, *warnings]))
