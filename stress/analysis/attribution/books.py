# SPDX-License-Identifier: MIT
"""The books: counts that follow from the attempts, checked against the kernel's counters."""

from collections.abc import Iterator
from dataclasses import dataclass

from stress.analysis.attribution import mine_counts
from stress.analysis.attribution.collision import is_port_freed_at_once
from stress.analysis.attribution.counter_sums import Sum, stops_any, sum_lost_syns, sum_rsts, sum_syn_retransmits
from stress.analysis.attribution.crossings import count_retransmits
from stress.analysis.attribution.ends import client_counter, counters_of_ends, server_counter
from stress.analysis.attribution.link_books import (
    count_refused_by_far,
    crossing_claims,
    has_company,
    is_whole,
    may_miss_connections,
)
from stress.analysis.attribution.loss_books import lost_segment_claims
from stress.analysis.attribution.port_reuse import count_recycled
from stress.analysis.attribution.queue_books import syn_queue_claims
from stress.analysis.attribution.refused import (
    count_ended_by_rules,
    count_opens,
    count_refused_by_rst,
    count_self_connected,
)
from stress.analysis.attribution.router_books import router_claims
from stress.analysis.attribution.syns import Gap, Syns
from stress.analysis.attribution.use_claims import count_listener_resets, count_reset_in_queue, use_claims
from stress.model.plan import Close
from stress.model.run import Storm
from stress.model.summary import Claim
from stress.model.world import Drop, Segment

Row = tuple[str, int, str, int]  # claim, value, counter, delta

UNANSWERED_CLAIM = "SYNs left unanswered"
RSTS_CLAIM = "RSTs: reset closes, refusals, mines cleared"
UNLIMITED_CHALLENGE_ACKS = 1 << 30  # tcp_challenge_ack_limit above this is never reached (the default is INT_MAX)


@dataclass(frozen=True)
class Counts:
    """Counts that several claims of a storm share.

    Attributes:
        connected: attempts that connected.
        challenged: SYNs that met a mine which answers with a challenge ACK.
        unanswered: other SYNs that got no answer.
        closes: connections that the client closed by an RST.
        mines: such mines that an RST cleared.
        intercepted: those of them that a rule of the world cleared, for the client learned of nothing.
        reset_mines: those of them whose reset EstabResets counts.
        requests: mines in SYN_RECEIVED that an RST cleared.
        rsts: all RSTs that the attempts account for.
        embryonic: EmbryonicRsts.
        unresolved: whether it is not known of some SYNs if they met a mine.
        lost: sums of counters of SYNs that the listener, the loopback or a rule dropped.
        rsts_known: whether an RST answered every challenge ACK and arrived: no rule dropped any of them silently.
    """

    connected: int
    challenged: int
    unanswered: int
    closes: int
    mines: int
    intercepted: int
    reset_mines: int
    requests: int
    rsts: int
    embryonic: int
    unresolved: bool
    lost: list[Sum]
    rsts_known: bool

    @property
    def is_ambiguous(self) -> bool:
        """Whether an EmbryonicRsts may stand for an RST or for a ListenOverflows: see ``unanswered_claims``."""
        return self.rsts_known and self.embryonic > 0 and any(value for _, value in self.lost)


def check_books(storm: Storm, syns: Syns) -> list[Claim]:
    """Return every claim that a storm's plan allows to be made exactly; none where no counters were read.

    What the server of others does to the counters is not known.
    """
    if storm.act.plan.is_external or not storm.act.counters:
        return []
    return [
        Claim(storm.act.name, claim, value, counter, delta, value == delta)
        for claim, value, counter, delta in exact_claims(storm, syns)
    ]


def exact_claims(storm: Storm, syns: Syns) -> Iterator[Row]:
    """Yield the claims of a storm, those on SYNs first."""
    counts = count_events(storm, syns)
    company = has_company(storm)
    if not company:
        yield from sent_claims(storm)
    yield from crossing_claims(storm)
    if storm.act.plan.world.queues:  # they may have dropped, delayed or doubled any segment on its way
        return
    yield from accepted_claims(storm, counts)
    if company:
        return
    yield from syn_claims(storm, counts)
    yield from mine_counts.mine_state_claims(storm, syns)
    yield from unanswered_claims(storm, counts)
    if not is_whole(storm):
        return
    yield from syn_queue_claims(storm, syns)
    yield from router_claims(storm)
    if is_port_freed_at_once(storm):
        # No counter says which ports were in TIME_WAIT; and a server that closes while a SYN meets its socket may send
        # one FIN more, and get one RST more.
        if counts.rsts_known:
            yield from cleared_mine_claims(storm, counts)
        return
    yield from reset_claims(storm, counts)
    yield from challenge_claims(storm, counts)


def count_events(storm: Storm, syns: Syns) -> Counts:
    """Return the counts that the claims rest on."""
    act, errors = storm.act, storm.attempts["error"]
    connected = int((errors == 0).sum())
    closes = connected if act.plan.close.sends_rst else 0
    others = mine_counts.count_mine_rsts(storm, syns) + count_listener_resets(storm)
    world = act.plan.world
    slow = (syns.met_mine | syns.unresolved) & ~syns.mine_left & (syns.gap != Gap.FAST)
    intercepted = int(slow.sum()) if world.interceptors else 0
    is_answered = world.interceptors == world.rules_that_stop(Segment.CHALLENGE)
    return Counts(
        connected=connected,
        challenged=mine_counts.count_challenged_syns(syns),
        unanswered=int(syns.unanswered.sum()) + count_ended_by_rules(storm),
        closes=closes,
        mines=mine_counts.count_cleared_mines(storm, syns),
        intercepted=intercepted,
        reset_mines=mine_counts.count_cleared_mines(storm, syns, mine_counts.RESET_STATES),
        requests=mine_counts.count_cleared_requests(storm, syns),
        rsts=closes + (count_refused_by_rst(storm) or count_refused_by_far(storm)) + others,
        embryonic=counters_of_ends(act).get("EmbryonicRsts", 0),
        unresolved=bool(syns.unresolved.any()),
        lost=sum_lost_syns(storm),
        rsts_known=act.plan.drop in (Drop.NOTHING, Drop.INVALID) and is_answered and not stops_any(storm, Segment.RST),
    )


