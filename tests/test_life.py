# SPDX-License-Identifier: MIT
"""Processes of a command: none outlives it, whichever of them is killed, and at whatever moment."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from command import changed_connstorm, program
from private_network import network

from stress.lab import wait
from stress.run import process
from stress.storm.catalogue import find_scenario

ALONE = ["unshare", "-Urn"]
PORTS = ["--port-range", "40000-40063"]
CLOSEWAIT = ["run", "closewait", "--mines", "8", *PORTS]
MARK = "CONNSTORM_TEST_OF_LIFE"
END_S = 60.0


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


def find_cell(suite):
    """Wait for a cell of a suite, which is a copy of its template; return its process ID."""
    return find_process(find_process(suite, "run-cells"), "run-cells")


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
        holder = find_process(command.pid, "stress.lab.fd_holder")
        assert wait.wait_until(lambda: len([*Path(f"/proc/{holder}/fd").iterdir()]) > 16, END_S, 0.001)  # it holds some
        time.sleep(0.1)  # it has answered
        os.kill(holder, signal.SIGKILL)
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


# Where an interrupt comes while an engine is being loaded, it becomes an ImportError of numpy.
TELL_LATE = """
import atexit, sys
from stress.cli import main as loaded
raise_on_interrupt, before = loaded.raise_on_interrupt, set()
loaded.raise_on_interrupt = lambda: (before.update(sys.modules), raise_on_interrupt())
atexit.register(lambda: print(*sorted(set(sys.modules) - before)))
"""


def test_a_run_has_its_engine_loaded_before_an_interrupt_can_raise(tmp_path):
    ended = changed_connstorm(TELL_LATE, "run", "clean", "--attempts", 4, *PORTS, "--no-draw", "-o", tmp_path)
    assert ended.returncode == 0, ended.stderr
    late = ended.stdout.splitlines()[-1].split()
    assert late
    assert not [name for name in late if name.startswith(("stress._", "numpy"))]


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


def write_suite(folder, *scenarios, warmup=0):
    """Write a suite of one trial of each scenario, which is a name and further lines; return its file."""
    parts = [f"trials = 1\nwarmup = {warmup}\nsettle_s = 0\n[defaults]\nport_range = [40000, 40063]\n"]
    parts += [f'[[scenario]]\nname = "{name}"\n{lines}' for name, lines in scenarios]
    file = folder / "suite.toml"
    file.write_text("".join(parts))
    return file


SLOW = ("clean", "attempts = 40\nrate_per_s = 8\n")


def suite_of(tmp_path):
    """Wait until there is a suite folder; return it."""
    assert wait.wait_until(lambda: list(tmp_path.glob("results/2*-suite-*/trials")), END_S)
    return next(tmp_path.glob("results/2*-suite-*"))


def resume(path):
    return subprocess.run(
        [*ALONE, *program("suite", path, "--resume")], capture_output=True, text=True, check=False, timeout=3 * END_S
    )


def test_a_suite_folder_is_locked_in_other_network_namespaces_too(tmp_path):
    with started(tmp_path, "suite", write_suite(tmp_path, SLOW)) as command:
        path = suite_of(tmp_path)
        find_cell(command.pid)
        again = resume(path)
        assert again.returncode == 2
        assert f"Another suite runs in {path}; wait until it is over." in again.stderr
        command.kill()


def test_parallel_trials_that_are_interrupted_twice_end_and_their_suite_goes_on(tmp_path):
    lines = "mines = 8\nmeasures = false\n"
    file = write_suite(tmp_path, *(("closewait", f'label = "{name}"\n{lines}') for name in "ab"))
    with started(tmp_path, "suite", file) as command:
        find_process(find_cell(command.pid), "stress.lab.listener_process")
        for _ in range(2):
            command.send_signal(signal.SIGINT)
            time.sleep(0.02)
        _, told = command.communicate(timeout=END_S)
        assert command.returncode == 130, told
        assert "Traceback" not in told
        # A second one while the first is being told leaves that sentence out.
    path = suite_of(tmp_path)
    again = resume(path)
    assert again.returncode == 0, again.stderr
    assert len(list(path.glob("trials/*/*/run.json"))) == len(list(path.glob("trials/*/trial.json"))) == 2


def test_what_a_killed_run_has_half_written_is_removed_by_the_next_one(tmp_path):
    results = tmp_path / "results"
    with started(tmp_path, *CLOSEWAIT) as command:
        assert wait.wait_until(lambda: list(results.glob(".*-closewait-*.partial")), END_S, 0.001)
        command.kill()
    assert list(results.glob(".*.partial")), "it was not killed in the middle of writing"
    with started(tmp_path, "run", "clean", "--attempts", "16", *PORTS) as command:
        _, told = command.communicate(timeout=END_S)
        assert command.returncode == 0, told
    assert [path.name for path in results.iterdir() if path.name.startswith(".")] == []


def test_what_a_killed_suite_has_half_written_is_removed_when_it_goes_on(tmp_path):
    with started(tmp_path, "suite", write_suite(tmp_path, ("clean", ""), warmup=1)) as command:
        path = suite_of(tmp_path)
        assert wait.wait_until(lambda: list(path.glob(".warm-up-*/*")), END_S, 0.001)
        command.kill()
    (path.parent / ".20260101T000000Z-suite-suite-0000aa.partial").mkdir()  # it takes a millisecond to be made
    assert list(path.glob(".warm-up-*"))
    again = resume(path)
    assert again.returncode == 0, again.stderr
    assert [str(left) for left in path.parent.rglob(".*")] == []


def test_a_trial_that_does_not_end_when_it_is_told_is_killed_with_all_it_has_started(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "STOP_S", 0.2)
    left = "import os, signal, time; signal.signal(signal.SIGUSR2, signal.SIG_IGN); os.fork(); time.sleep(60)"
    stubborn = process.CellProcess(find_scenario("clean").plan, tmp_path, starter=[sys.executable, "-c", left])
    children = Path(f"/proc/{stubborn.process.pid}/task/{stubborn.process.pid}/children")
    assert wait.wait_until(lambda: children.read_text().split(), END_S)
    child = Path(f"/proc/{children.read_text().split()[0]}/exe")
    reader = threading.Thread(target=stubborn.wait, args=(lambda _: None,))
    reader.start()
    stubborn.stop()
    reader.join(END_S)
    assert not reader.is_alive()
    assert wait.wait_until(lambda: not child.exists(), END_S)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change the settings of a network namespace as a host")
def test_a_suite_on_the_host_that_is_killed_restores_the_settings_and_lets_the_next_begin_afterwards(tmp_path):
    """The host is a network namespace of its own here, with root's rights, and so with those to change it."""
    name, before, changed = "/proc/sys/net/ipv4/tcp_syn_retries", "6", "3"
    matrix = f'[matrix]\n"net.ipv4.tcp_syn_retries" = [{changed}]\n'
    (tmp_path / "suite.toml").write_text(
        'trials = 1\nwarmup = 0\nsettle_s = 0\n[[scenario]]\nname = "clean"\nattempts = 40\nrate_per_s = 20\n' + matrix
    )
    variables = os.environ | {"CONNSTORM_STATE": str(tmp_path / "state"), MARK: tmp_path.name}
    with network(["unshare", "--net"]) as (_, inside):

        def setting():
            return subprocess.check_output([*inside, "cat", name], text=True).strip()

        def start(*arguments):
            words = program("suite", *arguments, "--host")
            return subprocess.Popen([*inside, *words], env=variables, stderr=subprocess.PIPE, text=True)

        for is_storming in (False, True):
            killed = start(tmp_path / "suite.toml", "-o", tmp_path / "results")
            trial = find_cell(killed.pid)
            if is_storming:
                assert wait.wait_until(lambda: setting() == changed, END_S)
            killed.kill()
            killed.wait()
            killed.stderr.close()
            path = max(tmp_path.glob("results/2*-suite-*"), key=lambda path: path.stat().st_mtime_ns)
            again = start(path, "--resume")
            find_cell(again.pid)
            assert not Path(f"/proc/{trial}/exe").exists(), "two trials at once"
            _, told = again.communicate(timeout=2 * END_S)
            assert again.returncode == 0, told
            assert setting() == before
            assert len(list(path.glob("trials/*/*/run.json"))) == 1
    assert not marked(tmp_path.name)
