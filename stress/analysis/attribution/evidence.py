# SPDX-License-Identifier: MIT
"""Evidence: the packets of the first attempts of each cause."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import ActFindings
from stress.analysis.attribution.hops import Hops
from stress.analysis.attribution.packet_flags import flags_text
from stress.lab.capture import Packets
from stress.model.outcome import Cause
from stress.model.summary import Evidence, Packet

ATTEMPTS_PER_CAUSE = 3  # in one act
TIMESTAMP_TOLERANCE_NS = 50_000  # between the engine's clock and the kernel's packet timestamp


@dataclass(frozen=True)
class CapturedAttempt:
    """An attempt with its captured packets.

    Attributes:
        evidence: the attempt and its packets, as a summary has them.
        rows: indices of the packets in the capture, shape (packets,); of those that several hosts saw, all.
    """

    evidence: Evidence
    rows: npt.NDArray[np.intp]


def select_captured_attempts(act: ActFindings, packets: Packets, epoch_ns: int) -> list[CapturedAttempt]:
    """Return the first attempts of each cause whose packets were captured, in the order of CAUSES.

    With several hosts an attempt of which no packet was seen counts too, if the capture is complete: none was sent.

    Args:
        act: outcome and cause of each attempt of a storm.
        packets: captured during the storm.
        epoch_ns: when the run began, CLOCK_MONOTONIC.
    """
    attempts, captured = act.storm.attempts, []
    source: Hops | OneHost = OneHost(packets) if len(packets.hosts) == 1 else Hops(packets, act.storm.act)
    for code, cause in enumerate(CAUSES):
        limit = 1 if cause is Cause.NONE else max(ATTEMPTS_PER_CAUSE, act.storm.act.plan.until_slow or 0)
        of_cause = 0
        for row in np.flatnonzero(act.causes == code):
            attempt = attempts[row]
            start_ns, port = int(attempt["start_ns"]), int(attempt["local_port"])
            from_ns = epoch_ns + start_ns
            span_ns = (from_ns - TIMESTAMP_TOLERANCE_NS, from_ns + int(attempt["latency_ns"]))
            segments, rows = source.packets_of(attempt, span_ns)
            if not (segments or source.proves_silence(attempt)):
                continue
            evidence = Evidence(act.storm.act.name, str(cause), port, start_ns, segments, source.path_of(attempt))
            captured.append(CapturedAttempt(evidence, rows))
            of_cause += 1
            if of_cause == limit:
                break
    return captured


class OneHost:
    """The packets of a capture on the loopback, by attempt."""

    def __init__(self, packets: Packets) -> None:
        """Sort them."""
        self.packets = packets
        self.by_port = np.argsort(packets.client_port, kind="stable")
        self.ports = packets.client_port[self.by_port]

    def packets_of(self, attempt: Any, span_ns: tuple[int, int]) -> tuple[list[Packet], npt.NDArray[np.intp]]:
        """Return the packets of an attempt, and their indices in the capture.

        Args:
            attempt: of dtype ATTEMPT.
            span_ns: its first and its last moment, CLOCK_MONOTONIC.
        """
        packets, port = self.packets, int(attempt["local_port"])
        low, high = np.searchsorted(self.ports, (port, port + 1))
        rows = self.by_port[low:high]
        times_ns = packets.time_ns[rows]
        rows = rows[(times_ns >= span_ns[0]) & (times_ns <= span_ns[1])]
        segments = [
            Packet(
                int(packets.time_ns[row] - packets.time_ns[rows[0]]),
                bool(packets.from_client[row]),
                flags_text(packets, row),
            )
            for row in rows
        ]
        return segments, rows

    def path_of(self, _: Any) -> list[str]:
        """Return the hosts between which an attempt's packets go: none, for there is one."""
        return []

    def proves_silence(self, _: Any) -> bool:
        """Return whether an attempt without packets is worth showing."""
        return False
