# SPDX-License-Identifier: MIT
"""The link between client and server in a suite: what its values make of a plan, and which scenarios refuse them."""

import json
import re

import command
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.errors import UsageError
from stress.model.link import LINK, link_text, parse_link, plan_across_veth
from stress.model.world import ADDRESSES, CLIENT, SERVER, Topology
from stress.store import run_folder, suite_folder
from stress.storm.catalogue import SCENARIOS
from stress.storm.check.link_rules import link_fault
from stress.storm.check.plan_rules import plan_faults
from stress.suite import matrix
from stress.suite.config.load import build_suite, decode_suite

ALONE = ["unshare", "-Urn"]  # a network of its own, and with it a lock of its own
VETH = parse_link("veth")


def cells_of(document):
    return matrix.build_cells(build_suite(document))


def refusal(text):
    with pytest.raises(UsageError) as refused:
        decode_suite(text, "s.toml", "s")
    return str(refused.value).split("\n")


@pytest.mark.parametrize("family", [4, 6])
def test_each_scenario_of_one_host_is_valid_between_two_or_says_why_not(family):
    for name, scenario in SCENARIOS.items():
        plan = scenario.plan.with_family(family)
        if link_fault(plan, VETH) is None:
            linked = plan_across_veth(plan)
            assert not list(plan_faults(linked)), name
            assert {act.world.topology for act in linked.storms().values()} == {Topology.LINK}
            assert (linked.source, linked.target) == (ADDRESSES[family][CLIENT], ADDRESSES[family][SERVER])
            assert link_text(linked) == "veth"


def test_scenarios_refuse_links_that_they_cannot_have():
    refused = {
        link: {name for name, scenario in SCENARIOS.items() if link_fault(scenario.plan, parse_link(link))}
        for link in ("loopback", "veth")
    }
    assert {"loss", "snat-race", "rejected", "syn-queue"} <= refused["loopback"] & refused["veth"]
    assert {"half-open", "no-route-back"} <= refused["loopback"] - refused["veth"]
    assert {"article", "rst-dropped", "self-connect"} <= refused["veth"] - refused["loopback"]


def test_the_loopback_is_the_plan_as_it_was():
    loopback, veth = cells_of({"scenario": [{"name": "clean"}], "matrix": {LINK: ["loopback", "veth"]}})
    assert loopback.plan.identity == cells_of({"scenario": [{"name": "clean"}]})[0].plan.identity != veth.plan.identity
    assert (loopback.name, veth.name) == ("clean", "clean link=veth")


def test_a_link_goes_with_a_family_whichever_of_them_is_varied():
    both = {"scenario": [{"name": "clean"}], "design": "full", "matrix": {LINK: ["veth"], "family": [4, 6]}}
    fixed = {"scenario": [{"name": "clean", LINK: "veth"}], "matrix": {"family": [4, 6]}}
    shared = {"defaults": {LINK: "veth", "family": 6}, "scenario": [{"name": "clean"}]}
    for document in (both, fixed):
        assert [cell.plan.target for cell in cells_of(document)] == [ADDRESSES[family][SERVER] for family in (4, 6)]
    assert [cell.plan.target for cell in cells_of(shared)] == [ADDRESSES[6][SERVER]]


def test_an_axis_goes_before_what_is_fixed():
    document = {"defaults": {LINK: "veth"}, "scenario": [{"name": "clean"}], "matrix": {LINK: ["loopback", "veth"]}}
    assert [link_text(cell.plan) for cell in cells_of(document)] == ["loopback", "veth"]


@given(st.text() | st.text().map("peer:{}".format))
def test_what_is_a_link_is_no_option_and_has_no_blanks(text):
    try:
        link = parse_link(text)
    except UsageError:
        return
    assert text == (f"peer:{link.peer}" if link.peer else link.kind)
    assert not re.search(r"^-|\s", link.peer)


NO_LINK = "link must be loopback, veth or peer:NAME, the name of a host for ssh, not"
ROUTER = "The scenario loss has a router between its hosts, which decides what is measured; leave out link."


def test_errors_are_shown_with_their_lines():
    assert refusal(
        """
[defaults]
link = "vet"
[[scenario]]
name = "clean"
link = ""
[[scenario]]
name = "clean"
label = "other"
link = "peer:-oProxyCommand=x"
[matrix]
link = ["veth", 4, "veth", "peer:a b"]
"""
    ) == [
        f"s.toml, line 3: {NO_LINK} 'vet'. Did you mean veth?",
        "s.toml, line 6: link must be a text that is not empty, not ''.",
        f"s.toml, line 10: {NO_LINK} 'peer:-oProxyCommand=x'.",
        "s.toml, line 12: link must be a text that is not empty, not 4.",
        "s.toml, line 12: link has the value 'veth' twice.",
        "1 more error is not shown.",
    ]


def test_what_a_scenario_cannot_have_is_told_where_it_is_asked_for():
    assert refusal(
        """
[[scenario]]
name = "loss"
[scenario.matrix]
link = ["veth"]
[[scenario]]
name = "half-open"
[[scenario]]
name = "rst-dropped"
[matrix]
link = ["loopback", "veth"]
"""
    ) == [
        f"s.toml, line 5: {ROUTER}",
        (
            "s.toml, line 6: "
            "The scenario half-open is of two hosts, which the loopback joins to none; its link is veth or peer:NAME."
        ),
        (
            "s.toml, line 8: "
            "The scenario rst-dropped drops segments between the sockets of one host; its link is loopback alone."
        ),
    ]
    assert refusal('[[scenario]]\nname = "loss"\nlink = "veth"') == [f"s.toml, line 3: {ROUTER}"]


def test_a_storm_of_two_hosts_takes_no_other_addresses():
    (told,) = refusal('[[scenario]]\nname = "clean"\nsource = "127.0.0.5"\nports = "no-port"\nlink = "veth"')
    assert "line 3: clean runs between hosts of its own, 198.18.0.2 and 198.18.1.2; leave out --source" in told


def test_the_loopback_and_a_link_are_compared_in_the_same_blocks(tmp_path):
    source = tmp_path / "links.toml"
    source.write_text(
        """
trials = 1
warmup = 0
settle_s = 0
[defaults]
port_range = [40000, 40015]
[[scenario]]
name = "closewait"
mines = 3
[matrix]
link = ["loopback", "veth"]
"""
    )
    ended = command.connstorm("suite", source, "-o", tmp_path, under=ALONE)
    assert ended.returncode == 0, ended.stderr
    assert "link=veth" in ended.stdout
    (path,) = tmp_path.glob("*-suite-*")
    records = suite_folder.read_records(path).values()
    assert sorted((record.trial.block, record.trial.cell) for record in records) == [
        (0, cell) for cell in ("closewait", "closewait link=veth")
    ]
    for record in records:
        run, summary = run_folder.read(suite_folder.trial_run_folder(path, record))
        (act,) = run.record.acts
        assert (SERVER in act.hosts) is (record.trial.cell != "closewait")
        assert (summary.collisions, summary.mines.laid) == (3, 3)
        assert all(claim.balanced for claim in summary.books)
    compared = command.connstorm("compare", path, "--cols", LINK, "--no-draw", "--json")
    assert json.loads(compared.stdout)["comparisons"], compared.stderr
