# SPDX-License-Identifier: MIT
"""Processes of the serving side killed at any point: nothing is left, and the client learns of it.

CONNSTORM_KILL_POINTS=100 kills as often.
"""

import os
import random
import signal
import threading
import time
from contextlib import suppress

import pytest
from serving_client import PORT, ask, plan_across, serving, storm
from two_hosts import two_hosts

from stress.lab import wait
from stress.model.errors import LabError
from stress.storm.peer import calls

KILL_POINTS = int(os.environ.get("CONNSTORM_KILL_POINTS", "1"))
LONGEST_S = 1.2  # what a session takes here
SETTING = "/proc/sys/net/ipv4/tcp_abort_on_overflow"


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts")) as made:
        yield made


def run_session(hosts):
    """Make a session from its beginning to its end, as far as it goes."""
    with serving(hosts.server) as served:
        served.call(ask(plan_across(sysctls={"net.ipv4.tcp_abort_on_overflow": "1"}, capture=True), change=True))
        for call in (
            *(calls.BeginAct("storm"), calls.Listen(), calls.StartProcess(leak=5, then="leave"), calls.StartProcess()),
            *(calls.BeginCapture(50), calls.BeginLook(), calls.ReadCounters()),
        ):
            served.call(call)
        storm(hosts, 50).wait()
        for call in (calls.WaitSettled(5), calls.ReadReport(), calls.ReadHost(), calls.EndLook(), calls.EndAct()):
            served.call(call)
        served.channel.send(calls.Ended())
        served.ended()


def kill_one(hosts, generator, delay_s, killed):
    """Kill one process of the serving side after some time."""
    time.sleep(delay_s)
    if pids := sorted(hosts.server.pids()):
        victim = generator.choice(pids)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)


def test_a_kill_at_any_point_leaves_nothing_behind(hosts):
    generator = random.Random(3)
    killed = []
    for _ in range(KILL_POINTS):
        delay_s = generator.uniform(0, LONGEST_S)
        killer = threading.Thread(target=kill_one, args=(hosts, generator, delay_s, killed))
        killer.start()
        with suppress(LabError):  # a lost channel is one too
            run_session(hosts)
        killer.join()
        assert hosts.is_quiet(), (delay_s, hosts.server.pids())
        assert hosts.server.run("cat", SETTING).stdout == "0\n", delay_s
        assert wait.wait_until(lambda: not list(hosts.server.state.iterdir()), 30), delay_s
        assert b"ConnectionRefusedError" in storm(hosts, 1, port=PORT).communicate()[0], delay_s
    assert killed
