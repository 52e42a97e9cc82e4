# SPDX-License-Identifier: MIT
"""Queues: SYNs that reached the server and found its accept queue or its SYN queue full, or no way to answer."""

import numpy as np

from stress.analysis.attribution.crossings import may_have_unsent_answers
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.kernel_events import clock_error_ns
from stress.analysis.attribution.lasting import on_lasting_socket
from stress.analysis.attribution.rules.rule import NOT_LATE, Mask, Match, Rule
from stress.model.outcome import Cause
from stress.model.summary import Grade

MAX_SYN_BACKLOG = "net.ipv4.tcp_max_syn_backlog"
SYNCOOKIES = "net.ipv4.tcp_syncookies"
UNANSWERED = ("ListenOverflows", "ListenDrops")


def reached_server(facts: Facts) -> Mask | None:
    """Return which attempts had a SYN that reached the server and got no answer, shape (rows,); None where unknown.

    Either nothing at all was swallowed on the way, by the segment balance; or the kernel, which was asked, names each
    packet that was, and there was none of the attempt. Across a link no kernel says what others between have dropped.
    """
    unexplained = facts.turned_away & ~facts.syns.unresolved & ~on_lasting_socket(facts)
    if facts.is_across_link:
        return unexplained if has_all_arrived(facts) else None
    if facts.kernel is not None:
        arrived: Mask = np.logical_and(unexplained, facts.kernel.dropped == 0)
        return arrived
    if facts.balance is not None and facts.balance.high == 0 and not facts.syns.unresolved.any():
        return unexplained
    return None


def has_all_arrived(facts: Facts) -> bool:
    """Return whether across a link every segment of the storm came to the other host, and was received by its TCP.

    So a SYN without an answer was dropped by the server's TCP, but for one whose SYN-ACK the server's own host did not
    let out.
    """
    crossings = facts.crossings
    if crossings is None or not facts.has_all_come or crossings.syns_of_others or facts.syns.unresolved.any():
        return False
    return not may_have_unsent_answers(facts.storm.act)


def match_queue(facts: Facts) -> Match | None:
    """Match attempts whose SYNs the listeners on the target dropped, whatever the queue.

    ACKs that find the accept queue full are dropped too, so the drops may be more than the SYNs. Where a firewall may
    end a connection between SYN and ACK by an RST of its own, which EmbryonicRsts counts, they must be equal.
    """
    attempts, drops = reached_server(facts), facts.listener_drops
    if attempts is None or drops is None or not attempts.any():
        return None
    needed = int(facts.syns.unanswered[attempts].sum(dtype=np.int64))
    surplus = drops - needed
    plan = facts.storm.act.plan
    rejects = any(rule.sends_rst for rule in plan.world.rules) or (plan.host and not facts.is_across_link)
    may_inject = rejects and facts.moved("EmbryonicRsts") > 0 and facts.kernel is None
    if surplus < 0 or (surplus > 0 and may_inject):
        return None
    return Match(attempts, {"unanswered": needed, "drops": drops, "which": count_dropping(facts)})


def count_dropping(facts: Facts) -> str:
    """Return how many of several listeners on the target dropped packets, by sk_drops; ``""`` where there is one."""
    on_target = [listening for listening in facts.storm.act.listening if listening.on_target]
    dropping = sum(1 for listening in on_target if listening.drops)
    return f"; {dropping} of {len(on_target)} listeners on the target dropped any" if len(on_target) > 1 else ""


def prove_accept_queue(facts: Facts) -> Match | None:
    """Match attempts whose SYNs found the accept queue full."""
    if facts.other_sinks or facts.moved("ListenDrops") != facts.moved("ListenOverflows"):
        return None
    return match_queue(facts)


def prove_fd_exhaustion(facts: Facts) -> Match | None:
    """Match those of them that still waited while accept() of the laboratory's server found no descriptor."""
    match, starved_ns = prove_accept_queue(facts), facts.storm.act.starved_ns
    if match is None or starved_ns is None:
        return None
    error_ns = clock_error_ns(facts.storm)  # so close to either end the queue was full, but for which reason is open
    first_ns, last_ns = starved_ns[0] + error_ns, starved_ns[1] - error_ns
    starts = facts.attempts["start_ns"]
    overlap = (starts <= last_ns) & (starts + facts.attempts["latency_ns"] >= first_ns) & (first_ns <= last_ns)
    return Match(match.attempts & overlap, match.figures) if (match.attempts & overlap).any() else None


def no_routes(facts: Facts) -> int:
    """Return how many packets found no route."""
    return facts.moved("IpOutNoRoutes") + facts.moved("Ip6OutNoRoutes")


def prove_no_route_back(facts: Facts) -> Match | None:
    """Match attempts whose SYN-ACK could not be sent (inet_csk_route_req())."""
    dropped = facts.moved("ListenDrops")
    if facts.other_sinks or facts.moved("ListenOverflows") or no_routes(facts) != dropped:
        return None
    return match_queue(facts)


