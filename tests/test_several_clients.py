# SPDX-License-Identifier: MIT
"""Several clients that storm one serving host together, each from a host of its own.

By default the shortest tests; with CONNSTORM_LINK_STORMS=1 all (``make link-storms``).
"""

import os
import signal
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from command import UNDRAWN, program
from private_network import ROOT
from serving_client import ask, plan_across, serving
from three_hosts import three_hosts
from two_hosts import STORM

from stress.lab import wait
from stress.model.errors import LabError, UsageError
from stress.model.plan import Close, EvidenceSource, Serve
from stress.model.world import CLIENT, SERVER, Drop
from stress.store import run_folder
from stress.storm.check.plan_rules import plan_faults
from stress.storm.peer.client_calls import AskClient, BeginPart, FindSource, MeetServer

EVERY = pytest.mark.only_with("CONNSTORM_LINK_STORMS")
STORM_TOGETHER = Path(__file__).parent / "storm_together.py"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with three_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as made:
        for host in (made.client, made.client2, made.server):
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40999", check=True)
        yield made


def start_together(hosts, plan, *, serve=(), client=(), under=()):
    """Start a storm of both clients against the server."""
    sides = [
        hosts.server.start(*program("serve", "--stdio", *serve)),
        hosts.client2.start(*under, *program("serve", "--stdio", "--client", *client)),
    ]
    descriptors = [stream.fileno() for side in sides for stream in (side.stdout, side.stdin)]
    leading = hosts.client.start(
        sys.executable, STORM_TOGETHER, hosts.client.results, *descriptors, pass_fds=descriptors
    )
    for side in sides:
        side.stdin.close()
        side.stdin = None
    leading.stdin.write(msgspec.json.encode(msgspec.structs.replace(plan, peers=["lab2", "lab3"])))
    leading.stdin.close()
    leading.stdin = None
    return leading, sides


def storm_together(hosts, plan, **options):
    """Carry out a storm of both clients; return the run and its summary, or what went wrong."""
    leading, sides = start_together(hosts, plan, **options)
    answer, errors = leading.communicate()
    for side in sides:
        side.wait(10)
    text = answer.decode()
    told = "".join(side.stderr.read().decode() for side in sides)
    return run_folder.read(Path(text)) if text.startswith("/") else text + errors.decode() + told


@EVERY
@pytest.mark.parametrize("family", [4, 6])
def test_clients_on_hosts_of_their_own_make_one_run(hosts, family):
    came = storm_together(hosts, plan_across(family, attempts=401, rate_per_s=1000))
    assert not isinstance(came, str), came
    run, summary = came
    (act,) = run.record.acts
    sources = [STORM[name][family] for name in ("client", "client2")]
    assert act.address.endpoints == [(source, STORM["server"][family], 5000) for source in sources]
    assert np.bincount(run.attempts["address"]).tolist() == [201, 200]
    assert np.bincount(run.attempts["worker"]).tolist() == [201, 200]
    assert (np.diff(run.attempts["start_ns"]) >= 0).all()
    assert summary.outcomes["connected"] == act.listener.accepted == 401
    assert set(act.hosts) == {CLIENT, "client2", SERVER}
    assert [act.hosts[name].counters["ActiveOpens"] for name in (CLIENT, "client2")] == [201, 200]
    assert act.hosts[SERVER].counters["PassiveOpens"] == 401
    assert [claim for claim in summary.books if not claim.balanced] == []
    (client,) = act.clients
    assert (client.name, client.address, client.attempts) == ("lab3", sources[1], 200)
    for clock in (client.clock, client.clock_after):
        assert abs(clock.offset_ns) <= clock.error_ns  # both namespaces have one clock


def connections_made(host):
    """Return how many connections a host has begun so far."""
    lines = host.run("cat", "/proc/net/snmp").stdout.splitlines()
    names, numbers = (line.split() for line in lines if line.startswith("Tcp:"))
    return int(numbers[names.index("ActiveOpens")])


