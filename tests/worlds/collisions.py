# SPDX-License-Identifier: MIT
"""Worlds of old sockets on the client's 4-tuples: their states, and firewalls between."""

import socket
import time

from worlds.queues import drop_syns
from worlds.servers import close, drain, leak, start_server
from worlds.site import FIRST
from worlds.stale import lay, leave_requests, ports_text
from worlds.truth import Part, is_at_once, late, on_ports
from worlds.world import world

HALF = range(FIRST, FIRST + 50)
ALL = range(FIRST, FIRST + 100)
RST = "tcp dport 5000 tcp flags & (rst|ack) == rst"  # an RST that answers an ACK, and not that of close()
LIMITED = 500_000_000  # ns: below it a challenge ACK came at once


@world("The server leaked 50 connections (CLOSE_WAIT).")
def leaked(site):
    lay(site, {"CLOSE-WAIT": HALF})
    site.storm(late("closewait"))


@world("The server, which leaked 50 connections, listens on :: and the client comes by IPv4.", families=(4,))
def leaked_dual_stack(site):
    lay(site, {"CLOSE-WAIT": HALF}, host="::")
    site.storm(late("closewait"))


@world("The server leaks, and is visited twice: the second storm meets the leaks of the first.")
def leaked_again(site):
    site.set(tcp_max_tw_buckets=0)
    start_server(site, leak)
    site.storm(close="fin")
    site.storm(late("closewait"), close="fin")


@world("The server leaks, and the storm comes to each port twice: the second time it meets what was leaked the first.")
def leaked_within_storm(site):
    site.set(tcp_max_tw_buckets=0)
    start_server(site, leak)
    site.storm(late("closewait"), attempts=200, rate_per_s=500, close="fin")


@world("The server leaks to its dual-stack listener, visited twice by IPv4.", families=(4,))
def leaked_again_dual_stack(site):
    site.set(tcp_max_tw_buckets=0)
    start_server(site, leak, host="::")
    site.storm(close="fin")
    site.storm(late("closewait"), close="fin")


@world("50 old sockets of the server are ESTABLISHED.")
def stale_established(site):
    lay(site, {"ESTAB": HALF})
    site.storm(late("stale_socket"))


@world("50 old sockets of the server are half-open requests (SYN_RECV).")
def stale_requests(site):
    start_server(site, drain)
    leave_requests(site, HALF)
    site.storm(late("stale_socket"))


@world("50 old sockets of the server are in FIN_WAIT_2.")
def stale_fin_wait_2(site):
    lay(site, {"FIN-WAIT-2": HALF})
    site.storm(late("stale_socket"))


@world("Old sockets of the server are in FIN_WAIT_1 and in LAST_ACK, 25 of each: their FINs are lost.")
def stale_fins_lost(site):
    lay(site, {"FIN-WAIT-1": HALF[:25], "LAST-ACK": HALF[25:]})
    site.storm(late("stale_socket"))


@world("50 old sockets of the server are in TIME_WAIT, their sequence numbers ahead; timestamps are off.")
def stale_time_wait(site):
    site.set(tcp_timestamps=0)
    lay(site, {"TIME-WAIT": HALF})
    site.storm(late("time_wait"))


@world("The same with tcp_rfc1337=1: TIME_WAIT ignores the client's RST.")
def stale_time_wait_rfc1337(site):
    site.set(tcp_timestamps=0, tcp_rfc1337=1)
    lay(site, {"TIME-WAIT": HALF})
    site.storm(late("time_wait"))


def close_behind_nat(site):
    """Let a server close connections from many addresses behind one; its sockets in TIME_WAIT have their timestamps."""
    site.rules("tcp dport 5000 snat ip to 127.0.0.99:50000-50099", hook="postrouting", kind="nat", priority="100")
    for state in ("time_wait", "close"):
        site.set({f"net.netfilter.nf_conntrack_tcp_timeout_{state}": 1})
    start_server(site, close)
    for number in range(100):
        with socket.socket() as client:
            client.bind((f"127.0.0.{2 + number % 50}", 0))
            client.connect(site.address)
            client.recv(1)
    time.sleep(2.5)  # conntrack looks for what is over once a second


@world(
    "Clients behind one NAT: the timestamps of some are behind those of the server's TIME_WAIT sockets (PAWS).",
    families=(4,),
    fact="whether the RST of an attempt that timed out reached the server",
)
def paws_behind_nat(site):
    close_behind_nat(site)
    site.storm(late("time_wait"), attempts=90, rate_per_s=500)


@world("The same with more resends, each of which may get another port of the NAT.", families=(4,))
def paws_behind_nat_again(site):
    site.set(tcp_syn_retries=6)
    close_behind_nat(site)
    site.storm(late("time_wait"), attempts=90, rate_per_s=500)


@world("The same, and a firewall drops each SYN of every third attempt's port.", families=(4,))
def paws_behind_nat_and_drop(site):
    site.set(tcp_syn_retries=6)
    close_behind_nat(site)
    dropped = [port for port in ALL if port % 3 == 0]
    site.rules(f"tcp dport 5000 tcp sport {ports_text(dropped)} tcp flags & (syn|ack) == syn drop", hook="output")
    site.storm(on_ports(dropped, "lost_on_the_way", "dropped_by_host"), late("time_wait"), attempts=90, rate_per_s=500)


