# SPDX-License-Identifier: MIT
"""Losses: SYNs or their answers that were swallowed between the two TCPs, and those that the own host did not send."""

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.lasting import may_be_answered_unseen
from stress.analysis.attribution.rules.refusal import icmp_errors
from stress.analysis.attribution.rules.rule import NOT_LATE, Mask, Match, Rule
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Grade


def count_unanswered(facts: Facts) -> npt.NDArray[np.int64]:
    """Return how many SYNs of each attempt got no answer, shape (rows,), those that may have met a mine included."""
    syns = facts.syns
    return np.where(syns.unresolved, syns.challenged, syns.unanswered).astype(np.int64)


def prove_dropped_by_host_by_kernel(facts: Facts) -> Match | None:
    """Match attempts of which the kernel says that the client's host did not let any unanswered SYN out."""
    if facts.kernel is None:
        return None
    held, unanswered = facts.kernel.syns_held_back, count_unanswered(facts)
    attempts = facts.waited & (unanswered > 0) & (held >= unanswered) & (facts.kernel.first_lost | ~facts.may_be_late)
    return Match(attempts, {"dropped": int(held[attempts].sum())}) if attempts.any() else None


def prove_lost_by_kernel(facts: Facts) -> Match | None:
    """Match attempts of which the kernel names the first SYN, or each unanswered one, or its answer, as dropped."""
    if facts.kernel is None:
        return None
    lost, unanswered = facts.kernel.syns_lost + facts.kernel.answers_lost, count_unanswered(facts)
    all_lost = (lost >= unanswered) & ~facts.may_be_late  # else a resend may have been lost, and an answer was late
    attempts = facts.waited & (unanswered > 0) & (all_lost | facts.kernel.first_lost)
    if not attempts.any():
        return None
    syns, answers = (int(count[attempts].sum()) for count in (facts.kernel.syns_lost, facts.kernel.answers_lost))
    return Match(attempts, {"syns": syns, "answers": answers})


def prove_dropped_by_host(facts: Facts) -> Match | None:
    """Match attempts whose resends the client's own host refused to send.

    tcp_connect() ignores the error of the first SYN; that of each resend raises TCPRetransFail. Of an attempt that
    connected the last resend got through. Every resend in the namespace must be one of the storm's.
    """
    retransmits = facts.attempts["retransmits"].astype(np.int64)
    connected = facts.ended_as(Outcome.RETRIED)
    turned_away = facts.turned_away & ~facts.syns.unresolved
    refused = np.where(turned_away, np.where(connected, retransmits - 1, retransmits), 0)
    failures = facts.moved("TCPRetransFail")
    own = facts.moved("RetransSegs") == facts.retransmits
    if not facts.has_counters or not failures or not own or failures != int(refused.sum()):
        return None
    attempts = turned_away & (refused > 0)
    return Match(attempts, {"failures": failures}) if attempts.any() else None


def prove_lost_on_the_way(facts: Facts) -> Match | None:
    """Match attempts with unanswered SYNs, where no TCP dropped any and the segment balance has room for all.

    A SYN that a firewall answers with an ICMP error was swallowed as well, and an attempt that ended with an error was
    answered in the end: what it waited for is not known.
    """
    balance, attempts = facts.balance, may_be_lost(facts)
    if balance is None or facts.listener_drops != 0 or facts.other_sinks or not attempts.any():
        return None
    swallowed = balance.low - max(icmp_errors(facts), facts.icmp_due) - facts.rp_filtered
    if swallowed < facts.unanswered:
        return None
    return Match(attempts, {"swallowed": swallowed, "unanswered": facts.unanswered})


def may_be_lost(facts: Facts) -> Mask:
    """Return which attempts sent SYNs that met no old socket and got no answer, shape (rows,)."""
    attempts: Mask = facts.turned_away & ~facts.syns.met_mine & ~facts.syns.unresolved & ~facts.held
    return attempts & ~may_be_answered_unseen(facts)


RULES = (
    Rule(
        name="dropped_by_host.kernel",
        cause=Cause.DROPPED_BY_HOST,
        grade=Grade.KERNEL,
        needs="the kernel's own word",
        equation="for each unanswered SYN an event of a queue or a cgroup of the sending host that dropped it",
        sentence="the kernel did not let {dropped:,} SYNs out of the client's host",
        prove=prove_dropped_by_host_by_kernel,
    ),
    Rule(
        name="dropped_by_host",
        cause=Cause.DROPPED_BY_HOST,
        grade=Grade.COUNTED,
        needs="counters of a namespace in which nobody else sends anything again",
        equation="TCPRetransFail = SYNs sent again by attempts without an answer, and RetransSegs = SYNs sent again "
        "by the storm",
        sentence="the host refused to send {failures:,} of the resends (TCPRetransFail): its own output chain, a "
        "cgroup or a queue",
        prove=prove_dropped_by_host,
    ),
    Rule(
        name="lost_on_the_way.kernel",
        cause=Cause.LOST_ON_THE_WAY,
        grade=Grade.KERNEL,
        needs="the kernel's own word",
        equation="an event for the first SYN, or, of attempts whose answer cannot have been late, for each unanswered "
        "SYN or its SYN-ACK, of the attempt's 4-tuple",
        sentence="the kernel dropped {syns:,} SYNs and {answers:,} SYN-ACKs on the way",
        prove=prove_lost_by_kernel,
    ),
    Rule(
        name="lost_on_the_way",
        cause=Cause.LOST_ON_THE_WAY,
        grade=Grade.COUNTED,
        needs=f"{NOT_LATE}; a closed namespace, in which every segment that arrives was sent; sk_drops of all "
        "listeners",
        equation="ListenDrops of the listeners on the target = 0, no other counter of dropped SYNs moved, and the "
        "segment balance OutSegs + RetransSegs - InSegs - SYN-ACKs sent again, less ICMP errors sent or withheld and "
        "IPReversePathFilter, >= "
        "unanswered SYNs",
        sentence="{swallowed:,} segments were sent and not received by any TCP; {unanswered:,} SYNs got no answer, and "
        "no listener dropped one",
        prove=prove_lost_on_the_way,
    ),
)