@EVERY
def test_a_serving_host_that_does_not_know_one_of_them_is_stormed_by_none(hosts):
    before = [connections_made(host) for host in (hosts.client, hosts.client2)]
    told = storm_together(hosts, plan_across(attempts=50), serve=["--from", STORM["client"][4]])
    assert "accepts connections from 198.51.100.1, not from 198.51.100.9" in told
    assert [connections_made(host) for host in (hosts.client, hosts.client2)] == before


@EVERY
def test_the_rate_that_the_serving_host_permits_is_that_of_all_clients(hosts):
    run, summary = storm_together(hosts, plan_across(attempts=500), serve=["--max-rate", 400])
    assert summary.outcomes["connected"] == 500
    assert run.record.plan.rate_per_s == 360
    assert "The storm was paced at 360 attempts a second" in " ".join(run.record.warnings)
    for number in (0, 1):
        starts_ns = run.attempts["start_ns"][run.attempts["address"] == number]
        assert len(starts_ns) == 250
        assert starts_ns[-1] - starts_ns[0] >= 249 * (2 / 360) * 1e9 * 0.99


@EVERY
def test_ctrl_c_ends_the_storm_of_all_and_what_was_recorded_is_kept(hosts):
    plan = plan_across(attempts=None, duration_s=20, rate_per_s=400)
    before = connections_made(hosts.client2)
    leading, sides = start_together(hosts, plan)
    assert wait.wait_until(lambda: connections_made(hosts.client2) > before + 50, 30)
    leading.send_signal(signal.SIGINT)
    answer, errors = leading.communicate()
    for side in sides:
        side.wait(10)
    run, summary = run_folder.read(Path(answer.decode()))
    assert run.record.interrupted, errors
    assert {*run.attempts["address"].tolist()} == {0, 1}
    assert run.attempts["start_ns"].max() < 19e9
    assert [claim for claim in summary.books if not claim.balanced] == []


@EVERY
def test_a_client_that_is_lost_ends_the_storm_and_the_attempts_of_others_are_kept(hosts):
    before = connections_made(hosts.client2)
    leading, (served, client) = start_together(hosts, plan_across(attempts=None, duration_s=3, rate_per_s=400))
    assert wait.wait_until(lambda: connections_made(hosts.client2) > before + 50, 30)
    client.kill()
    answer, errors = leading.communicate()
    served.wait(10)
    run, summary = run_folder.read(Path(answer.decode()))
    assert run.record.interrupted, errors
    assert {*run.attempts["address"].tolist()} == {0}
    assert "lab3 was lost" in " ".join(run.record.warnings)
    assert summary.books == []


@EVERY
def test_a_full_queue_of_the_server_is_the_cause_of_what_all_clients_saw(hosts):
    for host in (hosts.client, hosts.client2):
        host.run("sysctl", "-qw", "net.ipv4.tcp_syn_retries=1", "net.ipv4.tcp_syn_linear_timeouts=0")
    came = storm_together(hosts, plan_across(attempts=40, serve=Serve.NOBODY, backlog=8))
    assert not isinstance(came, str), came
    run, summary = came
    assert summary.outcomes["connected"] == 9
    assert summary.causes["accept_queue"] == 31
    assert {*run.attempts["address"][run.attempts["error"] != 0].tolist()} == {0, 1}
    assert [claim for claim in summary.books if not claim.balanced] == []


AHEAD_S = 100_000


@EVERY
@pytest.mark.skipif(not ROOT, reason="only root can make a time namespace")
def test_the_starts_of_a_client_with_another_clock_are_told_in_this_one(hosts):
    later = ["unshare", "--time", "--monotonic", AHEAD_S, "--fork"]
    came = storm_together(hosts, plan_across(attempts=400, rate_per_s=800), under=later)
    assert not isinstance(came, str), came
    run, summary = came
    (client,) = run.record.acts[0].clients
    for clock in (client.clock, client.clock_after):
        assert abs(clock.offset_ns - AHEAD_S * 10**9) <= clock.error_ns
    starts_ns = [run.attempts["start_ns"][run.attempts["address"] == number] for number in (0, 1)]
    both_ns = [max(starts[0] for starts in starts_ns), min(starts[-1] for starts in starts_ns)]
    assert both_ns[0] < both_ns[1]  # they stormed at the same time
    assert summary.outcomes["connected"] == 400


