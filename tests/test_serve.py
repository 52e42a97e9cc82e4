# SPDX-License-Identifier: MIT
"""The serving side of a storm across a link, between two hosts, asked by a client of the test."""

import os
import signal
import sys
import time

import pytest
from serving_client import PORT, Served, ask, plan_across, serving, storm, storm_unevenly
from two_hosts import STORM, two_hosts

from stress.lab import wait
from stress.model.errors import LabError, UsageError
from stress.model.plan import Serve
from stress.model.world import SERVER, FilterRule, Hook, Topology, World
from stress.run.protocol import PROTOCOL
from stress.storm.peer import calls

STRANGER = "198.51.100.66"
# Connects from an address to ports, and counts the errors.
SCAN = """
import collections, errno, select, socket, sys
source, target, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
clients = {}
poll = select.poll()
for port in range(first, last + 1):
    client = socket.socket()
    client.bind((source, 0))
    client.setblocking(False)
    client.connect_ex((target, port))
    clients[client.fileno()] = client, port
    poll.register(client, select.POLLOUT)
answers = {}
while ready := poll.poll(250):
    for number, _ in ready:
        client, port = clients[number]
        answers[port] = errno.errorcode.get(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), "OK")
        poll.unregister(number)
silent = {port for _, port in clients.values()} - answers.keys()
print(sorted(collections.Counter(answers.values()).items()), sorted(silent))
"""
# Begins connections without waiting for any, until it is killed.
FLOOD = """
import socket, sys
while True:
    clients = []
    for _ in range(200):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex((sys.argv[1], int(sys.argv[2])))
        clients.append(client)
"""
# The program, but for how long it bears silence.
IMPATIENT = (
    *(sys.executable, "-c"),
    "from stress.model import peer; peer.SILENCE_S = 0.3; from stress.cli.main import main; main()",
)

# The program, in which the watch cannot see the listening sockets.
MAKE_BLIND = """
from types import SimpleNamespace
from stress.cli.main import main
from stress.storm.peer import watch
watch.listening = SimpleNamespace(list_listening=lambda: open("/none-such"))
main()
"""
BLIND = (sys.executable, "-c", MAKE_BLIND)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        made.client.ip("address", "add", f"{STRANGER}/24", "dev", made.client.device)
        yield made


def begin(served, plan, *processes):
    """Ask, and let the serving side listen, and serve by a process for each call of these."""
    consent = served.call(ask(plan))
    served.call(calls.BeginAct("storm"))
    served.call(calls.Listen())
    for process in processes:
        served.call(process)
    return consent


def is_refused(hosts, port=PORT):
    """Return whether nobody listens any more."""
    return b"ConnectionRefusedError" in storm(hosts, 1, port=port).communicate()[0]


@pytest.mark.parametrize("family", [4, 6])
def test_a_session_serves_what_was_agreed_and_tells_what_came(hosts, family):
    with serving(hosts.server) as served:
        consent = begin(served, plan_across(family, capture=True), calls.StartProcess(leak=7))
        assert consent.limits.sources == [f"{STORM['client'][family]}/{32 if family == 4 else 128}"]
        served.call(calls.BeginLook())
        served.call(calls.BeginCapture(50))
        before = served.call(calls.ReadCounters())
        assert storm(hosts, 50, family=family).communicate()[0] == b"50 all\n"
        assert served.call(calls.WaitSettled(10))
        report = served.call(calls.ReadReport())
        assert (report.accepted, report.closed, report.leaked) == (50, 43, 7)
        after = served.call(calls.ReadCounters())
        assert after.counters["PassiveOpens"] - before.counters["PassiveOpens"] == 50
        assert [entry.port for entry in served.call(calls.EndLook()).listening if entry.on_target] == [PORT]
        assert served.call(calls.TakeCensus())["server"]["CLOSE-WAIT"] == 7
        missed, packets = served.caller.call_arrays(calls.EndCapture())
        assert missed == 0
        assert packets["from_client"].sum() >= 50
        assert len(packets["time_ns"]) == len(packets["headers"])
        _, arrays = served.caller.call_arrays(calls.ListMines())
        assert arrays["mines"]["state"].tolist().count(8) == 7  # CLOSE_WAIT
        assert served.call(calls.ReadHost()).changed == []
        assert served.call(calls.CountRules()) == {}
        served.channel.send(calls.Ended())
        assert served.ended() == ""
        assert served.process.wait() == 0, served.process.stderr.read()
    assert hosts.is_quiet()


