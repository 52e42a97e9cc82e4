# SPDX-License-Identifier: MIT
"""What a serving host lets a client change for an act, and that it is undone however the session ends."""

import os
import signal

import msgspec
import pytest
from serving_client import ask, plan_across, serving
from two_hosts import STORM, two_hosts

from stress.lab import firewall, wait
from stress.model.errors import LabError, UsageError
from stress.model.world import FilterRule, Hook, Topology, World
from stress.storm.catalogue import SCENARIOS
from stress.storm.peer import calls
from stress.storm.peer.link_plan import across_link

OVERFLOW = "net.ipv4.tcp_abort_on_overflow"
UNDONE_S = 60.0


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


def linked(name, act, **fields):
    """Return one act of a scenario as a plan between the two hosts, with the acts of the whole."""
    plan = across_link(SCENARIOS[name].plan)
    addresses = {"source": STORM["client"][4], "target": STORM["server"][4]}
    return msgspec.structs.replace(plan, acts={act: plan.acts[act]} if act else {}, **addresses | fields)


def state(host):
    """Return what these tests let a serving host change."""
    rules = host.run(firewall.find_nft(), "list", "ruleset").stdout
    routes = host.ip("route", "show", "type", "throw")
    return host.run("sysctl", "-n", OVERFLOW).stdout.strip(), rules, routes, list(host.state.iterdir())


def begin(served, plan, act):
    served.call(ask(plan, change=True))
    served.call(calls.BeginAct(act))
    served.call(calls.Listen())
    for nat in (True, False):
        served.call(calls.LoadRules(nat))


def test_an_act_changes_the_serving_host_and_its_end_undoes_it(hosts):
    before = state(hosts.server)
    with serving(hosts.server) as served:
        begin(served, linked("accept-queue", "abort 1"), "abort 1")
        assert state(hosts.server)[0] == "1"
        assert served.call(calls.ReadHost()).changed == [f"{OVERFLOW}=1"]
        served.call(calls.EndAct())
        assert state(hosts.server) == before
        served.call(calls.BeginAct("abort 1"))
        assert state(hosts.server)[0] == "1"
    served.process.wait()
    assert state(hosts.server) == before


def test_rules_and_routes_end_with_the_channel_too(hosts):
    before = state(hosts.server)
    for name, act in (("policy", "answers"), ("no-route-back", "no route back")):
        with serving(hosts.server) as served:
            begin(served, linked(name, act), act)
            assert state(hosts.server) != before
            assert served.call(calls.CountRules()) == ({"syn-ack": 0} if name == "policy" else {})
        served.process.wait()
        assert state(hosts.server) == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_serving_side_that_is_killed_leaves_its_host_as_it_was(hosts, number):
    before = state(hosts.server)
    with serving(hosts.server) as served:
        begin(served, linked("rejected", "tcp reset"), "tcp reset")
        served.process.send_signal(number)
        served.process.wait()
    assert wait.wait_until(lambda: state(hosts.server) == before, UNDONE_S)
    assert hosts.is_quiet()


def test_an_act_whose_changes_ended_early_does_not_end_well(hosts):
    before = state(hosts.server)
    with serving(hosts.server) as served:
        begin(served, linked("conntrack-full", "room for 100"), "room for 100")
        (second,) = [pid for pid, line in hosts.server.pids().items() if "host_changes" in line]
        os.kill(second, signal.SIGKILL)
        with pytest.raises(LabError, match="was killed, so the storm did not meet what it should"):
            served.call(calls.EndAct())
    assert state(hosts.server) == before


def test_nothing_is_changed_that_the_client_did_not_ask_for(hosts):
    with serving(hosts.server) as served, pytest.raises(UsageError, match=r"on the serving host.*\(--set-host"):
        served.call(ask(linked("conntrack-full", "room for 100"), change=False))


def test_no_text_of_the_client_becomes_a_rule(hosts):
    world = World(topology=Topology.PEER, rules=[FilterRule(name="all", hook=Hook.INPUT, match="tcp dport 22")])
    with serving(hosts.server) as served:
        with pytest.raises(UsageError, match="which takes no others"):
            served.call(ask(plan_across(world=world), change=True))
        with pytest.raises(UsageError, match=r"changes no setting net\.ipv4\.ip_default_ttl"):
            served.call(ask(plan_across(sysctls={"net.ipv4.ip_default_ttl": "99"}), change=True))
