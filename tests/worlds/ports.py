# SPDX-License-Identifier: MIT
"""Worlds where connect() or bind() gets no port."""

import errno
import socket
import time

from worlds.servers import drain, stand_still, start_server
from worlds.site import FIRST
from worlds.stale import lay
from worlds.truth import late, on_ports, with_errors
from worlds.world import HERE, HOST, world

IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h
NO_PORT = (errno.EADDRNOTAVAIL, errno.EADDRINUSE)


def hold_ports(site, ports, *, target=None):
    """Let another process hold ports, bound only or connected to a target."""
    clients = []
    for port in ports:
        client = socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6)
        client.bind((site.loopback, port))
        if target:
            client.connect((site.loopback, target))
        clients.append(client)
    site.fork(time.sleep, 1000)
    for client in clients:
        client.close()


@world("The storm itself holds all 20 ports.", ways=(HERE, HOST))
def ports_exhausted(site):
    site.ports(20)
    start_server(site, drain)
    site.storm(with_errors(NO_PORT, "port_exhausted"), attempts=60, ports="kernel", close="hold")


@world("All 20 ports are in the client's own TIME_WAIT.", families=(4,), ways=(HERE, HOST))
def ports_in_time_wait(site):
    site.set(tcp_tw_reuse=0)
    site.ports(20)
    start_server(site, drain)
    site.storm(with_errors(NO_PORT, "port_exhausted"), attempts=60, ports="kernel", close="fin")


@world("18 of 20 ports are reserved, and the storm holds the others.", ways=(HERE, HOST))
def ports_reserved(site):
    site.ports(20)
    site.set(ip_local_reserved_ports=f"{FIRST}-{FIRST + 17}")
    start_server(site, drain)
    site.storm(with_errors(NO_PORT, "port_reserved", "port_exhausted"), attempts=40, ports="kernel", close="hold")


@world("Another process has bound all 20 ports.", ways=(HERE, HOST))
def ports_taken_by_bind(site):
    site.ports(20)
    start_server(site, drain)
    hold_ports(site, range(FIRST, FIRST + 20))
    site.storm(with_errors(NO_PORT, "port_taken"), attempts=40, ports="kernel")


@world("Another process has bound 40 of 100 ports, which the storm goes through by bind().", ways=(HERE, HOST))
def some_ports_taken(site):
    start_server(site, drain)
    hold_ports(site, range(FIRST + 20, FIRST + 60))
    site.storm(with_errors(NO_PORT, "port_taken"))


@world("Another process holds connections to the server from all 20 ports.")
def ports_taken_by_connections(site):
    site.ports(20)
    start_server(site, drain)
    hold_ports(site, range(FIRST, FIRST + 20), target=5000)
    site.storm(with_errors(NO_PORT, "port_taken"), attempts=40, ports="kernel")


@world(
    "A client of another address has connections from all 20 ports; the storm itself holds all of its own.",
    families=(4,),
)
def ports_of_another_address(site):
    site.ports(20)
    start_server(site, drain)
    others = [socket.socket() for _ in range(20)]
    for client in others:
        client.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)  # else bind() has the port for every address
        client.bind(("127.0.0.9", 0))
        client.connect((site.loopback, 5000))
    site.fork(time.sleep, 1000)
    for client in others:
        client.close()
    site.storm(with_errors(NO_PORT, "port_exhausted"), attempts=60, ports="kernel", close="hold")


@world("Another client's connections live on 30 of the 4-tuples, which the storm goes through by bind().")
def living_connections(site):
    start_server(site, drain)
    hold_ports(site, range(FIRST + 20, FIRST + 50), target=5000)
    site.storm(with_errors(NO_PORT, "port_taken"))


@world("Another process has 10 of 20 ports; the storm holds the other 10.", ways=(HERE, HOST))
def ports_taken_and_held(site):
    site.ports(20)
    start_server(site, drain)
    hold_ports(site, range(FIRST, FIRST + 10))
    site.storm(with_errors(NO_PORT, "port_exhausted", "port_taken"), attempts=40, ports="kernel", close="hold")


@world("Another process has 30 of 100 ports, the server leaked to 30 others, and a firewall drops the SYNs of 20.")
def taken_leaked_and_dropped(site):
    lay(site, {"CLOSE-WAIT": range(FIRST + 30, FIRST + 60)})
    hold_ports(site, range(FIRST, FIRST + 30))
    site.rules(f"tcp dport 5000 tcp sport {FIRST + 60}-{FIRST + 79} tcp flags & (syn|ack) == syn drop")
    site.storm(
        with_errors(NO_PORT, "port_taken"),
        on_ports(range(FIRST + 30, FIRST + 60), "closewait"),
        on_ports(range(FIRST + 60, FIRST + 80), "lost_on_the_way"),
    )


@world("Nobody accepts, the queue holds 17, and attempts that wait hold all 40 ports.")
def queue_and_ports(site):
    site.ports(40)
    start_server(site, stand_still, backlog=16)
    site.storm(with_errors(NO_PORT, "port_exhausted"), late("accept_queue"), ports="kernel")
