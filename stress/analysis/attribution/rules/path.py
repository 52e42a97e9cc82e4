# SPDX-License-Identifier: MIT
"""Paths: SYNs that did not leave the client's host, or that a host did not take because of their source."""

import errno

import numpy as np

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Match, Prover, Rule
from stress.lab.neighbour import UNANSWERED
from stress.model.outcome import Cause
from stress.model.summary import Grade
from stress.model.world import CLIENT

ENDINGS = (errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EINPROGRESS)


def prove_no_neighbour(facts: Facts) -> Match | None:
    """Match attempts whose SYN waited for the hardware address of the next hop, which nobody gave.

    A SYN that has left is sent again when its timer expires. So the SYN of an attempt that waited for longer without a
    resend was still in this host: in a queue, or with a neighbour that is being asked for.
    """
    spurious = facts.moved("TCPSpuriousRtxHostQueues")
    attempts = facts.held & np.isin(facts.attempts["error"], ENDINGS) & facts.of_this_host
    timeouts = facts.moved("TCPTimeouts") - facts.moved("TCPAbortOnTimeout")
    state = facts.storm.act.next_hop
    if state not in UNANSWERED or not attempts.any():
        return None
    if spurious < int(attempts.sum()) or timeouts != spurious + facts.moved("TCPSynRetrans"):
        return None
    errors = facts.counters_at(CLIENT)
    own = errors.get("IcmpOutDestUnreachs", 0) + errors.get("Icmp6OutDestUnreachs", 0)
    return Match(attempts, {"spurious": spurious, "state": state, "own": own})


def prove_rp_filter(facts: Facts) -> Match | None:
    """Match attempts all of whose SYNs a reverse path filter dropped (fib_validate_source(), ip_rcv_finish_core())."""
    balance = facts.balance
    attempts = facts.turned_away & ~facts.syns.met_mine & ~facts.syns.unresolved & ~facts.held
    if balance is None or facts.listener_drops != 0 or facts.other_sinks or facts.icmp_due or not attempts.any():
        return None
    if not facts.rp_filtered == facts.unanswered == balance.low == balance.high:
        return None
    return Match(attempts, {"filtered": facts.rp_filtered, "unanswered": facts.unanswered})


def prove_by_reason(reason: str) -> Prover:
    """Return a function that matches attempts of which the kernel dropped every unanswered SYN for a reason."""

    def prove(facts: Facts) -> Match | None:
        if facts.kernel is None:
            return None
        dropped, unanswered = facts.kernel.syns_by_reason[reason], facts.syns.unanswered
        attempts = facts.turned_away & ~facts.syns.unresolved & (unanswered > 0) & (dropped >= unanswered)
        return Match(attempts, {"dropped": int(dropped[attempts].sum())}) if attempts.any() else None

    return prove


RULES = (
    Rule(
        name="no_neighbour",
        cause=Cause.NO_NEIGHBOUR,
        grade=Grade.COUNTED,
        needs="the neighbour towards the target, INCOMPLETE or FAILED after the storm; attempts that waited for longer "
        "than the first timeout and sent nothing again",
        equation="TCPTimeouts - TCPAbortOnTimeout = TCPSpuriousRtxHostQueues + TCPSynRetrans, and "
        "TCPSpuriousRtxHostQueues >= these attempts",
        sentence="the next hop is {state}: {spurious:,} times a SYN was due to be sent again and still in the host; it "
        "sent itself {own:,} ICMP errors",
        prove=prove_no_neighbour,
    ),
    Rule(
        name="rp_filter.kernel",
        cause=Cause.RP_FILTER,
        grade=Grade.KERNEL,
        needs="the kernel's own word",
        equation="an event IP_RPFILTER for each unanswered SYN of the attempt's 4-tuple",
        sentence="the kernel dropped {dropped:,} SYNs by a reverse path filter",
        prove=prove_by_reason("IP_RPFILTER"),
    ),
    Rule(
        name="martian.kernel",
        cause=Cause.MARTIAN,
        grade=Grade.KERNEL,
        needs="the kernel's own word; no counter knows of it",
        equation="an event IP_LOCAL_SOURCE for each unanswered SYN of the attempt's 4-tuple",
        sentence="the kernel dropped {dropped:,} SYNs whose source is an address of the host that they came to",
        prove=prove_by_reason("IP_LOCAL_SOURCE"),
    ),
    Rule(
        name="rp_filter",
        cause=Cause.RP_FILTER,
        grade=Grade.COUNTED,
        needs="a closed namespace, or several, in which nobody else sent a SYN; sk_drops of all listeners",
        equation="IPReversePathFilter = segments that were sent and not received = unanswered SYNs; no ICMP error, no "
        "ListenDrops of the listeners on the target, no other counter of dropped SYNs",
        sentence="a reverse path filter dropped {filtered:,} packets, as many as SYNs got no answer",
        prove=prove_rp_filter,
    ),
)
