# SPDX-License-Identifier: MIT
"""Worlds where others in the same namespace move the same counters."""

import contextlib
import itertools
import socket
import time

from worlds.losses import SYN
from worlds.queues import connect_on, drop_syns
from worlds.servers import drain, stand_still, start_server
from worlds.site import FIRST
from worlds.stale import lay
from worlds.truth import every, late, on_ports
from worlds.world import HERE, HOST, world

PORTS = range(FIRST, FIRST + 100)
OTHERS = range(30000, 30060)  # the ports of other clients
TCP_DEFER_ACCEPT = 9


@world("Our SYNs of 25 of 50 mined ports are dropped, while another client meets 60 mines of another server.")
def others_meet_mines(site):
    lay(site, {"CLOSE-WAIT": OTHERS}, port=5001)
    lay(site, {"CLOSE-WAIT": PORTS[:50]})
    drop_syns(site, PORTS[:25])
    site.fork(connect_on, site, 5001, len(OTHERS), site.loopback)
    site.storm(on_ports(PORTS[:25], "lost_on_the_way"), on_ports(PORTS[25:50], "closewait"), rate_per_s=100)


@world("A firewall rejects half of our ports by RST, while others connect to a closed port.", ways=(HERE, HOST))
def others_are_refused(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[49]} {SYN} reject with tcp reset")
    start_server(site, drain)
    site.fork(connect_on, site, 5999, len(OTHERS), site.loopback)
    site.storm(on_ports(PORTS[:50], "rejected_by_rst"), rate_per_s=100)


@world("Nobody accepts, while a firewall drops the SYNs that others send to another server.", ways=(HERE,))
def others_lose_syns(site):
    site.rules("tcp dport 5001 tcp flags & (syn|ack) == syn drop")
    start_server(site, stand_still, backlog=16)
    start_server(site, drain, port=5001)
    site.fork(connect_on, site, 5001, len(OTHERS), site.loopback)
    site.storm(late("accept_queue"), rate_per_s=100)


def send_much(site):
    """Send as fast as another server reads."""
    with socket.create_connection((site.loopback, 5001), source_address=(site.loopback, OTHERS[0])) as client:
        while True:
            client.sendall(bytes(1 << 20))
            time.sleep(0.05)


@world("A firewall drops the SYNs of 20 ports, while others send 20 MB per second through lo.", ways=(HERE, HOST))
def others_send_much(site):
    drop_syns(site, PORTS[30:50])
    start_server(site, drain)
    start_server(site, drain, port=5001)
    site.fork(send_much, site)
    site.storm(on_ports(PORTS[30:50], "lost_on_the_way"))


def meet_closed_port(site):
    """Connect to a closed port again and again."""
    for port in itertools.cycle(OTHERS):
        with contextlib.suppress(OSError):
            socket.create_connection((site.loopback, 5999), source_address=(site.loopback, port)).close()
        time.sleep(0.01)


@world("The server listens on another address only, and a firewall rejects 30 ports, while others are refused.")
def others_are_refused_too(site):
    site.rules(f"tcp sport {PORTS[0]}-{PORTS[29]} {SYN} reject with tcp reset")
    start_server(site, drain, host="127.0.0.2" if site.family == 4 else "127.0.0.1")
    site.fork(meet_closed_port, site)
    site.storm(on_ports(PORTS[:30], "rejected_by_rst"), late("no_listener"))


@world("The listener waits for data (TCP_DEFER_ACCEPT) and sends SYN-ACKs again; all connect at once.", families=(4,))
def deferred(site):
    start_server(site, drain, options=[(socket.IPPROTO_TCP, TCP_DEFER_ACCEPT, 2)])
    site.storm(every("none", "stalled"), close="hold", duration_s=3, rate_per_s=50)


@world("The same, with 50 mines of which 25 never see a SYN: the client's challenge ACKs are of the SYN-ACKs.")
def deferred_and_mines(site):
    lay(site, {"CLOSE-WAIT": PORTS[:50]})
    drop_syns(site, PORTS[:25])
    start_server(site, drain, port=5001, options=[(socket.IPPROTO_TCP, TCP_DEFER_ACCEPT, 2)])
    site.fork(connect_on, site, 5001, len(OTHERS), site.loopback)
    site.storm(on_ports(PORTS[:25], "lost_on_the_way"), on_ports(PORTS[25:50], "closewait"), close="hold")


@world("Our listener overflows while another client's old sockets on the same server answer with challenge ACKs.")
def others_meet_mines_of_ours(site):
    lay(site, {"CLOSE-WAIT": [*OTHERS[:30], *PORTS[:30]]})
    site.fork(connect_on, site, 5000, 30, site.loopback)
    site.storm(late("closewait"), rate_per_s=100)
