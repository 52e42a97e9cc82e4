# SPDX-License-Identifier: MIT
"""Worlds of old sockets that are left, where an attempt is given up when its resends do not tell its first gap.

After 1.5 s an attempt has sent its SYN again once, whether it was hastened by an old socket or not.
"""

import os
import signal
import socket
import struct
import time
from pathlib import Path

from worlds.collisions import ALL, HALF, RST
from worlds.queues import drop_syns
from worlds.servers import stand_still, start_server
from worlds.site import wait_until
from worlds.stale import connect_from, lay
from worlds.truth import late, on_ports
from worlds.world import world

GIVEN_UP_S = 1.5
OTHER_PORT, OTHER_FIRST = 5001, 30000  # of a server and its clients that the storm has nothing to do with
ACK_OF_SERVER = "tcp sport 5000 tcp flags == ack"
UNHEARD = ("challenge_dropped", "lost_on_the_way")


def storm_briefly(site, *parts, **options):
    """Storm, and give each attempt up before its first gap can be told."""
    site.storm(*parts, deadline_s=GIVEN_UP_S, **options)


def lay_protected(site, ports):
    """Leave sockets in TIME_WAIT that ignore RSTs."""
    site.set(tcp_timestamps=0, tcp_rfc1337=1)
    lay(site, {"TIME-WAIT": ports})


def reset_others(site, count):
    """Reset connections of somebody else, once the storm has begun."""
    start_server(site, stand_still, port=OTHER_PORT)

    def connect_and_reset():
        clients = [connect_from(site, OTHER_FIRST + number, "", OTHER_PORT, site.loopback) for number in range(count)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sockets = Path(f"/proc/net/tcp{'6' if site.family == 6 else ''}")
        while not any(line.split()[3] == "02" for line in sockets.read_text().splitlines()[1:]):  # SYN-SENT
            time.sleep(0.002)
        for client in clients:
            client.close()
        time.sleep(1000)

    site.fork(connect_and_reset)
    wait_until(lambda: site.call(f"ss -Htan state established dport = :{OTHER_PORT}").count("\n") == count, str)


@world("50 old ESTABLISHED sockets, a firewall that drops RSTs, and attempts that are given up early.")
def rst_dropped_and_given_up(site):
    lay(site, {"ESTAB": HALF})
    site.rules(f"{RST} drop")
    storm_briefly(site, late("rst_dropped"))


@world("50 old sockets in TIME_WAIT, which ignore RSTs, and attempts that are given up early.")
def time_wait_and_given_up(site):
    lay_protected(site, HALF)
    storm_briefly(site, late("time_wait"))


@world("50 old sockets, a firewall that drops their challenge ACKs, and attempts that are given up early.")
def challenge_dropped_and_given_up(site):
    lay(site, {"ESTAB": HALF})
    site.rules(f"{ACK_OF_SERVER} drop")
    storm_briefly(site, late(*UNHEARD))


@world("50 old sockets whose 100 challenge ACKs are dropped, while somebody else resets 100 connections.")
def challenge_dropped_and_others_reset(site):
    lay(site, {"ESTAB": HALF})
    site.rules(f"{ACK_OF_SERVER} tcp dport {HALF[0]}-{HALF[-1]} drop")
    reset_others(site, 2 * len(HALF))
    storm_briefly(site, late(*UNHEARD))


@world("Old sockets; RSTs are dropped on 25 ports, challenge ACKs on 25 others.")
def rst_or_challenge_dropped_and_given_up(site):
    lay(site, {"ESTAB": HALF})
    site.rules(f"{RST} tcp sport {HALF[0]}-{HALF[24]} drop")
    site.rules(f"{ACK_OF_SERVER} tcp dport {HALF[25]}-{HALF[-1]} drop", hook="prerouting")
    storm_briefly(site, on_ports(HALF[25:], *UNHEARD), late("rst_dropped"))


@world("50 old sockets, every challenge ACK is dropped, and a socket withholds its answer for 5 s.", families=(4,))
def challenge_withheld_for_long(site):
    site.set(tcp_invalid_ratelimit=5000)
    lay(site, {"ESTAB": HALF})
    site.rules(f"{ACK_OF_SERVER} tcp dport {HALF[0]}-{HALF[-1]} drop")
    reset_others(site, len(HALF))
    storm_briefly(site, late(*UNHEARD))


@world("50 old sockets, and a firewall that drops the SYNs of their ports.")
def mined_syns_dropped_and_given_up(site):
    lay(site, {"ESTAB": HALF})
    drop_syns(site, HALF)
    storm_briefly(site, late("lost_on_the_way"))


@world("Protected sockets in TIME_WAIT, and a firewall that drops the SYNs of their ports.")
def protected_and_syns_dropped(site):
    lay_protected(site, HALF)
    drop_syns(site, HALF)
    storm_briefly(site, late("lost_on_the_way"))


@world("Protected sockets in TIME_WAIT, whose ACKs a firewall answers by RSTs in the client's place.")
def protected_and_answered_for_client(site):
    lay_protected(site, HALF)
    site.rules(f"{ACK_OF_SERVER} tcp dport {HALF[0]}-{HALF[-1]} reject with tcp reset")
    reset_others(site, 2 * len(HALF))
    storm_briefly(site, late(*UNHEARD, "challenge_intercepted"))


@world("Protected sockets in TIME_WAIT on the ports of 50 attempts; nobody accepts those of the others.")
def protected_and_queue(site):
    site.set(tcp_timestamps=0, tcp_rfc1337=1)
    lay(site, {"TIME-WAIT": HALF}, backlog=16, stops=True)
    storm_briefly(site, on_ports(HALF, "time_wait"), on_ports(ALL[50:], "accept_queue"))


def run_in_turns(site, server):
    """Let a server run for a moment only, again and again."""

    def interrupt():
        while True:
            for number, seconds in ((signal.SIGSTOP, 0.02), (signal.SIGCONT, 0.001)):
                os.kill(server, number)
                time.sleep(seconds)

    site.fork(interrupt)


@world("Protected sockets in TIME_WAIT on 5 ports, and a slow server with a short queue, which drops ACKs too.")
def protected_and_slow_accept(site):
    site.ports(2000)
    site.set(tcp_timestamps=0, tcp_rfc1337=1)
    run_in_turns(site, lay(site, {"TIME-WAIT": HALF[:5]}, backlog=4))
    parts = on_ports(HALF[:5], "time_wait"), late("accept_queue")
    storm_briefly(site, *parts, attempts=1000, rate_per_s=None, close="fin")


@world("Sockets in TIME_WAIT that withhold no answer, and a firewall that drops the client's RSTs.")
def time_wait_unlimited_and_no_rst(site):
    site.set(tcp_timestamps=0, tcp_invalid_ratelimit=0)
    lay(site, {"TIME-WAIT": HALF})
    site.rules(f"{RST} drop")
    storm_briefly(site, late("rst_dropped", "time_wait"))


@world("Protected sockets on 5 ports, a firewall that answers in their client's place, and a slow server.")
def protected_and_answered_and_slow_accept(site):
    site.ports(2000)
    site.set(tcp_timestamps=0, tcp_rfc1337=1)
    run_in_turns(site, lay(site, {"TIME-WAIT": HALF[:5]}, backlog=4))
    site.rules(f"{ACK_OF_SERVER} tcp dport {HALF[0]}-{HALF[4]} reject with tcp reset")
    parts = on_ports(HALF[:5], *UNHEARD, "challenge_intercepted"), late("accept_queue")
    site.storm(*parts, attempts=1000, rate_per_s=None, close="fin")
