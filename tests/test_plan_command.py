# SPDX-License-Identifier: MIT
"""The command that a page gives for a run makes the plan of that run again."""

import shlex

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.cli.main import connstorm as group
from stress.cli.options import make_against_plan, make_plan
from stress.cli.run import run
from stress.model.plan import Close, Drop, Plan, Ports, Serve
from stress.storm.catalogue import SCENARIOS, find_scenario
from stress.view.text.plan_command import run_command

OF_THE_VERB = ("act_names", "fast")  # options that are no fields of a plan
SYSCTLS = ("net.ipv4.tcp_syn_retries", "net.ipv4.tcp_tw_reuse")
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "attempts": st.integers(1, 10**6),
        "duration_s": st.floats(0.01, 1e4),
        "rate_per_s": st.one_of(st.integers(1, 10**6).map(float), st.floats(0.1, 1e6)),
        "mines": st.integers(0, 500),
        "ports": st.sampled_from(Ports),
        "close": st.sampled_from(Close),
        "serve": st.sampled_from(Serve),
        "drop": st.sampled_from(Drop),
        "window": st.integers(1, 5000),
        "seed": st.integers(0, 2**31),
        "deadline_s": st.floats(0.1, 100),
        "port_range": st.tuples(st.integers(1024, 30_000), st.integers(30_001, 65_535)),
        "target_port": st.integers(1, 60_000),
        "target_ports": st.integers(1, 9),
        "sources": st.integers(1, 200),
        "use": st.booleans(),
        "capture": st.booleans(),
        "pin": st.booleans(),
        "sysctls": st.dictionaries(st.sampled_from(SYSCTLS), st.just("1 2")),
    },
)


def given_options(command):
    """Return the options of a command line as the verb parses them."""
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("connstorm", "run")
    return run.make_context("run", words, **group.context_settings).params


def plan_of(command):
    params = given_options(command)
    return make_plan(find_scenario(params["name"]).plan, fields_of(params))


def fields_of(params):
    """Return the options that are about the plan."""
    return {name: value for name, value in params.items() if name in OF_THE_VERB or name in Plan.__struct_fields__}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_command_of_a_scenario_is_its_name(name):
    plan = SCENARIOS[name].plan
    assert run_command(plan) == (f"connstorm run {name}", [])
    for other in (plan.with_family(6), plan.on_host()):
        command, unsaid = run_command(other)
        assert (plan_of(command), unsaid) == (other, [])


@settings(max_examples=60)
@given(st.sampled_from(["clean", "closewait", "accept-queue", "rst-dropped"]), CHANGES)
def test_a_command_makes_the_same_plan_or_says_what_it_cannot(name, changes):
    base = SCENARIOS[name].plan
    plan = msgspec.structs.replace(base, **changes | {"sysctls": base.sysctls | changes.get("sysctls", {})})
    command, unsaid = run_command(plan)
    made = plan_of(command)
    different = {field for field in Plan.__struct_fields__ if getattr(made, field) != getattr(plan, field)}
    assert different <= set(unsaid)


def test_a_storm_against_others_is_asked_for_again():
    params = given_options("connstorm run clean --against 127.0.0.1:8080 --attempts 300 --window 7")
    plan = make_against_plan("clean", "127.0.0.1:8080", fields_of(params))
    command, _ = run_command(plan)
    assert command.startswith("connstorm run clean --against 127.0.0.1:8080 --attempts 300")
    assert "--window 7" in command


def test_a_capture_has_no_command():
    assert run_command(Plan(scenario="capture")) == ("", [])
