# SPDX-License-Identifier: MIT
"""The books of a full SYN queue: SYNs that it dropped, and those that were answered by a cookie."""

from collections.abc import Iterator

from stress.analysis.attribution.counter_sums import SYNCOOKIES
from stress.analysis.attribution.syns import Syns
from stress.model.run import Storm


def syn_queue_claims(storm: Storm, syns: Syns) -> Iterator[tuple[str, int, str, int]]:
    """Yield claims on a SYN queue that others fill, and on cookies (tcp_conn_request(), cookie_v4_check(), Linux 6.18).

    Where half-open connections are more than listen() allows, each SYN raises TCPReqQFullDrop, or
    TCPReqQFullDoCookies; where they are three quarters of tcp_max_syn_backlog, ListenDrops alone. Nothing is claimed
    where rules may lose SYNs or answers, or the accept queue overflowed.
    """
    act, plan, counters = storm.act, storm.act.plan, storm.act.counters
    cookies = act.sysctls.get(SYNCOOKIES)
    # What fills the queue is given up after some seconds, which a busy machine may need for the storm.
    half_open = [census.get("server", {}).get("SYN-RECEIVED", 0) for census in (act.census_before, act.census_after)]
    is_full = plan.backlog is not None and min(half_open) > plan.backlog
    is_emptied = plan.backlog is not None and not is_full
    if plan.world.rules or counters["ListenOverflows"] or plan.mines:
        return
    if plan.fillers and cookies == "0" and not is_emptied:
        unanswered = int(syns.unanswered.sum())
        yield (
            "SYNs beyond listen()'s backlog",
            unanswered if is_full else 0,
            "TCPReqQFullDrop",
            counters["TCPReqQFullDrop"],
        )
    elif cookies == "2" or (cookies == "1" and is_full):
        connected = int((storm.attempts["error"] == 0).sum())
        for counter in ("TCPReqQFullDoCookies", "SyncookiesSent", "SyncookiesRecv"):
            yield "attempts that connected by a cookie", connected, counter, counters[counter]