def sent_claims(storm: Storm) -> Iterator[Row]:
    """Yield the claims on SYNs that were sent."""
    yield "attempts that sent a SYN", count_opens(storm), *client_counter(storm.act, "ActiveOpens")
    if (again := sum_syn_retransmits(storm)) is not None:
        yield "SYNs sent again", count_retransmits(storm), *again


def accepted_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claims on attempts that connected, and on the uses of their connections."""
    act = storm.act
    reset_in_queue = count_reset_in_queue(storm)
    less = ", less uses that met a reset" if reset_in_queue else ""
    if not may_miss_connections(storm):
        yield (
            "attempts that connected" + (" + mines in SYN-RECEIVED cleared" if counts.requests else "") + less,
            counts.connected + counts.requests - reset_in_queue - count_self_connected(storm),
            "accepted by the server + in its queue + EmbryonicRsts",
            act.listener.accepted + act.waiting - act.waiting_before + counts.embryonic,
        )
    yield from use_claims(storm)


def syn_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claims on SYNs that met a mine or got lost."""
    if not counts.unresolved:
        yield "SYNs that met a mine", counts.challenged, *server_counter(storm.act, "TCPSYNChallenge")
    yield from lost_segment_claims(storm, count_retransmits(storm))


def unanswered_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claims on SYNs that got no answer.

    EmbryonicRsts counts connections that only the client saw, for it reset them before the server had made its socket.
    Either the RST overtook the handshake's ACK on another CPU; then the late ACK is answered by one RST more. Or that
    ACK found the accept queue full, its last place taken since the SYN (tcp_v4_syn_recv_sock()); then ListenOverflows
    has one more. No counter says which of the two it was; where both are possible the sum is claimed.
    """
    claim, value = UNANSWERED_CLAIM, counts.unanswered
    challenge_counter, challenges = server_counter(storm.act, "TCPSYNChallenge")
    rst_counter, rsts = sum_rsts(storm)
    sums = counts.lost
    if counts.unresolved:  # a SYN either met its mine or was lost before
        claim, value = f"{UNANSWERED_CLAIM}, or that met a mine", counts.unanswered + counts.challenged
        sums = [(f"{counter} + {challenge_counter}", lost + challenges) for counter, lost in sums]
    for counter, lost in sums:
        if counts.is_ambiguous:
            yield f"{claim} + RSTs", value + counts.rsts, f"{counter} + {rst_counter}", lost + rsts
        else:
            yield claim, value, counter, lost


def reset_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claims on ports taken over and on connections reset."""
    act, counters = storm.act, storm.act.counters
    # A port whose connection the server closed first is in TIME-WAIT there, not here.
    may_be_fewer = act.plan.close is Close.FIN and act.listener.first > 0
    reused = count_recycled(storm)
    if not may_be_fewer:
        yield "connections over a port in TIME-WAIT or FIN-WAIT-2", reused, *client_counter(act, "TWRecycled")
    # A connection that the server closed first is no longer established there when the client's RST comes.
    one_ended = act.listener.first + count_self_connected(storm) if act.plan.close.sends_rst else 0
    yield (
        "connections reset: both ends of a reset close, a mine",
        2 * (counts.closes + count_listener_resets(storm)) + counts.reset_mines + counts.requests - one_ended,
        "EstabResets + EmbryonicRsts",
        counters["EstabResets"] + counts.embryonic,
    )


def challenge_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claims on challenge ACKs and on the RSTs that answer them."""
    act, counters = storm.act, storm.act.counters
    if counts.rsts_known:
        yield from cleared_mine_claims(storm, counts)
        # A SYN-ACK that comes again may meet a socket that is closed already, and get one RST more.
        if not counts.is_ambiguous and not stops_any(storm, Segment.SYN_ACK):
            yield RSTS_CLAIM, counts.rsts, *sum_rsts(storm)
    elif int(act.sysctls.get("net.ipv4.tcp_challenge_ack_limit", 0)) >= UNLIMITED_CHALLENGE_ACKS:
        yield (
            "SYNs that met a mine, answered or not",
            counts.challenged,
            "TCPChallengeACK + TCPACKSkippedChallenge",
            counters["TCPChallengeACK"] + counters["TCPACKSkippedChallenge"],
        )
    for drop, claim in (
        (Drop.RST, "RSTs that the rule dropped"),
        (Drop.CHALLENGE, "challenge ACKs that the rule dropped"),
    ):
        if act.plan.drop is drop and drop in act.dropped:
            yield claim, act.dropped[drop], "TCPChallengeACK", counters["TCPChallengeACK"]


def cleared_mine_claims(storm: Storm, counts: Counts) -> Iterator[Row]:
    """Yield the claim on mines that an RST cleared."""
    act = storm.act
    yield "mines cleared by an RST", counts.mines, *server_counter(act, "TCPChallengeACK")
    if names := act.plan.world.interceptors:
        rules = " + ".join(f"rule {name}" for name in names)
        yield "mines cleared by the firewall", counts.intercepted, rules, sum(act.dropped[name] for name in names)
