# SPDX-License-Identifier: MIT
"""A storm whose server is across a link: between two network namespaces, without relay and ssh."""

import sys
from pathlib import Path

import msgspec
import pytest
from command import program
from private_network import ROOT
from serving_client import plan_across
from two_hosts import two_hosts

from stress.lab.census import NUMBERS
from stress.model.mine import MineState, Release
from stress.model.plan import Close, EvidenceSource, Ports, Serve
from stress.model.world import CLIENT, SERVER
from stress.store import run_folder

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


def storm_across(hosts, plan, *options, change=False):
    """Carry out a plan from one host to the other; return the run and its summary."""
    text = try_storm(hosts, plan, *options, change=change)
    assert text.startswith("/"), text
    return run_folder.read(Path(text))


def try_storm(hosts, plan, *options, change=False):
    """Carry out a plan from one host to the other; return the folder of the run, or what went wrong."""
    served = hosts.server.start(*program("serve", "--stdio", *options))
    descriptors = [served.stdout.fileno(), served.stdin.fileno()]
    command = [sys.executable, STORM_ACROSS, *descriptors, hosts.client.results, *(["change"] if change else [])]
    client = hosts.client.start(*command, pass_fds=descriptors)
    served.stdin.close()
    served.stdin = None
    plan = msgspec.structs.replace(plan, peers=["lab2"])
    answer, errors = client.communicate(msgspec.json.encode(plan))
    served.wait(10)
    return answer.decode() or errors.decode()


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


@pytest.mark.parametrize("state", [MineState.FIN_WAIT_2, MineState.SYN_RECEIVED])
def test_mines_in_other_states_are_made_by_both_hosts(hosts, state):
    plan = plan_across(scenario="half-open", **MINED | {"mines": 20, "attempts": 100}, mine_state=state, deadline_s=4.0)
    run, summary = storm_across(hosts, plan, "--set-host", change=True)
    assert len(run.mines) == 20
    assert set(run.mines["state"].tolist()) == {NUMBERS[state]}
    assert unbalanced(summary) == []


def test_a_queue_that_nobody_empties_is_seen_on_the_other_host(hosts):
    plan = plan_across(scenario="accept-queue", serve=Serve.NOBODY, backlog=16, deadline_s=0.5)
    run, summary = storm_across(hosts, plan)
    (act,) = run.record.acts
    assert act.waiting == 17
    assert [report.waiting for report in act.listening if report.on_target] == [17]
    assert act.hosts[SERVER].counters["ListenOverflows"] > 0
    assert unbalanced(summary) == []


def test_when_the_other_host_ran_out_of_descriptors_is_told_in_the_clients_clock(hosts):
    plan = plan_across(serve=Serve.LEAK, server_nofile=40, close=Close.HOLD, deadline_s=0.5, rate_per_s=500.0)
    run, summary = storm_across(hosts, plan)
    (act,) = run.record.acts
    assert act.listener.errors["EMFILE"] > 0
    storm = next(phase for phase in act.phases if phase.name == "storm")
    first_ns, last_ns = act.starved_ns
    assert storm.start_ns - act.peer.clock.error_ns <= first_ns <= last_ns
    assert first_ns <= storm.end_ns + act.peer.clock.error_ns
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