ELSEWHERE = """
import socket, sys
with socket.create_server((sys.argv[1], 5000)) as listening:
    print("up", flush=True)
    while True:
        accepted = listening.accept()[0]
        accepted.sendall(b"x" * 32)
"""


def test_a_client_storms_nobody_who_does_not_know_the_word(hosts):
    target = hosts.server.start(sys.executable, "-c", ELSEWHERE, STORM["server"][4])
    assert target.stdout.readline() == b"up\n"
    plan = plan_across(clients=[STORM["client2"][4]], workers=2)
    before = connections_made(hosts.client2)
    try:
        with serving(hosts.client2, "--client") as client:
            assert client.call(FindSource(plan.target, 5000)) == STORM["client2"][4]
            client.call(AskClient(plan, 1))
            with pytest.raises(UsageError, match="BeginPart has to wait for an agreement or a meeting"):
                client.call(BeginPart("storm", 50, 0))
            with pytest.raises(LabError, match="is not the serving host that agreed; nothing more was sent to it"):
                client.call(MeetServer("0123456789abcdef" * 2))
            with pytest.raises(UsageError, match="BeginPart has to wait for an agreement or a meeting"):
                client.call(BeginPart("storm", 50, 0))
        assert connections_made(hosts.client2) == before + 1
    finally:
        target.kill()


def test_who_serves_is_no_client_and_a_client_serves_nobody(hosts):
    plan = plan_across(clients=[STORM["client2"][4]], workers=2)
    with serving(hosts.client2) as served, pytest.raises(UsageError, match="AskClient has to wait for an agreement"):
        served.call(AskClient(plan, 1))
    with serving(hosts.client2, "--client") as client:
        with pytest.raises(UsageError, match="Ask has to wait for an agreement or a meeting, or is for who serves"):
            client.call(ask(plan))
        with pytest.raises(UsageError, match=r"198\.51\.100\.1 is no address of this client"):
            client.call(AskClient(msgspec.structs.replace(plan, source="198.51.100.7", clients=["198.51.100.1"]), 1))
        for number in (0, 2):
            with pytest.raises(UsageError, match=f"has no client {number} across a link"):
                client.call(AskClient(plan, number))


@pytest.mark.parametrize(
    "fields",
    [
        {"mines": 5},
        {"capture": True},
        {"evidence": EvidenceSource.KERNEL},
        {"workers": 1},
        {"drop": Drop.RST, "close": Close.FIN},
        {"clients": ["198.51.100.1"]},
    ],
)
def test_what_several_clients_cannot_have_is_refused(fields):
    plan = plan_across(**{"clients": ["198.51.100.9"], "workers": 2} | fields)
    assert any("several clients" in fault for fault in plan_faults(plan))


@pytest.fixture(scope="module")
def logged_in(tmp_path_factory):
    """Return three hosts of which the client may log in to the others."""
    with three_hosts(tmp_path_factory.mktemp("ssh"), as_root=ROOT) as made:
        made.serve_ssh()
        yield made


def run_together(hosts, name, *arguments):
    """Start a storm of both clients by ssh, with results of its own."""
    peers = ("--peer", "lab2", "--peer", "lab3", *hosts.remote)
    return hosts.client.start(
        *program("run", "clean", *peers, *arguments, "-o", hosts.client.results / name, UNDRAWN), text=True
    )


def is_all_over(hosts):
    """Return whether nothing of a storm is left on any host, within some seconds."""
    return hosts.is_quiet() and wait.wait_until(lambda: set(hosts.client2.pids()) == {hosts.ssh2.pid}, 30)