WRONG = [
    ({"target": STORM["client"][4]}, "198.51.100.1 is no address of the serving host"),
    ({"target": "0.0.0.0"}, "0.0.0.0 is no address by which two hosts reach each other"),  # noqa: S104  # nobody binds to it
    ({"target": "lab2"}, "'lab2' is not an IP address."),
    ({"source": "::1"}, "::1 is IPv6, but the storm is IPv4 (--family)."),
    ({"target_port": 80}, "lets the ports 1024-65535 be stormed, not 80; choose others by --listen-port."),
    ({"target_port": 65500, "target_ports": 64}, "goes beyond 65535"),
    ({"rate_per_s": 2000.0}, "permits 1,000 connections a second, not 2,000; lower --rate."),
    ({"duration_s": 31.0, "attempts": None}, "permits 30 s, not 31 s; lower --duration."),
    ({"attempts": 30_001}, "30,001 attempts take longer than the 30 s that the serving host permits, at its 1,000"),
    ({"attempts": 301, "rate_per_s": 10.0}, "301 attempts at 10 a second take longer than the 30 s"),
    ({"world": World(), "source": "127.0.0.1", "target": "127.0.0.1"}, "is not one of a storm between two hosts"),
    ({"host": False}, "its plan says host."),
    ({"window": 0}, "--window must be from 1 to"),
    ({"scenario": "none-such"}, "none-such"),
    ({"sysctls": {"kernel.panic": "1"}}, "'kernel.panic' is not a network setting"),
    ({"sysctls": {"net.ipv4.ip_forward": "1"}}, "changes no setting net.ipv4.ip_forward for a client"),
    (
        {"world": World(topology=Topology.PEER, rules=[FilterRule(name="own", hook=Hook.INPUT, match="", on=SERVER)])},
        "are not those that clean has on the serving host",
    ),
]


def test_what_is_beyond_the_limits_is_refused_in_words_and_nothing_listens(hosts):
    limits = ("--max-rate", 1000, "--max-seconds", 30, "--from", "198.51.100.0/28")
    with serving(hosts.server, *limits) as served:
        for fields, sentence in WRONG:
            with pytest.raises(UsageError) as refusal:
                served.call(ask(plan_across(**fields)))
            assert sentence in str(refusal.value), fields
        for sources, sentence in (
            ([STRANGER], "accepts connections from 198.51.100.0/28, not from 198.51.100.66."),
            (["198.51.100.0/24"], "not from 198.51.100.0/24."),
            ([], "names no address"),
            (["lab1"], "'lab1' is neither an IP address nor a network"),
        ):
            with pytest.raises(UsageError, match=sentence):
                served.call(ask(plan_across(), sources=sources))
        for early in (calls.BeginAct("storm"), calls.Listen(), calls.ReadReport()):
            with pytest.raises(UsageError, match="has to wait for an agreement"):
                served.call(early)
        settings = {"sysctls": {"net.ipv4.tcp_abort_on_overflow": "1"}}
        needed = r"needs net.ipv4.tcp_abort_on_overflow=1 on the serving host, where it is 0: .* serve --set-host"
        with pytest.raises(UsageError, match=needed):
            served.call(ask(plan_across(**settings), change=True))
        assert is_refused(hosts)
        assert begin(served, plan_across()).limits.max_rate_per_s == 1000
        for late, sentence in (
            (ask(plan_across()), "has agreed to a plan already"),
            (calls.BeginAct("another"), "has no act 'another'"),
            (calls.Listen(), "is there already"),
            (calls.Accept(80, 0.1), "Nothing listens on port 80"),
            (calls.Shutdown(0), "no accepted connection 0"),
            (calls.ShortenQueue(-1), "limited to 0 to 65535, not to -1"),
            (calls.StartProcess(leak=-2), "leaks -1, which is all, or more"),
            (calls.EndCapture(), "Nothing is being captured"),
            (calls.EndHearing(), "Nobody listens to the kernel"),
        ):
            with pytest.raises(UsageError, match=sentence):
                served.call(late)
        with pytest.raises(LabError, match="cannot carry out Accept: timed out"):
            served.call(calls.Accept(PORT, 0.1))
        assert served.call(calls.ReadReport()).accepted == 0, "the session goes on"


