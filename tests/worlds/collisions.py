# SPDX-License-Identifier: MIT
"""Worlds of old sockets on the client's 4-tuples: their states, and firewalls between."""

from worlds.servers import drain, leak, start_server
from worlds.site import FIRST
from worlds.stale import lay, leave_requests
from worlds.truth import late, on_ports
from worlds.world import world

HALF = range(FIRST, FIRST + 50)


@world("The server leaked 50 connections (CLOSE_WAIT).")
def leaked(site):
    lay(site, {"CLOSE-WAIT": HALF})
    site.storm(late("closewait"))


@world("50 old sockets of the server are ESTABLISHED.")
def stale_established(site):
    lay(site, {"ESTAB": HALF})
    site.storm(late("stale_socket"))


@world("50 old sockets of the server are half-open requests (SYN_RECV).")
def stale_requests(site):
    start_server(site, drain)
    leave_requests(site, HALF)
    site.storm(late("stale_socket"))


@world("50 old sockets of the server are in TIME_WAIT, their sequence numbers ahead; timestamps are off.")
def stale_time_wait(site):
    site.set(tcp_timestamps=0)
    lay(site, {"TIME-WAIT": HALF})
    site.storm(late("stale_socket"))


@world("The server leaks, and is visited twice: the second storm meets the leaks of the first.")
def leaked_again(site):
    site.set(tcp_max_tw_buckets=0)
    start_server(site, leak)
    site.storm(close="fin")
    site.storm(late("closewait"), close="fin")


@world("RSTs are dropped; of the SYNs of 100 mined ports those of the second half, too.")
def rst_and_syn_dropped(site):
    mined = range(FIRST, FIRST + 100)
    lay(site, {"CLOSE-WAIT": mined})
    site.rules(
        "tcp dport 5000 tcp flags & rst == rst counter drop",
        f"tcp dport 5000 tcp sport {mined[50]}-{mined[-1]} tcp flags & (syn|ack) == syn counter drop",
    )
    site.storm(on_ports(mined[50:], "lost_on_the_way"), on_ports(mined[:50], "rst_dropped"), close="fin")
