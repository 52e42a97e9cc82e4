# SPDX-License-Identifier: MIT
"""Processes of a command: none outlives it, whichever of them is killed, and at whatever moment."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command import program

from stress.lab import wait

ALONE = ["unshare", "-Urn"]
PORTS = ["--port-range", "40000-40063"]
CLOSEWAIT = ["run", "closewait", "--mines", "8", *PORTS]
MARK = "CONNSTORM_TEST_OF_LIFE"
END_S = 20.0


@contextmanager
def started(tmp_path, *arguments, under=(), **options):
    """Start a command with results of its own; at the end none of its processes is left."""
    mark = f"{os.getpid()}-{tmp_path.name}"
    command = subprocess.Popen(
        [*ALONE, *under, *program(*arguments, "-o", tmp_path / "results")],
        env=os.environ | {MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield command
        assert wait.wait_until(lambda: not marked(mark), END_S), [command_of(pid) for pid in marked(mark)]
    finally:
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        command.communicate()


def marked(mark):
    """Return the processes whose environment has a mark."""
    pids = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            has_mark = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if has_mark and b") Z " not in (folder / "stat").read_bytes():
                pids.append(int(folder.name))
    return pids


def command_of(pid):
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return []


def find_process(root, word):
    """Wait for a descendant of a process whose command line has a word; return its process ID."""

    def matching():
        pids, below = [root], []
        while pids:
            with suppress(OSError):
                below += (children := Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split())
                pids += map(int, children)
            del pids[0]
        return [int(pid) for pid in below if word in command_of(int(pid))]

    assert wait.wait_until(matching, END_S, 0.001), f"no process with {word}"
    return matching()[0]


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05])
def test_a_listener_that_is_being_started_ends_with_run_cell_and_the_command_does_not_hang(tmp_path, after_s):
    with started(tmp_path, *CLOSEWAIT) as command:
        cell = find_process(command.pid, "run-cell")
        find_process(cell, "stress.lab.listener_process")
        time.sleep(after_s)
        os.kill(cell, signal.SIGKILL)
        _, told = command.communicate(timeout=END_S)
        assert command.returncode == 3, told
        assert "ended with SIGKILL" in told
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15])
def test_a_run_whose_command_is_killed_at_once_does_not_go_on_alone(tmp_path, after_s):
    with started(tmp_path, *CLOSEWAIT) as command:
        find_process(command.pid, "run-cell")
        time.sleep(after_s)
        command.kill()
    assert not list((tmp_path / "results").glob("*-closewait-*"))


def test_a_process_that_holds_sockets_and_dies_fails_the_run(tmp_path):
    held = ["run", "clean", "--close", "hold", "--attempts", "900", "--rate", "400", "--window", "32"]
    with started(tmp_path, *held, under=["prlimit", "--nofile=256"]) as command:
        os.kill(find_process(command.pid, "stress.lab.fd_holder"), signal.SIGKILL)
        _, told = command.communicate(timeout=END_S)
        assert command.returncode == 3, told
        assert "process that held sockets" in told
    assert list((tmp_path / "results").iterdir()) == []


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_at_any_moment_is_one_sentence(tmp_path, number, after_s):
    with started(tmp_path, "run", "clean", "--attempts", "64", "--rate", "20", *PORTS) as command:
        maps = Path(f"/proc/{command.pid}/maps")
        assert wait.wait_until(lambda: "msgspec" in maps.read_text(), END_S, 0.001)  # it is importing
        time.sleep(after_s)
        command.send_signal(number)
        _, told = command.communicate(timeout=END_S)
    assert "Traceback" not in told
    if number == signal.SIGINT:
        assert command.returncode == 130 or "interrupted" not in told, told
        assert command.returncode in (0, 130), told
    else:
        assert command.returncode in (0, 143, -signal.SIGTERM), told


def test_a_lock_lasts_until_the_trial_of_a_suite_that_was_killed_has_ended():
    """The trial is sleep(1), which has the descriptors as a trial has."""
    holder = (
        "import os, signal, subprocess\n"
        "from stress.lab import lock\n"
        "with lock.hold_lock('life'):\n"
        "    trial = subprocess.Popen(['sleep', '1.5'], pass_fds=lock.held_descriptors())\n"
        "    print(trial.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    taker = (
        "import sys, time\nfrom stress.lab import lock\nwith lock.hold_lock('life'):\n    print('taken', flush=True)\n"
    )
    killed = subprocess.run([sys.executable, "-c", holder], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    trial = int(killed.stdout)
    taken = subprocess.run([sys.executable, "-c", taker], capture_output=True, text=True, check=False)
    assert taken.stdout == "taken\n", taken.stderr
    assert not Path(f"/proc/{trial}/exe").exists()


def test_a_suite_folder_is_locked_in_other_network_namespaces_too(tmp_path):
    (tmp_path / "suite.toml").write_text(
        'trials = 1\nwarmup = 0\nsettle_s = 0\n[[scenario]]\nname = "clean"\nport_range = [40000, 40015]\n'
        "attempts = 40\nrate_per_s = 8\n"
    )
    with started(tmp_path, "suite", tmp_path / "suite.toml") as command:
        assert wait.wait_until(lambda: list(tmp_path.glob("results/*-suite-*/trials")), END_S)
        (path,) = tmp_path.glob("results/*-suite-*")
        again = subprocess.run(
            [*ALONE, *program("suite", path, "--resume")], capture_output=True, text=True, check=False
        )
        assert again.returncode == 2
        assert f"Another suite runs in {path}; wait until it is over." in again.stderr
        command.kill()
