# SPDX-License-Identifier: MIT
"""Storms over a router that connstorm knows nothing of: real ones, whose record is that of a storm across a link.

The storm runs between two namespaces with a third one between. Its record is then made that of two hosts of their own:
without the router, its rules and their counts, which are the truth that a test compares with.
"""

from dataclasses import dataclass, replace
from functools import partialmethod
from unittest.mock import patch

import msgspec

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.lab import conntrack, counters, firewall
from stress.lab.segment_counter import SegmentCounter
from stress.model.plan import Close, Plan, Ports
from stress.model.record import HostReport
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.storm.observed_host import LocalHost
from stress.storm.run_plan import carry_out

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


def read_with_segments(host, rules=""):
    """Do what LocalHost.read_counters() does across a link; at the first time load rules on the router."""
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


def storm_across(plan, *, rules="", is_counted=True):
    """Storm over the router; return what is said of it as of a storm across a link.

    Args:
        plan: of the storm.
        rules: for nft on the router, in addition to those of the plan.
        is_counted: whether segments are counted.
    """
    if is_counted:
        with patch.object(LocalHost, "read_counters", partialmethod(read_with_segments, rules)):
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
