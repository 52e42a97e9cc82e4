# SPDX-License-Identifier: MIT
"""What a storm across a link cannot have, in sentences; and what it may take."""

import ast
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest

from stress.lab.capture import SNAP_BYTES
from stress.model.errors import ChannelFaultError
from stress.model.mine import Laying, Release
from stress.model.peer import ServeLimits
from stress.model.plan import Close, EvidenceSource, Plan, Ports
from stress.model.run import DROP_EVENT, KERNEL_EVENT, MINE, RESET_EVENT
from stress.model.world import CLIENT2, ROUTER, SERVER, Drop, FilterRule, Hook, Queue, Topology, World
from stress.storm.check import peer_rules, plan_rules
from stress.storm.peer.expected_arrays import PACKET_COLUMNS, take_mines, take_packets
from stress.storm.peer.peer_hearing import renumber
from stress.storm.peer.time_needed import time_faults

TRANSLATES = FilterRule(name="nat", hook=Hook.PREROUTING, match="", action="redirect", nat=True)


def plan_with(world=None, **fields):
    parts = {"scenario": "test", "host": True, "source": "10.0.0.5", "target": "10.0.0.6"}
    return Plan(**parts | fields | {"world": World(topology=Topology.PEER, **(world or {}))})


def several(world=None, **fields):
    return plan_with(world, **{"clients": ["10.0.0.7"], "workers": 2} | fields)


WRONG = [
    (several(mines=1, release=Release.LINGER2), "cannot have mines, which lie on the 4-tuples of one client."),
    (several({"silent": [SERVER]}), "cannot have rules, routes or settings of single hosts."),
    (several(drop=Drop.RST, close=Close.FIN), "cannot have a firewall that drops segments."),
    (several(probes=1), "cannot have a range that fills step by step."),
    (several(capture=True), "cannot have a capture."),
    (several(evidence=EvidenceSource.KERNEL), "cannot have the kernel's own word (--evidence kernel)."),
    (several(workers=3), "cannot have several workers on one host (--workers)."),
    (several(clients=["10.0.0.6"]), "Each of several clients has an address of its own; name each host by one --peer."),
    (plan_with(host=False), "A storm across a link is one between hosts as they are, not in private namespaces;"),
    (plan_with(scenario="visit"), "leave out --peer for a server of others."),
    (plan_with({"rules": [TRANSLATES]}), "(--peer) cannot have rules that translate addresses."),
    (plan_with({"queues": [Queue(kind="netem", options={}, on=SERVER)]}), "(--peer) cannot have queues on its links."),
    (plan_with(sources=2, ports=Ports.NO_PORT), "(--peer) cannot have several --source addresses."),
    (plan_with(mines=1, laying=Laying.CLIENTS), "(--peer) cannot have mines on ports that the kernel chooses."),
    (plan_with(fillers=1), "(--peer) cannot have a second client."),
    (plan_with(mines=1, mines_from=CLIENT2), "(--peer) cannot have a second client."),
    (plan_with({"silent": [ROUTER]}), "There is no host 'router' in the topology peer; there are client, server."),
    (plan_with(witness=True), "test has several hosts, and socket pairs are sampled on one; leave witness out."),
    (plan_with(target="lab2"), "--listen 'lab2' is not an IP address."),
    (plan_with(source="2001:db8::1"), "--source 2001:db8::1 is IPv6, but the storm is IPv4 (--family)."),
    (plan_with(target="127.0.0.1"), "--listen 127.0.0.1 is no address by which two hosts reach each other;"),
    (
        plan_with(source="fe80::1", target="2001:db8::2", family=6),
        "--source fe80::1 needs the name of an interface; give another address.",
    ),
]


@pytest.mark.parametrize(("plan", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_what_a_storm_across_a_link_cannot_have_is_said_in_one_sentence(plan, sentence):
    (fault,) = (fault for fault in plan_rules.plan_faults(plan) if sentence in fault)
    assert fault.endswith(".")


def test_a_plan_for_two_hosts_is_right_with_addresses_ports_and_a_range_of_their_own():
    plan = plan_with(port_range=(40000, 40010), mines=0, source="10.0.0.5", ports=Ports.KERNEL)
    assert list(plan_rules.plan_faults(plan)) == []


def test_every_sentence_is_tried_above():
    tree = ast.parse(Path(peer_rules.__file__).read_text())
    sentences = [ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Yield)]
    pieces = [max(re.split(r"\{.*?\}", text.lstrip("f").strip("'\"")), key=len) for text in sentences]
    excluded = [key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    said = [fault for plan, _ in WRONG for fault in plan_rules.plan_faults(plan)]
    assert len(pieces) > 8
    assert [piece for piece in (*pieces, *excluded) if not any(piece in fault for fault in said)] == []


def test_a_plan_that_needs_longer_than_it_may_is_refused_before_anything_is_sent():
    limits = ServeLimits(max_rate_per_s=1000, max_seconds=10)
    plan = plan_with(attempts=900, rate_per_s=900, mines=900, rest_s=2)
    assert list(time_faults(plan, limits, "lab2")) == []
    longer = msgspec.structs.replace(plan, attempts=9000)
    (sentence,) = time_faults(longer, limits, "lab2")
    assert sentence == (
        "test takes 13 s at least, at the rates that it may have, and lab2 permits 10 s (connstorm serve "
        "--max-seconds); lower --attempts, --mines or --duration."
    )


def test_arrays_that_were_not_asked_for_are_no_mines_and_no_packets():
    mines = np.zeros(3, MINE)
    mines["address"] = 1
    assert len(take_mines({"mines": mines}, 2)) == 3
    for wrong in ({"mines": mines["address"]}, {"events": mines}, {}, {"mines": mines.reshape(3, 1)}):
        with pytest.raises(ChannelFaultError, match="was asked for the array mines"):
            take_mines(wrong, 2)
    with pytest.raises(ChannelFaultError, match="not those of the storm"):
        take_mines({"mines": mines}, 1)
    columns = {name: np.zeros((2, *more), dtype) for name, (dtype, more) in PACKET_COLUMNS.items()}
    assert take_packets(columns, 0).headers.shape == (2, SNAP_BYTES)
    for name, values in (("time_ns", np.zeros(3, "<i8")), ("client", np.zeros(2, "V4")), ("more", np.zeros(2))):
        with pytest.raises(ChannelFaultError, match="its capture"):
            take_packets(columns | {name: values}, 0)


def test_reasons_of_another_kernel_get_the_numbers_of_this_one():
    events = np.zeros(4, KERNEL_EVENT)
    events["kind"], events["reason"] = [DROP_EVENT, DROP_EVENT, DROP_EVENT, RESET_EVENT], [5, 6, 7, 5]
    names = renumber(events, DROP_EVENT, {"5": "NO_SOCKET", "6": "NETFILTER_DROP", "7": "NEW"}, {"6": "NO_SOCKET"})
    assert [names[str(reason)] for reason in events["reason"][:3]] == ["NO_SOCKET", "NETFILTER_DROP", "NEW"]
    assert names["6"] == "NO_SOCKET"
    assert events["reason"][3] == 5  # a reset's numbers are others


def test_a_sweep_takes_as_long_as_the_range_that_it_will_have():
    limits = ServeLimits(max_rate_per_s=1000, max_seconds=10)
    plan = plan_with(ports=Ports.SWEEP, attempts=None, mines=0, rate_per_s=10, port_range=(40000, 40089))
    assert list(time_faults(plan, limits, "lab2")) == []
    wider = msgspec.structs.replace(plan, port_range=(40000, 40109))
    assert "takes 11 s at least" in next(time_faults(wider, limits, "lab2"))
