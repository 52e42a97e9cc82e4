# SPDX-License-Identifier: MIT
"""Runs on a host's own network stack: what is not possible there is one sentence, soon, and nothing is stored.

Each host is a network namespace that the run is told to take for the host's own.
"""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from command import UNDRAWN, connstorm
from namespaced import namespaced
from private_network import network

from stress.lab import census, reachability

FILTER = "nft add table inet t; nft add chain inet t i '{ type filter hook input priority 0; }'; nft add rule inet t i "
SYN = "tcp dport 5000 tcp flags '& (syn|ack) == syn' "
ACK = "tcp dport 5000 tcp flags '& (syn|ack|fin|rst) == ack' "
IPV6_OFF = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"
WORLDS = {
    "loopback down": ("ip link set lo down", [], 3, "loopback .* is down"),
    "IPv6 off": (IPV6_OFF, ["--family", "6"], 2, "IPv6 is off .* or use --family 4"),
    "SYNs dropped": (f"{FILTER} {SYN} drop", ["--workers", "2"], 3, r"not made within 3\.5 s: the SYN did not arrive"),
    "SYNs of IPv6 dropped": (f"{FILTER} {SYN} drop", ["--family", "6"], 3, r"\[::1\]:5000.* the SYN did not arrive"),
    "SYN-ACKs dropped": (
        f"{FILTER} tcp sport 5000 tcp flags '& (syn|ack) == (syn|ack)' drop",
        [],
        3,
        "the server's SYN-ACK did not arrive",
    ),
    "last ACKs dropped": (f"{FILTER} {ACK} drop", [], 3, "the client's ACK did not arrive"),
    "refused by an RST": (f"{FILTER} tcp dport 5000 reject with tcp reset", [], 3, "ECONNREFUSED .* refuses it"),
    "refused by ICMP": (f"{FILTER} tcp dport 5000 reject with icmpx admin-prohibited", [], 3, "EHOSTUNREACH"),
    "refused by a route": (
        "for to in 127.0.0.1 127.0.0.0/8; do ip route del local $to table local; done",
        [],
        3,
        "does not have the address 127.0.0.1",
    ),
    "a queue that sends nothing": (
        "tc qdisc add dev lo root tbf rate 8bit burst 10 limit 1",
        [],
        3,
        "the SYN did not arrive",
    ),
}


def prepare(inside, commands):
    """Run shell commands on a host; skip where they cannot be run."""
    for program in ("nft", "tc"):
        if program in commands and shutil.which(program) is None:
            pytest.skip(f"{program} is missing")
    ended = subprocess.run([*inside, "sh", "-ec", commands], capture_output=True, text=True, check=False)
    if ended.returncode:
        pytest.skip(f"this kernel does not do it: {ended.stderr.strip()}")


def assert_one_line(ended, code, sentence, results):
    """Assert an error in one line, without a traceback, and that nothing was stored."""
    assert ended.returncode == code, ended.stderr
    errors = [line for line in ended.stderr.splitlines() if not line.startswith(" ")]  # those indented are progress
    assert len(errors) == 1
    assert errors[0].startswith("connstorm: ")
    assert re.search(sentence, errors[0]), errors[0]
    assert ended.stdout == ""
    assert list(results.iterdir()) == []


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_not_possible_is_one_sentence(world, tmp_path):
    commands, options, code, sentence = WORLDS[world]
    with network() as (_, inside):
        prepare(inside, commands)
        ended = connstorm("run", "clean", "--host", "--attempts", 50, *options, "-o", tmp_path, UNDRAWN, under=inside)
    assert_one_line(ended, code, sentence, tmp_path)


