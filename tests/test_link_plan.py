# SPDX-License-Identifier: MIT
"""The scenarios of the catalogue across a link, and what each changes on which host."""

from pathlib import Path

import msgspec
import pytest
from namespaced import namespaced

from stress.lab import firewall, sysctl
from stress.lab.rule_set import placeholders, write_rule_set
from stress.lab.sysctl_journal import FOLDER_VARIABLE
from stress.model.errors import UsageError
from stress.model.world import CLIENT, SERVER, Drop, FilterRule, Firewall, Hook, Route, Topology, World
from stress.storm.catalogue import CATALOGUE, SCENARIOS
from stress.storm.check import plan_rules
from stress.storm.check.mine_rules import deaf_hosts
from stress.storm.peer.act_changes import ActChanges
from stress.storm.peer.allowed_changes import check_changes
from stress.storm.peer.end_changes import Permission, change_faults, routes_of, rules_of
from stress.storm.peer.end_settings import settings_of
from stress.storm.peer.link_plan import NOT_ACROSS, across_link, drop_rules

GIVEN, REFUSED = Permission(given=True), Permission(given=False)
CONTROL = ("192.0.2.1", "192.0.2.2")
ADDRESSES = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8:2::1", "2001:db8:2::2")}
RETRIES = "net.ipv4.tcp_syn_retries"
ACROSS = [name for name in SCENARIOS if name not in NOT_ACROSS]


def linked(name, family=4, **changes):
    """Return a scenario's plan between two addresses."""
    source, target = ADDRESSES[family]
    plan = across_link(SCENARIOS[name].plan)
    return msgspec.structs.replace(plan, **{"family": family, "source": source, "target": target} | changes)


def test_every_scenario_runs_across_a_link_or_says_why_not():
    for scenario in CATALOGUE:
        name = scenario.plan.scenario
        if name in NOT_ACROSS:
            with pytest.raises(UsageError, match=f"^{name} does not run across a link, because .*; leave out --peer.$"):
                across_link(scenario.plan)
            continue
        source, target = ADDRESSES[scenario.plan.family]
        plan = msgspec.structs.replace(across_link(scenario.plan), source=source, target=target)
        assert not list(plan_rules.plan_faults(plan)), name
        for act in plan.storms().values():
            assert act.host
            assert act.world.topology is Topology.PEER
            assert {part.on for part in (*act.world.rules, *act.world.routes)} <= {CLIENT, SERVER}
            assert not act.world.queues
            assert not act.witness


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_rules_hit_nothing_but_the_addresses_and_ports_of_the_storm(family):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    for name in ACROSS:
        further = {4: "198.51.100.9", 6: "2001:db8:2::9"}[family]
        plans = (linked(name, family, firewall=Firewall.NFT, clients=more) for more in ([], [further]))
        for act in (act for plan in plans for act in plan.storms().values()):
            words = placeholders(act)
            for host in (CLIENT, SERVER):
                for rule in rules_of(act, host):
                    match = rule.match.format_map(words)
                    if rule.name == "solicitation":
                        assert family == 6
                        assert words["server_bits"] in match
                        continue
                    assert all(text in match for text in (*ADDRESSES[family], "port 5000")), rule
                if rules := rules_of(act, host):
                    firewall.run_nft(["--check", "-f", "-"], write_rule_set(rules, act.world.sets, words))


def test_a_rule_of_a_router_is_one_of_the_server():
    (syns,) = across_link(SCENARIOS["ecn"].plan).world.rules
    assert (syns.on, syns.hook) == (SERVER, Hook.INPUT)
    _, answers = across_link(SCENARIOS["loss"].plan).storms().values()
    assert (answers.world.rules[0].on, answers.world.rules[0].hook) == (SERVER, Hook.OUTPUT)
    assert answers.world.rules[0].match.startswith("{ip} saddr {server} {ip} daddr {client} tcp sport")


def test_a_setting_belongs_to_the_end_to_which_it_matters():
    (act, *_) = linked("accept-queue", port_range=(40000, 40999)).storms().values()
    client, server = settings_of(act, CLIENT), settings_of(act, SERVER)
    assert client[RETRIES] == "1"
    assert client["net.ipv4.ip_local_port_range"] == "40000 40999"
    assert server == {"net.ipv4.tcp_abort_on_overflow": "0"}
    both = msgspec.structs.replace(act, sysctls={"net.ipv4.tcp_timestamps": "0"}, port_range=None)
    assert settings_of(both, CLIENT) == settings_of(both, SERVER) == both.sysctls


def test_firewalls_are_filters_on_sockets_unless_rules_are_asked_for():
    assert not rules_of(linked("rst-dropped"), SERVER)
    assert [rule.name for rule in rules_of(linked("rst-dropped", firewall=Firewall.NFT), SERVER)] == ["rst"]
    assert [rule.on for rule in drop_rules(Drop.CHALLENGE)] == [CLIENT]
    assert [rule.hook for rule in rules_of(linked("conntrack-invalid"), SERVER)] == [Hook.INPUT, Hook.OUTPUT]


def test_the_serving_host_takes_what_its_own_catalogue_has():
    for name in ACROSS:
        plan = linked(name, sysctls=SCENARIOS[name].plan.sysctls | {"net.ipv4.tcp_timestamps": "0"})
        for act in plan.storms():
            assert not list(check_changes(plan, act)), (name, act)


