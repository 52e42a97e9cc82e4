# SPDX-License-Identifier: MIT
"""Memory and processes: what a storm needs, what is left, and the refusal with the numbers."""

import resource
import subprocess

import msgspec
import numpy as np
import pytest
from command import program
from namespaced import namespaced

from stress.lab.room import Room, memory_room, own_groups, process_room
from stress.model.plan import Close, Plan, Serve
from stress.storm.catalogue import SCENARIOS
from stress.storm.check.room_rules import MIB, memory_parts, process_count, room_faults
from stress.storm.ports import PortRange

PORTS = PortRange(32_768, 60_999, np.arange(32_768, 61_000, dtype=np.uint16))
NOFILE = 20_000
MANY = Plan(scenario="clean", attempts=100_000_000)


def a_host(tmp_path, groups, available_kib=1024):
    """Write what the kernel says of itself into folders; return those of /proc and of control groups."""
    proc, mount = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text(f"MemTotal: 9999 kB\nMemAvailable: {available_kib} kB\nHugePages_Total: 0\n")
    (proc / "self/cgroup").write_text(groups)
    mount.mkdir()
    return proc, mount


def test_the_memory_that_is_left_is_that_of_the_narrowest_control_group(tmp_path):
    proc, mount = a_host(tmp_path, "0::/outer/inner\n")
    inner = mount / "outer/inner"
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("5000\n")
    assert memory_room(proc, mount) == Room(1024 * 1024, "MemAvailable")
    (inner.parent / "memory.max").write_text("9000\n")
    (inner.parent / "memory.current").write_text("8000\n")
    (inner.parent / "memory.stat").write_text("anon 7000\ninactive_file 300\nactive_file 200\n")
    assert memory_room(proc, mount) == Room(1500, "memory.max of the control group")


def test_control_groups_of_version_1_count_too(tmp_path):
    proc, mount = a_host(tmp_path, "9:name=systemd:/\n8:pids:/\n4:memory:/of/the/host/alone\n0::/\n")
    memory = mount / "memory"
    memory.mkdir()
    (memory / "memory.limit_in_bytes").write_text("700\n")
    (memory / "memory.usage_in_bytes").write_text("600\n")
    assert memory_room(proc, mount) == Room(100, "memory.limit_in_bytes of the control group")


def test_where_nothing_is_said_nothing_is_refused(tmp_path):
    assert memory_room(tmp_path, tmp_path) is None
    assert list(own_groups(tmp_path, tmp_path, "memory")) == []
    assert list(room_faults(MANY, PORTS, NOFILE, None, None)) == []


def test_the_number_of_processes_is_limited_by_the_control_group(tmp_path):
    proc, mount = a_host(tmp_path, "0::/\n")
    (mount / "pids.max").write_text("20\n")
    (mount / "pids.current").write_text("15\n")
    assert process_room(proc, mount) == Room(5, "pids.max of the control group")


def test_too_little_memory_is_refused_with_the_numbers():
    (fault,) = room_faults(MANY, PORTS, NOFILE, Room(4000 * MIB, "MemAvailable"), None)
    needed = sum(memory_parts(MANY, PORTS, NOFILE).values()) // MIB
    assert f"may need {needed:,} MiB of memory" in fault
    assert "for 100,000,000 attempts" in fault
    assert "but 4,000 are left (MemAvailable)" in fault


def test_too_many_processes_are_refused_with_the_numbers():
    plan = Plan(scenario="clean", attempts=100, workers=40, servers=10)
    (fault,) = room_faults(plan, PORTS, NOFILE, None, Room(30, "ulimit -u"))
    assert fault.startswith(f"This storm may start {process_count(plan, PORTS, NOFILE)} processes, but 30 more may be")


@pytest.mark.parametrize("more", [{"close": Close.HOLD}, {"serve": Serve.LEAK}, {"mines": 10_000}])
def test_processes_that_hold_sockets_are_counted(more):
    usual = Plan(scenario="clean", attempts=10_000, window=100)
    held = msgspec.structs.replace(usual, **more)
    assert process_count(held, PORTS, 1024) >= process_count(usual, PORTS, 1024) + 10


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_small_machine_has_room_for_every_scenario(name):
    """One gibibyte and 100 processes."""
    for act in SCENARIOS[name].plan.storms().values():
        assert list(room_faults(act, PORTS, NOFILE, Room(1024 * MIB, "x"), Room(100, "y"))) == []


@namespaced
def test_this_host_says_how_much_there_is():
    room = memory_room()
    assert room is not None
    assert room.left > MIB


def test_the_command_refuses_a_storm_for_which_memory_is_too_small(tmp_path):
    """Of 100,000,000 attempts; a host with room for them is not refused, and not stormed here."""
    room = memory_room()
    plan = Plan(scenario="clean", attempts=100_000_000, close=Close.HOLD)
    if room is None or sum(memory_parts(plan, PORTS, 1 << 20).values()) < room.left:
        pytest.skip("this host has room for it")
    command = program("run", "clean", "--attempts", 100_000_000, "--close", "hold", "-o", tmp_path)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "MiB of memory" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_limit_of_processes_is_read():
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    room = process_room()
    assert room is None or room.left >= 0 or soft == resource.RLIM_INFINITY
