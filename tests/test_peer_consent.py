# SPDX-License-Identifier: MIT
"""Without consent not one SYN leaves for the ports of a storm; with the word of a serving side, over TLS, they do.

All cases are tried while every packet that leaves the client's host is captured.
"""

import json
import sys
from contextlib import contextmanager

import pytest
from command import UNDRAWN, program
from private_network import ROOT
from two_hosts import two_hosts

from stress.model.peer import PEER_PORT, Transport
from stress.run.peer.join_word import draw_word
from stress.store import run_folder

OTHER = "192.0.2.99"  # of neither host
ATTEMPTS = 50
# Counts the SYNs that leave by a device, by port, until its standard input ends.
COUNT_SYNS = """
import collections, json, select, socket, sys
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
capture.bind((sys.argv[1], 3))
counts = collections.Counter()
print("ready", flush=True)
while capture in (ready := select.select([capture, sys.stdin], [], [])[0]):
    data, (_, _, kind, *_) = capture.recvfrom(2048)
    at = {b"\\x08\\x00": 14 + 4 * (data[14] & 15), b"\\x86\\xdd": 54}.get(data[12:14])
    is_tcp = at and data[23 if at < 54 or data[12:14] == b"\\x08\\x00" else 20] == 6
    if kind == 4 and is_tcp and data[at + 13] & 0x12 == 2:
        counts[int.from_bytes(data[at + 2 : at + 4], "big")] += 1
print(json.dumps(counts))
"""


REFUSALS = {  # by name: the port of the control channel, and what the client says
    "nobody serves": (7101, "192.0.2.2:7101 cannot be reached: Connection refused; is connstorm serve still running"),
    "used word": (7102, "192.0.2.2:7102 does not answer this join word"),
    "other address": (7103, "192.0.2.2:7103 cannot be reached: timed out"),
    "beyond the limits": (7104, "permits 10 connections a second, not 1,000; lower --rate"),
}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    pytest.importorskip("cryptography")
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as made:
        yield made


@contextmanager
def counted_syns(hosts):
    """Yield a dictionary, which in the end has the number of SYNs that left the client's host by port."""
    counting = hosts.client.start(sys.executable, "-c", COUNT_SYNS, hosts.client.device, text=True)
    assert counting.stdout.readline() == "ready\n"
    syns = {}
    yield syns
    counted, _ = counting.communicate("")
    syns |= {int(port): count for port, count in json.loads(counted).items()}


def invite(hosts, source, *options):
    """Start a serving side; return it and the word that it prints."""
    serving = hosts.server.start(*program("serve", "--from", source, *map(str, options)), text=True)
    assert "waiting" in serving.stdout.readline()
    return serving, serving.stdout.readline().split()[-1]


def start_storm(hosts, family, port, *options):
    """Start a storm for which the word is read from standard input."""
    address = hosts.server.control[family]
    peer = f"{address}:{port}" if family == 4 else f"[{address}]:{port}"
    usual = ("clean", "--attempts", ATTEMPTS, "--join", "-", "-o", hosts.client.results, UNDRAWN)
    return hosts.client.start(*program("run", *map(str, usual), "--peer", peer, *options), text=True)


@pytest.mark.parametrize("family", [4, 6])
def test_who_has_the_word_of_a_serving_side_storms_it_over_tls(hosts, family):
    before = set(hosts.client.results.iterdir())
    serving, word = invite(hosts, hosts.client.control[family])
    with counted_syns(hosts) as syns:
        _, told = start_storm(hosts, family, PEER_PORT).communicate(word)
    assert syns == {PEER_PORT: 1, 5000: ATTEMPTS + 1}, told  # one by which both hosts have met
    (path,) = set(hosts.client.results.iterdir()) - before
    run, summary = run_folder.read(path)
    (act,) = run.record.acts
    assert (act.peer.transport, act.peer.lost) == (Transport.TLS, None)
    assert all(claim.balanced for claim in summary.books)
    printed, errors = serving.communicate(timeout=60)
    assert serving.returncode == 0, errors
    assert "agreed to clean" in printed
    assert hosts.is_quiet()


def test_without_consent_not_one_syn_leaves_for_the_ports_of_a_storm(hosts):
    own = hosts.client.control[4]
    waiting = [invite(hosts, own, "--port", 7102), invite(hosts, OTHER, "--port", 7103)]
    limited = invite(hosts, own, "--port", 7104, "--max-rate", 10)
    used = draw_word(b"of a serving side before").text
    (serving, right), (_, elsewhere) = waiting
    words = dict(zip(REFUSALS, (right, used, elsewhere, limited[1]), strict=True))
    with counted_syns(hosts) as syns:
        storms = {name: start_storm(hosts, 4, port, "--rate", "1000") for name, (port, _) in REFUSALS.items()}
        told = {name: storm.communicate(words[name]) for name, storm in storms.items()}
    for name, (_, sentence) in REFUSALS.items():
        assert sentence in told[name][1], name
        assert told[name][1].count("connstorm: ") == 1
        assert storms[name].returncode == (2 if name == "beyond the limits" else 3), name
    assert syns.keys() == {7101, 7102, 7103, 7104}
    assert serving.poll() is None, "strangers do not end it"
    for invited, _ in waiting:
        invited.terminate()
    assert limited[0].wait(60) is not None
    assert hosts.is_quiet()
