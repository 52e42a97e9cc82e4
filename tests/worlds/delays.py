# SPDX-License-Identifier: MIT
"""Worlds in which answers come later than a SYN is sent again, or are seen later: no loss kept it waiting.

lo is a link of 2 Mbit/s, whose queue others keep filled for a while; or the client is stopped while it waits.
"""

import errno
import os
import signal
import socket
import time
from pathlib import Path

from worlds.collisions import RST
from worlds.queues import drop_syns
from worlds.servers import drain, stand_still, start_server
from worlds.site import FIRST
from worlds.stale import lay
from worlds.truth import Part, delayed, late, on_ports, with_errors
from worlds.world import HERE, world

BYTES_PER_S, PACKET = 250_000, 1000
FULL_S = 2.0  # how long the queue stays filled
FACT = "time in queues"


def fill_queue(site, delay_s):
    """Let every packet on lo wait for some time, for as long as the queue stays filled: a SYN, and then its answer."""
    site.call(f"tc qdisc add dev lo root tbf rate {8 * BYTES_PER_S}bit burst 1600 limit 4000000")
    deaf = socket.socket(socket.AF_INET6 if site.family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind((site.loopback, 0))
    sender = socket.socket(deaf.family, socket.SOCK_DGRAM)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    sender.connect(deaf.getsockname())
    begun_s, sent = time.monotonic(), 0

    def send_what_is_due():
        nonlocal sent
        due = int((min(time.monotonic() - begun_s, FULL_S) + delay_s) * BYTES_PER_S / PACKET)
        for _ in range(sent, due):
            sender.send(bytes(PACKET))
        sent = due

    def keep_filled():
        while True:
            send_what_is_due()
            time.sleep(0.005)

    send_what_is_due()
    site.fork(keep_filled)


def sent_again():
    """State the truth of attempts that connected after their SYN was sent again: the first answer was late."""
    return Part((), lambda run: (run.attempts["error"] == 0) & (run.attempts["retransmits"] > 0))


@world("The queue of lo delays each packet by 0.7 s, for two seconds.", ways=(HERE,), fact=FACT)
def answers_late(site):
    start_server(site, drain)
    fill_queue(site, 0.7)
    site.storm(delayed(), late(), rate_per_s=50)


@world("The queue of lo delays each packet by 0.7 s, and a firewall drops every RST.", ways=(HERE,), fact=FACT)
def answers_late_and_rsts_dropped(site):
    site.rules("tcp dport 5000 tcp flags rst drop")
    start_server(site, drain)
    fill_queue(site, 0.7)
    site.storm(delayed(), late(), rate_per_s=50)


@world("The queue of lo delays each packet by 0.51 s, so that answers come just after the resend.", ways=(HERE,))
def answers_just_late(site):
    site.rules("tcp dport 5000 tcp flags rst drop")
    start_server(site, drain)
    fill_queue(site, 0.51)
    site.storm(delayed(), late(), rate_per_s=50, attempts=60)


@world("The queue of lo delays each packet by 0.7 s, and a firewall drops the SYNs of 20 ports.", fact=FACT)
def answers_late_and_syns_dropped(site):
    dropped = range(FIRST + 20, FIRST + 40)
    drop_syns(site, dropped)
    start_server(site, drain)
    fill_queue(site, 0.7)
    site.storm(on_ports(dropped, "lost_on_the_way"), delayed(), late(), rate_per_s=50)


@world("The queue of lo delays each packet by 0.7 s, and nobody accepts: the queue holds 17.", fact=FACT)
def answers_late_and_accept_queue(site):
    start_server(site, stand_still, backlog=16)
    fill_queue(site, 0.7)
    site.storm(with_errors((errno.ETIMEDOUT,), "accept_queue"), delayed(), sent_again(), rate_per_s=50, attempts=60)


def stop_client(site, seconds):
    """Stop this process for some time, a second after it has sent a SYN that is not answered at once."""
    client = os.getpid()

    def stop():
        sockets = Path(f"/proc/net/tcp{site.family if site.family == 6 else ''}")
        while not any(line.split()[3] == "02" for line in sockets.read_text().splitlines()[1:]):  # SYN-SENT
            time.sleep(0.002)
        time.sleep(1)
        os.kill(client, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(client, signal.SIGCONT)

    site.fork(stop)


@world("50 leaked sockets, a firewall that drops RSTs, and a client that is stopped until each attempt has ended.")
def client_stopped_and_rst_dropped(site):
    lay(site, {"CLOSE-WAIT": range(FIRST, FIRST + 50)})
    site.rules(f"{RST} drop")
    stop_client(site, 2.2)
    site.storm(late("rst_dropped"))


@world("50 old sockets, a firewall that drops RSTs, and a client that is stopped until after its deadline.")
def client_stopped_past_deadline(site):
    lay(site, {"ESTAB": range(FIRST, FIRST + 50)})
    site.rules(f"{RST} drop")
    stop_client(site, 3)
    site.storm(late("rst_dropped"), deadline_s=3)
