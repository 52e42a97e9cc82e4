# SPDX-License-Identifier: MIT
"""Rules of a world as nft reads them, and what they count."""

import socket

import msgspec
import pytest
from namespaced import namespaced

from stress.lab import firewall
from stress.lab.rule_set import load_rule_set, matches, placeholders, write_rule_set
from stress.model.plan import Plan
from stress.model.world import ROUTER, FilterRule, Hook, Topology, World

SYNS = FilterRule(name="syns", hook=Hook.INPUT, match="{ip} daddr {server} tcp dport {port}")
OPENING = FilterRule(name="opening", hook=Hook.OUTPUT, match="", action="update @opening {{ tcp sport }}")
# The loopback has no address that could be given to a packet: masquerading would drop it.
NAT = FilterRule(
    name="masquerade", hook=Hook.POSTROUTING, match='oifname != "lo"', action="masquerade", on=ROUTER, nat=True
)
WRITTEN = """\
table inet connstorm {
set opening { type inet_service; flags dynamic; }
chain input {
type filter hook input priority 0; policy accept;
ip daddr 198.18.1.2 tcp dport 5000-5003 counter drop comment "syns"
}
chain output {
type filter hook output priority 0; policy accept;
counter update @opening { tcp sport } comment "opening"
}
chain nat_postrouting {
type nat hook postrouting priority 100; policy accept;
oifname != "lo" counter masquerade comment "masquerade"
}
}
"""


def test_rules_are_written_as_nft_reads_them():
    sets = {"opening": "type inet_service; flags dynamic;"}
    assert write_rule_set([SYNS, OPENING, NAT], sets, placeholders(Plan(scenario="clean", target_ports=4))) == WRITTEN


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_rules_count_what_they_match_in_their_order(family):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    rules = [
        FilterRule(name="first", hook=Hook.OUTPUT, match="tcp dport {port}", action="accept"),
        FilterRule(name="second", hook=Hook.OUTPUT, match="tcp dport {port}", action="drop"),
        FilterRule(name="noted", hook=Hook.INPUT, match="tcp dport {port}", action="add @seen {{ tcp dport }}"),
        NAT,
    ]
    words = placeholders(Plan(scenario="clean", family=family))
    load_rule_set(rules, {"seen": "type inet_service; flags dynamic; size 16;"}, words)
    with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6) as client:
        assert client.connect_ex(("127.0.0.1" if family == 4 else "::1", 5000)) != 0
    counts = firewall.count_packets()
    assert (counts["first"], counts["second"], counts["noted"]) == (1, 0, 1)
    assert "5000" in firewall.run_nft(["list", "set", "inet", "connstorm", "seen"])


def test_across_a_link_the_addresses_of_a_plan_stand_in_rules():
    plan = Plan(
        scenario="clean",
        family=6,
        source="2001:db8::fffe",
        sources=3,
        target="2001:db8::10",
        world=World(topology=Topology.PEER),
    )
    words = placeholders(plan)
    assert (words["client"], words["server"]) == ("2001:db8::fffe-2001:db8::1:0", "2001:db8::10")
    assert words["server_bits"] == "0x20010db8000000000000000000000010"
    further = msgspec.structs.replace(plan, sources=1, clients=["2001:db8::7"])
    assert placeholders(further)["client"] == "{ 2001:db8::fffe, 2001:db8::7 }"


@pytest.mark.parametrize(("family", "last"), [(4, "ip saddr 198.19.1.44"), (6, "ip6 saddr 2001:2:0:ffff::12c")])
@namespaced
def test_a_rule_can_be_several_that_are_counted_as_one(family, last):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    strangers = FilterRule(name="strangers", hook=Hook.INPUT, match="{ip} saddr {stranger}", copies=300)
    several = FilterRule(name="several", hook=Hook.OUTPUT, match="tcp dport {port}", action="", copies=3)
    load_rule_set([strangers, several], {}, placeholders(Plan(scenario="clean", family=family)))
    lines = [line.strip() for line in firewall.list_rules().splitlines() if "strangers" in line]
    assert len(lines) == len(set(lines)) == 300
    assert lines[-1].startswith(last)
    with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6) as client:
        assert client.connect_ex(("127.0.0.1" if family == 4 else "::1", 5000)) != 0
    assert firewall.count_packets() == {"strangers": 0, "several": 3}


def test_one_rule_has_its_stranger_too():
    alone = FilterRule(name="alone", hook=Hook.INPUT, match="{ip} saddr {stranger}")
    assert matches(alone, placeholders(Plan(scenario="clean"))) == ["{ip} saddr 198.19.0.1"]
