# SPDX-License-Identifier: MIT
"""Causes by packets agree with causes by counters, or are unknown; ``tests/captured/run.py`` holds that of all runs."""

import pytest
from captured.agreement import ENDS, hold_against
from captured.plans import PLANS
from captured.storms import carry_out, plan_of
from scenario_runs import RUNS

AFTER_S = 0.2
BY_END = {  # how many attempts have a cause, and how many of them packets name at each end
    "routed mines": (60, {"client": 60, "server": 60, "both": 60}),
    "routed mines, answered by the router": (60, {"client": 0, "server": 0, "both": 60}),
    "routed TIME_WAIT": (None, {"client": None, "server": None, "both": None}),
}


def captured_run(name, plan, folder):
    captured = carry_out(name, plan, folder, AFTER_S)
    assert "Traceback" not in captured.failed, captured.failed
    if captured.failed:
        pytest.skip(captured.failed)
    return captured


@pytest.mark.parametrize("name", BY_END)
def test_packets_of_a_router_world_name_what_counters_do(name, tmp_path):
    captured = captured_run(name, PLANS[name], tmp_path)
    troubled, named = BY_END[name]
    for end in ENDS:
        agreement = hold_against(captured, end)
        assert not agreement.wrong, agreement.examples
        assert agreement.alone == 0
        if named[end] is None:
            assert agreement.named == agreement.troubled > 0
        else:
            assert (agreement.troubled, agreement.named) == (troubled, named[end])


def test_packets_on_the_loopback_name_what_counters_do(tmp_path):
    captured = captured_run("closewait", plan_of(RUNS["closewait"]), tmp_path)
    agreement = hold_against(captured, "client")
    assert not agreement.wrong, agreement.examples
    assert (agreement.alone, agreement.troubled, agreement.named) == (0, 60, 60)
