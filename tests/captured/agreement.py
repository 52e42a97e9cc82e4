# SPDX-License-Identifier: MIT
"""What packets say of the attempts of a storm, held against what counters, censuses and the kernel's own word say."""

from collections import Counter
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import numpy as np

from captured.reading import causes_of_tries
from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.attribution.summary import analyse
from stress.store.capture_file.read import read_captures

BEFORE_NS, AFTER_NS = 200_000, 5_000_000  # between the clock of an attempt and the timestamp of its SYN
BEFORE_ALL_NS = 4_000_000_000  # the network was new when the capture began, so that nothing had been sent before
# Without a SYN sent again nothing in the packets needs an explanation.
WITHOUT_PACKETS = ("none", "unknown", "stalled", "listener_closed")
ENDS = {"client": slice(0, 1), "server": slice(-1, None), "both": slice(None)}
NOT_CAPTURED = ""


@dataclass
class Agreement:
    """The causes of attempts by both.

    Attributes:
        joined: attempts whose try is in the capture.
        alone: attempts that sent a SYN and whose try is not.
        causes: how many have which cause by counters and which by packets.
        examples: of each such pair that is wrong, where it is.
        hints: what was said of unknown ones.
    """

    joined: int = 0
    alone: int = 0
    causes: Counter = field(default_factory=Counter)
    examples: dict = field(default_factory=dict)
    hints: list = field(default_factory=list)

    @property
    def wrong(self):
        """The pairs of causes that contradict each other, with their numbers."""
        return {pair: count for pair, count in self.causes.items() if not agrees(*pair)}

    @property
    def named(self):
        """How many have a name by packets."""
        return sum(count for (_, told), count in self.causes.items() if told not in ("none", "unknown"))

    @property
    def troubled(self):
        """How many have a name by counters, and packets to speak of."""
        return sum(count for (known, _), count in self.causes.items() if known not in WITHOUT_PACKETS)


def agrees(known, told):
    """Tell whether a cause by packets is that by counters, or no other one."""
    if told == "none":
        return known in WITHOUT_PACKETS
    return told in (known, "unknown")


def hold_against(captured, end):
    """Hold what the captures of one end or both say against what the run itself says."""
    agreement, network = Agreement(), -1
    for act in analyse(captured.run).acts:
        network += bool(act.storm.act.plan.fresh or network < 0)
        told, hints = told_by_packets(act.storm, captured.epoch_ns, captured.captures[network][ENDS[end]])
        agreement.hints += hints
        for row in np.flatnonzero(has_sent_syn(act.storm.attempts)).tolist():
            if told[row] == NOT_CAPTURED:
                agreement.alone += 1
                continue
            agreement.joined += 1
            pair = (str(CAUSES[act.causes[row]]), str(told[row]))
            agreement.causes[pair] += 1
            if not agrees(*pair):
                agreement.examples.setdefault(pair, (act.storm.act.name, row, str(act.storm.attempts[row])))
    return agreement


def told_by_packets(storm, epoch_ns, files):
    """Return the cause of each attempt of a storm by some files, NOT_CAPTURED where they do not have it; and hints.

    Args:
        storm: the storm.
        epoch_ns: of its run, CLOCK_REALTIME.
        files: of dtype CapturedFile, one from each end.
    """
    segments = read_captures([file.path for file in files])
    known = [
        replace(said, dropped=file.lost, first_ns=file.begun_ns - BEFORE_ALL_NS, last_ns=file.ended_ns)
        for said, file in zip(segments.files, files, strict=True)
    ]
    tries, hints = causes_of_tries(replace(segments, files=known))
    attempts, address = storm.attempts, storm.act.address
    names = np.full(len(attempts), NOT_CAPTURED, "U32")
    for row in np.flatnonzero(has_sent_syn(attempts)).tolist():
        attempt = attempts[row]
        source, port = divmod(int(attempt["address"]) - address.first, address.target_ports)
        client = (str(ip_address(address.source) + source), int(attempt["local_port"]))
        from_ns = epoch_ns + int(attempt["start_ns"])
        until_ns = from_ns + int(attempt["latency_ns"]) + AFTER_NS
        # A port may have been used for another try just before.
        near = [
            (abs(at_ns - from_ns), told)
            for at_ns, told in tries.get((*client, address.target, address.target_port + port), ())
            if from_ns - BEFORE_NS <= at_ns <= until_ns
        ]
        if near:
            names[row] = min(near)[1]
    return names, hints
