# SPDX-License-Identifier: MIT
"""Who may have refused attempts: what follows from their errnos, the listeners and the counters of all hosts."""

import errno
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ends import client_counter
from stress.analysis.attribution.ladder import INITIAL_RTO_NS
from stress.analysis.attribution.outcome import UNREACHABLE_ERRNOS, has_sent_syn, is_self_connected
from stress.model.record import Act
from stress.model.run import Storm

ICMP_SENT = ("IcmpOutDestUnreachs", "Icmp6OutDestUnreachs")
# Errors that a host did not send because of net.ipv4.icmp_ratelimit, icmp_msgs_per_sec or net.ipv6.icmp.ratelimit.
ICMP_WITHHELD = ("IcmpOutRateLimitHost", "IcmpOutRateLimitGlobal", "Icmp6OutRateLimitHost")


def is_unreachable(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which attempts a host refused before the SYN, or an ICMP error after it, shape (attempts,)."""
    mask: npt.NDArray[np.bool_] = np.isin(attempts["error"], UNREACHABLE_ERRNOS)
    return mask


def is_answered_by_error(attempts: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which attempts ended with an error that may be the answer to their last SYN, shape (attempts,)."""
    refused: npt.NDArray[np.bool_] = attempts["error"] == errno.ECONNREFUSED
    return is_unreachable(attempts) | refused


def count_opens(storm: Storm) -> int:
    """Return how many attempts sent a SYN; of those unreachable at once all or none, as ActiveOpens says."""
    attempts = storm.attempts
    doubtful = is_unreachable(attempts) & (attempts["retransmits"] == 0)
    certain = int((has_sent_syn(attempts) & ~doubtful).sum())
    _, opens = client_counter(storm.act, "ActiveOpens")
    return opens if opens == certain + int(doubtful.sum()) else certain


def is_target_open(act: Act) -> bool:
    """Return whether somebody listened on the target when the storm was over."""
    if not act.listening:  # of schema 2, or nobody listened anywhere
        return act.census_after.get("server", {}).get("LISTEN", 0) > 0
    return any(listening.on_target and listening.drops is not None for listening in act.listening)


def count_on_hosts(act: Act, names: Iterable[str]) -> int:
    """Return the sum of some counters over all hosts, routers included."""
    names = tuple(names)
    hosts = [host.counters for host in act.hosts.values()] or [act.counters]
    return sum(counters.get(name, 0) for counters in hosts for name in names)


def count_refused_by_rst(storm: Storm) -> int:
    """Return how many attempts an RST refused that is counted: by the server's TCP, or by a rule of the world.

    Where somebody listens, TCP refuses nobody: then it was an ICMP error, or a firewall that nobody counts.
    """
    refused = int((storm.attempts["error"] == errno.ECONNREFUSED).sum())
    rejecting = any(rule.sends_rst for rule in storm.act.plan.world.rules)
    return refused if rejecting or not is_target_open(storm.act) else 0


def count_ended_by_rules(storm: Storm) -> int:
    """Return how many attempts an ICMP error of a rule of the world ended, as the answer to their last SYN.

    Less those that timed out while their only SYN waited in the host, where nothing counts it.
    """
    never_sent = has_never_sent(storm)
    timed_out = int((never_sent & (storm.attempts["error"] == errno.ETIMEDOUT)).sum())
    if not any(rule.sends_icmp for rule in storm.act.plan.world.rules):
        return -timed_out
    ended = int((is_answered_by_error(storm.attempts) & ~never_sent).sum())
    return ended - count_refused_by_rst(storm) - timed_out


def has_never_sent(storm: Storm) -> npt.NDArray[np.bool_]:
    """Return of which attempts the only SYN waited in the host, for a neighbour or in a queue, shape (attempts,)."""
    attempts = storm.attempts
    mask = (attempts["error"] != 0) & (attempts["retransmits"] == 0) & (attempts["latency_ns"] >= INITIAL_RTO_NS)
    _, spurious = client_counter(storm.act, "TCPSpuriousRtxHostQueues")
    return np.asarray(mask & (spurious > 0), np.bool_)


def count_self_connected(storm: Storm) -> int:
    """Return how many attempts connected to themselves: one socket is both ends, and no server has another."""
    return int(is_self_connected(storm.attempts, storm.act.address).sum())