def read_only_run(hosts, name):
    (path,) = (hosts.client.results / name).iterdir()
    return run_folder.read(path)


def test_peer_given_twice_makes_the_second_a_client(logged_in):
    hosts = logged_in
    stdout, stderr = run_together(hosts, "twice", "--attempts", 300, "--rate", 600).communicate()
    run, summary = read_only_run(hosts, "twice")
    (act,) = run.record.acts
    assert [client.name for client in act.clients] == ["lab3"], stderr
    assert act.listener.accepted == summary.outcomes["connected"] == 300
    assert "lab3 from 192.0.2.3: 150 attempts" in " ".join(stdout.split())
    assert [claim for claim in summary.books if not claim.balanced] == []
    assert is_all_over(hosts)


def kill_relay(hosts, _):
    """Kill the relay to the further client, which is the last that was started."""
    relays = sorted(pid for pid, line in hosts.client.pids().items() if "relay_process" in line)
    assert len(relays) == 2
    os.kill(relays[-1], signal.SIGKILL)


def kill_session(hosts, _):
    for pid, line in hosts.client2.pids().items():
        if "serve --stdio --client" in line and "sh -c" not in line:
            os.kill(pid, signal.SIGKILL)


def kill_worker(hosts, _):
    (pid,) = [pid for pid, line in hosts.client2.pids().items() if "worker_process" in line]
    os.kill(pid, signal.SIGKILL)


def kill_cell(hosts, _):
    (pid,) = [pid for pid, line in hosts.client.pids().items() if "run-cell" in line]
    os.kill(pid, signal.SIGKILL)


def take_link_down(hosts, _):
    hosts.client2.ip("link", "set", hosts.client2.device, "down")


ENDINGS = {"relay": kill_relay, "session": kill_session, "worker": kill_worker, "link": take_link_down}


@EVERY
@pytest.mark.parametrize("name", ENDINGS)
def test_a_client_that_is_lost_by_whatever_means_ends_the_storm_of_all(logged_in, name):
    hosts = logged_in
    before = connections_made(hosts.client2)
    running = run_together(hosts, name, "--duration", 30, "--rate", 400)
    assert wait.wait_until(lambda: connections_made(hosts.client2) > before + 100, 30)
    ENDINGS[name](hosts, running)
    _, stderr = running.communicate(timeout=200)
    if name == "link":
        hosts.client2.ip("link", "set", hosts.client2.device, "up")
    assert running.returncode == 3, stderr
    assert "lab3" in stderr
    run, summary = read_only_run(hosts, name)
    assert {*run.attempts["address"].tolist()} == {0}
    assert len(run.attempts) > 20
    assert run.attempts["start_ns"].max() < 25e9
    assert summary.books == []
    assert is_all_over(hosts)


@EVERY
def test_the_end_of_the_cell_ends_the_storm_on_every_host(logged_in):
    hosts = logged_in
    before = connections_made(hosts.client2)
    running = run_together(hosts, "cell", "--duration", 30, "--rate", 400)
    assert wait.wait_until(lambda: connections_made(hosts.client2) > before + 100, 30)
    kill_cell(hosts, running)
    assert running.wait(30) == 3
    assert is_all_over(hosts)


@EVERY
def test_ctrl_c_of_the_command_keeps_what_all_clients_recorded(logged_in):
    hosts = logged_in
    before = connections_made(hosts.client2)
    running = run_together(hosts, "ctrl-c", "--duration", 30, "--rate", 400)
    assert wait.wait_until(lambda: connections_made(hosts.client2) > before + 100, 30)
    running.send_signal(signal.SIGINT)
    _, stderr = running.communicate(timeout=200)
    assert running.returncode == 130, stderr
    run, summary = read_only_run(hosts, "ctrl-c")
    assert {*run.attempts["address"].tolist()} == {0, 1}
    assert [claim for claim in summary.books if not claim.balanced] == []
    assert is_all_over(hosts)
