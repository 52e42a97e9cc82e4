# SPDX-License-Identifier: MIT
"""From when on something is wrong: every limit of an inspection, in one place."""

from stress.model.inspection import Check

CLOSE_WAIT_AGE_MS = 60_000  # a program that closes takes no minute to
QUEUE_SHARE = 1.0  # of a listener's limit
PORTS_LEFT_SHARE = 0.10  # of the ports that connections to one destination may have
CONNTRACK_SHARE = 0.90  # of its table
LISTENER_DROPS = 0  # of one listener while it was watched

TEXTS = {
    Check.CLOSE_WAIT_AGE: f"a connection in CLOSE-WAIT for more than {CLOSE_WAIT_AGE_MS // 1000} s",
    Check.LISTENER_QUEUE: "a listener whose accept queue is at its limit",
    Check.PORTS_LEFT: f"fewer than {PORTS_LEFT_SHARE:.0%} of the ports left to a destination".replace("%", " %"),
    Check.CONNTRACK: f"a conntrack table that is more than {CONNTRACK_SHARE:.0%} full".replace("%", " %"),
    Check.LISTENER_DROPS: "a listener that dropped something while it was watched",
}

# Below these nothing is claimed.
UNACKNOWLEDGED_AGE_MS = 60_000  # FIN-WAIT-1, CLOSING and LAST-ACK: the peer has not acknowledged for so long
REMOTE_MINE_AGE_MS = 60_000  # net.ipv4.tcp_fin_timeout of a client that is as shipped
TOLD_AGE_MS = 1_000  # of the oldest connection in CLOSE-WAIT
MINE_AGE_MS = 1_000  # a younger socket may be the half of a connection that was made while sockets were listed
PORTS_SEARCHED = 100  # of the loop of connect(): some 10 µs
RATE_SOCKETS = 10
RATE_AGE_MS = 60_000
RATE_DISTANCE = 0.25  # largest distance of the ages' distribution from that of a steady rate

DESTINATIONS_SHOWN = 10
PEERS_SHOWN = 10
CONNECTS = 1_000  # coming connects whose collisions are foretold