def prove_no_route_by_asking(facts: Facts) -> Match | None:
    """Match attempts whose SYN-ACK had no route that the server's kernel knows of, when it is asked.

    IPv6 counts only those for which the whole network is unreachable (ip6_dst_lookup_tail()).
    """
    error = facts.storm.act.return_error
    if error is None or facts.other_sinks or facts.moved("ListenOverflows"):
        return None
    match = match_queue(facts)
    return match and Match(match.attempts, {**match.figures, "error": error})


def prove_syn_queue(facts: Facts) -> Match | None:
    """Match attempts whose SYNs found the SYN queue full, and no cookies (tcp_conn_request())."""
    dropped, full = facts.moved("ListenDrops"), facts.moved("TCPReqQFullDrop")
    if facts.moved("ListenOverflows") or no_routes(facts) or facts.other_sinks != full:
        return None
    if full != dropped and (full or not is_syn_queue_reserved(facts)):
        return None
    match = match_queue(facts)
    return match and Match(match.attempts, {**match.figures, "full": full})


def is_syn_queue_reserved(facts: Facts) -> bool:
    """Return whether, without cookies, the last quarter of the SYN queue was for known peers only.

    That drop raises no counter but ListenDrops, so the census must show three quarters of tcp_max_syn_backlog in use.
    """
    act = facts.storm.act
    limit = int(act.sysctls.get(MAX_SYN_BACKLOG, 0))
    half_open = [census.get("server", {}).get("SYN-RECEIVED", 0) for census in (act.census_before, act.census_after)]
    return act.sysctls.get(SYNCOOKIES) == "0" and limit > 0 and max(half_open) >= limit - limit // 4


NO_OTHER_SINK = (
    f"{NOT_LATE}; no segment swallowed on the way: the segment balance is 0, or the kernel's own word names none, or "
    "across a link all that left either host came to the other and was received there; whose ListenDrops are, by "
    "sk_drops of each listener; no other counter of dropped SYNs moved"
)

RULES = (
    Rule(
        name="fd_exhaustion",
        cause=Cause.FD_EXHAUSTION,
        grade=Grade.COUNTED,
        needs="as accept_queue, and the report of the laboratory's own server: accept() failed with EMFILE while the "
        "attempt waited",
        equation="as accept_queue",
        sentence="the listener dropped {drops:,} packets, at least the {unanswered:,} unanswered SYNs, while accept() "
        "found no descriptor",
        prove=prove_fd_exhaustion,
        rests_on=UNANSWERED,
    ),
    Rule(
        name="accept_queue",
        cause=Cause.ACCEPT_QUEUE,
        grade=Grade.COUNTED,
        needs=NO_OTHER_SINK,
        equation="ListenDrops = ListenOverflows, and those of the listeners on the target >= unanswered SYNs (ACKs "
        "that find the queue full are dropped too)",
        sentence="the listener dropped {drops:,} packets, at least the {unanswered:,} unanswered SYNs; nothing else "
        "swallowed any{which}",
        prove=prove_accept_queue,
        rests_on=UNANSWERED,
    ),
    Rule(
        name="no_route_back",
        cause=Cause.NO_ROUTE_BACK,
        grade=Grade.COUNTED,
        needs=NO_OTHER_SINK,
        equation="ListenDrops = IpOutNoRoutes + Ip6OutNoRoutes, ListenOverflows = 0, and those of the listeners on "
        "the target >= unanswered SYNs",
        sentence="the server had no route for {drops:,} answers; {unanswered:,} SYNs got none",
        prove=prove_no_route_back,
    ),
    Rule(
        name="no_route_back.asked",
        cause=Cause.NO_ROUTE_BACK,
        grade=Grade.COUNTED,
        needs="the answer of the server's kernel, before and after the storm, when asked for a route to the client; "
        + NO_OTHER_SINK,
        equation="it has none, ListenOverflows = 0, and ListenDrops of the listeners on the target >= unanswered SYNs",
        sentence="the server's host has no route to the client ({error}); the listener dropped {drops:,} SYNs, and "
        "{unanswered:,} got no answer",
        prove=prove_no_route_by_asking,
    ),
    Rule(
        name="syn_queue",
        cause=Cause.SYN_QUEUE,
        grade=Grade.COUNTED,
        needs=NO_OTHER_SINK,
        equation="ListenDrops = TCPReqQFullDrop, or that is 0, tcp_syncookies is 0 and three quarters of "
        "tcp_max_syn_backlog are in use; ListenOverflows = 0, IpOutNoRoutes = 0, and those of the listeners on the "
        "target >= unanswered SYNs",
        sentence="the listener dropped {drops:,} SYNs, at least the {unanswered:,} unanswered ones, none for a full "
        "accept queue; TCPReqQFullDrop rose by {full:,}",
        prove=prove_syn_queue,
    ),
)
