# SPDX-License-Identifier: MIT
"""connstorm doctor --scale: rates of several pairs together, what grew with them, and what is left of its processes."""

import json
import os
import signal
import subprocess

import pytest
import scale_builders
from command import assert_one_sentence, changed_connstorm, changed_program, connstorm

from stress.cli.doctor_scale import PAIRS_MAX
from stress.lab.listener import PROCESSES_MAX
from stress.lab.room import Room
from stress.lab.wait import wait_until
from stress.model.errors import UsageError
from stress.model.scale import profile_rate_hz
from stress.profile.contention import function_text
from stress.run import scale
from stress.view.text.scale import growth_sentence, lock_sentences

SHORT = (
    "from stress.model import scale; scale.LOOP_S = 0.05; "
    "scale.PROFILE_WINDOWS, scale.PROFILE_S, scale.PROFILE_MIN_S = 2, 0.1, 0.1"
)
CPUS = len(os.sched_getaffinity(0))
ONE_THREAD = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
two_cpus = pytest.mark.skipif(CPUS < 2, reason="there is one CPU")


def changed(*options):
    ended = changed_connstorm(SHORT, "doctor", "--scale", *options, env=ONE_THREAD)
    assert ended.returncode == 0, ended.stderr
    return ended


@two_cpus
def test_pairs_are_measured_together_and_apart():
    """On two CPUs a second pair has one CPU of them, which is said."""
    ended = changed("--pairs", "2", "--rounds", "2", "--json")
    document = json.loads(ended.stdout)
    assert [len(step["clients"]) for step in document["steps"]] == [1, 2]
    assert ended.stderr == ""
    for step in document["steps"]:
        assert len(step["servers"]) == len(step["clients"]) == len(set(step["clients"]))
        assert step["rounds"] == 2
        assert min(step["bare_per_s"], step["engine_per_s"], *step["pair_per_s"], step["ratio"]["median"]) > 0
    first, second = document["steps"]
    assert first["scaling"] is None
    assert second["scaling"]["median"] > 0
    assert second["given_up"] or CPUS >= 4
    growth = document["growth"]
    assert (growth is None) is bool(document["unprofiled"])  # perf may not be there
    if growth is not None:
        assert growth["functions"]["act"] == "2 pairs"
        assert growth["functions"]["units"] == [2, 2]
        assert growth["functions"]["measured"]["base_ns"] > 0


def test_one_pair_has_nothing_to_be_compared_with():
    shown = changed("--pairs", "1", "--rounds", "1").stdout
    assert "profile: none. With one pair there is nothing to compare it with." in shown


def test_the_plan_needs_nothing_and_measures_nothing():
    document = json.loads(connstorm("doctor", "--scale", "--plan", "--json").stdout)
    used = {cpu for step in document["steps"] for cpu in (*step["clients"], *step["servers"])}
    assert used <= os.sched_getaffinity(0)
    assert {cpu["number"] for cpu in document["topology"]["cpus"]} == os.sched_getaffinity(0)
    assert "client→server" in connstorm("doctor", "--scale", "--plan").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--plan"], "--plan, --pairs and --rounds are of --scale."),
        (["--rounds", "3", "--speed"], "--plan, --pairs and --rounds are of --scale."),
        (["--scale", "--strict"], "--strict is for checks"),
        (["--scale", "--speed"], "Give one of --speed, --scale, --restore and --peer."),
        (["--scale", "--pairs", "129"], "129 is not in the range"),
        (["--scale", "--pairs", str(CPUS + 1)], f"this process may use {CPUS}; give fewer."),
    ],
)
def test_wrong_use_is_refused(options, said):
    assert_one_sentence(connstorm("doctor", *options), said)


@two_cpus
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_shows_what_was_measured_and_leaves_no_process(number):
    command = changed_program(SHORT, "doctor", "--scale", "--pairs", "2", "--rounds", "20")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=ONE_THREAD
    ) as running:
        for line in running.stderr:
            if "2 pairs: " in line:
                break
        group = running.pid
        running.send_signal(number)
        shown, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert "interrupted after 1 pair" in errors
    assert "profile: none." in shown
    assert wait_until(lambda: not is_group_alive(group), 20)


def is_group_alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_lock_that_grows_is_named_and_said_what_it_is():
    sentence = growth_sentence(scale_builders.lock_grows().functions)
    assert sentence.startswith("Surely more for an attempt: ")
    assert scale_builders.LOCK in sentence
    assert "tcp_connect" not in sentence


def test_who_takes_the_lock_is_said():
    growth = scale_builders.lock_grows()
    assert [lock.taker for lock in growth.locks if lock.changed] == [scale_builders.SEARCH]
    (sentence,) = lock_sentences(growth)
    assert sentence.startswith("locks taken in __inet_hash_connect: +27.00 µs")


def test_without_room_it_is_refused(monkeypatch):
    monkeypatch.setattr(scale, "memory_room", lambda: Room(1 << 30, "MemAvailable"))
    scale.refuse_excess(8)
    with pytest.raises(UsageError, match=r"64 pairs may need .* bytes, and 1,073,741,824 are left \(MemAvailable\)"):
        scale.refuse_excess(64)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("native_queued_spin_lock_slowpath", "waits for a lock that another CPU has"),
        ("queued_spin_lock_slowpath", "waits for a lock that another CPU has"),
        ("_raw_spin_lock_bh", "takes a lock: its cache line may be on another CPU"),
        ("__inet_hash_connect", "port search of connect()"),
        ("__inet6_check_established", "port search: whether a 4-tuple is free"),
        ("inet_csk_get_port", "table of bound ports"),
        ("___slab_alloc.constprop.0", "memory of the kernel"),
        ("tcp_v4_connect", None),
        ("_raw_spin_unlock_bh", None),
    ],
)
def test_functions_are_said_what_they_are(name, what):
    assert function_text(name) == what


def test_every_pair_can_have_a_server():
    assert PAIRS_MAX <= PROCESSES_MAX


def test_many_cpus_are_sampled_less_often():
    assert profile_rate_hz(2) == 997
    assert 50 < profile_rate_hz(256) < 100
    assert profile_rate_hz(1 << 20) == 1
