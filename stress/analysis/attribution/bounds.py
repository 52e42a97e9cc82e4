# SPDX-License-Identifier: MIT
"""Bounds: how many attempts each cause explains at least and at most, where only sums are known."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import UNKNOWN
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.lasting import on_lasting_socket
from stress.analysis.attribution.mine_counts import count_time_wait_syns, sum_paws
from stress.analysis.attribution.rules.challenge import slow_on_mine
from stress.analysis.attribution.rules.collision import count_challenged
from stress.analysis.attribution.rules.interception import may_be_cleared_unseen
from stress.analysis.attribution.rules.queue import no_routes
from stress.analysis.attribution.rules.refusal import count_unexplained_rsts, icmp_errors
from stress.model.outcome import Cause, Outcome
from stress.model.summary import Bound


def bound_causes(facts: Facts, codes: npt.NDArray[np.uint8]) -> list[Bound]:
    """Return the bounds on the causes of attempts that are unknown one by one.

    Args:
        facts: of the storm.
        codes: shape (attempts,), from ``attribute_causes``.
    """
    unknown = codes[facts.rows] == UNKNOWN
    bounds = [*bound_queue_and_loss(facts, unknown), *bound_refusals(facts, unknown), *bound_challenges(facts, unknown)]
    return [bound for bound in bounds if bound.at_most]


def count_unseen_answers(facts: Facts) -> int:
    """Return how many SYNs at most an old socket answered that no attempt is known to have met, as behind a router."""
    _, refused = sum_paws(facts.counters)
    challenges = facts.moved("TCPSYNChallenge") - count_challenged(facts)
    return max(challenges, 0) + max(refused - count_time_wait_syns(facts.syns), 0)


def bound_queue_and_loss(facts: Facts, unknown: npt.NDArray[np.bool_]) -> Iterator[Bound]:
    """Yield how many attempts a queue of the server, and how many a loss on the way, explains.

    Every attempt had at least one SYN without an answer, but for those that may have had a late one, or that of an old
    socket which nobody saw. So of n attempts no more were turned away by a listener than it dropped packets, and no
    more lost a SYN than segments were swallowed; and all but so many were not lost. That is said of those for which an
    old socket is no other explanation. Where more must have been lost than were, something else answered: nothing is
    said.
    """
    attempts = unknown & facts.left_waiting & ~facts.syns.met_mine & ~on_lasting_socket(facts)
    count, drops, balance = int(attempts.sum()), facts.listener_drops, facts.balance
    # Of the others the SYNs may have met an old socket, or an answer was late.
    certain = int((attempts & ~facts.syns.unresolved & ~facts.may_be_late & ~facts.fast).sum())
    certain -= count_unseen_answers(facts)
    if not count or drops is None or facts.other_sinks - facts.moved("TCPReqQFullDrop"):
        return
    queues = queue_causes(facts, drops)
    # An RST that a firewall sends to the server makes up for the answer that it swallowed.
    injected = facts.moved("EmbryonicRsts")
    swallowed = count if balance is None else min(max(balance.high, 0) + injected, count)
    dropped, bounds = min(drops, count), []
    for cause, own in queues.items():
        others = sum(queues.values()) - own
        bounds.append(make_bound(facts, cause, certain - swallowed - others, min(own, count), count))
    if queues or not drops:
        others = dropped + facts.icmp_withheld + facts.rp_filtered
        crossings = facts.crossings  # an ICMP error that came may be one of several, the others withheld
        known = balance is not None or (crossings is not None and not crossings.errors.came)
        bounds.append(make_bound(facts, Cause.LOST_ON_THE_WAY, certain - others if known else 0, swallowed, count))
    if all(bound.at_least <= bound.at_most for bound in bounds):
        yield from bounds


def queue_causes(facts: Facts, drops: int) -> dict[Cause, int]:
    """Return why the listeners dropped SYNs, and how many for each reason at most; none where that is not known.

    Args:
        facts: of the storm.
        drops: of the listeners on the target.
    """
    counts = {
        Cause.ACCEPT_QUEUE: facts.moved("ListenOverflows"),
        Cause.NO_ROUTE_BACK: no_routes(facts),
        Cause.SYN_QUEUE: facts.moved("TCPReqQFullDrop"),
    }
    known = sum(counts.values()) == facts.moved("ListenDrops")
    return {cause: min(count, drops) for cause, count in counts.items() if count and drops} if known else {}


def bound_refusals(facts: Facts, unknown: npt.NDArray[np.bool_]) -> Iterator[Bound]:
    """Yield who refused how many attempts, where several did: the server's TCP, ICMP errors, RSTs of a firewall."""
    attempts = unknown & facts.ended_as(Outcome.REFUSED)
    refused = int(attempts.sum())
    if facts.is_across_link:  # whose RSTs those of the counters are is not known
        return
    resets, errors = count_unexplained_rsts(facts), icmp_errors(facts)
    if errors and facts.attempts["retransmits"][attempts].any():
        return  # more than one error for an attempt
    if not refused or resets is None or facts.unreachable.any() or not 0 <= resets + errors <= refused:
        return
    for cause, count in (
        (Cause.NO_LISTENER, resets),
        (Cause.REJECTED_BY_ICMP, errors),
        (Cause.REJECTED_BY_RST, refused - resets - errors if facts.storm.act.outside_packets == 0 else 0),
    ):
        yield make_bound(facts, cause, count, count, refused)


def bound_challenges(facts: Facts, unknown: npt.NDArray[np.bool_]) -> Iterator[Bound]:
    """Yield how many attempts at most met an old socket, and for how many a firewall answered that."""
    attempts = unknown & (facts.syns.unresolved | slow_on_mine(facts))
    count = int(attempts.sum())
    surplus = facts.moved("TCPSYNChallenge") - count_challenged(facts)
    if count and 0 < surplus < count:
        yield make_bound(facts, Cause.CHALLENGE_DROPPED, 0, surplus, count)
    # Each of the short gaps took a challenge ACK; of the others each may have been answered by a firewall.
    intercepted = int((unknown & may_be_cleared_unseen(facts)).sum())
    left = facts.moved("TCPChallengeACK") - int((facts.fast & facts.syns.met_mine).sum())
    if intercepted and left > 0:
        yield make_bound(facts, Cause.CHALLENGE_INTERCEPTED, 0, min(intercepted, left), intercepted)


def make_bound(facts: Facts, cause: Cause, at_least: int, at_most: int, of: int) -> Bound:
    """Return a bound."""
    return Bound(act=facts.storm.act.name, cause=str(cause), at_least=max(at_least, 0), at_most=at_most, of=of)