@world("The same, and a firewall drops half of all SYNs that come to the server.", families=(4,))
def paws_behind_nat_and_loss(site):
    site.set(tcp_syn_retries=6)
    close_behind_nat(site)
    site.rules("tcp dport 5000 tcp flags & (syn|ack) == syn numgen random mod 2 0 drop")
    site.storm(late("time_wait", "lost_on_the_way"), attempts=90, rate_per_s=500)


@world("Old sockets of the server in six states, 12 of each, on one range of ports.")
def mixed_states(site):
    site.set(tcp_timestamps=0)
    states = ("CLOSE-WAIT", "ESTAB", "FIN-WAIT-2", "LAST-ACK", "TIME-WAIT")
    fields = {state: ALL[number * 12 : (number + 1) * 12] for number, state in enumerate(states)}
    lay(site, fields)
    leave_requests(site, ALL[60:72])
    closed, left = fields["CLOSE-WAIT"], fields["TIME-WAIT"]
    site.storm(on_ports(closed, "closewait"), on_ports(left, "time_wait"), late("stale_socket"))


@world("50 leaked sockets, and a firewall that drops RSTs.")
def rst_dropped(site):
    lay(site, {"CLOSE-WAIT": HALF})
    site.rules(f"{RST} drop")
    site.storm(late("rst_dropped"))


@world("50 old ESTABLISHED sockets, and a firewall that drops RSTs.")
def rst_dropped_to_established(site):
    lay(site, {"ESTAB": HALF})
    site.rules(f"{RST} drop")
    site.storm(late("rst_dropped"))


@world("RSTs are dropped; of the SYNs of 100 mined ports those of the second half, too.")
def rst_and_syn_dropped(site):
    lay(site, {"CLOSE-WAIT": ALL})
    site.rules(f"{RST} drop")
    drop_syns(site, ALL[50:])
    site.storm(on_ports(ALL[50:], "lost_on_the_way"), on_ports(ALL[:50], "rst_dropped"), close="fin")


@world("50 leaked sockets, and a firewall that drops the server's bare ACKs.")
def challenge_dropped(site):
    lay(site, {"CLOSE-WAIT": HALF})
    site.rules("tcp sport 5000 tcp flags == ack drop")
    site.storm(late("challenge_dropped", "lost_on_the_way"))


@world("50 leaked sockets; a firewall drops challenge ACKs to 25 of them, and the SYNs of 25 ports without any.")
def challenge_and_syn_dropped(site):
    lay(site, {"CLOSE-WAIT": HALF})
    site.rules(f"tcp sport 5000 tcp dport {HALF[0]}-{HALF[24]} tcp flags == ack drop")
    drop_syns(site, ALL[60:85])
    challenged = on_ports(HALF[:25], "challenge_dropped", "lost_on_the_way")
    site.storm(challenged, on_ports(HALF[25:], "closewait"), on_ports(ALL[60:85], "lost_on_the_way"))


def rationed(ports):
    """Return the truth of mined ports where challenge ACKs are rationed, by when the first SYN was answered."""
    withheld = on_ports(ports, "challenge_limited")
    return (
        Part(withheld.names, lambda run: withheld.select(run) & (run.attempts["latency_ns"] > LIMITED)),
        on_ports(ports, "closewait"),
    )


@world("60 leaked sockets, and five challenge ACKs per second.")
def challenge_limited(site):
    site.set(tcp_challenge_ack_limit=5)
    lay(site, {"CLOSE-WAIT": ALL[:60]})
    site.storm(*rationed(ALL[:60]))


@world("40 leaked sockets, five challenge ACKs per second, and a firewall that drops the SYNs of 30 other ports.")
def challenge_limited_and_drop(site):
    site.set(tcp_challenge_ack_limit=5)
    lay(site, {"CLOSE-WAIT": ALL[:40]})
    drop_syns(site, ALL[60:90])
    site.storm(on_ports(ALL[60:90], "lost_on_the_way"), *rationed(ALL[:40]))


@world("60 leaked sockets, five challenge ACKs per second, and the SYNs of 20 of the mined ports are dropped.")
def challenge_limited_and_mined_drop(site):
    site.set(tcp_challenge_ack_limit=5)
    lay(site, {"CLOSE-WAIT": ALL[:60]})
    drop_syns(site, ALL[40:60])
    site.storm(on_ports(ALL[40:60], "lost_on_the_way"), *rationed(ALL[:40]))


@world("50 leaked sockets; a firewall drops the SYNs of 20 of their ports and of 20 others.")
def leaked_and_drop(site):
    lay(site, {"CLOSE-WAIT": HALF})
    drop_syns(site, ALL[30:70])
    site.storm(on_ports(ALL[30:70], "lost_on_the_way"), late("closewait"))


@world("50 leaked sockets, and nobody accepts any more: the queue holds 17.")
def leaked_and_accept_queue(site):
    lay(site, {"CLOSE-WAIT": HALF}, backlog=16, stops=True)
    first_17 = Part(("closewait",), lambda run: ~is_at_once(run) & (run.attempts["latency_ns"] < LIMITED))
    site.storm(first_17, late("accept_queue", "closewait"))
