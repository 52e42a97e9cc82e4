# SPDX-License-Identifier: MIT
"""Worlds in which a firewall on the client's side answers challenge ACKs, alone and together with near causes."""

import os
import signal
import socket
import struct
import time

import msgspec

from stress.model.world import FilterRule, Hook, Segment, Topology
from stress.storm.scenarios.collisions import INTERCEPTION
from worlds.collisions import ALL, HALF, LIMITED, RST
from worlds.mixtures import (
    COUNT,
    LOWER,
    PURE_ACK,
    SYN,
    UPPER,
    drop,
    in_range_and_timed_out,
    make_plan,
    mixture,
    of_ports,
)
from worlds.mixtures import RST as NO_RST
from worlds.queues import drop_syns
from worlds.servers import start_server
from worlds.stale import lay
from worlds.truth import Part, is_at_once, late, on_ports
from worlds.world import world

INTERCEPTED = "challenge_intercepted"
OPENING = (
    "set opening {{ type {type} . inet_service . {type} . inet_service; flags dynamic,timeout; timeout 60s; "
    "size 65535; }}"
)


def answered_after_one_resend(run):
    """Return which attempts connected with their second SYN."""
    return (run.attempts["error"] == 0) & (run.attempts["retransmits"] == 1)


def intercept(site, ports=ALL, verdict="reject with tcp reset"):
    """Answer the challenge ACKs to some ports, ``range`` of them, in the client's place, and nothing else."""
    near, far = f"{site.ip} saddr . tcp sport", f"{site.ip} daddr . tcp dport"
    site.rules(
        f"tcp sport 5000 tcp flags & (syn|ack) == syn|ack delete @opening {{ {far} . {near} }}",
        f"tcp sport 5000 tcp dport {ports[0]}-{ports[-1]} tcp flags & (fin|syn|rst|ack) == ack "
        f"{far} . {near} @opening {verdict}",
        sets=OPENING.format(type="ipv4_addr" if site.family == 4 else "ipv6_addr")
        + "\nchain opens { type filter hook output priority 0;\n"
        f"tcp dport 5000 tcp flags & (syn|ack) == syn update @opening {{ {near} . {far} }}\n}}",
    )


@world("50 leaked sockets, and a firewall that answers the challenge ACK in the client's place.")
def challenge_intercepted(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site)
    site.storm(late(INTERCEPTED))


@world("The same, and connections end by FIN.")
def challenge_intercepted_fin(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site)
    site.storm(late(INTERCEPTED), close="fin")


@world("The same with 50 old ESTABLISHED sockets.", families=(4,))
def challenge_intercepted_established(site):
    lay(site, {"ESTAB": HALF})
    intercept(site)
    site.storm(late(INTERCEPTED))


@world(
    "The same with 25 old sockets in CLOSE_WAIT, and 25 in FIN_WAIT_2, which may as well have expired.",
    families=(4,),
    fact="whether an old socket in FIN_WAIT_2 was cleared by an RST or expired",
)
def challenge_intercepted_fin_wait_2(site):
    lay(site, {"CLOSE-WAIT": HALF[:25], "FIN-WAIT-2": HALF[25:]})
    intercept(site)
    site.storm(late(INTERCEPTED))


@world("50 leaked sockets; the firewall answers the challenge ACKs to 25 of them.")
def intercepted_and_leaked(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site, HALF[:25])
    site.storm(on_ports(HALF[:25], INTERCEPTED), on_ports(HALF[25:], "closewait"))


@world("50 leaked sockets; the firewall answers the challenge ACKs to 25 of them, and drops the RSTs to the others.")
def intercepted_and_rst_dropped(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site, HALF[:25])
    ports = f"{HALF[25]}-{HALF[-1]}"
    site.rules(f"tcp sport {ports} {RST} drop", hook="prerouting")
    site.storm(on_ports(HALF[:25], INTERCEPTED), on_ports(HALF[25:], "rst_dropped"))


@world("50 leaked sockets; challenge ACKs to 25 of them are answered by the firewall, to the others they are dropped.")
def intercepted_and_challenge_dropped(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site, HALF[:25])
    site.rules(f"tcp sport 5000 tcp dport {HALF[25]}-{HALF[-1]} tcp flags == ack drop", hook="prerouting")
    site.storm(on_ports(HALF[:25], INTERCEPTED), on_ports(HALF[25:], "challenge_dropped", "lost_on_the_way"))


@world("60 leaked sockets, five challenge ACKs per second, and all of these are answered by the firewall.")
def intercepted_and_limited(site):
    site.set(tcp_challenge_ack_limit=5)
    lay(site, {"CLOSE-WAIT": ALL[:60]})
    intercept(site)
    withheld = on_ports(ALL[:60], "challenge_limited")
    first = Part((INTERCEPTED,), answered_after_one_resend)
    site.storm(first, withheld)


@world("60 leaked sockets, five challenge ACKs per second; the firewall answers those to 30 ports.")
def intercepted_in_part_and_limited(site):
    site.set(tcp_challenge_ack_limit=5)
    lay(site, {"CLOSE-WAIT": ALL[:60]})
    intercept(site, ALL[:30])
    soon = Part(("closewait",), lambda run: ~is_at_once(run) & (run.attempts["latency_ns"] < LIMITED))
    first = Part((INTERCEPTED,), answered_after_one_resend)
    site.storm(soon, first, on_ports(ALL[:60], "challenge_limited"))


