# SPDX-License-Identifier: MIT
"""What the scenarios with several listeners on one port measure, and their verdicts."""

import errno
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.syns import Syns
from stress.model.run import Storm

MIGRATE = "net.ipv4.tcp_migrate_req"


def failed_tuples(storm: Storm) -> npt.NDArray[np.int64]:
    """Return the 4-tuples on which an attempt timed out, in rising order, each once."""
    return np.unique(storm.tuples(storm.attempts[storm.attempts["error"] == errno.ETIMEDOUT]))


def count_resets(storm: Storm) -> int:
    """Return how many connections met a reset when they were first used."""
    return int((storm.uses["error"] == errno.ECONNRESET).sum())


def reuseport_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield the share of 4-tuples that failed, and how many listeners dropped packets."""
    tuples = np.unique(storm.tuples(storm.attempts))
    listening = [report for report in storm.act.listening if report.on_target]
    drops = [report.drops for report in listening if report.drops]
    yield "4-tuples that failed", len(failed_tuples(storm)), f"of {len(tuples):,}"
    yield "listeners that dropped SYNs", len(drops), f"of {storm.act.plan.listeners:,}"
    yield "SYNs that these dropped", sum(drops) if listening else None, "(sk_drops)"


def reload_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield how many connections were reset in the queue, and how many requests moved to the other listener."""
    yield "connected", int((storm.attempts["error"] == 0).sum()), f"of {len(storm.attempts):,}"
    yield "reset at the first use", count_resets(storm), "connections"
    yield "moved to the other listener", storm.act.counters.get("TCPMigrateReqSuccess"), "(TCPMigrateReqSuccess)"


def reuseport_verdict(storms: list[Storm]) -> str:
    """Say which share fails, and whether it is the same the second time."""
    sentences = []
    for first, again in pairwise(storms):
        if again.act.plan.fresh or again.act.plan.listeners != first.act.plan.listeners:
            continue
        failed, of = failed_tuples(first), len(np.unique(first.tuples(first.attempts)))
        same = len(np.intersect1d(failed, failed_tuples(again)))
        sentences.append(
            f"with {first.act.plan.listeners} listeners {len(failed):,} of {of:,} 4-tuples failed, and the second time "
            f"{same:,} of these again"
        )
    text = "; ".join(sentences)
    return f"{text[:1].upper()}{text[1:]}." if text else "Inconclusive: no 4-tuple was tried twice."


def reload_verdict(storms: list[Storm]) -> str:
    """Say how many connections the closing of a listener cost, with and without migration."""
    return "; ".join(
        f"{storm.act.name}: {count_resets(storm):,} of {int((storm.attempts['error'] == 0).sum()):,} connections were "
        "reset before they were accepted"
        for storm in storms
    )
