# SPDX-License-Identifier: MIT
"""Bystanders: sockets of other connections that a storm finds in the kernel's tables, and does not meet."""

import pytest
from namespaced import namespaced

from stress.lab import census, sysctl
from stress.model.errors import LabError
from stress.model.mine import MineState
from stress.model.plan import Plan
from stress.model.progress import ignore_progress
from stress.storm import bystanders
from stress.storm.bystanders import SETTINGS, bystander_ports, bystanders_laid
from stress.storm.catalogue import find_scenario
from stress.storm.check.plan_rules import plan_faults

USUAL_PORTS = (32768, 60999)
TIME_WAIT, ESTABLISHED = MineState.TIME_WAIT, MineState.ESTABLISHED


def plan_with(count, state=TIME_WAIT, **changes):
    return Plan(scenario="clean", bystanders=count, bystander_state=state, **changes)


def settings():
    return {name: sysctl.read(name) for name in SETTINGS}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("state", "end"), [(TIME_WAIT, "client"), (ESTABLISHED, "server")])
@namespaced(ports=USUAL_PORTS)
def test_bystanders_are_one_end_of_connections_to_further_ports(state, end, family):
    plan = plan_with(600, state).with_family(family)
    before = settings()
    with bystanders_laid(plan, ignore_progress):
        assert settings() == before
        assert census.take_census(family, bystander_ports(plan), [state]) == {"client": {}, "server": {}} | {
            end: {state: 600}
        }
        assert not census.list_sockets(family, [state], local_port=plan.target_port).size


@namespaced(ports=USUAL_PORTS)
def test_each_port_of_the_server_has_ten_thousand_at_most():
    plan = plan_with(10_001, ESTABLISHED)
    with bystanders_laid(plan, ignore_progress):
        counts = [len(census.list_sockets(4, [ESTABLISHED], local_port=port)) for port in bystander_ports(plan)]
    assert counts == [10_000, 1, 0]


@namespaced(ports=USUAL_PORTS)
def test_those_that_came_to_another_state_are_made_again(monkeypatch):
    def lay_fewer(plan, port, count, stack):
        lay(plan, port, count - 7 if port == bystander_ports(plan)[0] else count, stack)

    lay = bystanders.lay_at_port
    monkeypatch.setattr(bystanders, "lay_at_port", lay_fewer)
    with bystanders_laid(plan_with(300), ignore_progress):
        assert bystanders.count_bystanders(plan_with(300)) == 300


@namespaced(ports=USUAL_PORTS, sysctls={"net.ipv4.tcp_max_tw_buckets": "100"})
def test_fewer_than_were_asked_for_are_an_error():
    fewer = pytest.raises(LabError, match=r"Of 300 bystanders \d+ are in TIME-WAIT; .* net.ipv4.tcp_max_tw_buckets")
    with fewer, bystanders_laid(plan_with(300), ignore_progress):
        pass


WRONG = {
    "must be from 0 to 1,000,000, not -1": {"bystanders": -1},
    "leave out --host": {"host": True},
    "need ports above 65535": {"target_port": 65535},
    "in TIME-WAIT or ESTABLISHED, not in LAST-ACK": {"bystander_state": MineState.LAST_ACK},
}


@pytest.mark.parametrize(("sentence", "changes"), WRONG.items())
def test_what_bystanders_cannot_be_has_its_sentence(sentence, changes):
    faults = list(plan_faults(Plan(scenario="clean", **({"bystanders": 5} | changes))))
    assert any(sentence in fault for fault in faults), faults


def test_a_plan_without_bystanders_has_the_identity_of_before():
    plan = find_scenario("clean").plan
    assert plan.identity == Plan(scenario="clean", ports="shuffle", bystanders=0).identity
    assert plan.identity != plan_with(5, ports="shuffle").identity
