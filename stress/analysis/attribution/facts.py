# SPDX-License-Identifier: MIT
"""Facts: what is known of one storm, in the terms that the rules of causes rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution import refused
from stress.analysis.attribution.at_once import at_once_ns
from stress.analysis.attribution.balance import Balance, balance_segments
from stress.analysis.attribution.counter_sums import OTHER_SINKS
from stress.analysis.attribution.crossings import Crossings, count_crossings, count_sent_syns, has_all_come
from stress.analysis.attribution.ends import counters_of_ends, is_across_link
from stress.analysis.attribution.kernel_events import KernelEvents, match_events
from stress.analysis.attribution.ladder import Ladder
from stress.analysis.attribution.lateness import has_repeated_syns, may_be_late
from stress.analysis.attribution.listener_drops import count_listener_drops
from stress.analysis.attribution.outcome import OUTCOMES, has_sent_syn
from stress.analysis.attribution.syns import Gap, Syns
from stress.model.mine import UNHEARD
from stress.model.outcome import Outcome
from stress.model.run import Storm


@dataclass(frozen=True)
class Facts:
    """What is known of one storm. Arrays of the shape (rows,) are about the attempts that need an explanation.

    Attributes:
        storm: what was observed.
        ladder: of its kernel and settings.
        rows: indices of the attempts that did not connect, or only after a SYN sent again, or took longer than a jiffy,
            or whose connection failed in its first use.
        outcomes: shape (rows,), index into OUTCOMES.
        syns: of these attempts.
        others: the other acts of the run.
    """

    storm: Storm
    ladder: Ladder
    rows: npt.NDArray[np.intp]
    outcomes: npt.NDArray[np.uint8]
    syns: Syns
    others: Sequence[Storm] = ()

    @cached_property
    def counters(self) -> Mapping[str, int]:
        """Changes of the kernel's counters; those of challenges are the server's, across a link all of one end."""
        return counters_of_ends(self.storm.act)

    def counters_at(self, host: str) -> Mapping[str, int]:
        """Return the changes of the counters on one host of the world; where there is one host, on that."""
        hosts = self.storm.act.hosts
        name = self.storm.act.plan.world.host(host)
        return hosts[name].counters if name in hosts else self.counters

    def sysctl_at(self, host: str, name: str) -> str | None:
        """Return a setting on one host of the world; None where it was not recorded."""
        act = self.storm.act
        return act.plan.world.sysctls.get(host, {}).get(name, act.sysctls.get(name))

    def conntrack_at(self, host: str) -> Mapping[str, int]:
        """Return the changes of conntrack's counters on one host of the world; none without conntrack."""
        hosts = self.storm.act.hosts
        name = self.storm.act.plan.world.host(host)
        return hosts[name].conntrack if name in hosts else {}

    @cached_property
    def attempts(self) -> npt.NDArray[Any]:
        """The attempts, shape (rows,), dtype ATTEMPT."""
        attempts: npt.NDArray[Any] = self.storm.attempts[self.rows]
        return attempts

    @property
    def of_this_host(self) -> npt.NDArray[np.bool_]:
        """Which attempts the host made whose ports, routes and neighbours were looked at, shape (rows,)."""
        act = self.storm.act
        own = self.attempts["address"] < act.address.first + act.plan.sources * act.plan.target_ports
        return np.asarray(own | (not act.clients), np.bool_)

    def ended_as(self, *kinds: Outcome) -> npt.NDArray[np.bool_]:
        """Return which attempts had one of these outcomes, shape (rows,)."""
        return np.isin(self.outcomes, [OUTCOMES.index(kind) for kind in kinds])

    def moved(self, counter: str) -> int:
        """Return by how much a counter rose; 0 where this kernel does not have it."""
        return self.counters.get(counter, 0)

    @property
    def has_counters(self) -> bool:
        """Whether the counters were read."""
        return "ActiveOpens" in self.counters

    @cached_property
    def fast(self) -> npt.NDArray[np.bool_]:
        """Whether a challenge ACK hastened the first resend, shape (rows,)."""
        fast: npt.NDArray[np.bool_] = self.syns.gap == Gap.FAST
        return fast

    @cached_property
    def waited(self) -> npt.NDArray[np.bool_]:
        """Whether the attempt ended by an answer to its last SYN, or by none; not by an error, shape (rows,)."""
        return self.ended_as(Outcome.RETRIED, Outcome.TIMED_OUT, Outcome.UNFINISHED)

    @cached_property
    def may_be_late(self) -> npt.NDArray[np.bool_]:
        """Whether the first SYN may have been answered after it was sent again, or may yet be, shape (rows,)."""
        has_repeats = has_repeated_syns(self.storm, self.syns)
        return may_be_late(self.storm, self.rows, self.ladder, self.at_once_ns, has_repeats=has_repeats)

    @cached_property
    def left_waiting(self) -> npt.NDArray[np.bool_]:
        """Whether the attempt waited with a SYN that met no old socket: no answer came, or a late one."""
        unanswered: npt.NDArray[np.bool_] = (self.syns.unanswered > 0) | self.syns.unresolved
        return unanswered & self.waited

    @cached_property
    def turned_away(self) -> npt.NDArray[np.bool_]:
        """Whether the attempt waited because a SYN that met no old socket got no answer, shape (rows,)."""
        return self.left_waiting & ~self.may_be_late

    @cached_property
    def held(self) -> npt.NDArray[np.bool_]:
        """Whether the only SYN was still in this host when it was due to be sent again, shape (rows,).

        The timer then passes without a resend (TCPSpuriousRtxHostQueues, tcp_retransmit_skb()).
        """
        waited = self.attempts["latency_ns"] >= self.ladder.rungs[0].to_ns
        return np.asarray(waited & (self.attempts["retransmits"] == 0) & (self.attempts["error"] != 0), np.bool_)

    @cached_property
    def rp_filtered(self) -> int:
        """How many packets a reverse path filter dropped, on any host."""
        return refused.count_on_hosts(self.storm.act, ("IPReversePathFilter",))

    @cached_property
    def unanswered(self) -> int:
        """How many SYNs that met no old socket got no answer; all those of which that is not known are among them."""
        syns = self.syns
        return int(syns.unanswered.sum(dtype=np.int64) + syns.challenged[syns.unresolved].sum(dtype=np.int64))

    @cached_property
    def retransmits(self) -> int:
        """How many SYNs were sent again."""
        return int(self.storm.attempts["retransmits"].sum(dtype=np.int64))

    @cached_property
    def unreachable(self) -> npt.NDArray[np.bool_]:
        """Which attempts ended with an errno that a host gives before the SYN, or an ICMP error, shape (rows,)."""
        return refused.is_unreachable(self.attempts) & np.asarray(self.attempts["retransmits"] == 0, np.bool_)

    @cached_property
    def opens(self) -> int:
        """How many attempts sent a SYN for certain."""
        sent = int(has_sent_syn(self.storm.attempts).sum())
        return sent - int((self.unreachable & has_sent_syn(self.attempts)).sum())

    @cached_property
    def refused_at_once(self) -> int | None:
        """How many of the unreachable attempts sent no SYN, if that is all or none; None where it is not known."""
        unreachable = int(self.unreachable.sum())
        surplus = self.moved("ActiveOpens") - self.opens
        if not self.has_counters or surplus not in (0, unreachable):
            return None
        return unreachable - surplus

    @cached_property
    def alone(self) -> bool:
        """Whether nobody else in the namespace sent a SYN: ActiveOpens is the storm's, and none waited before it."""
        if not self.has_counters or self.storm.act.counters["ActiveOpens"] != self.moved("ActiveOpens"):
            return False  # the host across the link sent some
        return self.refused_at_once is not None and self.storm.act.syn_sent_before == 0

    @cached_property
    def balance(self) -> Balance | None:
        """The segments that were swallowed between the TCPs; None where no balance can be made.

        An RST that a firewall makes is received and was not sent. Where one was refused by such an RST its SYN was
        swallowed, which makes the sum right again; other attempts ended by an RST that nobody sent make it useless.
        """
        act = self.storm.act
        if self.is_across_link:  # the control channel's segments are in the counters; see ``crossings``
            return None
        if any("duplicate" in queue.options for queue in act.plan.world.queues):  # more is received than sent
            return None
        if int(self.ended_as(Outcome.RESET).sum()) or act.segments_in_flight:
            return None
        balance = balance_segments(self.counters, act.outside_packets, self.retransmits, alone=self.alone)
        unheard = act.dropped.get(UNHEARD, 0)  # the server's answers to clients that are gone
        return balance and Balance(balance.low - unheard, balance.high - unheard)

    @property
    def is_across_link(self) -> bool:
        """Whether client and server are machines of their own, with traffic of others, and unknown hosts between."""
        return is_across_link(self.storm.act)

    @cached_property
    def crossings(self) -> Crossings | None:
        """The storm's segments that left one host and came to the other; None where they were not counted."""
        return count_crossings(self.storm.act)

    @cached_property
    def sent_syns(self) -> int:
        """How many SYNs the client's TCP sent for the attempts."""
        return count_sent_syns(self.storm)

    @cached_property
    def has_all_come(self) -> bool:
        """Whether every segment of a storm across a link came to the other host's TCP."""
        return has_all_come(self.crossings, self.sent_syns)

    @property
    def resets_of_server(self) -> int | None:
        """How many RSTs came from the server's host across a link; None where not all segments came."""
        return self.crossings.server_rsts.came if self.crossings is not None and self.has_all_come else None

    @cached_property
    def at_once_ns(self) -> int:
        """Within what time an attempt connects at once."""
        return at_once_ns(self.storm)

    @cached_property
    def listener_drops(self) -> int | None:
        """How many of ListenDrops are those of the listeners on the target; None where that is not known."""
        return count_listener_drops(self.storm.act, self.moved("ListenDrops")) if self.has_counters else None

    @cached_property
    def icmp_withheld(self) -> int:
        """How many ICMP errors a host did not send because it limits their rate."""
        return refused.count_on_hosts(self.storm.act, refused.ICMP_WITHHELD)

    @cached_property
    def icmp_due(self) -> int:
        """How many ICMP errors hosts sent or withheld."""
        return refused.count_on_hosts(self.storm.act, refused.ICMP_SENT) + self.icmp_withheld

    @cached_property
    def other_sinks(self) -> int:
        """How many packets TCP dropped by counters that are about no queue."""
        return sum(self.moved(name) for name in OTHER_SINKS)

    @cached_property
    def kernel(self) -> KernelEvents | None:
        """What the kernel said of each attempt's packets; None where it was not asked, or events were lost."""
        return match_events(self.storm, self.rows)
