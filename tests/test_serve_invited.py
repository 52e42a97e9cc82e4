# SPDX-License-Identifier: MIT
"""The serving side without ssh: who has the join word is served, and nobody else gets an answer."""

import os
import sys
from ipaddress import ip_address

import msgspec
import pytest
from command import assert_one_sentence, connstorm, program
from serving_client import PORT, ask, plan_across, storm
from two_hosts import STORM, two_hosts

from stress.model.peer import PEER_PORT
from stress.model.record import ListeningReport
from stress.storm.peer.serving_act import hide_others

STRANGER = "198.51.100.66"
# Joins, asks, lets the other side listen, looks at it, and ends.
JOINING = """
import sys
import msgspec
from stress.run.peer.join import join_host
from stress.run.peer.join_word import parse_word
from stress.run.protocol import PROTOCOL
from stress.storm.peer import calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.channel import Channel, Connection
from stress.storm.peer.message import SERVER_SPEECH
host, port, word, question = sys.argv[1], int(sys.argv[2]), parse_word(sys.argv[3]), sys.argv[4]
channel = Channel(Connection(join_host(host, port, word)), SERVER_SPEECH, "the serving side")
channel.send(calls.Hello(PROTOCOL, "a test"))
channel.receive(20)
caller = Caller(channel)
consent = caller.call(msgspec.json.decode(question, type=calls.Ask))
for call in (calls.BeginAct("storm"), calls.Listen(), calls.BeginLook()):
    caller.call(call)
print(consent.limits.sources, [entry.port for entry in caller.call(calls.EndLook()).listening])
channel.send(calls.Ended())
channel.receive(20)
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    pytest.importorskip("cryptography")
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        made.client.ip("address", "add", f"{STRANGER}/24", "dev", made.client.device)
        yield made


def invite(host, *options):
    """Start the serving side; return it and the command that it prints for the other host."""
    serving = host.start(*program("serve", *options), text=True)
    assert "waiting 60 s for one client from" in serving.stdout.readline()
    return serving, serving.stdout.readline().split()


def join_word(command):
    return command[command.index("--join") + 1]


def report(**fields):
    usual = {"address": "10.0.0.1", "port": 5000, "on_target": True, "drops": 0, "limit": 9, "waiting": 0}
    return ListeningReport(**usual | {"capped": False, "owner": "sshd[7]"} | fields)


def test_other_sockets_have_no_name_for_who_has_not_logged_in_but_their_drops_count():
    others = [report(on_target=False), report(on_target=False, drops=3), report(on_target=False, drops=None)]
    own, *shown = hide_others([report(drops=5), *others])
    assert own == report(drops=5)
    assert [(entry.address, entry.owner, entry.drops) for entry in shown] == [
        ("", "another program", 3),
        ("", "another program", None),
    ]


@pytest.mark.parametrize("family", [4, 6])
def test_who_has_the_word_is_served_once(hosts, family):
    own, other = STORM["server"][family], STORM["client"][family]
    decoy = hosts.server.start(sys.executable, "-c", "import socket; socket.create_server(('', 4999)); input()")
    serving, command = invite(hosts.server, "--from", other)
    place = f"{own}:{PEER_PORT}" if family == 4 else f"[{own}]:{PEER_PORT}"
    assert command[:5] == ["connstorm", "run", "clean", "--peer", place]
    question = msgspec.json.encode(ask(plan_across(family))).decode()
    joined = hosts.client.run(sys.executable, "-c", JOINING, own, PEER_PORT, join_word(command), question)
    assert joined.stdout == f"['{other}/{ip_address(other).max_prefixlen}'] [{PORT}]\n", joined.stderr
    printed, told = serving.communicate()
    assert serving.returncode == 0, told
    assert printed.splitlines() == [
        f"{other} has joined",
        f"agreed to clean from {other}",
        "the client has ended the session",
    ]
    again = hosts.client.run(sys.executable, "-c", JOINING, own, PEER_PORT, join_word(command), question)
    assert "cannot be reached: Connection refused" in again.stderr
    decoy.kill()


def test_a_stranger_gets_no_answer_where_a_client_is_waited_for(hosts):
    serving, _ = invite(hosts.server, "--from", STORM["client"][4], "--port", 7000)
    assert storm(hosts, 1, source=STRANGER, port=7000).communicate()[0] == b"0 TimeoutError\n"
    serving.terminate()
    assert serving.wait() != 0


WRONG = [
    ((), "Name the address of the other host by --from."),
    (("--from", "127.0.0.1", "--address", "198.51.100.99"), "is no address of this host"),
    (("--from", "127.0.0.1", "--max-rate", 0), "max_rate_per_s must be above 0 and at most 1,000,000, not 0"),
    (("--stdio", "--port", 7000), "leave out --port"),
]


@pytest.mark.parametrize(("options", "sentence"), WRONG, ids=str)
def test_what_is_wrong_is_said_in_a_sentence(options, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert_one_sentence(connstorm("serve", *options), sentence)


def test_a_person_who_starts_what_ssh_starts_is_told_so():
    leader, terminal = os.openpty()
    told = connstorm("serve", "--stdio", stdin=terminal)
    assert_one_sentence(told, "a program speaks, not a person")
    os.close(leader)
    os.close(terminal)
