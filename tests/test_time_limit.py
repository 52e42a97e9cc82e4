# SPDX-License-Identifier: MIT
"""How long a plan can take at most, and that a process which takes longer is ended."""

import signal
import threading
from dataclasses import dataclass

import msgspec
import pytest

from stress.model.errors import LabError
from stress.model.host import Host
from stress.model.mine import Release
from stress.model.plan import Plan, Ports
from stress.run import process, time_limit
from stress.run.time_limit import ACT_S, PROCESS_S, longest_s
from stress.storm.catalogue import SCENARIOS
from stress.suite import estimate

DEFAULTS = {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_syn_linear_timeouts": "4", "net.ipv4.tcp_fin_timeout": "60"}
HOST = Host(
    kernel="6.18.0",
    jiffy_ns=4_000_000,
    cpu="x",
    cpus=2,
    memory_bytes=1 << 32,
    clocksource="tsc",
    python="3.13",
    nofile=1024,
)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_has_several_times_as_long_as_it_is_expected_to_take(name):
    plan = SCENARIOS[name].plan
    limit_s = longest_s(plan, DEFAULTS)
    assert limit_s >= 2 * estimate.trial_seconds(plan, HOST) + PROCESS_S
    for act in plan.storms().values():
        assert limit_s >= PROCESS_S + ACT_S + act.rest_s + 2 * SCENARIOS[name].waits_s


@pytest.mark.parametrize(
    "longer",
    [
        {"attempts": 50_000},
        {"rest_s": 100.0},
        {"rate_per_s": 10.0},
        {"window": 1},
        {"deadline_s": 3600.0},
        {"mines": 500},
        {"mines": 500, "release": Release.FIN_TIMEOUT, "sysctls": {"net.ipv4.tcp_fin_timeout": "600"}},
        {"sysctls": {"net.ipv4.tcp_syn_retries": "20"}},
        {"acts": {"one": {}, "two": {}}},
    ],
)
def test_what_makes_a_plan_longer_makes_its_limit_longer(longer):
    usual = Plan(scenario="clean", attempts=5000)
    assert longest_s(msgspec.structs.replace(usual, **longer), DEFAULTS) > longest_s(usual, DEFAULTS)


def test_a_storm_that_time_ends_is_not_given_longer_for_more_attempts_than_fit():
    plan = Plan(scenario="clean", duration_s=5.0)
    assert longest_s(plan, DEFAULTS) < PROCESS_S + ACT_S + 600


def test_the_settings_of_the_host_count():
    plan = Plan(scenario="clean", attempts=5000, host=True)
    assert longest_s(plan, DEFAULTS | {"net.ipv4.tcp_syn_retries": "127"}) > 5 * longest_s(plan, DEFAULTS)


def test_a_limit_beyond_all_timers_is_the_longest_of_a_timer():
    plan = Plan(scenario="clean", attempts=100_000_000, window=1, deadline_s=3600.0, ports=Ports.SHUFFLE)
    assert longest_s(plan, DEFAULTS) <= threading.TIMEOUT_MAX
    assert longest_s(Plan(scenario="clean", sysctls={"net.ipv4.tcp_syn_retries": "abc"}), DEFAULTS) > PROCESS_S


def test_a_storm_across_a_link_is_watched_by_its_two_ends_alone():
    assert longest_s(Plan(scenario="clean", attempts=5, peers=["lab2"]), DEFAULTS) is None


@dataclass
class Stopper:
    """Stops the process of a cell when its first stage is told: it then hangs, and hears no signal but SIGKILL."""

    cells: list

    def __call__(self, _):
        self.cells[0].process.send_signal(signal.SIGSTOP)


def test_a_process_that_hangs_is_ended_with_a_sentence(tmp_path, monkeypatch):
    cells = []

    class Remembered(process.CellProcess):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            cells.append(self)

    monkeypatch.setattr(process, "CellProcess", Remembered)
    monkeypatch.setattr(process, "GRACE_S", 0.1)
    monkeypatch.setattr(time_limit, "longest_s", lambda _: 2.0)
    with pytest.raises(LabError) as raised:
        process.run(Plan(scenario="clean", attempts=10), tmp_path, Stopper(cells))
    if "namespace" in str(raised.value):
        pytest.skip("this kernel refuses private network namespaces")
    assert str(raised.value).startswith("clean did not end within 2 s, which is more than its plan can take, and was")
    assert cells[0].process.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