@pytest.mark.parametrize(
    "world",
    [
        World(topology=Topology.PEER, rules=[FilterRule(name="all", hook=Hook.INPUT, match="")]),
        World(topology=Topology.PEER, routes=[Route(to="10.0.0.0/8", kind="blackhole")]),
        World(topology=Topology.PEER, sets={"a": "type inet_service;"}),
        World(topology=Topology.PEER, sysctls={SERVER: {"net.ipv4.tcp_syncookies": "0"}}),
    ],
)
def test_the_serving_host_takes_no_text_of_the_client(world):
    plan = linked("clean", world=world)
    assert "are not those that clean has on the serving host" in " ".join(check_changes(plan, "storm"))


@pytest.mark.parametrize("name", ["net.ipv4.ip_default_ttl", "net.ipv4.conf.all.rp_filter"])
@namespaced
def test_the_serving_host_changes_no_setting_beyond_tcp(name):
    (sentence,) = check_changes(linked("clean", sysctls={name: "9"}), "storm")
    assert f"The serving host changes no setting {name} for a client" in sentence


def test_an_unknown_scenario_is_refused():
    assert "There is no scenario 'x'" in next(check_changes(linked("clean", scenario="x"), "storm"))


@namespaced
def test_without_permission_each_end_says_what_it_needs():
    act = linked("half-open", mine_state="LAST-ACK", sysctls={RETRIES: "1"}, port_range=None)
    here = sysctl.read(RETRIES)
    first, second = change_faults(act, CLIENT, REFUSED, CONTROL)
    assert first == (
        f"half-open needs {RETRIES}=1 on this host, where it is {here}: set it there (sysctl -w {RETRIES}='1'), or let "
        "connstorm change and restore it (--set-host; for a suite --host)."
    )
    assert second.startswith("half-open needs rules of nftables on this host: let connstorm")
    assert not list(change_faults(act, SERVER, REFUSED, CONTROL))
    sysctl.write(RETRIES, "1")
    assert list(change_faults(act, CLIENT, REFUSED, CONTROL)) == [second]


@pytest.mark.parametrize(
    ("name", "act", "host", "option"),
    [
        ("no-route-back", "no route back", SERVER, "of this host (--source)"),
        ("rejected", "own route throw", CLIENT, "of the serving host (--listen)"),
        ("rejected", "no route", CLIENT, "of the serving host (--listen)"),
        ("neighbour", "the kernel's ladder", CLIENT, "of the serving host (--listen)"),
        ("neighbour", "the kernel's ladder", SERVER, "of the serving host (--listen)"),
    ],
)
@namespaced
def test_what_would_cut_the_control_channel_is_refused(name, act, host, option):
    plan = linked(name).storms().get(act) or linked(name).storms()["own route unreachable"]
    assert not [text for text in change_faults(plan, host, GIVEN, CONTROL) if "control" in text]
    with pytest.raises(UsageError, match="which the control channel uses too; give another address") as error:
        ActChanges(plan, host, GIVEN, ADDRESSES[4])
    assert option in str(error.value)


def test_a_route_is_for_every_address_of_the_storm():
    plan = linked("no-route-back", sources=2, clients=["198.51.100.9"]).storms()["no route back"]
    assert [route.address for route in routes_of(plan, SERVER)] == ["198.51.100.1", "198.51.100.2", "198.51.100.9"]
    assert not routes_of(plan, CLIENT)


@namespaced(ports=(40000, 44999))
def test_an_act_is_made_ready_and_undone(tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    plan = linked("half-open").storms()["LAST-ACK"]
    before = (sysctl.read(sysctl.PORT_RANGE), firewall.list_rules())
    sysctl.write(sysctl.PORT_RANGE, "40000 40003")
    with ActChanges(plan, CLIENT, GIVEN, CONTROL) as changes:
        changes.begin()
        changes.withhold()
        changes.load_rules(nat=True)
        changes.load_rules(nat=False)
        changes.check()
        assert changes.count() == {"unheard": 0}
        assert changes.changed == [f"{sysctl.PORT_RANGE}=40000 44999", "rule unheard"]
    sysctl.write(sysctl.PORT_RANGE, "40000 44999")
    assert (sysctl.read(sysctl.PORT_RANGE), firewall.list_rules()) == before
    assert changes.changes.process.returncode == 0


def changes_of(plan, host):
    """Return what a scenario's acts change on an end of a link, as docs/two-hosts.md tells."""
    changes = {}
    for act in plan.storms().values():
        changes |= dict.fromkeys(f"`{name}`" for name in settings_of(act, host))
        changes |= dict.fromkeys(f"a route: {route.kind}" for route in routes_of(act, host))
        changes |= dict.fromkeys(f"a rule: {rule.name}" for rule in rules_of(act, host))
        if host in deaf_hosts(act):
            changes["a rule: unheard"] = None
        if act.world.silent:
            changes["no answer to ARP" if host == SERVER else "the neighbour is forgotten"] = None
    return ", ".join(changes)


def test_the_document_says_what_each_scenario_changes_on_which_host():
    text = (Path(__file__).parents[1] / "docs" / "two-hosts.md").read_text()
    rows = []
    for name in ACROSS:
        client, server = (changes_of(linked(name), host) for host in (CLIENT, SERVER))
        if client or server:
            rows.append(f"| {name} | {client} | {server} |")
    head = "| scenario | changes on the client | changes on the serving host |\n| --- | --- | --- |\n"
    assert head + "\n".join(rows) + "\n" in text
    for name in NOT_ACROSS:
        assert f"`{name}`" in text