@world("40 leaked sockets whose challenge ACKs the firewall answers; it drops the SYNs of 30 other ports.")
def intercepted_and_drop(site):
    lay(site, {"CLOSE-WAIT": ALL[:40]})
    intercept(site)
    drop_syns(site, ALL[60:90], hook="prerouting")
    site.storm(on_ports(ALL[60:90], "lost_on_the_way"), late(INTERCEPTED))


@world(
    "50 leaked sockets whose challenge ACKs the firewall answers; it drops the SYNs of 20 of their ports.",
    fact="which SYN reached its old socket, where some of both kinds got no answer",
)
def intercepted_and_mined_drop(site):
    lay(site, {"CLOSE-WAIT": HALF})
    intercept(site)
    drop_syns(site, HALF[30:], hook="prerouting")
    site.storm(on_ports(HALF[30:], "lost_on_the_way"), late(INTERCEPTED))


@world("30 leaked sockets whose challenge ACKs the firewall answers, and nobody accepts any more: the queue holds 17.")
def intercepted_and_accept_queue(site):
    lay(site, {"CLOSE-WAIT": ALL[70:]}, backlog=16, stops=True)
    intercept(site)
    site.storm(on_ports(ALL[70:], INTERCEPTED, "accept_queue"), late("accept_queue"))


@world("Challenge ACKs of 50 leaked sockets are dropped, and their program aborts them: that RST hastens the next SYN.")
def challenge_dropped_and_aborted(site):
    abort_leaks_soon(site)
    site.rules("tcp sport 5000 tcp flags == ack drop")
    site.storm(late("closewait", "challenge_dropped", "lost_on_the_way"))


@world(
    "The same, and the server's RSTs are dropped as well: a single resend after a second, and no old socket is left."
)
def challenge_dropped_and_aborted_unseen(site):
    abort_leaks_soon(site)
    site.rules("tcp sport 5000 tcp flags == ack drop", "tcp sport 5000 tcp flags & rst == rst drop")
    site.storm(late("challenge_dropped", "lost_on_the_way"))


def abort_leaks_soon(site):
    """Leave 50 leaked sockets with a server that serves on, and ends them by RSTs half a second after the others."""
    server = start_server(site, leak_until_told)
    site.set(tcp_fin_timeout=1)
    for port in HALF:
        with socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6) as client:
            client.bind((site.loopback, port))
            client.connect(site.address)
    time.sleep(1.5)
    site.fork(lambda: (time.sleep(0.8), os.kill(server, signal.SIGUSR1), time.sleep(1000)))


def leak_until_told(sockets):
    """Accept and leak; upon SIGUSR1 end what was leaked so far by RSTs."""
    held = []

    def abort(_signal, _frame):
        while held:
            held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            held.pop().close()

    signal.signal(signal.SIGUSR1, abort)
    while True:
        held.append(sockets[0].accept()[0])


def intercepting(topology, ports, *rules, **changes):
    """Return a plan whose client's firewall answers the challenge ACKs to some ports, with further rules."""
    world = INTERCEPTION
    own = [
        msgspec.structs.replace(rule, match=of_ports(ports, rule.match, "dport")) if rule.sends_rst else rule
        for rule in world.rules
    ]
    plan = make_plan(topology, *own, *rules, **changes)
    return msgspec.structs.replace(plan, world=msgspec.structs.replace(plan.world, sets=world.sets))


@mixture("Every port is mined; the client's firewall answers the challenge ACKs, over a link and a router.")
def intercepted_behind_router(site):
    site.carry_out(intercepting(Topology.ROUTER, [*LOWER, *UPPER], mines=COUNT), late(INTERCEPTED))


@mixture("Every port is mined; the client's firewall answers the challenge ACKs to half of them.")
def intercepted_by_half(site):
    plan = intercepting(Topology.LINK, LOWER, mines=COUNT)
    site.carry_out(plan, on_ports(LOWER, INTERCEPTED), on_ports(UPPER, "closewait"))


@mixture("Every port is mined; on one host its firewall answers half of the challenge ACKs, and drops the other RSTs.")
def intercepted_and_no_rst(site):
    rst = FilterRule(name="no-rst", hook=Hook.INPUT, match=of_ports(UPPER, NO_RST), stops=Segment.RST)
    plan = intercepting(Topology.LOOPBACK, LOWER, rst, mines=COUNT)
    site.carry_out(plan, on_ports(LOWER, INTERCEPTED), on_ports(UPPER, "rst_dropped"))


@mixture("Every port is mined; the client's firewall answers half of the challenge ACKs, a router drops the others.")
def intercepted_and_no_challenge(site):
    rule = drop("no-challenge", UPPER, PURE_ACK, side="dport", stops=Segment.CHALLENGE)
    plan = intercepting(Topology.ROUTER, LOWER, rule, mines=COUNT)
    site.carry_out(plan, on_ports(LOWER, INTERCEPTED), on_ports(UPPER, "challenge_dropped", "lost_on_the_way"))


@mixture(
    "30 ports are mined, their challenge ACKs answered by the client's firewall; a router loses every SYN of 20 others."
)
def intercepted_and_lost(site):
    lost = UPPER[:20]
    rule = drop("lost", lost, SYN, stops=Segment.SYN)
    plan = intercepting(Topology.ROUTER, [*LOWER, *UPPER], rule, mines=30)
    gone = Part(("lost_on_the_way",), in_range_and_timed_out(lost))
    site.carry_out(plan, gone, late(INTERCEPTED))
