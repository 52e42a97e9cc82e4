# SPDX-License-Identifier: MIT
"""One cell: a plan carried out in this process, analysed, drawn and stored as a run folder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from stress.analysis.attribution.evidence import select_captured_attempts
from stress.analysis.attribution.summary import analyse
from stress.lab import host_names
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.signals import disregard_interrupts
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, StormCallback, ignore_storm
from stress.run.peer.peer_storm import storm_across_link
from stress.run.peer.relay_spec import RelaySpec
from stress.store import pcap, run_folder
from stress.storm.external_storm import storm_external_server
from stress.storm.run_plan import carry_out

EVIDENCE = "evidence.pcap"


def run(
    plan: Plan,
    results: Path,
    notify: ProgressCallback,
    *,
    draw: bool = True,
    asked: AskedKernel | None = None,
    hosts: Path = host_names.HOSTS,
    relay: RelaySpec | None = None,
    may_change: bool = False,
    announce: StormCallback = ignore_storm,
) -> Path:
    """Carry out a plan in this process and its namespace; return the new run folder under ``results``.

    An interrupt during the storm ends it early; from then on they are ignored, so that what was recorded is also
    written.
    Figures are left out unless ``draw``; ``connstorm plot`` makes them at any time. ``asked`` is as of ``carry_out``;
    ``hosts`` is the file of host names for the target of a storm against the server of others. ``relay`` and
    ``may_change`` are for a storm across a link, as of ``storm_across_link``. ``announce`` is called when each storm is
    about to begin.

    Raises:
        UsageError, LabError: as ``carry_out`` and ``run_folder.write``.
    """
    if plan.is_external:
        observed, packets, epoch_ns = storm_external_server(plan, asked, notify, results, hosts, announce=announce)
    elif relay is not None:
        observed, packets, epoch_ns = storm_across_link(
            plan, relay, notify, results, asked, may_change=may_change, announce=announce
        )
    else:
        observed, packets, epoch_ns = carry_out(plan, notify, results, asked, announce=announce)
    disregard_interrupts()
    notify("analysing and drawing" if draw else "analysing")
    findings = analyse(observed)
    files: dict[str, Callable[[Path], None]] = {}
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
    return run_folder.write(observed, findings.summary, results, files | figures)
