# SPDX-License-Identifier: MIT
"""What the kernel said of each attempt's packets, by their 4-tuple and time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model.run import DROP_EVENT, RESET_EVENT, Storm

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
EARLY_NS = 100_000  # an event may be dated so long before the attempt's start: two readings of one clock, on two CPUs
NOBODY, UNCLEAR = -1, -2  # the owner of an event: no attempt, or one of several

# Reasons for which a packet never reached the other TCP (include/net/dropreason-core.h); an MD5 key or a TTL is for TCP
# itself to refuse.
ON_THE_WAY = frozenset(
    {
        *("NETFILTER_DROP", "SOCKET_FILTER", "CPU_BACKLOG", "XDP", "TC_INGRESS", "FULL_RING", "NOMEM", "DEV_READY"),
        *("IP_RPFILTER", "IP_INHDR", "IP_LOCAL_SOURCE", "IP_INADDRERRORS", "IP_OUTNOROUTES", "IP_NOPROTO", "IP_CSUM"),
        *("NEIGH_CREATEFAIL", "NEIGH_FAILED", "NEIGH_QUEUEFULL", "NEIGH_DEAD", "XFRM_POLICY", "TCP_CSUM", "PROTO_MEM"),
        "UNICAST_IN_L2_MULTICAST",
    }
)
# A host that sends did not let it out.
BY_THE_SENDER = frozenset({"BPF_CGROUP_EGRESS", "QDISC_DROP", "TC_EGRESS", "QDISC_OVERLIMIT"})
MET_A_SOCKET = frozenset({"TCP_INVALID_SYN", "TCP_RFC7323_TW_PAWS", "TCP_OVERWINDOW", "TCP_RFC7323_PAWS"})
NO_SOCKET = "NO_SOCKET"
PATH_REASONS = ("IP_RPFILTER", "IP_LOCAL_SOURCE")  # of which a cause of its own is named


@dataclass(frozen=True)
class KernelEvents:
    """The events of each attempt; all arrays have the shape (rows,).

    Attributes:
        syns_lost: SYNs that were dropped between the client's TCP and the server's.
        first_lost: whether the first SYN was one of them.
        syns_held_back: those of them that the client's own host did not let out; none where there are several hosts.
        answers_lost: SYN-ACKs that were dropped.
        challenges_lost: pure ACKs of the server that were dropped: challenge ACKs, while the client waits.
        rsts_lost: RSTs of the client that were dropped.
        dropped: SYNs and SYN-ACKs that were dropped, for whatever reason.
        met_socket: SYNs that an old socket of the server did not take.
        refused_by_tcp: RSTs that the server's TCP sent because no socket was there.
        syns_by_reason: those of PATH_REASONS by reason.
        reset_by_tcp: RSTs that a TCP sent while the attempt lasted: to answer a segment, or the server's by itself.
    """

    syns_lost: npt.NDArray[np.int64]
    first_lost: npt.NDArray[np.bool_]
    syns_held_back: npt.NDArray[np.int64]
    answers_lost: npt.NDArray[np.int64]
    challenges_lost: npt.NDArray[np.int64]
    rsts_lost: npt.NDArray[np.int64]
    dropped: npt.NDArray[np.int64]
    met_socket: npt.NDArray[np.int64]
    refused_by_tcp: npt.NDArray[np.int64]
    reset_by_tcp: npt.NDArray[np.int64]
    syns_by_reason: Mapping[str, npt.NDArray[np.int64]]


def match_events(storm: Storm, rows: npt.NDArray[np.intp]) -> KernelEvents | None:
    """Return what the kernel said of some attempts.

    Args:
        storm: with its events.
        rows: indices of the attempts.

    Returns:
        None where the kernel was not asked, does not tell namespaces and 4-tuples apart, or events were lost: then an
        event that is not there proves nothing. The same where the clocks of two hosts are not known well enough to tell
        of which attempt on a 4-tuple an event is.
    """
    word = storm.act.kernel_word
    if word is None or word.lost or not word.complete:
        return None
    owners = assign_events(storm, rows)
    if (owners == UNCLEAR).any():
        return None
    events = storm.events
    is_drop, is_reset = events["kind"] == DROP_EVENT, events["kind"] == RESET_EVENT
    from_client = events["from_client"] == 1
    syn, answer = events["flags"] & (SYN | ACK | RST) == SYN, events["flags"] & (SYN | ACK) == SYN | ACK
    pure_ack = events["flags"] & (SYN | ACK | RST | FIN) == ACK
    rst = events["flags"] & RST != 0
    on_the_way = is_drop & has_reason(events, word.drop_reasons, BY_THE_SENDER | ON_THE_WAY)
    # A router sends, too: of several hosts an event does not say which.
    held_back = is_drop & has_reason(events, word.drop_reasons, BY_THE_SENDER) & (len(storm.act.hosts) < 2)
    met_socket = is_drop & has_reason(events, word.drop_reasons, MET_A_SOCKET)
    no_socket = is_reset & has_reason(events, word.reset_reasons, frozenset({NO_SOCKET}))

    def count(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(owners[mask & (owners >= 0)], minlength=len(rows)).astype(np.int64)

    attempts = storm.attempts[rows]
    lost = on_the_way & from_client & syn
    since_ns = events["time_ns"] - attempts["start_ns"][owners] if len(rows) else events["time_ns"]
    return KernelEvents(
        syns_lost=count(lost),
        first_lost=count(lost & (since_ns < 2 * storm.host.jiffy_ns)) > 0,
        syns_held_back=count(held_back & from_client & syn),
        answers_lost=count(on_the_way & ~from_client & answer),
        challenges_lost=count(on_the_way & ~from_client & pure_ack),
        rsts_lost=count(on_the_way & from_client & rst),
        dropped=count(is_drop & np.where(from_client, syn, answer)),
        met_socket=count(met_socket & from_client & syn),
        refused_by_tcp=count(no_socket & ~from_client),
        reset_by_tcp=count(is_reset & ((events["flags"] != 0) | ~from_client)),
        syns_by_reason={
            reason: count(is_drop & has_reason(events, word.drop_reasons, frozenset({reason})) & from_client & syn)
            for reason in PATH_REASONS
        },
    )


def has_reason(events: npt.NDArray[Any], names: Mapping[str, str], reasons: frozenset[str]) -> npt.NDArray[np.bool_]:
    """Return which events have one of some reasons, shape (events,)."""
    return np.isin(events["reason"], [int(number) for number, name in names.items() if name in reasons])


def assign_events(storm: Storm, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the attempt of each event as an index into ``rows``, shape (events,), or NOBODY.

    It is the attempt on the same 4-tuple that had begun and not ended; UNCLEAR where another one had, by another clock.
    """
    events, error_ns = storm.events, clock_error_ns(storm)
    owners = np.full(len(events), NOBODY, np.intp)
    if not len(rows) or not len(events):
        return owners
    # Of which attempt an event is not, only all of them tell, where the time does not.
    candidates = np.arange(len(storm.attempts)) if error_ns else rows
    places = np.full(len(storm.attempts), NOBODY, np.intp)
    places[rows] = np.arange(len(rows))
    attempts = storm.attempts[candidates]
    tuples = storm.tuples(attempts)
    order = np.lexsort((attempts["start_ns"], tuples))
    sorted_tuples, owned = tuples[order], places[candidates[order]]
    starts, ends = attempts["start_ns"][order], (attempts["start_ns"] + attempts["latency_ns"])[order]
    of_events = storm.tuples(events)
    # Ranks of both in one order: by 4-tuple, then by time.
    first = np.searchsorted(sorted_tuples, of_events, "left")
    last = np.searchsorted(sorted_tuples, of_events, "right")
    around_ns = EARLY_NS + error_ns
    for index in np.flatnonzero(first < last):
        low, high, time_ns = first[index], last[index], events["time_ns"][index]
        at = low + int(np.searchsorted(starts[low:high], time_ns + around_ns, "right")) - 1
        if at >= low and time_ns <= ends[at] + around_ns:
            owners[index] = owned[at]
            if error_ns and at > low and time_ns <= ends[at - 1] + error_ns and max(owned[at - 1 : at + 1]) >= 0:
                owners[index] = UNCLEAR
    return owners


def clock_error_ns(storm: Storm) -> int:
    """Return by how much times of the server's host can be wrong: 0 where it is this host."""
    peer = storm.act.peer
    if peer is None:
        return 0
    after = peer.clock_after or peer.clock
    return max(peer.clock.error_ns, after.error_ns) + abs(after.offset_ns - peer.clock.offset_ns)
