# SPDX-License-Identifier: MIT
"""Refusals by packets: ICMP errors, and connections to oneself. An RST does not say whether a TCP sent it."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.packets.facts import Mask, PacketFacts
from stress.analysis.attribution.packets.rule import PacketRule
from stress.analysis.attribution.rules.rule import Match
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade

# Errors that end a socket in SYN_SENT (tcp_v4_err(), tcp_v6_err()). By family: unreachable is 3 or 1, time exceeded 11
# or 3, a wrong header 12 or 4. 3/4 asks for smaller packets; type 4 is the source quench of IPv4 too, and left out.
UNREACHABLE, OTHERS = 3, (1, 11, 12)
FRAGMENTATION_NEEDED = 4


def ends_connect(flows: npt.NDArray[Any]) -> Mask:
    """Return in which flows the ICMP error is one that ends connect(), shape (flows,)."""
    types, codes = flows["icmp_type"], flows["icmp_code"]
    ends: Mask = np.isin(types, OTHERS) | ((types == UNREACHABLE) & (codes != FRAGMENTATION_NEEDED))
    return ends


def prove_rejected_by_icmp(facts: PacketFacts) -> Match | None:
    """Match tries that nothing but an ICMP error answered, and that ended with it: no SYN of the client followed."""
    flows = facts.flows
    nothing_else = (flows["syn_acks"] == 0) & (flows["server_resets"] == 0) & (flows["challenges"] == 0)
    last = facts.shows_all_syns & (flows["is_ended"] == 1)
    failed = facts.of_tries(facts.ended_as(Outcome.REFUSED, Outcome.OTHER))
    rejected = ends_connect(flows) & nothing_else & last & failed
    if not rejected.any():
        return None
    kinds = Counter(map(tuple, flows[["icmp_type", "icmp_code"]][rejected].tolist()))
    text = ", ".join(f"{count:,} of type {kind} code {code}" for (kind, code), count in kinds.most_common())
    return Match(facts.having(rejected), {"kinds": text})


def prove_self_connected(facts: PacketFacts) -> Match | None:
    """Match tries that connected to themselves."""
    attempts = facts.ended_as(Outcome.SELF_CONNECTED)
    return Match(attempts) if attempts.any() else None


RULES = (
    PacketRule(
        name="no_listener.self.packets",
        cause=Cause.NO_LISTENER,
        grade=Grade.PACKETS,
        needs="a SYN and its SYN-ACK whose source and destination are one address and one port",
        equation="source = destination: a listener would have answered the SYN (RFC 9293 section 3.5)",
        sentence="{attempts:,} connected to themselves: nobody listened there",
        prove=prove_self_connected,
    ),
    PacketRule(
        name="rejected_by_icmp.packets",
        cause=Cause.REJECTED_BY_ICMP,
        grade=Grade.PACKETS,
        needs="an ICMP error of a kind that ends connect(), which quotes the SYN; no other answer; a capture at the "
        "client, which goes on for longer than the client would have waited before its next SYN",
        equation="SYNs after the last ICMP error = 0",
        sentence="{attempts:,} tries ended with an ICMP error that quotes their SYN: {kinds}",
        prove=prove_rejected_by_icmp,
    ),
)
