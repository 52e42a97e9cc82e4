# SPDX-License-Identifier: MIT
"""A plan on the host's own stack or of IPv6: the same one, or the same refusal, whichever verb it is for."""

import msgspec
import pytest

from stress.cli.options import make_plan
from stress.model.acts import choose_acts
from stress.model.errors import UsageError
from stress.model.mine import Release
from stress.model.plan import LOOPBACK, Plan
from stress.run.external import external_plan
from stress.storm.catalogue import SCENARIOS, find_scenario
from stress.storm.check import plan_rules
from stress.suite import matrix
from stress.suite.config import load

# A scenario, what the user sets, and whether on the host.
CASES = [
    *((name, {}, host) for name in SCENARIOS for host in (False, True)),
    *((name, {"family": 6}, host) for name in SCENARIOS for host in (False, True)),
    ("article", {"release": "fin-timeout"}, True),
    ("article", {"release": "keep"}, True),
    ("closewait", {"release": "no-buckets"}, True),
    ("closewait", {"release": "linger2"}, False),
    ("closewait", {"mines": 0}, True),
    ("clean", {"mines": 5}, True),
    ("clean", {"mines": 5, "release": "linger2"}, True),
    ("clean", {"port_range": [40000, 40099]}, True),
    ("clean", {"family": 6, "source": "127.0.0.1"}, False),
    ("clean", {"family": 4, "source": "::1"}, False),
    ("clean", {"family": 4, "source": "127.0.0.7"}, True),
    ("clean", {"source": "::1"}, False),
]


def plan_of_run(name, settings, *, host):
    """Return the plan of ``connstorm run`` with options."""
    options = dict(settings)
    if "source" in options:
        options["source"] = (options["source"], options["source"])
    if "family" in options:
        options["family"] = str(options["family"])
    return make_plan(find_scenario(name).plan, options | {"host": host or None})


def cell_of_suite(name, settings, *, host, matrix_table=None):
    """Return the plan of the last cell of ``connstorm suite`` with the same settings in its file."""
    document = {"seed": 1, "scenario": [{"name": name, **settings}], "matrix": matrix_table or {}}
    return matrix.build_cells(load.build_suite(document, host=host), host=host)[-1].plan


@pytest.mark.parametrize(("name", "settings", "host"), CASES)
def test_both_verbs_make_the_same_plan_or_the_same_refusal(name, settings, host):
    plan = plan_of_run(name, settings, host=host)
    faults = list(plan_rules.plan_faults(plan))
    if not faults:
        assert cell_of_suite(name, settings, host=host) == plan
        return
    with pytest.raises(UsageError) as refused:
        cell_of_suite(name, settings, host=host)
    assert [fault for fault in faults if fault not in str(refused.value)] == []


@pytest.mark.parametrize("name", ["clean", "closewait", "rst-dropped"])
def test_an_axis_gives_the_plan_of_the_option(name):
    six = cell_of_suite(name, {}, host=False, matrix_table={"family": [4, 6]})
    assert six == plan_of_run(name, {"family": 6}, host=False)
    four = cell_of_suite(name, {"family": 6}, host=False, matrix_table={"family": [6, 4]})
    assert four == plan_of_run(name, {}, host=False)
    released = cell_of_suite(name, {}, host=False, matrix_table={"release": ["no-buckets", "linger2"]})
    assert released == plan_of_run(name, {"release": "linger2"}, host=False)


def test_a_file_that_asks_for_the_host_gives_the_plan_of_the_option():
    assert cell_of_suite("closewait", {"host": True}, host=False) == plan_of_run("closewait", {}, host=True)
    varied = cell_of_suite("closewait", {}, host=False, matrix_table={"host": [False, True]})
    assert varied == plan_of_run("closewait", {}, host=True)


def test_the_article_on_a_host_waits_for_no_setting_unless_asked_to():
    assert find_scenario("article").plan.on_host().release is Release.LINGER2
    assert cell_of_suite("article", {}, host=True).release is Release.LINGER2
    assert cell_of_suite("article", {"release": "fin-timeout"}, host=True).release is Release.FIN_TIMEOUT


def test_mines_of_a_scenario_without_any_are_refused_on_a_host_until_their_release_is_chosen():
    with pytest.raises(UsageError, match="--release no-buckets changes a setting"):
        cell_of_suite("clean", {"mines": 5}, host=True)
    assert cell_of_suite("clean", {"mines": 5, "release": "linger2"}, host=True).release is Release.LINGER2


@pytest.mark.parametrize("family", [4, 6])
def test_a_family_comes_with_its_loopback_addresses(family):
    plan = Plan(scenario="clean").with_family(family)
    assert (plan.family, plan.source, plan.target) == (family, LOOPBACK[family], LOOPBACK[family])
    assert plan.with_family(4) == Plan(scenario="clean")
    ours = msgspec.structs.replace(Plan(scenario="clean"), source="127.0.0.9")
    assert ours.with_family(4) == ours


@pytest.mark.parametrize(("address", "family"), [(("127.0.0.1", 80), 4), (("::1", 80, 0, 0), 6)])
def test_a_storm_against_an_external_server_is_on_the_host(address, family):
    plan = external_plan(address, {"attempts": 10}, {})
    usual = Plan(scenario="visit").with_family(family).on_host()
    assert plan == msgspec.structs.replace(usual, attempts=10, target_port=80)


def test_of_a_plan_with_acts_some_can_be_chosen():
    whole = find_scenario("port-exhaustion").plan
    chosen = choose_acts(whole, ["tcp_tw_reuse 2", "tcp_tw_reuse 0"])
    assert list(chosen.acts) == ["tcp_tw_reuse 0", "tcp_tw_reuse 2"]
    assert all(chosen.acts[name] == whole.acts[name] for name in chosen.acts)
    assert choose_acts(whole, []) is whole
    with pytest.raises(UsageError, match="has no act 'x'; it is a single storm"):
        choose_acts(find_scenario("clean").plan, ["x"])
    with pytest.raises(UsageError, match="continues the one before it"):
        choose_acts(find_scenario("article").plan, ["ports by bind()"])