def test_settings_are_changed_for_an_act_alone(hosts):
    name = "net.ipv4.tcp_abort_on_overflow"
    read = ["cat", f"/proc/sys/{name.replace('.', '/')}"]
    with serving(hosts.server) as served:
        served.call(ask(plan_across(sysctls={name: "1"}), change=True))
        served.call(calls.BeginAct("storm"))
        assert hosts.server.run(*read).stdout == "1\n"
        assert served.call(calls.ReadHost()).changed == [f"{name}=1"]
        served.call(calls.EndAct())
        assert hosts.server.run(*read).stdout == "0\n"
        served.call(calls.BeginAct("storm"))
        served.process.kill()
        assert wait.wait_until(lambda: hosts.server.run(*read).stdout == "0\n", 30), "another process undoes it"
    assert hosts.is_quiet()


def test_a_stranger_who_scans_gets_nothing_but_resets_and_silence(hosts):
    scan = (sys.executable, "-c", SCAN, STRANGER, STORM["server"][4], 4900, 5100)
    with serving(hosts.server) as served:
        begin(served, plan_across(), calls.StartProcess())
        before = served.call(calls.ReadCounters()).counters
        assert hosts.client.run(*scan).stdout.strip() == f"[('ECONNREFUSED', 200)] [{PORT}]"
        after = served.call(calls.ReadCounters()).counters
        sent, resets = (after[name] - before[name] for name in ("OutSegs", "OutRsts"))
        assert sent == resets == 200
        assert served.call(calls.ReadReport()).accepted == 0


def test_a_client_that_ignores_the_rate_is_cut_off(hosts):
    with serving(hosts.server, "--max-rate", 50) as served:
        begin(served, plan_across(), calls.StartProcess())
        client = storm(hosts, 100_000)
        begun_s = time.monotonic()
        reason = served.ended()
        took_s = time.monotonic() - begun_s
        made, why = client.communicate()[0].split()
        assert int(made) < 100_000
        assert reason.endswith(("and 50 are permitted", "and 50 a second are permitted"))
        assert why in (b"ConnectionRefusedError", b"ConnectionResetError")
        assert took_s < 2 + 1, "2 s, and the client has to start"
        assert served.process.wait() == 3
        assert reason in served.process.stderr.read().decode()
    assert is_refused(hosts)
    assert hosts.is_quiet()


@pytest.mark.parametrize("shares", [(3, 0, 1, 0), (1,) * 9 + (0,)])
def test_a_client_that_is_a_tenth_above_the_rate_unevenly_is_cut_off(hosts, shares):
    with serving(hosts.server, "--max-rate", 400) as served:
        begin(served, plan_across(), calls.StartProcess())
        client = storm_unevenly(hosts, 440, shares)
        assert served.ended().endswith("and 400 a second are permitted")
        made, took_s, _ = client.communicate()[0].split()
        assert int(made) < 2.3 * 400 + 60, f"after {took_s} s: it was looked at, late where the machine is busy"
    assert is_refused(hosts)


