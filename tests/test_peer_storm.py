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

from stress.model.mine import Release
from stress.model.plan import Close, Ports
from stress.model.world import CLIENT, SERVER
from stress.store import run_folder

STORM_ACROSS = Path(__file__).parent / "storm_across.py"
MINED = {"mines": 200, "attempts": 1000, "port_range": None, "close": Close.RST, "release": Release.LINGER2}


@pytest.fixture(scope="module", params=["root", "user"])
def hosts(request, tmp_path_factory):
    if request.param == "root" and not ROOT:
        pytest.skip("only root of the host can make network namespaces of its own")
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=request.param == "root") as made:
        for host in (made.client, made.server):
            host.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 40999", check=True)
        yield made


def storm_across(hosts, plan, *options):
    """Carry out a plan from one host to the other; return the run and its summary, or what went wrong."""
    served = hosts.server.start(*program("serve", "--stdio", *options))
    descriptors = [served.stdout.fileno(), served.stdin.fileno()]
    client = hosts.client.start(sys.executable, STORM_ACROSS, *descriptors, hosts.client.results, pass_fds=descriptors)
    served.stdin.close()
    served.stdin = None
    plan = msgspec.structs.replace(plan, peers=["lab2"])
    answer, errors = client.communicate(msgspec.json.encode(plan))
    served.wait(10)
    text = answer.decode()
    return run_folder.read(Path(text)) if text.startswith("/") else text + errors.decode()


def unbalanced(summary):
    return [claim for claim in summary.books if not claim.balanced]


@pytest.mark.parametrize("family", [4, 6])
def test_a_storm_across_a_link_is_one_run_with_the_books_of_both_hosts(hosts, family):
    run, summary = storm_across(hosts, plan_across(family, attempts=300))
    (act,) = run.record.acts
    assert summary.outcomes["connected"] == summary.causes["none"] + summary.causes["stalled"] == 300
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


def test_a_minefield_lies_on_the_other_host_and_its_mines_are_met(hosts):
    plan = plan_across(scenario="closewait", **MINED | {"port_range": (40000, 40999)}, ports=Ports.SWEEP)
    run, summary = storm_across(hosts, plan)
    assert summary.mines.laid == len(run.mines) == 200
    assert summary.causes["closewait"] == summary.mines.hit == 200
    assert unbalanced(summary) == []
