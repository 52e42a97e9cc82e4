# SPDX-License-Identifier: MIT
"""Workers: several processes, one storm; records in memory or in a file."""

import itertools
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from namespaced import namespaced

from stress.analysis.attribution.summary import analyse
from stress.lab import counters, wait
from stress.lab.signals import FirstInterrupt
from stress.model.errors import LabError, UsageError
from stress.model.plan import Close, Ports
from stress.run.process import CellProcess
from stress.storm import buffer
from stress.storm.buffer import Buffer
from stress.storm.catalogue import SCENARIOS
from stress.storm.check import plan_rules
from stress.storm.ports import PortRange
from stress.storm.run_plan import carry_out
from stress.storm.worker_process import WorkerFailure
from stress.storm.workers import Workers

SIXTEEN_PORTS = (40000, 40015)
MANY_PORTS = (40000, 47999)  # so that no port comes again while another CPU is still busy with its RST
SPACE = {"source": "127.0.0.1", "sources": 2, "target_ports": 2}


def plan_of(scenario="closewait", **changes):
    mines = 8 if scenario == "closewait" else 0
    return msgspec.structs.replace(
        SCENARIOS[scenario].plan, **({"mines": mines, "port_range": SIXTEEN_PORTS, "workers": 2} | changes)
    )


def run_here(plan, **options):
    run, _, _ = carry_out(plan, **options)
    summary = analyse(run).summary
    assert summary.warnings == []
    assert all(line.balanced for line in summary.books)
    assert (np.diff(run.attempts["start_ns"]) >= 0).all()
    return run, summary


@pytest.mark.parametrize(
    ("workers", "close", "space"),
    [
        *itertools.product([1, 2, 3], [Close.RST, Close.FIN, Close.HOLD], [{}, SPACE]),
        (1, Close.DISCONNECT, {}),
        (2, Close.DISCONNECT, {"target_ports": 2}),
    ],
    ids=str,
)
@namespaced
def test_together_they_use_every_tuple_once_and_clear_every_mine(workers, close, space):
    plan = plan_of(workers=workers, close=close, **space)
    run, summary = run_here(plan)
    used = list(zip(run.attempts["address"].tolist(), run.attempts["local_port"].tolist(), strict=True))
    assert sorted(used) == list(itertools.product(range(plan.addresses), range(40000, 40016)))
    assert set(run.attempts["worker"]) == set(range(workers))
    assert (summary.collisions, summary.causes["closewait"], summary.mines.hit) == (8, 8, 8)
    assert (summary.mines.laid, summary.mines.left) == (8, 0)


@pytest.mark.parametrize("workers", [1, 2])
@namespaced
def test_records_in_a_file_are_the_same_records(workers):
    import tempfile

    buffer.IN_MEMORY_BYTES = 0
    with tempfile.TemporaryDirectory() as folder:
        assert Buffer(1, Path(folder)).in_file
        run, summary = run_here(plan_of(workers=workers, sweeps=3, attempts=None), folder=Path(folder))
        assert list(Path(folder).iterdir()) == []  # the file has no name
    assert len(run.attempts) == 48
    assert summary.collisions == 8


@namespaced
def test_a_file_that_may_not_be_large_enough_is_said_before_the_storm():
    import tempfile

    buffer.IN_MEMORY_BYTES = 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
    with tempfile.TemporaryDirectory() as folder:
        with pytest.raises(
            UsageError, match=r"1,000,000 records need 31 MiB in .*, which is larger than a file may be"
        ):
            Buffer(1_000_000, Path(folder))
        assert list(Path(folder).iterdir()) == []


@namespaced
def test_a_paced_storm_keeps_its_pace_over_all_workers():
    run, summary = run_here(plan_of("clean", ports=Ports.KERNEL, port_range=MANY_PORTS, attempts=60, rate_per_s=1000))
    intended_ns = run.attempts["start_ns"] - run.attempts["lag_us"].astype(np.int64) * 1000
    assert len(run.attempts) == 60
    for worker in range(2):  # each starts every other attempt; the timestamp comes a little after the lag was read
        apart_ns = np.diff(np.sort(intended_ns[run.attempts["worker"] == worker]))
        assert np.median(apart_ns) == pytest.approx(2_000_000, rel=0.2)
    assert summary.intended.p50_ns >= summary.body.p50_ns


@namespaced
def test_time_ends_every_worker_s_storm():
    plan = plan_of("clean", ports=Ports.KERNEL, port_range=MANY_PORTS, duration_s=0.05)
    run, _ = run_here(plan)
    assert set(run.attempts["worker"]) == {0, 1}
    room = plan_rules.attempt_count(plan, PortRange(*MANY_PORTS, np.arange(*MANY_PORTS)))
    assert len(run.attempts) < room  # time came before the buffer's end


@namespaced
def test_sigint_ends_every_worker_s_storm_and_keeps_its_records():
    def interrupt_storm():
        assert wait.wait_until(lambda: counters.read()["ActiveOpens"] > 5000, 60)  # so that each has begun
        os.kill(os.getpid(), signal.SIGINT)

    def interrupt(stage):
        if stage.startswith("storm of"):
            threading.Thread(target=interrupt_storm).start()

    run, _, _ = carry_out(plan_of("clean", ports=Ports.KERNEL, attempts=3_000_000), interrupt)
    assert run.record.interrupted
    assert 100 < len(run.attempts) < 3_000_000
    assert set(run.attempts["worker"]) == {0, 1}
    assert (np.diff(run.attempts["start_ns"]) >= 0).all()


