# SPDX-License-Identifier: MIT
"""Hints: how many attempts are unknown, because of what, and what would tell."""

import errno
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import UNKNOWN
from stress.analysis.attribution.facts import Facts
from stress.model.outcome import Outcome
from stress.model.plan import EvidenceSource

BY_THE_KERNEL = "--evidence kernel, as root of the host, names each packet that the kernel drops"


def hint_unknown(facts: Facts, codes: npt.NDArray[np.uint8]) -> list[str]:
    """Return sentences on the attempts whose cause is unknown; none where every cause is known."""
    unknown = codes[facts.rows] == UNKNOWN
    return list(hints(facts, unknown)) if unknown.any() else []


def hints(facts: Facts, unknown: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Yield one sentence per kind of unknown attempt."""
    kernel = "" if facts.storm.act.evidence is EvidenceSource.KERNEL else f"; {BY_THE_KERNEL}"
    peer = facts.storm.act.peer
    if peer is not None and peer.lost is not None:
        yield f"{int(unknown.sum()):,} unknown: {peer.name} was lost, and with it what it counted."
        return
    if not facts.has_counters:
        yield f"{int(unknown.sum()):,} unknown: no counters were read (--evidence none)."
        return
    if count := int((unknown & facts.turned_away).sum()):
        yield f"{count:,} unknown with SYNs that got no answer: {doubt(facts)}{kernel}."
    if count := int((unknown & facts.left_waiting & facts.may_be_late).sum()):
        yield (
            f"{count:,} unknown whose SYN was sent again, and the answer to the first one may have been late: others "
            "waited almost as long without a resend, or these for longer than a round trip after it; --capture shows "
            "which SYN was answered."
        )
    late = facts.attempts["latency_ns"] > facts.at_once_ns
    yield from hint_uses(facts, unknown & facts.ended_as(Outcome.CONNECTED) & ~late)
    slow = unknown & late & facts.ended_as(Outcome.CONNECTED)
    if count := int(slow.sum()):
        yield (
            f"{count:,} unknown that connected without a resend after more than a jiffy: a slow link or queue, or a "
            "machine that was busy in a way that nobody counts; --capture shows when the SYN-ACK came."
        )
    if count := int((unknown & facts.ended_as(Outcome.REFUSED)).sum()):
        yield f"{count:,} unknown that were refused: by whom, the counters do not tell{kernel}."
    if count := int((unknown & facts.ended_as(Outcome.NO_PORT, Outcome.IN_USE)).sum()):
        yield f"{count:,} unknown without a port: neither the storm nor a socket that can be listed holds it."
    if count := int((unknown & facts.fast & ~facts.syns.met_mine).sum()):
        yield (
            f"{count:,} unknown whose SYN was sent again after two jiffies: something on their 4-tuple answered, and "
            "no old socket was listed there before the storm; --capture shows what."
        )


def hint_uses(facts: Facts, unknown: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Yield one sentence per way in which the first use of connections ended that had been made at once."""
    if not unknown.any():
        return
    errors = facts.storm.uses["error"][facts.rows][unknown]
    waiting = int((errors == errno.EINPROGRESS).sum())
    if waiting:
        yield (
            f"{waiting:,} unknown whose first use had no answer when it was given up: the server has them in a "
            "queue, or accepted them and did not read."
        )
    if count := len(errors) - waiting:
        yield f"{count:,} unknown whose first use failed after connect() had succeeded: who ended them is not counted."


def doubt(facts: Facts) -> str:
    """Return why nobody can say what became of unanswered SYNs."""
    if facts.is_across_link:
        return doubt_link(facts)
    if facts.balance is None:
        return doubt_balance(facts)
    if facts.listener_drops is None:
        return "which listener dropped how many of ListenDrops is not known"
    if facts.listener_drops and facts.balance.high > 0:
        return "both the listener and something on the way dropped packets"
    if facts.other_sinks:
        return "another counter of dropped packets moved"
    return "their number agrees with no counter"


def doubt_link(facts: Facts) -> str:
    """Return why nobody can say what became of unanswered SYNs of a storm across a link."""
    crossings = facts.crossings
    if facts.storm.act.segments_in_flight:
        return "segments were still on their way when the counters were read"
    if crossings is None:
        return "the storm's segments were not counted on both hosts (CAP_NET_RAW), so that nobody knows what got lost"
    doubts = {
        f"{facts.sent_syns:,} SYNs were sent, and {crossings.syns.left:,} left the client's device": facts.sent_syns
        != crossings.syns.left,
        "which listener dropped how many of ListenDrops is not known": facts.listener_drops is None,
        "both the listener and something between the hosts dropped packets": facts.listener_drops
        and crossings.syns.lost + crossings.syn_acks.lost,
        f"{crossings.syns_of_others:,} SYNs of others came to the server's ports": crossings.syns_of_others,
        "not every segment that came to a host was received by its TCP, or that is not known": not (
            crossings.is_received
        ),
    }
    return next((doubt for doubt, is_so in doubts.items() if is_so), "their number agrees with no counter")


def doubt_balance(facts: Facts) -> str:
    """Return why there is no segment balance."""
    act = facts.storm.act
    if act.segments_in_flight:
        return "segments were still on their way when the counters were read"
    if act.outside_packets != 0:
        return "other interfaces may have moved packets meanwhile, so that there is no segment balance"
    return "the counters of segments contradict each other, so that there is no segment balance"
