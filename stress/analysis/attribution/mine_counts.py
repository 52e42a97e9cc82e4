# SPDX-License-Identifier: MIT
"""Mines by state: how many the storm's RSTs cleared, and which counters that raises (Linux 6.18)."""

from collections.abc import Iterator, Mapping

import numpy as np

from stress.analysis.attribution.counter_sums import WITHHELD
from stress.analysis.attribution.syns import CHALLENGING_STATES, SYN_RECEIVED, TIME_WAIT, Syns
from stress.lab.census import NUMBERS
from stress.model.mine import MineState
from stress.model.run import Storm
from stress.model.world import SERVER

TIMESTAMPS = "net.ipv4.tcp_timestamps"
PAWS = "PAWSTimewait"  # since Linux 6.16 (commit c449d5f3a3d7)
PAWS_BEFORE = "PAWSEstab"  # which counts segments that meet ESTABLISHED, too
RESET_STATES = (NUMBERS["ESTABLISHED"], NUMBERS["CLOSE-WAIT"])  # whose reset is in EstabResets (tcp_set_state())


def count_challenged_syns(syns: Syns) -> int:
    """Return how many SYNs met, or may have met, a mine that answers with a challenge ACK."""
    return int(syns.challenged[np.isin(syns.mine_state, CHALLENGING_STATES)].sum())


def count_cleared_mines(storm: Storm, syns: Syns, states: tuple[int, ...] = CHALLENGING_STATES) -> int:
    """Return how many mines in some states an RST cleared, of those before the storm and of those that it left itself.

    What the storm leaves is in CLOSE_WAIT.
    """
    met = storm.tuples(storm.attempts[syns.met_mine])
    left_by_storm = ~np.isin(met, storm.tuples(storm.mines))
    in_states = np.isin(storm.mines["state"], states)
    return int(((storm.mines["left"] == 0) & in_states).sum() + left_by_storm.sum())


def count_cleared_requests(storm: Storm, syns: Syns) -> int:
    """Return how many mines in SYN_RECEIVED an RST cleared; those that the server gave up by itself are none of them.

    Each raises EmbryonicRsts, and AttemptFails of the server (tcp_check_req(), inet_csk_reqsk_queue_drop()).
    """
    met = syns.met_mine & ~syns.mine_left & (syns.mine_state == SYN_RECEIVED)
    return len(np.unique(storm.tuples(storm.attempts[met])))


def count_time_wait_syns(syns: Syns) -> int:
    """Return how many SYNs met a mine in TIME_WAIT."""
    return int(syns.challenged[syns.mine_state == TIME_WAIT].sum())


def count_mine_rsts(storm: Storm, syns: Syns) -> int:
    """Return how many RSTs answered a mine: one for each that was cleared, or for each SYN that met TIME_WAIT."""
    return count_cleared_mines(storm, syns) + count_time_wait_syns(syns)


def mine_state_claims(storm: Storm, syns: Syns) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claim that only mines of the act's state allow, where client and server have counters of their own."""
    hosts, plan = storm.act.hosts, storm.act.plan
    yield from time_wait_claims(storm, syns)
    if not plan.mines or SERVER not in hosts:
        return
    counters = hosts[SERVER].counters
    if plan.mine_state is MineState.ESTABLISHED:  # a reset without data is an error there (tcp_rcv_established())
        cleared = count_cleared_mines(storm, syns, (NUMBERS[plan.mine_state],))
        yield "mines in ESTABLISHED cleared by an RST", cleared, "Tcp InErrs of the server", counters["InErrs"]
    elif plan.mine_state is MineState.SYN_RECEIVED:
        # A connection that the client resets before the server has made its socket raises both counters, too.
        requests = count_cleared_requests(storm, syns)
        if requests == counters["EmbryonicRsts"]:
            failed = counters["AttemptFails"]
            yield "mines in SYN-RECEIVED cleared by an RST", requests, "AttemptFails of the server", failed


def sum_paws(counters: Mapping[str, int]) -> tuple[str, int]:
    """Return the counter of segments that TIME_WAIT refused for their timestamp, and its value."""
    name = PAWS if PAWS in counters else PAWS_BEFORE
    return name, counters.get(name, 0)


def time_wait_claims(storm: Storm, syns: Syns) -> Iterator[tuple[str, int, str, int]]:
    """Yield the claims on SYNs that met TIME_WAIT.

    With timestamps it is their timestamp that is not new. An ACK is withheld within net.ipv4.tcp_invalid_ratelimit
    (500 ms) of the one before: that for the hastened SYN, where tcp_rfc1337 lets the socket survive the RST.
    """
    counters = storm.act.counters
    if not (storm.mines["state"] == TIME_WAIT).any():
        return
    if storm.act.sysctls.get(TIMESTAMPS) in ("1", "2"):
        paws, refused = sum_paws(counters)
        yield "SYNs that met TIME-WAIT with an older timestamp", count_time_wait_syns(syns), paws, refused
    again = int(((syns.mine_state == TIME_WAIT) & (syns.challenged > 1)).sum())
    yield "attempts that met TIME-WAIT a second time", again, WITHHELD, counters.get(WITHHELD, 0)
