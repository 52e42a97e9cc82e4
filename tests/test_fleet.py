# SPDX-License-Identifier: MIT
"""A fleet of dask workers, each in a network of its own, joined by a bridge; all inside one private network."""

import os
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from private_network import beside, network

from stress.lab import wait
from stress.model.suite import Status
from stress.store import run_folder, suite_folder
from stress.suite import cell_results

pytest.importorskip("distributed", reason="dask.distributed is missing (pip install 'connstorm[fleet]')")

SCHEDULER = "tcp://10.77.0.1:8786"
DASK = ["--executor", f"dask:{SCHEDULER}"]
WORKERS = ["lab1", "lab2", "lab3"]
PYTHON = [sys.executable, "-m"]
# What begins at once, and has an end: a storm that is stopped in the middle is the point of it.
SUITE = """
trials = 2
warmup = 0
settle_s = 0
[defaults]
port_range = [40000, 40015]
[[scenario]]
name = "clean"
attempts = 12
rate_per_s = 6
[[scenario]]
name = "closewait"
mines = 3
"""
# An editable install would find the modules that this package does not have.
OLD_PACKAGE = """
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_EditableFinder"]
__version__ = "0.1.0"
"""
# The program, which tells of short storms as well, and often.
TALKING = """
from stress.cli.main import main
from stress.run import storm_watch
storm_watch.INTERVAL_S = storm_watch.LONG_S = 0.2
main()
"""
SLOW = SUITE.replace("rate_per_s = 6", "rate_per_s = 1").partition('[[scenario]]\nname = "closewait"')[0]


