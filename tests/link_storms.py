# SPDX-License-Identifier: MIT
"""Storms over a router that connstorm knows nothing of: real ones, whose record is that of a storm across a link.

The storm runs between two namespaces with a third one between. Its record is then made that of two hosts of their own:
without the router, its rules and their counts, which are the truth that a test compares with.
"""

import itertools
import os
import signal
import socket
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partialmethod
from unittest.mock import patch

import msgspec

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.lab import conntrack, counters, firewall
from stress.lab.pdeathsig import die_with_parent
from stress.lab.segment_counter import SegmentCounter
from stress.model.plan import Close, Plan, Ports
from stress.model.record import HostReport
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.storm.observed_host import LocalHost
from stress.storm.run_plan import carry_out
from stress.storm.snapshot import StormSnapshot

QUICK = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"}  # over after 3 s
SYN, SYN_ACK = (
    "tcp flags & (syn | ack) == syn tcp dport {port}",
    "tcp flags & (syn | ack) == syn | ack tcp sport {port}",
)
LOW_PORTS = "th sport 40000-40009"  # of the client, in SYNs: the first ten
LOW_PORTS_BACK = "th dport 40000-40009"


@dataclass(frozen=True)
class Told:
    """What is said of a storm, and what the rules of the hosts have really done."""

    findings: Findings
    dropped: dict[str, int]

    @property
    def causes(self):
        return {name: count for name, count in self.findings.summary.causes.items() if count}

    @property
    def rules(self):
        return {proof.rule for proof in self.findings.summary.proofs}

    @property
    def unbalanced(self):
        return [claim for claim in self.findings.summary.books if not claim.balanced]


def rule(name, match, *, on=ROUTER, hook=Hook.FORWARD, action="drop"):
    return FilterRule(name=name, hook=hook, match=match, action=action, on=on)


def a_plan(*rules, family=4, attempts=40, **changes):
    known = ADDRESSES[family]
    fields = {
        "scenario": "clean",
        "family": family,
        "source": known[CLIENT],
        "target": known[SERVER],
        "target_port": 5000,
        "ports": Ports.SWEEP,
        "attempts": attempts,
        "port_range": (40000, 40000 + attempts - 1),
        "rate_per_s": 2000,
        "close": Close.RST,
        "sysctls": QUICK,
        "world": World(topology=Topology.ROUTER, rules=list(rules)),
    }
    return Plan(**(fields | changes))


def read_with_segments(host, rules="", others=None):
    """Do what LocalHost.read_counters() does across a link; at the first time load rules on the router.

    With a stack for it others come into the company of the storm then, and end with that.
    """
    if others is not None and host.segments is None and host.name == CLIENT:
        others.enter_context(company(host.network, host.plan.family))
    if rules and host.segments is None and host.name == CLIENT:
        with host.network.inside(ROUTER):
            firewall.run_nft(["-f", "-"], rules)
    with host.inside():
        if host.segments is None and host.name != ROUTER:
            host.segments = SegmentCounter(host.plan, host.name)
        segments = host.segments.read() if host.segments else {}
        return HostReport(counters=counters.read(), conntrack=conntrack.read_statistics(), segments=segments)


def double(match, family=4):
    """Return rules that double what matches on the router."""
    words = "ip" if family == 4 else "ip6"
    expression = match.format(port=5000)
    hook = "type filter hook prerouting priority -300; policy accept;"
    return f"table {words} doubling {{\nchain c {{ {hook}\n{expression} dup to {ADDRESSES[family][SERVER]}\n}}\n}}\n"


def connect_again_and_again(server, domain, known):
    """Connect and reset, and be refused, from ports that are not the storm's."""
    for port in itertools.count(20_000):
        with socket.socket(domain) as client, socket.socket(domain) as refused:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.bind((known[CLIENT], port))
            client.connect((known[SERVER], 6000))
            refused.bind((known[CLIENT], port + 10_000))
            refused.connect_ex((known[SERVER], 6001))
        server.accept()[0].close()
        time.sleep(0.01)


@contextmanager
def company(network, family):
    """Let others connect from the client's host to a server of theirs on the other, and be refused by another port."""
    known = ADDRESSES[family]
    domain = socket.AF_INET if family == 4 else socket.AF_INET6
    with network.inside(SERVER):
        server = socket.socket(domain)
        server.bind((known[SERVER], 6000))
        server.listen()
    child = os.fork()
    if not child:
        try:
            die_with_parent(signal.SIGKILL, os.getppid())
            connect_again_and_again(server, domain, known)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        server.close()


def storm_across(plan, *, rules="", is_counted=True, has_company=False):
    """Storm over the router; return what is said of it as of a storm across a link.

    Args:
        plan: of the storm.
        rules: for nft on the router, in addition to those of the plan.
        is_counted: whether segments are counted.
        has_company: whether others connect between the two hosts meanwhile.
    """
    if is_counted:
        with ExitStack() as stack:
            others = stack if has_company else None
            reading = partialmethod(read_with_segments, rules, others)
            stack.enter_context(patch.object(LocalHost, "read_counters", reading))
            stack.enter_context(patch.object(StormSnapshot, "wait_for_segments", StormSnapshot.wait_across_link))
            run, _, _ = carry_out(plan)
    else:
        run, _, _ = carry_out(plan)
    dropped = {name: count for act in run.record.acts for name, count in act.dropped.items()}
    acts = [as_across_link(act) for act in run.record.acts]
    record = msgspec.structs.replace(run.record, plan=acts[0].plan, acts=acts)
    return Told(analyse(replace(run, record=record)), dropped)


def as_across_link(act):
    """Return an act's record as that of a storm between two hosts of their own."""
    plan = msgspec.structs.replace(act.plan, host=True, peers=["lab2"], world=World(topology=Topology.PEER))
    hosts = {name: report for name, report in act.hosts.items() if name != ROUTER}
    return msgspec.structs.replace(act, plan=plan, hosts=hosts, outside_packets=None, dropped={})
