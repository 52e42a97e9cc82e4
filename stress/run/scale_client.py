# SPDX-License-Identifier: MIT
"""The program of one client of several whose rates are measured together: it runs a loop whenever it is told to."""

import os
import signal
import sys
from collections.abc import Callable

import msgspec
import numpy as np

from stress._fastconnect import now_ns, storm
from stress._reference import bare_storm
from stress.lab.host import jiffy_ns
from stress.lab.pdeathsig import die_with_parent
from stress.lab.signals import INTERRUPTING, ignore
from stress.model.attempt import allocate_attempts
from stress.model.json_text import decode_json
from stress.model.plan import LOOPBACK
from stress.model.run import PORTS
from stress.model.scale import Loop, ScaleAnswer, ScaleOrder

CHUNK = 1000  # attempts between two looks at the clock: some 20 ms


def main(arguments: list[str]) -> int:
    """Run loops as the lines of standard input say, until it ends, and answer every line by another.

    Args:
        arguments: the server's port, and the CPU to stay on.
    """
    die_with_parent(signal.SIGKILL)
    ignore(INTERRUPTING)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTING)  # which who started it had blocked
    port, cpu = map(int, arguments)
    os.sched_setaffinity(0, {cpu})
    loops = {Loop.BARE: lambda: bare_loop(port), Loop.ENGINE: engine_loop(port)}
    write(ScaleAnswer(0, 0))  # it is ready
    for line in sys.stdin.buffer:
        order = decode_json(line, ScaleOrder)
        try:
            write(run_loop(loops[order.loop], order))
        except OSError as error:
            write(ScaleAnswer(0, 0, error.strerror or str(error)))
    return 0


def run_loop(loop: Callable[[], None], order: ScaleOrder) -> ScaleAnswer:
    """Run a loop chunk by chunk; return what it did until the last chunk that ended in time, or the first."""
    while now_ns() < order.begin_ns:  # all clients begin together
        pass
    begin_ns = last_ns = now_ns()
    attempts, end_ns = 0, order.begin_ns + order.duration_ns
    while True:
        loop()
        now = now_ns()
        if now <= end_ns or not attempts:
            attempts, last_ns = attempts + CHUNK, now
        if now >= end_ns:
            return ScaleAnswer(attempts, last_ns - begin_ns)


def bare_loop(port: int) -> None:
    """Make a chunk of attempts by the bare loop."""
    bare_storm(target_port=port, attempts=CHUNK)


def engine_loop(port: int) -> Callable[[], None]:
    """Return what makes a chunk of attempts by the engine, which records them."""
    records, watched, jiffy = allocate_attempts(CHUNK), np.zeros(PORTS, np.uint8), jiffy_ns()

    def run() -> None:
        storm(
            records,
            target=LOOPBACK[4],
            target_port=port,
            attempts=CHUNK,
            epoch_ns=now_ns(),
            watched=watched,
            jiffy_ns=jiffy,
        )

    return run


def write(answer: ScaleAnswer) -> None:
    """Write an answer to standard output."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
