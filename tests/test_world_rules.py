# SPDX-License-Identifier: MIT
"""What is wrong with the world of a plan, in sentences."""

import ast
import re
from pathlib import Path

import pytest

from stress.model.plan import Plan, Ports
from stress.model.world import CLIENT, CLIENT2, ROUTER, SERVER, Drop, FilterRule, Hook, Queue, Route, Topology, World
from stress.storm.check import plan_rules, world_rules

LINK = {"source": "198.18.0.2", "target": "198.18.1.2"}


def rule(**changes):
    return FilterRule(**{"name": "syns", "hook": Hook.INPUT, "match": "tcp dport {port}"} | changes)


def world(topology=Topology.LINK, **parts):
    return LINK | {"world": World(topology=topology, **parts)}


WRONG = [
    (world() | {"host": True}, "makes hosts, rules or routes, in private namespaces only; leave out --host."),
    (world(Topology.PEER), "is one between hosts as they are, not in private namespaces; its plan says host."),
    (world() | {"target": "127.0.0.1"}, "runs between hosts of its own, 198.18.0.2 and 198.18.1.2;"),
    (world() | {"sources": 2, "ports": Ports.NO_PORT}, "leave out --source and --listen."),
    (world() | {"drop": Drop.RST, "close": "fin"}, "has hosts with rules of their own; leave out --drop."),
    (world() | {"witness": True}, "has several hosts, and socket pairs are sampled on one; leave witness out."),
    (
        world(Topology.TWO_CLIENTS) | {"sources": 2, "ports": Ports.NO_PORT},
        "with --workers 2 and --ports sweep or shuffle.",
    ),
    (world(rules=[rule(on=ROUTER)]), "There is no host 'router' in the topology link; there are client, server."),
    (world(sysctls={CLIENT2: {}}), "There is no host 'client2' in the topology link; there are client, server."),
    (world(rules=[rule(name="two words")]), "'two words' is no name for a rule or a set; use small letters,"),
    (world(sets={'a"': ""}), "is no name for a rule or a set; use small letters, digits and hyphens."),
    (world(rules=[rule(), rule()]), "Two rules have one name; there are syns, syns."),
    (world(rules=[rule(copies=0)]), "A rule may be from 1 to 10,000 alike, not 0."),
    (world(routes=[Route(to=CLIENT, kind="lost")]), "'lost' is no kind of route; there are unreachable,"),
    (world(routes=[Route(to=CLIENT, kind="unicast")]), "A route of kind unicast leads through a device."),
    (world(routes=[Route(to=CLIENT, kind="throw", through="lo")]), "A route of kind throw leads through no device."),
    (world(silent=[ROUTER]), "There is no host 'router' in the topology link; there are client, server."),
    (world(routes=[Route(to="there", kind="throw")]), "'there' is neither a host nor a network such as"),
    (world(queues=[Queue(kind="red", options={}, on=SERVER)]), "'red' is no kind of queue; there are netem, tbf."),
]
RIGHT = [
    {"world": World(rules=[rule(on=ROUTER)])},  # on the loopback every name is the one host
    world(),
    {"world": World(topology=Topology.PEER), "host": True, "source": "10.0.0.5", "target": "10.0.0.6"},
    world(Topology.TWO_CLIENTS) | {"sources": 2, "workers": 2, "ports": Ports.SHUFFLE},
    world(routes=[Route(to=CLIENT, kind="throw"), Route(to="198.18.9.0/24", kind="blackhole", on=CLIENT)]),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG, ids=str)
def test_each_fault_has_its_sentence(changes, sentence):
    faults = list(plan_rules.plan_faults(Plan(scenario="tried", **changes)))
    assert any(sentence in fault for fault in faults), faults


@pytest.mark.parametrize("changes", RIGHT, ids=str)
def test_what_is_right_passes(changes):
    assert list(plan_rules.plan_faults(Plan(scenario="tried", **changes))) == []


def test_every_sentence_is_tried_above():
    tree = ast.parse(Path(world_rules.__file__).read_text())
    sentences = [ast.unparse(node.value) for node in ast.walk(tree) if isinstance(node, ast.Yield)]
    pieces = [max(re.split(r"\{.*?\}", text.lstrip("f").strip("'\"")), key=len) for text in sentences]
    said = [fault for changes, _ in WRONG for fault in plan_rules.plan_faults(Plan(scenario="tried", **changes))]
    assert len(pieces) > 8
    assert [piece for piece in pieces if not any(piece in fault for fault in said)] == []


def test_a_plan_for_the_other_family_has_the_same_hosts():
    plan = Plan(scenario="tried", **world())
    assert plan.with_family(6).target == "2001:2:0:1::2"
    assert plan.with_family(6).with_family(4) == plan


def test_a_plan_without_a_world_has_the_identity_of_before():
    plain = Plan(scenario="tried")
    assert plain.identity == Plan(scenario="tried", world=World()).identity
    assert plain.identity != Plan(scenario="tried", **world()).identity


def test_a_rule_alone_has_the_identity_of_before_there_could_be_several():
    alone, several = (Plan(scenario="tried", **world(rules=[rule(copies=copies)])) for copies in (1, 2))
    assert alone.identity == "d32828abb1d5" != several.identity