@namespaced
def test_a_worker_that_dies_ends_the_run():
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")

    def workers():
        return [
            int(child)
            for child in children.read_text().split()
            if b"worker_process" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    def kill(stage):
        if stage.startswith("storm of"):
            assert len(workers()) == 2
            os.kill(workers()[0], signal.SIGKILL)

    with pytest.raises(LabError, match=r"A worker's process ended by itself with code -9; its records are lost\."):
        carry_out(plan_of("clean", ports=Ports.KERNEL, attempts=3_000_000), kill)
    assert wait.wait_until(lambda: workers() == [], 30)


@namespaced
def test_what_recording_costs_is_measured_in_each_run():
    run, _ = run_here(plan_of("clean"))
    costs = run.record.overhead
    assert min(msgspec.structs.astuple(costs)) > 0
    assert costs.attempt_ns(port_known=False) > costs.attempt_ns(port_known=True) > 3 * costs.clock_ns


@pytest.mark.parametrize("workers", [1, 2])
@namespaced
def test_no_thread_shares_the_descriptors_of_a_storm(workers, tmp_path):
    """Whatever it imports, the run's process stays one thread, and so do its workers and servers."""
    running = CellProcess(plan_of("clean", workers=workers, duration_s=1.0, port_range=MANY_PORTS), tmp_path)
    threads = {}

    def look():
        command = ["env", "-u", "LD_PRELOAD", "ps", "-eo", "pid=,ppid=,nlwp="]  # ps hangs with a sanitizer in it
        listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        for process, parent, count in (map(int, line.split()) for line in listed.stdout.splitlines()):
            if running.process.pid in (process, parent):
                threads.setdefault(process, set()).add(count)
        return over.is_set()

    over = threading.Event()
    looking = threading.Thread(target=wait.wait_until, args=(look, 60, 0.05))
    looking.start()
    ended = running.wait(lambda _: None)
    over.set()
    looking.join()
    assert ended.path is not None
    assert len(threads) > workers  # itself, its servers, its workers
    assert set().union(*threads.values()) == {1}


@namespaced(ports=SIXTEEN_PORTS)
def test_uses_are_those_of_their_attempts_whichever_worker_made_them():
    run, _, _ = carry_out(plan_of("clean", use=True, attempts=64, rate_per_s=2000.0))
    assert len(run.uses) == len(run.attempts) == 64
    assert set(run.attempts["worker"].tolist()) == {0, 1}
    connected = run.attempts["error"] == 0  # of two workers one may find a port in use
    assert ((run.uses["use_ns"] > 0) == connected).all()
    assert run.record.acts[0].listener.answered == connected.sum() > 0


@namespaced(ports=SIXTEEN_PORTS)
def test_an_act_that_uses_nothing_has_no_uses_next_to_one_that_does():
    acts = {"used": {"use": True}, "not used": {"fresh": False}}
    run, _, _ = carry_out(plan_of("clean", workers=1, attempts=16, acts=acts))
    used, unused = run.storms()
    assert (used.uses["use_ns"] > 0).all()
    assert (len(used.uses), len(unused.uses), len(run.uses)) == (16, 0, 32)


ANSWER = "import sys; sys.stdin.readline(); print({!r}, flush=True); sys.stdin.read()"


class SignalWithLine:
    """A stream at whose end a signal comes with each line, before the reader has it."""

    def __init__(self, stream):
        self.stream = stream

    def readline(self):
        line = self.stream.readline()
        os.kill(os.getpid(), signal.SIGTERM)
        return line

    def __getattr__(self, name):
        return getattr(self.stream, name)


def storm_with_one_answer():
    """Let a process answer in place of a worker, and interrupt this one as it reads the answer."""
    answer = msgspec.json.encode(WorkerFailure("the answer")).decode()
    program = [sys.executable, "-c", ANSWER.format(answer)]
    workers = Workers.__new__(Workers)  # without workers of its own
    workers.processes = [subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)]
    workers.processes[0].stdout = SignalWithLine(workers.processes[0].stdout)
    FirstInterrupt(signal.SIGTERM)
    with workers, pytest.raises(LabError, match="the answer"):
        workers.storm(0)


def test_an_answer_that_comes_together_with_a_signal_is_not_lost():
    child = os.fork()  # the signals are this process's own
    if child == 0:
        code = 1
        try:
            storm_with_one_answer()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_a_worker_begins_leaves_no_trace(number, capfd):
    """Ctrl-C comes to all processes, whatever they are about; this one has its standard input closed at once."""
    workers = Workers.__new__(Workers)
    workers.buffer, workers.uses, workers.processes = Buffer(16, None), None, []
    for delay_s in np.linspace(0, 0.2, 8):
        workers.start_process(workers.buffer.descriptor, 0)
        time.sleep(delay_s)
        workers.processes[-1].send_signal(number)
    for process in workers.processes:
        process.stdin.close()
        assert process.wait() == 0
        process.stdout.close()
    workers.buffer.close()
    assert capfd.readouterr().err == ""
