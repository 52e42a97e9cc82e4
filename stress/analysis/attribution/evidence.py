# SPDX-License-Identifier: MIT
"""Evidence: the packets of the first attempts of each cause."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import ActFindings
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
        rows: indices of the packets in the capture, shape (packets,).
    """

    evidence: Evidence
    rows: npt.NDArray[np.intp]


def select_captured_attempts(act: ActFindings, packets: Packets, epoch_ns: int) -> list[CapturedAttempt]:
    """Return the first attempts of each cause whose packets were captured, in the order of CAUSES.

    Args:
        act: outcome and cause of each attempt of a storm.
        packets: captured during the storm.
        epoch_ns: when the run began, CLOCK_MONOTONIC.
    """
    attempts, captured = act.storm.attempts, []
    by_port = np.argsort(packets.client_port, kind="stable")
    ports = packets.client_port[by_port]
    for code, cause in enumerate(CAUSES):
        limit = 1 if cause is Cause.NONE else ATTEMPTS_PER_CAUSE
        of_cause = 0
        for row in np.flatnonzero(act.causes == code):
            attempt = attempts[row]
            start_ns = int(attempt["start_ns"])
            low, high = np.searchsorted(ports, (attempt["local_port"], int(attempt["local_port"]) + 1))
            rows = by_port[low:high]
            since_ns = packets.time_ns[rows] - epoch_ns - start_ns
            rows = rows[(since_ns >= -TIMESTAMP_TOLERANCE_NS) & (since_ns <= int(attempt["latency_ns"]))]
            if not len(rows):
                continue
            first_ns = int(packets.time_ns[rows[0]])
            segments = [
                Packet(
                    int(packets.time_ns[packet]) - first_ns,
                    bool(packets.from_client[packet]),
                    flags_text(packets, packet),
                )
                for packet in rows
            ]
            port = int(attempt["local_port"])
            captured.append(CapturedAttempt(Evidence(act.storm.act.name, str(cause), port, start_ns, segments), rows))
            of_cause += 1
            if of_cause == limit:
                break
    return captured


def flags_text(packets: Packets, row: int) -> str:
    """Return a segment's flags in tcpdump's notation: ``S.`` for SYN and ACK."""
    from scapy.layers.inet import TCP  # noqa: PLC0415  # 0.5 s, and only a capture needs it
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    frame = Ether(packets.headers[row].tobytes())
    return str(frame[TCP].flags).replace("A", ".")