def test_a_client_that_ignores_the_rate_where_nobody_accepts_is_cut_off(hosts):
    with serving(hosts.server, "--max-rate", 10) as served:
        begin(served, plan_across(serve=Serve.NOBODY), calls.ShortenQueue(1))
        flood = hosts.client.start(sys.executable, "-c", FLOOD, STORM["server"][4], PORT)
        assert served.ended().endswith("permitted")
        flood.kill()
        assert served.process.wait() == 3
    assert is_refused(hosts)


def test_a_client_that_keeps_to_the_rate_is_served(hosts):
    with serving(hosts.server, "--max-rate", 40) as served:
        begin(served, plan_across(), calls.StartProcess())
        assert storm(hosts, 40).communicate()[0] == b"40 all\n"
        assert served.call(calls.WaitSettled(10))
        assert served.call(calls.ReadReport()).accepted == 40, "as many as in a second may come at once"


def test_the_seconds_of_the_limit_end_a_session(hosts):
    with serving(hosts.server, "--max-seconds", 0.2) as served:
        begin(served, plan_across(), calls.StartProcess())
        assert served.ended() == "the 0.2 s that the serving host permits are over"
        assert served.process.wait() == 3
    assert is_refused(hosts)


def test_a_silent_client_that_does_not_read_ends_a_session(hosts):
    with serving(hosts.server, command=IMPATIENT) as served:
        begin(served, plan_across(), calls.StartProcess())
        assert served.ended() == "nothing came from the client for 0.3 s"
        assert served.process.wait() == 3
    assert is_refused(hosts)


def test_a_session_whose_limits_cannot_be_watched_ends(hosts):
    with serving(hosts.server, command=BLIND) as served:
        begin(served, plan_across())
        assert served.ended().startswith("its limits could not be watched any more: [Errno 2]")
    assert is_refused(hosts)


ENDINGS = {
    "end of input": Served.hang_up,
    "kill": lambda served: served.process.kill(),
    "SIGTERM": lambda served: served.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_left_whatever_ends_a_session(hosts, ending):
    with serving(hosts.server) as served:
        begin(served, plan_across(), calls.StartProcess(leak=-1), calls.StartProcess())
        assert storm(hosts, 5).communicate()[0] == b"5 all\n"
        ENDINGS[ending](served)
        if ending.startswith("SIG"):
            assert served.ended() == f"the serving side was ended by {ending}"
        assert served.process.wait() == (-signal.SIGKILL if ending == "kill" else 3)
        if ending == "end of input":
            assert b"the client has closed the control channel" in served.process.stderr.read().lower()
    assert hosts.is_quiet()
    assert is_refused(hosts)


def test_another_protocol_number_is_told(hosts):
    with serving(hosts.server, protocol=2) as served:
        assert served.hello.protocol == PROTOCOL
        assert "speaks protocol 2, but the serving side runs connstorm" in served.ended()
        assert served.process.wait() == 3


def test_pings_are_answered_while_a_call_takes_long(hosts):
    with serving(hosts.server) as served:
        begin(served, plan_across(serve=Serve.NOBODY))
        served.channel.send(calls.Accept(PORT, 0.3))
        before_ns = time.monotonic_ns()
        served.channel.send(calls.Ping())
        answers = []
        while len(answers) < 2:
            message = served.channel.receive(10).message
            answers += [message] if isinstance(message, calls.Answer | calls.Refused) else []
        assert before_ns <= int(bytes(answers[0].value)) <= time.monotonic_ns()
        assert isinstance(answers[1], calls.Refused)


def test_standard_output_has_frames_and_nothing_else(hosts):
    process = hosts.server.start(*("env", "PYTHONVERBOSE=", sys.executable, "-m", "stress", "serve", "--stdio"))
    os.close(os.dup(process.stdin.fileno()))
    printed, told = process.communicate(b"GET / HTTP/1.1\r\n\r\n")
    assert process.returncode == 3
    assert b"does not keep to the protocol" in told
    assert printed[4:5] == b"\x01"  # one message, Ended
    assert b'"type":"Ended"' in printed
