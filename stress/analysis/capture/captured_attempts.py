# SPDX-License-Identifier: MIT
"""Captured attempts: the packets of the first tries of each cause, out of the capture that they were read from."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.evidence import ATTEMPTS_PER_CAUSE, CapturedAttempt
from stress.analysis.attribution.findings import ActFindings
from stress.analysis.attribution.outcome import OUTCOMES
from stress.analysis.capture.sighting import is_first_sighting
from stress.analysis.capture.tries import Tries, segments_of_try
from stress.model.outcome import Cause, Outcome
from stress.model.segment import NO_ICMP
from stress.model.summary import ICMP, Evidence, Packet

AS_TCPDUMP = "FSRP.UEW"  # from the lowest bit of the flags on
CONNECTED = OUTCOMES.index(Outcome.CONNECTED)
PACKETS_SHOWN = 24  # of one try


def select_captured_tries(
    act: ActFindings, rows: npt.NDArray[Any], tries: Tries, places: npt.NDArray[np.intp]
) -> list[CapturedAttempt]:
    """Return the first tries of each cause with their packets, in the order of CAUSES; slow ones before others.

    Args:
        act: outcome and cause of each attempt of an act.
        rows: all segments, dtype SEGMENT.
        tries: of these segments.
        places: index of each attempt of the act in the tries, shape (attempts,).
    """
    captured = []
    for code, cause in enumerate(CAUSES):
        limit = 1 if cause is Cause.NONE else ATTEMPTS_PER_CAUSE
        (of_cause,) = np.nonzero(act.causes == code)
        at_once = act.outcomes[of_cause] == CONNECTED
        for row in of_cause[np.argsort(at_once, kind="stable")][:limit].tolist():
            attempt = act.storm.attempts[row]
            index, from_client = segments_of_try(tries, int(places[row]))
            packets = describe_packets(rows[index], from_client)
            port, start_ns = int(attempt["local_port"]), int(attempt["start_ns"])
            captured.append(CapturedAttempt(Evidence(act.storm.act.name, str(cause), port, start_ns, packets), index))
    return captured


def describe_packets(segments: npt.NDArray[Any], from_client: npt.NDArray[np.bool_]) -> list[Packet]:
    """Return the packets of a try, each once.

    Args:
        segments: of the try, shape (segments,), dtype SEGMENT.
        from_client: whether each goes away from the client; of an ICMP error, the segment that it quotes.
    """
    first = is_first_sighting(segments, np.zeros(len(segments), np.int64), from_client)
    packets = []
    for segment, is_from_client in zip(segments[first][:PACKETS_SHOWN], from_client[first], strict=False):
        is_error = int(segment["icmp_type"]) != NO_ICMP
        packets.append(
            Packet(
                int(segment["time_ns"] - segments["time_ns"][0]),
                bool(is_from_client) != is_error,
                f"{ICMP} {segment['icmp_type']}/{segment['icmp_code']}" if is_error else flags_text(segment["flags"]),
            )
        )
    return packets


def flags_text(flags: int) -> str:
    """Return the flags of a segment as tcpdump writes them: ``S.``."""
    return "".join(letter for bit, letter in enumerate(AS_TCPDUMP) if int(flags) >> bit & 1)
