# SPDX-License-Identifier: MIT
"""Probes of the way between two hosts, with real rules between them: what is dropped, and where it was seen."""

import json

import msgspec
import pytest
from command import REPOSITORY, program
from private_network import ROOT
from two_hosts import CONTROL, STORM, two_hosts

from stress.lab import firewall
from stress.storm.peer.answers import Description
from stress.storm.peer.probe import Probe
from stress.storm.peer.probe_checks import probe_checks

SITUATIONS = {
    "nothing": ("server", "filter", "input", "tcp dport 1 drop"),
    "SYN": ("server", "filter", "input", "tcp dport {port} tcp flags & (syn | ack) == syn drop"),
    "SYN, at the client": ("client", "filter", "output", "tcp dport {port} tcp flags & (syn | ack) == syn drop"),
    "rejected": ("server", "filter", "input", "tcp dport {port} reject with icmpx admin-prohibited"),
    "SYN-ACK": ("server", "filter", "output", "tcp sport {port} tcp flags & (syn | ack) == (syn | ack) drop"),
    "SYN-ACK, at the client": (
        "client",
        "filter",
        "input",
        "tcp sport {port} tcp flags & (syn | ack) == (syn | ack) drop",
    ),
    "RST to there": ("server", "filter", "input", "tcp dport {port} tcp flags & rst == rst drop"),
    "RST to here": ("client", "filter", "input", "tcp sport {port} tcp flags & rst == rst drop"),
    "full size": ("server", "filter", "input", "tcp dport {port} meta length > 1000 drop"),
    "NAT": ("client", "nat", "postrouting", f"ip saddr {STORM['client'][4]} snat ip to {CONTROL['client'][4]}"),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Return what was seen in each situation, and the description of the serving host."""
    if not firewall.has_nft():
        pytest.skip("nft is missing (Debian: nftables)")
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as hosts:
        variables = [f"{name}={value}" for name, value in hosts.server.variables.items()]
        inside = ["nsenter", "--target", str(hosts.server.pid), "--net"]  # the client is in its user namespace already
        commands = {
            "client": [],
            "server": inside,
            "serve": [*inside, "env", *variables, *program("serve", "--stdio")],
        }
        command = [*program()[:1], REPOSITORY / "tests" / "probe_client.py", json.dumps(commands)]
        ended = hosts.client.run(*command, json.dumps(SITUATIONS))
        assert ended.returncode == 0, ended.stderr
        assert hosts.is_quiet()
    return {
        name: msgspec.convert(value, Probe if name else Description) for name, value in json.loads(ended.stdout).items()
    }


def states(probe):
    """Return the state of each line of a probe."""
    return {check.name: check.state for check in probe_checks(probe)}


def test_a_way_on_which_everything_passes(seen):
    probe = seen["nothing"]
    assert not [check for check in probe_checks(probe) if check.advice]
    assert probe.ends_here == probe.ends_there[::-1]
    assert probe.mtu == 1500


@pytest.mark.parametrize(
    ("situation", "line", "state"),
    [
        ("SYN", "SYN", "arrives at that host's device"),
        ("SYN, at the client", "SYN", "does not arrive"),
        ("rejected", "SYN", "is rejected: EHOSTUNREACH"),
        ("SYN-ACK", "SYN-ACK", "does not come back"),
        ("SYN-ACK, at the client", "SYN-ACK", "comes to this host's device"),
        ("RST to there", "RST to there", "does not arrive"),
        ("RST to here", "RST to here", "does not come from a closed port"),
        ("full size", "path MTU", "1,500 bytes, which do not pass"),
        ("NAT", "SYN", "arrives from another address"),
    ],
)
def test_what_is_dropped_is_told_and_nothing_else(seen, situation, line, state):
    shown = states(seen[situation])
    assert shown[line] == state
    fine = states(seen["nothing"])
    others = {name for name, text in shown.items() if text != fine[name]}
    assert others == {line}


def test_the_serving_host_says_what_it_permits_and_what_its_program_may_do(seen):
    assert seen[""].limits.max_rate_per_s == 20_000
    assert seen[""].privileges.packets == seen[""].privileges.changes == ""
