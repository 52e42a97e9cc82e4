# SPDX-License-Identifier: MIT
"""Stalls of the loop, made by stopping it, by occupying it and by taking its CPU away."""

import mmap
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from namespaced import namespaced, open_descriptors, silent_listener

from stress._fastconnect import PreparedStorm, now_ns
from stress.lab import wait
from stress.lab.host import jiffy_ns
from stress.lab.listener import Listener
from stress.model.attempt import ATTEMPT, allocate_attempts
from stress.model.plan import Plan, Ports, Serve
from stress.model.run import PORTS
from stress.model.stall import Stall, StallKind
from stress.storm.buffer import Buffer
from stress.storm.worker import WorkerResult, WorkerSpec, merge_stalls
from stress.storm.workers import Workers

STOPPED_S = 0.3
ROOM = 256  # stalls that the engine has room for


def prepare(records, **options):
    return PreparedStorm(records, target="127.0.0.1", target_port=5000, attempts=len(records), **options)


def stop_and_continue(process):
    """Stop a process for a while; return between which moments (ns) it certainly did not run."""
    os.kill(process, signal.SIGSTOP)
    stat = Path(f"/proc/{process}/stat")
    assert wait.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", 30, 0.001)
    stopped_ns = now_ns()
    time.sleep(STOPPED_S)
    continued_ns = now_ns()
    os.kill(process, signal.SIGCONT)
    return stopped_ns, continued_ns


def covers(stall, start_ns, end_ns):
    return stall[0] <= start_ns and stall[1] >= end_ns


def run_delay_ns():
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1])


def in_a_child(function):
    """Start a child process that returns what the function does; return its id and how to wait for the answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as stream:
            stream.write(pickle.dumps(function()))
        os._exit(0)
    os.close(writer)

    def answer():
        with os.fdopen(reader, "rb") as stream:
            value = stream.read()
        os.waitpid(child, 0)
        return pickle.loads(value)  # noqa: S301  # from our own child

    return child, answer


@namespaced
def test_a_stop_while_attempts_wait_is_a_stall():
    records = np.frombuffer(mmap.mmap(-1, 3 * ATTEMPT.itemsize), ATTEMPT)
    epoch_ns = now_ns()

    def run():
        storm = prepare(records, jiffy_ns=jiffy_ns(), deadline_ns=2_000_000_000)
        storm.run(epoch_ns=epoch_ns)
        return storm.stalls(), storm.stalls_missed

    with silent_listener():
        child, answer = in_a_child(run)
        assert wait.wait_until(lambda: records["error"][2], 30, 0.001)  # all are in flight
        stopped_ns, continued_ns = stop_and_continue(child)
        stalls, missed = answer()
    (stall,) = [stall for stall in stalls if covers(stall, stopped_ns - epoch_ns, continued_ns - epoch_ns)]
    assert stall[2] in ("loop", "sleep")
    assert (records["start_ns"] <= stall[0]).all()
    assert missed == 0


@namespaced
def test_a_stall_of_one_worker_of_two_comes_with_its_number():
    plan = Plan(scenario="test", workers=2, ports=Ports.KERNEL, serve=Serve.NOBODY, target_port=5000, deadline_s=2.0)
    specs = [WorkerSpec(plan, number, 4, 0, 1024, None, b"") for number in range(2)]
    buffer = Buffer(4, None)
    epoch_ns = now_ns()
    stopped = []
    with silent_listener(), Workers(specs, [2, 2], buffer, np.zeros(PORTS, np.uint8)) as workers:

        def stop():
            assert wait.wait_until(buffer.records["error"].all, 30, 0.001)
            stopped.extend(stop_and_continue(workers.processes[1].pid))

        stopping = threading.Thread(target=stop)
        stopping.start()
        results = workers.storm(epoch_ns)
        stopping.join()
    buffer.close()
    start_ns, end_ns = (moment_ns - epoch_ns for moment_ns in stopped)
    (stall,) = [stall for stall in merge_stalls(results) if stall.start_ns <= start_ns and stall.end_ns >= end_ns]
    assert stall.worker == 1
    assert stall.kind in (StallKind.LOOP, StallKind.SLEEP)
    assert [result.stalls_missed for result in results] == [0, 0]


@namespaced
def test_work_between_two_readings_of_the_clock_is_a_stall_of_the_loop():
    """A signal's handler runs between two parts of the loop, which reads the clock before and after."""
    moments_ns = []

    def handler(*_):
        moments_ns.append(now_ns())
        time.sleep(0.1)
        moments_ns.append(now_ns())

    signal.signal(signal.SIGALRM, handler)
    storm = prepare(allocate_attempts(2), jiffy_ns=jiffy_ns(), deadline_ns=1_000_000_000)
    with silent_listener():
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        storm.run(epoch_ns=0)
    assert [stall[2] for stall in storm.stalls() if covers(stall, *moments_ns)] == ["loop"]