@dataclass
class Fleet:
    """A scheduler, and workers that can be killed and started again."""

    root: Path
    inside: list[str]
    networks: dict[str, list[str]] = field(default_factory=dict)
    running: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(self, name, inside, *command, folder=None):
        """Start a program in a network, in a folder; what it says goes to a file."""
        (self.root / name).mkdir(exist_ok=True)
        with (self.root / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [*inside, *PYTHON, *command],
                stdout=log,
                stderr=log,
                cwd=folder,
                env=os.environ | {"TMPDIR": str(self.root / name), "DASK_TEMPORARY_DIRECTORY": str(self.root / name)},
            )

    def work(self, name):
        """Start a worker, and wait until it has found its scheduler."""
        before = self.log(name).count("Registered to")
        package = self.root / "package"
        package.mkdir(exist_ok=True)
        (package / "talking.py").write_text(TALKING)
        self.start(name, self.networks[name], "talking", "worker", SCHEDULER, "--name", name, folder=package)
        assert wait.wait_until(lambda: self.log(name).count("Registered to") > before, 30), self.log(name)

    def log(self, name):
        """Return what a program has said so far."""
        file = self.root / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def kill(self, name):
        """Kill a worker as if its machine had lost its power."""
        self.running[name].kill()
        self.running[name].wait()

    def rooms(self, name):
        """Return what trials have on a host at the moment."""
        return list((self.root / name).glob("connstorm-*"))

    def suite(self, text, *options):
        """Start a suite on the fleet."""
        source = self.root / "small.toml"
        source.write_text(text)
        return subprocess.Popen(
            [*self.inside, *PYTHON, "stress", "suite", source, "-o", self.root / "out", *DASK, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    def records(self):
        """Return the suite's folder and what became of its trials."""
        (path,) = (self.root / "out").glob("*-suite-*")
        return path, suite_folder.read_records(path)


def ip(inside, *words):
    subprocess.run([*inside, "ip", *words], check=True)


def join(stack, inside, number):
    """Make a network that is joined to the bridge; return what has a command run there."""
    pid, there = stack.enter_context(beside(inside))
    ip(inside, "link", "add", f"port{number}", "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    ip(inside, "link", "set", f"port{number}", "master", "bridge", "up")
    ip(there, "addr", "add", f"10.77.0.{number + 1}/24", "dev", "eth0")
    ip(there, "link", "set", "eth0", "up")
    return there


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with ExitStack() as stack:
        _, inside = stack.enter_context(network())
        ip(inside, "link", "add", "bridge", "type", "bridge")
        ip(inside, "addr", "add", "10.77.0.1/24", "dev", "bridge")
        ip(inside, "link", "set", "bridge", "up")
        made = Fleet(tmp_path_factory.mktemp("fleet"), inside)
        for number, name in enumerate(WORKERS, start=1):
            made.networks[name] = join(stack, inside, number)
        made.start("scheduler", inside, "distributed.cli.dask_scheduler", "--host", SCHEDULER, "--no-dashboard")
        try:
            for name in WORKERS:
                made.work(name)
            yield made
        finally:
            for process in made.running.values():
                process.terminate()
            for process in made.running.values():
                process.wait()


@pytest.fixture(autouse=True)
def out(fleet):
    """Give each test a folder of its own, and a whole fleet."""
    for name in WORKERS:
        if fleet.running[name].poll() is not None:
            fleet.work(name)
    yield
    (fleet.root / "out").rename(fleet.root / f"out-{len(list(fleet.root.iterdir()))}")


def test_a_worker_is_killed_and_comes_back_and_every_trial_counts_once(fleet):
    suite = fleet.suite(SUITE)
    assert wait.wait_until(lambda: fleet.rooms("lab2"), 30)
    fleet.kill("lab2")
    assert wait.wait_until(lambda: len(fleet.records()[1]) >= 2, 30), "the other hosts go on"
    fleet.work("lab2")
    printed, told = suite.communicate()
    assert suite.returncode == 0, told
    path, records = fleet.records()
    assert list(records) == list(range(12))
    assert {record.status for record in records.values()} == {Status.DONE}
    assert len({record.run for record in records.values()}) == 12
    for record in records.values():
        assert record.host == WORKERS[record.trial.block % 3]
        (home,) = suite_folder.trial_folder(path, record.trial).glob("*-*")  # one run, and nothing else
        run, summary = run_folder.read(home)
        assert run.record.plan.seed == record.trial.seed
        assert summary.collisions == (3 if record.trial.cell == "closewait" else 0)
    file = suite_folder.read(path)
    cells = cell_results.read_cell_trials(path, file)
    assert [(trials.cell.name, len(trials.done)) for trials in cells] == [
        (f"{cell} on {host}", 2) for host in WORKERS for cell in ("clean", "closewait")
    ]
    assert cell_results.count_missing(cells) == 0
    assert "closewait on lab2" in printed
    assert told.count("lab3: ") == 4
    assert re.search(r"^ +clean: on lab\d, \d+ of 12 attempts, \d+/s, ", told, re.MULTILINE), "how far storms there are"


def test_a_host_is_chosen_and_an_interrupted_suite_ends_its_trial_there(fleet):
    suite = fleet.suite(SLOW, "--hosts", "lab3")
    assert wait.wait_until(lambda: fleet.rooms("lab3"), 30)
    assert not fleet.rooms("lab1")
    suite.send_signal(signal.SIGINT)
    _, told = suite.communicate()
    assert suite.returncode == 130, told
    assert fleet.rooms("lab3") == []
    assert fleet.records()[1] == {}


def test_a_suite_that_is_killed_leaves_no_trial_running(fleet):
    suite = fleet.suite(SLOW, "--hosts", "lab1")
    assert wait.wait_until(lambda: fleet.rooms("lab1"), 30)
    suite.kill()
    suite.communicate()
    assert wait.wait_until(lambda: not fleet.rooms("lab1"), 30)


def test_a_worker_that_is_told_to_end_ends_its_trial_and_leaves_nothing(fleet):
    suite = fleet.suite(SLOW, "--hosts", "lab1")
    assert wait.wait_until(lambda: fleet.rooms("lab1"), 30)
    fleet.running["lab1"].terminate()
    assert fleet.running["lab1"].wait(60) == 0
    assert fleet.rooms("lab1") == []
    suite.kill()
    suite.communicate()


def test_a_worker_that_speaks_protocol_1_is_refused_before_any_trial(fleet):
    """Connstorm of commit 172dbc1 has no stress.run, and neither has the package of this worker.

    Its scheduler is its own: a worker cannot join one to which a suite of this program has sent its plugin.
    """
    package = fleet.root / "old-program" / "stress"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(OLD_PACKAGE)
    address = SCHEDULER.replace("8786", "8790")
    (fleet.root / "out").mkdir()
    scheduler = ["distributed.cli.dask_scheduler", "--host", address, "--dashboard-address", "10.77.0.1:8791"]
    fleet.start("old-scheduler", fleet.inside, *scheduler)
    command = ["distributed.cli.dask_worker", address, "--name", "old", "--no-nanny", "--no-dashboard"]
    fleet.start("old", fleet.networks["lab1"], *command, folder=package.parent)
    try:
        assert wait.wait_until(lambda: fleet.log("old").count("Registered to"), 30), fleet.log("old")
        suite = fleet.suite(SUITE, "--executor", f"dask:{address}")
        _, stderr = suite.communicate()
    finally:
        fleet.kill("old")
        fleet.kill("old-scheduler")
    assert suite.returncode == 3
    assert "The connstorm of the worker old speaks protocol 1, but this connstorm" in stderr
    assert "install the same version of connstorm on both." in stderr
    assert not list((fleet.root / "out").glob("*-suite-*"))


def test_a_worker_that_is_not_there_is_named(fleet):
    suite = fleet.suite(SUITE, "--hosts", "lab1,lab9")
    _, told = suite.communicate()
    (fleet.root / "out").mkdir(exist_ok=True)
    assert suite.returncode == 3
    assert "has no worker lab9" in told
    assert f"connstorm worker {SCHEDULER}" in told
