# SPDX-License-Identifier: MIT
"""Worlds made to deceive: the sums of a rule hold, or nearly, although the cause is another one."""

import os
import signal
import socket
import time

import msgspec

from stress.model.mine import MineState
from stress.model.plan import Serve
from stress.model.world import CLIENT, ROUTER, SERVER, FilterRule, Hook, Queue, Segment, Topology
from worlds.collisions import HALF
from worlds.ecn import ACTS, drop_syns
from worlds.mixtures import COUNT, LOWER, PURE_ACK, RST, SYN, SYN_ACK, UPPER, drop, make_plan, mixture, of_ports
from worlds.servers import drain, start_server
from worlds.stale import TCP_REPAIR
from worlds.translations import TIME_WAIT, masquerade
from worlds.truth import delayed, late, on_ports
from worlds.world import world

OPENING = "type {address} . inet_service; flags dynamic,timeout; timeout 300ms; size 65535;"


def reject(name, ports, match, *, on=ROUTER, hook=Hook.FORWARD, side="sport", stops=None, how="tcp reset"):
    """Return a rule that answers segments of some of the client's ports."""
    matched = of_ports(ports, match, side)
    return FilterRule(name=name, hook=hook, match=matched, action=f"reject with {how}", on=on, stops=stops)


def until_whole_second():
    """Return a match for packets until the next whole second, which is more than half a second away."""
    time.sleep(1.3 - time.time() % 1)
    return f"meta time < {int(time.time()) + 1}"


@mixture("A router loses every packet for the first moments; the act with ECN comes first.", families=(4,))
def outage_while_ecn(site):
    rule = drop_syns("outage", f"{SYN} {until_whole_second()}")
    site.carry_out(make_plan(Topology.ROUTER, rule, acts=ACTS, attempts=60), late("lost_on_the_way"))


@mixture("A router drops the SYN-ACKs that agree to ECN.", families=(4,))
def ecn_answers_dropped(site):
    rule = FilterRule(
        name="answers",
        hook=Hook.FORWARD,
        match="tcp sport {port} tcp flags & (syn | ack | ecn | cwr) == syn | ack | ecn",
        on=ROUTER,
        stops=Segment.SYN_ACK,
    )
    site.carry_out(make_plan(Topology.ROUTER, rule, acts=ACTS, attempts=60), late("lost_on_the_way", "ecn_dropped"))


@world("Nobody accepts: the queue holds 17; the client's firewall answers the SYN-ACKs to 20 ports by an RST.")
def queue_and_answers_reset(site):
    reset_answers(site, HALF[:20])
    start_server(site, lambda _sockets: time.sleep(1000), backlog=16)
    site.storm(on_ports(HALF[:20], "lost_on_the_way", "accept_queue"), late("accept_queue"))


@world("The client's firewall answers the SYN-ACKs to 20 ports by an RST, and nothing else is wrong.")
def answers_reset(site):
    reset_answers(site, HALF[:20])
    start_server(site, drain)
    site.storm(late("lost_on_the_way"))


def reset_answers(site, ports):
    """Answer SYN-ACKs to some ports by an RST in the client's place."""
    match = f"tcp sport 5000 tcp dport {ports[0]}-{ports[-1]} tcp flags & (syn|ack) == syn|ack"
    site.rules(f"{match} reject with tcp reset")


@mixture("A router answers the SYN-ACKs to 60 ports by ICMP errors, to the server.")
def answers_rejected(site):
    rule = reject("answers", LOWER, SYN_ACK, side="dport", stops=Segment.SYN_ACK, how="icmpx admin-prohibited")
    site.carry_out(make_plan(Topology.ROUTER, rule), late("lost_on_the_way"))


@mixture("A router answers the SYNs of 60 ports by ICMP errors, and loses those of 20 others.")
def rationed_and_lost(site):
    rule = reject("answered", LOWER, SYN, stops=Segment.SYN, how="icmpx admin-prohibited")
    lost = UPPER[:20]
    plan = make_plan(Topology.ROUTER, rule, drop("lost", lost, SYN, stops=Segment.SYN))
    site.carry_out(plan, on_ports(lost, "lost_on_the_way"), late("rejected_by_icmp", "lost_on_the_way"))


@mixture("Nobody listens, and a router answers the SYNs of 60 ports by an RST before they come there.")
def absent_and_rejected(site):
    plan = make_plan(Topology.ROUTER, reject("answered", LOWER, SYN), serve=Serve.ABSENT)
    site.carry_out(plan, on_ports(LOWER, "rejected_by_rst"), late("no_listener"))