@namespaced
def test_the_wait_for_the_first_attempt_is_no_stall():
    """The storm begins 0.2 s after it is called."""
    storm = prepare(allocate_attempts(1), jiffy_ns=jiffy_ns())
    called_ns = now_ns()
    storm.run(epoch_ns=called_ns, begin_ns=called_ns + 200_000_000)
    assert all(start_ns >= 200_000_000 for start_ns, _, _ in storm.stalls())


@namespaced(ports=(40000, 47999))
def test_a_stall_of_the_loop_has_no_connect_in_it_and_what_finds_no_room_is_counted():
    """With a jiffy of 1 ns whatever lies between two connects is a stall, and no connect() waited for all its time."""
    records = allocate_attempts(1000)
    storm = prepare(records, jiffy_ns=1)
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        storm.run(epoch_ns=now_ns())
    stalls = storm.stalls()
    assert len(stalls) == ROOM
    assert storm.stalls_missed >= len(records)
    assert {kind for _, _, kind in stalls} == {"loop"}
    starts_ns, ends_ns = (np.array(column) for column in list(zip(*stalls, strict=True))[:2])
    assert (starts_ns < ends_ns).all()
    assert (ends_ns[:-1] <= starts_ns[1:]).all()
    last = np.searchsorted(records["start_ns"], ends_ns)  # connects before it started before the stall ended
    previous = last[last > 0] - 1
    assert (records["start_ns"][previous] + records["latency_ns"][previous] <= starts_ns[last > 0]).all()


@pytest.mark.parametrize("options", [{}, {"interval_ns": 3_000_000}])
@namespaced
def test_without_a_jiffy_or_within_a_long_one_nothing_is_a_stall(options):
    for jiffy in (0, 60_000_000_000):
        storm = prepare(allocate_attempts(30), jiffy_ns=jiffy, deadline_ns=50_000_000, **options)
        with silent_listener():
            before = open_descriptors()
            storm.run(epoch_ns=now_ns())
            assert open_descriptors() == before - 1  # epoll
        assert (storm.stalls(), storm.stalls_missed) == ([], 0)


@namespaced(ports=(40000, 47999))
def test_a_connect_that_waited_for_its_cpu_is_a_stall_within_the_run_delay():
    """Another process occupies the CPU. The run delay bounds what may be called a wait inside of connect()."""
    jiffy = jiffy_ns()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    busy = os.fork()
    if busy == 0:
        while True:
            pass
    os.nice(10)  # the other one has the CPU for longer
    connects = 0
    limit_ns = now_ns() + 30_000_000_000
    try:
        with Listener("127.0.0.1", 5000, cpu=min(os.sched_getaffinity(0))) as server:
            server.start()
            while not connects and now_ns() < limit_ns:
                records = allocate_attempts(200_000)
                storm = prepare(records, jiffy_ns=jiffy)
                before_ns = run_delay_ns()
                recorded, _ = storm.run(epoch_ns=now_ns(), duration_ns=500_000_000)
                delay_ns = run_delay_ns() - before_ns
                stalls = storm.stalls()
                waits_ns = [end_ns - start_ns for start_ns, end_ns, kind in stalls if kind == "connect"]
                assert sum(waits_ns) - jiffy * len(waits_ns) <= delay_ns
                assert min(waits_ns, default=jiffy + 1) > jiffy
                ends_ns = records["start_ns"] + records["latency_ns"]
                spans = set(zip(records["start_ns"][:recorded].tolist(), ends_ns[:recorded].tolist(), strict=True))
                assert {(start_ns, end_ns) for start_ns, end_ns, kind in stalls if kind == "connect"} <= spans
                connects += len(waits_ns)
    finally:
        os.kill(busy, signal.SIGKILL)
        os.waitpid(busy, 0)
    assert connects


def test_a_result_of_a_worker_survives_its_way_between_processes():
    stalls = [Stall(5, 9, StallKind.SLEEP, 1), Stall(20, 31, StallKind.CONNECT, 1)]
    result = WorkerResult(7, False, stalls, 3)
    assert msgspec.json.decode(msgspec.json.encode(result), type=WorkerResult) == result
    other = WorkerResult(2, False, [Stall(8, 12, StallKind.LOOP, 0)], 0)
    assert [stall.start_ns for stall in merge_stalls([result, other])] == [5, 8, 20]
