# SPDX-License-Identifier: MIT
"""Rules of a world as nft reads them, and what they count."""

import socket

import pytest
from namespaced import namespaced

from stress.lab import firewall
from stress.lab.rule_set import load_rule_set, write_rule_set
from stress.model.world import ROUTER, FilterRule, Hook

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
    assert write_rule_set([SYNS, OPENING, NAT], sets, 4, range(5000, 5004)) == WRITTEN


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
    load_rule_set(rules, {"seen": "type inet_service; flags dynamic; size 16;"}, family, range(5000, 5001))
    with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6) as client:
        assert client.connect_ex(("127.0.0.1" if family == 4 else "::1", 5000)) != 0
    counts = firewall.count_packets()
    assert (counts["first"], counts["second"], counts["noted"]) == (1, 0, 1)
    assert "5000" in firewall.run_nft(["list", "set", "inet", "connstorm", "seen"])