@mixture("Every port is mined; challenge ACKs are dropped, and keepalive probes are answered by an RST a moment later.")
def challenge_dropped_and_probe_answered(site):
    key_in, key_out = "{ip} daddr . tcp dport", "{ip} saddr . tcp sport"
    rules = (
        FilterRule(name="opens", on=CLIENT, hook=Hook.OUTPUT, match=SYN, action=f"update @opening {{{{ {key_out} }}}}"),
        FilterRule(name="challenge", on=CLIENT, hook=Hook.INPUT, match=f"{PURE_ACK} {key_in} @opening"),
        FilterRule(
            name="probe",
            on=CLIENT,
            hook=Hook.INPUT,
            match=f"{PURE_ACK} {key_in} != @opening",
            action="reject with tcp reset",
        ),
    )
    plan = make_plan(Topology.LINK, *rules, mines=COUNT, keepalive_s=1, rest_s=0.3)
    plan = msgspec.structs.replace(plan, world=msgspec.structs.replace(plan.world, sets={"opening": OPENING}))
    site.carry_out(plan, late("challenge_dropped", "lost_on_the_way"))


@world("50 leaked sockets whose challenge ACKs are dropped; a checkpoint of the server removes them silently.")
def challenge_dropped_and_vanished(site):
    server = start_server(site, leak_until_checkpoint)
    site.set(tcp_fin_timeout=1)
    for port in HALF:
        with socket.socket(socket.AF_INET if site.family == 4 else socket.AF_INET6) as client:
            client.bind((site.loopback, port))
            client.connect(site.address)
    time.sleep(1.5)
    site.rules("tcp sport 5000 tcp flags == ack drop")
    site.fork(lambda: (time.sleep(0.8), os.kill(server, signal.SIGUSR1), time.sleep(1000)))
    site.storm(late("challenge_dropped", "lost_on_the_way"))


def leak_until_checkpoint(sockets):
    """Accept and leak; upon SIGUSR1 close what was leaked so far without a segment."""
    held = []

    def leave(_signal, _frame):
        while held:
            held[-1].setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            held.pop().close()

    signal.signal(signal.SIGUSR1, leave)
    while True:
        held.append(sockets[0].accept()[0])


@mixture("60 of 120 ports are in TIME_WAIT behind a router, which drops only SYNs that are sent again.")
def time_wait_and_resends_lost(site):
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), resends(), **TIME_WAIT)
    plan = msgspec.structs.replace(plan, world=msgspec.structs.replace(plan.world, sets={"seen": SEEN}))
    site.carry_out(plan, late("time_wait", "lost_on_the_way"))


SEEN = "type inet_service; flags dynamic,timeout; timeout 60s; size 65535;"


def resends():
    """Return a rule that drops SYNs of a port from the second on."""
    return FilterRule(
        name="resends",
        on=ROUTER,
        hook=Hook.PREROUTING,
        match=f"iifname client {SYN} tcp sport @seen",
        stops=Segment.SYN,
    )


@mixture("60 of 120 ports are in TIME_WAIT behind a router, which drops the ACKs that answer 30 of them.")
def time_wait_unheard(site):
    rule = drop("no-ack", LOWER, PURE_ACK + " ct state != established", side="dport", stops=Segment.CHALLENGE)
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), rule, **TIME_WAIT)
    site.carry_out(plan, on_ports(LOWER, "challenge_dropped", "lost_on_the_way", "time_wait"), late("time_wait"))


@mixture("60 of 120 ports are in TIME_WAIT, tcp_rfc1337 protects them, and RSTs are lost on half of the ports.")
def time_wait_protected(site):
    rule = drop("no-rst", LOWER, RST, stops=Segment.RST)
    plan = make_plan(Topology.TWO_CLIENTS, masquerade(), rule, **TIME_WAIT)
    settings = {SERVER: {"net.ipv4.tcp_rfc1337": "1"}}
    plan = msgspec.structs.replace(plan, world=msgspec.structs.replace(plan.world, sysctls=settings))
    site.carry_out(plan, on_ports(LOWER, "time_wait", "rst_dropped"), late("time_wait"))


@mixture("60 of 120 ports have a half-open request; the client's RSTs on half of the ports are lost.")
def requests_and_no_rst(site):
    rule = drop("no-rst", LOWER, RST, stops=Segment.RST)
    plan = make_plan(Topology.ROUTER, rule, mines=60, mine_state=MineState.SYN_RECEIVED)
    site.carry_out(plan, on_ports(LOWER, "rst_dropped", "stale_socket"), late("stale_socket"))


@mixture("A queue of the client's own host holds its packets for seconds, and the next hop is known.", families=(4,))
def held_by_queue(site):
    plan = make_plan(Topology.LINK, attempts=60)
    queue = Queue(kind="tbf", options={"rate": 400, "burst": 1600, "limit": 400000}, on=CLIENT)
    plan = msgspec.structs.replace(plan, world=msgspec.structs.replace(plan.world, queues=[queue]))
    site.carry_out(plan, delayed(), late())