def test_a_loopback_that_was_never_up_is_named(tmp_path):
    alone = ["unshare", "-Urn"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no private namespace can be made here")
    ended = connstorm("run", "closewait", "--host", "--mines", 5, "-o", tmp_path, UNDRAWN, under=alone)
    assert_one_line(ended, 3, "loopback .* is down", tmp_path)


def test_a_private_run_without_its_family_is_one_sentence(tmp_path):
    setting = "net.ipv6.conf.all.disable_ipv6=1"
    ended = connstorm("run", "clean", "--family", 6, "--attempts", 50, "--set", setting, "-o", tmp_path, UNDRAWN)
    if "private network namespace" in ended.stderr:
        pytest.skip(ended.stderr)
    assert_one_line(ended, 2, "IPv6 is off", tmp_path)


def test_a_firewall_that_drops_later_ends_the_laying_of_mines(tmp_path):
    """The rule lets 600 bytes of SYNs pass: 10 of them, one for the first connection."""
    with network() as (_, inside):
        prepare(inside, f"{FILTER} {SYN} quota over 600 bytes drop")
        ended = connstorm("run", "closewait", "--host", "--mines", 50, "-o", tmp_path, UNDRAWN, under=inside)
    assert_one_line(ended, 3, r"41 of 50 connections .* with no answer within 10 s", tmp_path)


def test_one_lost_syn_is_no_reason_to_refuse(tmp_path):
    with network() as (_, inside):
        prepare(inside, f"{FILTER} {SYN} quota until 60 bytes drop")
        ended = connstorm("run", "clean", "--host", "--attempts", 50, "--strict", "-o", tmp_path, UNDRAWN, under=inside)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("scenario", [["clean", "--attempts", 200], ["closewait", "--mines", 20, "--attempts", 300]])
def test_the_books_of_a_host_without_other_traffic_balance(scenario, tmp_path):
    with network() as (_, inside):
        prepare(inside, "echo 40000 40299 > /proc/sys/net/ipv4/ip_local_port_range")
        ended = connstorm("run", *scenario, "--host", "--strict", "-o", tmp_path, UNDRAWN, "--json", under=inside)
    assert ended.returncode == 0, ended.stdout
    assert all(line["balanced"] for line in json.loads(ended.stdout)["summary"]["books"])


NEIGHBOUR = """
import socket, threading, time
server = socket.create_server(("127.0.0.1", 6000))
print("ready", flush=True)
while True:
    with socket.create_connection(("127.0.0.1", 6000)):
        server.accept()[0].close()
    time.sleep(0.01)
"""


@pytest.mark.parametrize(("options", "code"), [(["--strict"], 4), ([], 0)])
def test_books_that_do_not_balance_are_4_where_that_was_asked_for(options, code, tmp_path):
    """Somebody else connects on the same host, and the counters count that too."""
    storm = ["run", "clean", "--host", "--attempts", 100, "--rate", 200]
    with (
        network() as (_, inside),
        subprocess.Popen([*inside, sys.executable, "-c", NEIGHBOUR], stdout=subprocess.PIPE) as neighbour,
    ):
        assert neighbour.stdout.readline() == b"ready\n"
        ended = connstorm(*storm, *options, "-o", tmp_path, UNDRAWN, under=inside)
        neighbour.kill()
    assert ended.returncode == code, ended.stderr
    assert "The books do not balance" in " ".join(ended.stdout.split())
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("family", [4, 6])
@namespaced(ports=(40000, 40003))
def test_the_first_connection_leaves_no_trace(family):
    address = "::1" if family == 6 else "127.0.0.1"
    with reachability.connect_once(address, address, 5000) as client:
        port = client.getsockname()[1]
        assert port == 39999
        assert np.count_nonzero(census.list_sockets(family)["local_port"] == port) == 1
    assert len(census.list_sockets(family)) == 0


@namespaced(ports=(40000, 40003))
def test_the_first_connection_takes_the_next_port_where_one_is_in_use():
    with (
        reachability.connect_once("127.0.0.1", "127.0.0.1", 39999),
        reachability.connect_once("127.0.0.1", "127.0.0.1", 5000) as client,
    ):
        assert client.getsockname() == ("127.0.0.1", 39997)
