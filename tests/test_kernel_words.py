# SPDX-License-Identifier: MIT
"""The kernel's own word on listeners: by hand-made events, and by a firewall that drops."""

import json
import os
import shutil
import subprocess
from ipaddress import ip_address

import numpy as np
import pytest
from command import connstorm
from private_network import AS_ONESELF, network

from stress.analysis.inspection.kernel_words import count_by_listener
from stress.lab.kernel_word.events import EVENT
from stress.lab.kernel_word.program import DROP, RESET
from stress.lab.listening import ANYWHERE, ListeningSocket

DROPS, RESETS = {2: "NO_SOCKET", 8: "NETFILTER_DROP"}, {3: "TCP_STATE"}
RULES = """table inet t {
    chain input {
        type filter hook input priority 0;
        tcp dport 8080 drop
    }
}
"""
SERVE = """
import select, socket, sys
server = socket.create_server(("127.0.0.1", 8080))
print("up", flush=True)
clients = []
while not select.select([sys.stdin], [], [], 0.1)[0]:
    clients.append(socket.socket())
    clients[-1].setblocking(False)
    clients[-1].connect_ex(("127.0.0.1", 8080))
"""


def a_listener(address, port, *, is_v6only=False):
    return ListeningSocket(address, port, 1, 0, 0, 128, 0, 1, is_v6only)


def an_event(source, source_port, destination, destination_port, *, kind=DROP, reason=8):
    event = np.zeros(1, EVENT)
    event["kind"], event["reason"], event["family"] = kind, reason, ip_address(source).version
    for side, address, port in (("source", source, source_port), ("destination", destination, destination_port)):
        event[side] = np.array(ip_address(address).packed.ljust(16, b"\0"), "V16")
        event[f"{side}_port"] = port
    return event


def counted(listeners, *events):
    counts = count_by_listener(np.concatenate(events), listeners, DROPS, RESETS)
    return {place: dict(reasons) for place, reasons in counts.items()}


def test_an_event_belongs_to_the_listener_at_either_end():
    to_it = an_event("10.0.0.1", 40000, "10.0.0.2", 80)
    from_it = an_event("10.0.0.2", 80, "10.0.0.1", 40000, kind=RESET, reason=3)
    assert counted([a_listener("10.0.0.2", 80)], to_it, from_it, to_it) == {
        "10.0.0.2:80": {"drop NETFILTER_DROP": 2, "reset TCP_STATE": 1}
    }


def test_an_event_at_no_listener_is_not_counted():
    event = an_event("10.0.0.1", 40000, "10.0.0.3", 80)
    assert counted([a_listener("10.0.0.2", 80), a_listener("10.0.0.3", 81)], event) == {}


def test_the_more_specific_listener_has_the_event():
    event = an_event("10.0.0.1", 40000, "10.0.0.2", 80)
    other = an_event("10.0.0.1", 40000, "10.0.0.9", 80)
    listeners = [a_listener(ANYWHERE[4], 80), a_listener("10.0.0.2", 80)]
    assert counted(listeners, event, other) == {
        "10.0.0.2:80": {"drop NETFILTER_DROP": 1},
        f"{ANYWHERE[4]}:80": {"drop NETFILTER_DROP": 1},
    }


@pytest.mark.parametrize(("is_v6only", "expected"), [(False, {"[::]:80": {"drop NETFILTER_DROP": 1}}), (True, {})])
def test_a_listener_of_ipv6_has_events_of_ipv4_unless_it_serves_none(is_v6only, expected):
    event = an_event("10.0.0.1", 40000, "10.0.0.2", 80)
    assert counted([a_listener("::", 80, is_v6only=is_v6only)], event) == expected
    mapped = a_listener("::ffff:10.0.0.2", 80)
    assert counted([mapped], event) == {"[::ffff:10.0.0.2]:80": {"drop NETFILTER_DROP": 1}}


def test_a_reason_without_a_name_is_a_number():
    assert counted([a_listener("10.0.0.2", 80)], an_event("10.0.0.1", 1, "10.0.0.2", 80, reason=77)) == {
        "10.0.0.2:80": {"drop 77": 1}
    }


def test_root_is_told_why_packets_to_a_listener_were_dropped():
    if os.geteuid() != 0:
        pytest.skip("only root of the host may ask the kernel")
    if shutil.which("nft") is None:
        pytest.skip("nft is missing (Debian: nftables)")
    with network(AS_ONESELF) as (_, inside):
        subprocess.run([*inside, "nft", "-f", "-"], input=RULES, text=True, check=True)
        with subprocess.Popen(
            [*inside, "python3", "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as server:
            assert server.stdout.readline() == b"up\n"
            document = json.loads(connstorm("inspect", "--watch", 1, "--json", under=inside).stdout)
            server.stdin.close()
    unheard = [row for row in document["unseen"] if row["what"].startswith("why the kernel")]
    if unheard:
        pytest.skip(unheard[0]["why"])
    assert document["watch"]["kernel"]["127.0.0.1:8080"]["drop NETFILTER_DROP"] > 0
