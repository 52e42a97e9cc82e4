# SPDX-License-Identifier: MIT
"""A storm whose server is across a link: between two network namespaces, without relay and ssh."""

import signal
import sys
from pathlib import Path

import msgspec
import pytest
from command import program
from private_network import ROOT
from serving_client import plan_across
from two_hosts import CONTROL, STORM, two_hosts

from stress.lab import wait
from stress.lab.census import NUMBERS
from stress.model.mine import MineState, Release
from stress.model.plan import Close, EvidenceSource, Ports
from stress.model.world import CLIENT, SERVER
from stress.store import run_folder
from stress.view.text.mine_wording import mines_text

STORM_ACROSS = Path(__file__).parent / "storm_across.py"
MINED = {"mines": 200, "attempts": 1000, "port_range": None, "close": Close.RST, "release": Release.LINGER2}


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as made:
        yield shorten_ranges(made)


@pytest.fixture(scope="module")
def hosts_of_user(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts-of-user"), as_root=False) as made:
        yield shorten_ranges(made)


def shorten_ranges(hosts):
    for host in (hosts.client, hosts.server):
        host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40999", check=True)
    return hosts


def start_storm(hosts, plan, *options, change=False):
    """Start a serving side, and a client that storms it; return both processes."""
    served = hosts.server.start(*program("serve", "--stdio", *options))
    descriptors = [served.stdout.fileno(), served.stdin.fileno()]
    command = [sys.executable, STORM_ACROSS, *descriptors, hosts.client.results, *(["change"] if change else [])]
    client = hosts.client.start(*command, pass_fds=descriptors)
    served.stdin.close()
    served.stdin = None
    client.stdin.write(msgspec.json.encode(msgspec.structs.replace(plan, peers=["lab2"])))
    client.stdin.close()
    client.stdin = None
    return served, client


def end_storm(client):
    """Wait until a storm is over; return the run and its summary."""
    answer, errors = client.communicate()
    assert answer.startswith(b"/"), answer + errors
    return run_folder.read(Path(answer.decode()))


def storm_across(hosts, plan, *options, change=False):
    """Carry out a plan from one host to the other; return the run and its summary."""
    served, client = start_storm(hosts, plan, *options, change=change)
    run, summary = end_storm(client)
    served.wait(10)
    return run, summary


def lose_server(hosts, served, client, stage, connections=0):
    """Kill a serving side in a stage of the client, after some connections; tell the client as the relay does."""
    while stage not in client.stderr.readline():
        assert client.poll() is None
    before = count_passive_opens(hosts.server)
    assert wait.wait_until(lambda: count_passive_opens(hosts.server) - before >= connections, 30, interval_s=0.05)
    served.kill()
    served.wait(10)
    client.send_signal(signal.SIGINT)


def count_passive_opens(host):
    names, counts = (line.split() for line in host.run("cat", "/proc/net/snmp").stdout.splitlines() if "Tcp:" in line)
    return int(counts[names.index("PassiveOpens")])


def unbalanced(summary):
    return [claim for claim in summary.books if not claim.balanced]


@pytest.mark.parametrize("family", [4, 6])
def test_a_storm_across_a_link_is_one_run_with_the_books_of_both_hosts(hosts, family):
    run, summary = storm_across(hosts, plan_across(family, attempts=300))
    (act,) = run.record.acts
    assert summary.outcomes["connected"] == 300
    assert set(act.hosts) == {CLIENT, SERVER}
    assert act.hosts[CLIENT].counters["ActiveOpens"] == act.hosts[SERVER].counters["PassiveOpens"] == 300
    assert act.listener.accepted == 300
    assert unbalanced(summary) == []
    assert act.peer.name == "lab2"
    assert act.peer.lost is None
    assert act.peer.sysctls["net.ipv4.ip_local_port_range"] == "40000 40999"
    # Both namespaces have one clock.
    for clock in (act.peer.clock, act.peer.clock_after):
        assert abs(clock.offset_ns) <= clock.error_ns
    assert act.outside_packets is None


def test_a_minefield_lies_on_the_other_host_and_its_mines_are_met(hosts_of_user):
    plan = plan_across(scenario="closewait", **MINED | {"port_range": (40000, 40999)}, ports=Ports.SWEEP)
    run, summary = storm_across(hosts_of_user, plan)
    assert summary.mines.laid == len(run.mines) == 200
    assert summary.causes["closewait"] == summary.mines.hit == 200
    assert unbalanced(summary) == []


def test_mines_in_other_states_are_made_by_both_hosts(hosts):
    state = MineState.FIN_WAIT_1  # whose client must not hear the server again
    plan = plan_across(scenario="half-open", **MINED | {"mines": 20, "attempts": 100}, mine_state=state, deadline_s=4.0)
    run, summary = storm_across(hosts, plan, "--set-host", change=True)
    assert len(run.mines) == 20
    assert set(run.mines["state"].tolist()) == {NUMBERS[state]}
    assert unbalanced(summary) == []


def test_what_happens_to_the_other_hosts_server_is_told_in_the_clients_clock(hosts):
    acts = {
        "queue": {"serve": "nobody", "backlog": 16},
        "descriptors": {"serve": "leak", "server_nofile": 40, "close": "hold", "rate_per_s": 500.0},
    }
    run, summary = storm_across(hosts, plan_across(scenario="accept-queue", deadline_s=0.5, acts=acts))
    queue, descriptors = run.record.acts
    assert queue.waiting == 17
    assert [report.waiting for report in queue.listening if report.on_target] == [17]
    assert queue.hosts[SERVER].counters["ListenOverflows"] > 0
    assert descriptors.listener.errors["EMFILE"] > 0
    storm = next(phase for phase in descriptors.phases if phase.name == "storm")
    first_ns, last_ns = descriptors.starved_ns
    assert storm.start_ns - descriptors.peer.clock.error_ns <= first_ns <= last_ns
    assert first_ns <= storm.end_ns + descriptors.peer.clock.error_ns
    assert unbalanced(summary) == []


def test_both_kernels_and_both_captures_speak_of_one_storm_in_one_clock(hosts):
    if not hosts.as_root:
        pytest.skip("only root of the host gets the kernel's own word")
    plan = plan_across(
        scenario="closewait",
        **MINED | {"mines": 50, "attempts": 100, "port_range": (40000, 40999)},
        ports=Ports.SWEEP,
        capture=True,
        evidence=EvidenceSource.KERNEL,
    )
    run, summary = storm_across(hosts, plan)
    (act,) = run.record.acts
    assert act.evidence is EvidenceSource.KERNEL
    assert (act.kernel_word.lost, act.kernel_word.complete) == (0, True)
    assert "PACKET_SOCK_ERROR" not in {*act.kernel_word.drop_reasons.values()}
    assert unbalanced(summary) == []


def test_a_server_that_is_lost_in_the_storm_leaves_the_attempts_and_no_claim(hosts):
    plan = plan_across(scenario="closewait", **MINED | {"attempts": None, "duration_s": 10.0}, rate_per_s=200.0)
    served, client = start_storm(hosts, plan)
    lose_server(hosts, served, client, b"storm of", connections=20)
    run, summary = end_storm(client)
    (act,) = run.record.acts
    assert run.record.interrupted
    assert summary.attempts == act.attempts > 0
    assert "lab2" in act.peer.lost
    assert any("The control channel to lab2 was lost: " in warning for warning in run.record.warnings)
    assert act.evidence is EvidenceSource.NONE
    assert (act.counters, act.hosts, act.census_after, len(run.mines)) == ({}, {}, {}, 0)
    assert act.peer.clock_after is None
    assert mines_text(run.record, "200 laid", "0 left").startswith("200 laid; what became of them is not known")
    assert {name for name, count in summary.causes.items() if count} <= {"none", "unknown"}
    assert summary.books == []


def test_a_server_that_is_lost_between_two_storms_leaves_the_first(hosts):
    quick = {"attempts": 50, "rate_per_s": 1000.0}
    plan = plan_across(acts={"first": quick, "second": quick | {"rest_s": 10.0}})
    served, client = start_storm(hosts, plan)
    lose_server(hosts, served, client, b"second: resting")
    run, _ = end_storm(client)
    assert [act.name for act in run.record.acts] == ["first"]
    assert run.record.interrupted
    assert any("lost between two storms: " in warning for warning in run.record.warnings)


def test_where_a_nat_lies_between_nothing_but_the_first_connection_is_sent(hosts):
    cases = {
        5001: (f"{STORM['client'][4]}:7000", b"as one from 198.51.100.1:7000 to 198.51.100.2:5001;"),
        5002: (CONTROL["client"][4], b"The first connection to 198.51.100.2:5002 did not come to lab2: no answer came"),
    }
    rules = "\n".join(f"tcp dport {port} snat to {address}" for port, (address, _) in cases.items())
    nat = f"table ip nat {{\nchain c {{\ntype nat hook postrouting priority 100;\n{rules}\n}}\n}}\n"
    hosts.client.run("nft", "-f", "-", input=nat, check=True)
    clients = [start_storm(hosts, plan_across(target_port=port))[1] for port in cases]
    answers = [client.communicate()[0] for client in clients]
    hosts.client.run("nft", "delete", "table", "ip", "nat", check=True)
    for answer, (_, sentence) in zip(answers, cases.values(), strict=True):
        assert sentence in answer
        assert answer.endswith(b"Nothing more was sent.")
