# SPDX-License-Identifier: MIT
"""The worlds of known truth (``tests/worlds``), captured: what packets tell of their attempts, held against that."""

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest.mock import patch

import msgspec
from worlds.site import Site
from worlds.truth import Verdict, evaluate_run

from captured.agreement import ENDS, NOT_CAPTURED, told_by_packets
from captured.network import PORT, ROOM, CapturedFile, CapturedNetwork, write
from captured.storms import AFTER_S, in_a_process_of_its_own
from stress.analysis.attribution.summary import analyse
from stress.lab import namespace
from stress.lab.capture import LOOPBACK, Capture, realtime_offset_ns
from stress.run.stored_run import StoredRun
from stress.storm import environment
from stress.storm.client import Client

UNKNOWN = "unknown"


@dataclass
class WorldVerdict(Verdict):
    """A verdict with what was said of unknown attempts."""

    hints: list = field(default_factory=list)

    def add(self, other):
        """Add another storm's to this one."""
        super().add(other)
        self.hints += other.hints


class RecordingSite(Site):
    """A site that keeps its runs and their truths."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.runs = []

    def add_run(self, run, truth):
        """Add what is said of a run."""
        self.runs.append((run, truth))
        super().add_run(run, truth)


def carry_out(world, folder):
    """Make a world in a process and a namespace of its own, captured; return the verdict on what packets tell.

    Returns a verdict for each end, and why there is none.
    """
    return in_a_process_of_its_own(lambda: carry_out_here(world, folder), lambda failure: ({}, failure))


def carry_out_here(world, folder):
    """Make a world in this process, in a namespace of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    namespace.enter_namespace()
    CapturedNetwork.folder, CapturedNetwork.made, CapturedNetwork.after_s = folder, [], AFTER_S
    epochs = []
    whole_storm = Client.storm

    def storm(client, *arguments):
        result = whole_storm(client, *arguments)
        epochs.append(result.epoch_ns)
        return result

    begun_ns = time.time_ns()
    with Capture(PORT, ROOM, LOOPBACK) as capture:
        site = RecordingSite(world.family)
        with patch.object(Client, "storm", storm), patch.object(environment, "Network", CapturedNetwork):
            world.build(site)
        time.sleep(AFTER_S)
        packets = capture.packets()
        path = folder / "loopback.pcap"
        write(path, packets, with_devices=False)
        alone = ((CapturedFile(path, packets.missed, begun_ns, time.time_ns()),),)
    captures = [network.files for network in CapturedNetwork.made] or alone
    verdicts = {}
    for run, truth in site.runs:
        epoch_ns = epochs[0] + realtime_offset_ns()
        epochs = epochs[len(run.record.acts) :]
        for end in ENDS if len(captures[0]) > 1 else ("client",):
            verdicts.setdefault(end, WorldVerdict()).add(verdict_on(run, truth, epoch_ns, captures, end))
    return verdicts, ""


def verdict_on(run, truth, epoch_ns, captures, end):
    """Return the verdict on the causes that packets tell."""
    causes, hints, network = [], [], -1
    findings = analyse(run)
    for act in findings.acts:
        network += bool(act.storm.act.plan.fresh or network < 0)
        files = captures[min(network, len(captures) - 1)][ENDS[end]]
        told, said = told_by_packets(act.storm, epoch_ns, files)
        attempts = act.storm.attempts
        nothing = (told == "none") & (attempts["error"] == 0) & (attempts["retransmits"] == 0)
        told[(told == NOT_CAPTURED) | nothing] = UNKNOWN
        causes += told.tolist()
        hints += said
    summary = msgspec.structs.replace(findings.summary, bounds=[])  # those are not of packets
    stored = StoredRun(None, run, summary)
    shown = SimpleNamespace(
        causes=causes,
        attempts=run.attempts,
        uses=run.uses,
        outcomes=stored.outcomes,
        record=run.record,
        summary=summary,
    )
    verdict = evaluate_run(shown, truth)
    verdict.hints = hints
    return verdict
