# SPDX-License-Identifier: MIT
"""Clients on CPUs of their own that run the same loop at the same time."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import msgspec

from stress._fastconnect import now_ns
from stress.lab.pdeathsig import with_parent
from stress.lab.signals import INTERRUPTING
from stress.model.errors import LabError
from stress.model.json_text import decode_json
from stress.model.scale import Loop, ScaleAnswer, ScaleOrder
from stress.model.units import SECOND_NS
from stress.storm.workers import require_pipe

START_AFTER_NS = 20_000_000  # until every client has read when to begin


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Let no interrupt come inside the context, so that no process is started and forgotten; it comes afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class LoopRun:
    """A loop that clients ran together: from when until when (CLOCK_MONOTONIC, ns), and what each did."""

    begin_ns: int
    end_ns: int
    answers: list[ScaleAnswer]

    @property
    def rates_per_s(self) -> list[float]:
        """Attempts a second of each client."""
        return [answer.attempts * SECOND_NS / answer.ns for answer in self.answers]


class ScaleClients:
    """A process for each CPU. A context manager, which ends them on exit."""

    def __init__(self, port: int, cpus: Sequence[int]) -> None:
        """Start the clients of a server's port, and wait until they are ready.

        Raises:
            LabError: one of them ended.
        """
        self.processes: list[subprocess.Popen[bytes]] = []
        with ExitStack() as unless_all_are_ready:
            unless_all_are_ready.callback(self.end)
            with interrupts_blocked():  # the clients inherit that, until they ignore interrupts themselves
                for cpu in cpus:
                    self.processes.append(
                        subprocess.Popen(
                            [sys.executable, "-m", "stress.run.scale_client", str(port), str(cpu)],
                            stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE,
                            env=with_parent(),
                        )
                    )
            for process in self.processes:
                self.receive(process)
            unless_all_are_ready.pop_all()

    def run(self, loop: Loop, count: int, seconds: float) -> LoopRun:
        """Let the first ``count`` clients run a loop together for some seconds.

        Raises:
            LabError: one of them ended, or a connection of the bare loop failed.
        """
        order = ScaleOrder(loop, now_ns() + START_AFTER_NS, round(seconds * SECOND_NS))
        running = self.processes[:count]
        with interrupts_blocked(), suppress(BrokenPipeError):  # one that has ended is seen by its answer
            for process in running:
                stream = require_pipe(process.stdin)
                stream.write(msgspec.json.encode(order) + b"\n")
                stream.flush()
        answers = [self.receive(process) for process in running]
        return LoopRun(order.begin_ns, order.begin_ns + order.duration_ns, answers)

    def receive(self, process: subprocess.Popen[bytes]) -> ScaleAnswer:
        """Return the next answer of a client.

        Raises:
            LabError: it has ended, or could not go on.
        """
        line = require_pipe(process.stdout).readline()
        if not line:
            raise LabError(f"A client's process ended by itself with code {process.wait()}.")
        answer = decode_json(line, ScaleAnswer)
        if answer.failure:
            raise LabError(f"A client's loop ended early: {answer.failure}.")
        return answer

    def end(self) -> None:
        """Kill the processes; nothing of theirs is wanted any more."""
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    require_pipe(stream).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
