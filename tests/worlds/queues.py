# SPDX-License-Identifier: MIT
"""Worlds of full queues: of a listener that does not accept, of half-open requests."""

import socket
import time

from worlds.servers import accept_slowly, drain, drain_first_of_two, leak_until_full, stand_still, start_server
from worlds.site import FIRST
from worlds.truth import AT_ONCE, every, late, on_ports
from worlds.world import world

FILLERS = "127.9.9.9"


def drop_syns(site, ports, hook="input"):
    """Drop every SYN of the client from some ports, ``range`` of them."""
    site.rules(f"tcp dport 5000 tcp sport {ports[0]}-{ports[-1]} tcp flags & (syn|ack) == syn counter drop", hook=hook)


@world("Nobody accepts, and the queue holds 17.")
def accept_queue_full(site):
    start_server(site, stand_still, backlog=16)
    site.storm(late("accept_queue"))


@world("Nobody accepts; listen(1024) was cut to 8 by somaxconn.", families=(4,))
def accept_queue_cut(site):
    site.set({"net.core.somaxconn": 8})
    start_server(site, stand_still, backlog=1024)
    site.storm(late("accept_queue"), attempts=60)


@world("One of two listeners with SO_REUSEPORT accepts nothing.")
def one_of_two_stuck(site):
    start_server(site, drain_first_of_two, backlog=16, listeners=2)
    site.storm(late("accept_queue"))


@world("A slow server with a short queue, and a firewall that drops all SYNs of 20 ports.")
def slow_accept_and_drop(site):
    site.ports(2000)
    dropped = range(FIRST, FIRST + 20)
    drop_syns(site, dropped)
    start_server(site, accept_slowly, backlog=4)
    site.storm(on_ports(dropped, "lost_on_the_way"), late("accept_queue"), attempts=1000, rate_per_s=None, close="fin")


@world("Nobody accepts, and a firewall drops all SYNs of 20 ports.")
def accept_queue_and_drop(site):
    dropped = range(FIRST + 60, FIRST + 80)
    drop_syns(site, dropped)
    start_server(site, stand_still, backlog=16)
    site.storm(on_ports(dropped, "lost_on_the_way"), late("accept_queue"))


@world("Nobody accepts, and a firewall drops the SYN-ACKs to the first 8 ports, for which there was room.")
def accept_queue_and_syn_ack_drop(site):
    unheard = range(FIRST, FIRST + 8)
    site.rules(f"tcp sport 5000 tcp dport {unheard[0]}-{unheard[-1]} counter drop")
    start_server(site, stand_still, backlog=16)
    site.storm(on_ports(unheard, "lost_on_the_way"), late("accept_queue"))


@world("Another server of the same namespace overflows; ours loses the SYNs of 20 ports to a firewall.")
def other_listener_overflows(site):
    dropped = range(FIRST, FIRST + 20)
    drop_syns(site, dropped)
    start_server(site, drain)
    start_server(site, stand_still, port=5001, backlog=2)
    site.fork(connect_on, site, 5001, 60, "127.0.0.1" if site.family == 4 else "::1")
    site.storm(on_ports(dropped, "lost_on_the_way"), rate_per_s=100)


@world("Our server and another of the same namespace overflow together.", families=(4,))
def both_listeners_overflow(site):
    start_server(site, stand_still, backlog=16)
    start_server(site, stand_still, port=5001, backlog=2)
    site.fork(connect_on, site, 5001, 60, "127.0.0.1")
    site.storm(late("accept_queue"), rate_per_s=100)


def connect_on(site, port, count, host):
    """Go on connecting to another server, from ports outside of the storm's range."""
    kind = socket.AF_INET6 if ":" in host else socket.AF_INET
    clients = []
    for number in range(count):
        client = socket.socket(kind)
        client.bind((host, 30000 + number))
        client.setblocking(False)
        client.connect_ex((site.loopback, port))
        clients.append(client)
        time.sleep(0.02)
    time.sleep(1000)


@world(
    "A server of others leaks until accept() fails with EMFILE.",
    families=(4,),
    fact="accept() errors of a server that is not ours",
)
def descriptors_exhausted(site):
    start_server(site, leak_until_full, backlog=16, nofile=40)
    site.storm(late("fd_exhaustion", "accept_queue"), rate_per_s=500, close="fin")


def fill_syn_queue(site, count):
    """Leave half-open requests: those of a client whose SYN-ACKs are dropped."""
    site.rules(f"ip daddr {FILLERS} drop")
    clients = []
    for number in range(count):
        client = socket.socket()
        client.bind((FILLERS, 30000 + number))
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", 5000))
        clients.append(client)
    return clients


@world("The SYN queue is full (listen backlog) and cookies are off.", families=(4,))
def syn_queue_full(site):
    site.set(tcp_syncookies=0)
    start_server(site, drain, backlog=16)
    _held = fill_syn_queue(site, 17)
    site.storm(late("syn_queue"))


@world("The SYN queue is full, cookies are off, and the clients that fill it send their SYNs again.", families=(4,))
def syn_queue_full_others_resend(site):
    site.set(tcp_syncookies=0)
    start_server(site, drain, backlog=16)
    _held = fill_syn_queue(site, 60)
    site.storm(late("syn_queue"))


@world("The SYN queue is at three quarters of tcp_max_syn_backlog, and cookies are off.", families=(4,))
def syn_queue_three_quarters(site):
    site.set(tcp_syncookies=0, tcp_max_syn_backlog=8)
    start_server(site, drain, backlog=1024)
    _held = fill_syn_queue(site, 7)
    site.storm(late("syn_queue"))


@world("The SYN queue is full, cookies are off, and a firewall drops the SYNs of 20 ports.", families=(4,))
def syn_queue_and_drop(site):
    site.set(tcp_syncookies=0)
    dropped = range(FIRST + 40, FIRST + 60)
    drop_syns(site, dropped)
    start_server(site, drain, backlog=16)
    _held = fill_syn_queue(site, 17)
    site.storm(on_ports(dropped, "lost_on_the_way"), late("syn_queue"))


@world("The SYN queue is full, and the server answers with cookies: all connect at once.", families=(4,))
def syn_cookies(site):
    start_server(site, drain, backlog=16)
    _held = fill_syn_queue(site, 20)
    site.storm(every(*AT_ONCE), rate_per_s=100)
