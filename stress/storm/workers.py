# SPDX-License-Identifier: MIT
"""Several workers, each in a process of its own, that start together."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.lab.pdeathsig import with_parent
from stress.lab.signals import INTERRUPTING
from stress.model.errors import LabError
from stress.model.json_text import decode_json
from stress.storm.buffer import Buffer
from stress.storm.worker import WorkerResult, WorkerSpec
from stress.storm.worker_process import BeginMessage, WorkerFailure

START_AFTER_NS = 20_000_000  # until every worker has read when to begin: one pipe and one wake-up per worker
AGAIN_MS = 100  # a worker that has not yet begun ignores an interrupt: it is sent again until the worker answers
CHUNK_ROWS = 1 << 20


class Workers:
    """The worker processes of one storm. Leaving the context ends them, and closes the sockets that they hold."""

    def __init__(
        self,
        specs: list[WorkerSpec],
        attempts: list[int],
        buffer: Buffer,
        watched: npt.NDArray[np.uint8],
        inside: Callable[[str], AbstractContextManager[object]] = nullcontext,
        *,
        uses: Buffer | None = None,
    ) -> None:
        """Start a process for each worker and wait until all are ready.

        Args:
            specs: one per worker.
            attempts: how many each makes at most; their records lie one after the other in the buffer.
            buffer: of all records.
            watched: shape (65536,), as the engine takes it.
            inside: returns a context in which the calling thread is on a host.
            uses: of all attempts; None: they are not used.

        Raises:
            LabError: a process ended before it was ready.
        """
        self.first_rows = np.cumsum([0, *attempts[:-1]]).tolist()
        self.buffer = buffer
        self.uses = uses
        self.processes: list[subprocess.Popen[bytes]] = []
        watched_fd = os.memfd_create("connstorm-watched")
        with ExitStack() as unless_all_are_ready, ExitStack() as always:
            always.callback(os.close, watched_fd)
            unless_all_are_ready.callback(self.kill)
            os.pwrite(watched_fd, watched.tobytes(), 0)
            for spec, first_row in zip(specs, self.first_rows, strict=True):
                with inside(spec.plan.worker_hosts[spec.number]):
                    self.start_process(watched_fd, first_row)
                self.send(self.processes[-1], spec)
            for process in self.processes:
                self.receive(process)
            unless_all_are_ready.pop_all()

    def start_process(self, watched_fd: int, first_row: int) -> None:
        """Start the process of one worker, on the host where the calling thread is.

        It takes no interrupt until it ignores them: while Python begins, one would end it with a trace.
        """
        uses_fd = self.uses.descriptor if self.uses else -1
        arguments = (self.buffer.descriptor, uses_fd, watched_fd, first_row, int(not self.buffer.in_file))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)
        try:
            self.processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "stress.storm.worker_process", *map(str, arguments)],
                    pass_fds=[fd for fd in (self.buffer.descriptor, uses_fd, watched_fd) if fd >= 0],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    env=with_parent(),
                )
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self, process: subprocess.Popen[bytes], message: msgspec.Struct) -> None:
        """Write a message to a worker, as one line of JSON; that it has ended is seen when its answer is read."""
        stream = require_pipe(process.stdin)
        with suppress(BrokenPipeError):
            stream.write(msgspec.json.encode(message) + b"\n")
            stream.flush()

    def receive(self, process: subprocess.Popen[bytes]) -> bytes:
        """Read a line from a worker.

        Raises:
            LabError: its process has ended.
        """
        if line := require_pipe(process.stdout).readline():
            return line
        raise LabError(f"A worker's process ended by itself with code {process.wait()}; its records are lost.")

    def storm(self, epoch_ns: int, begin_ns: int | None = None) -> list[WorkerResult]:
        """Let all workers storm, and return the result of each; SIGINT is passed on to them.

        Args:
            epoch_ns: of the run.
            begin_ns: when all begin; None: as soon as all can know.

        Raises:
            LabError: a worker failed.
        """
        begin = BeginMessage(epoch_ns, now_ns() + START_AFTER_NS if begin_ns is None else begin_ns)
        answers: list[WorkerResult | WorkerFailure] = []
        for process in self.processes:
            self.send(process, begin)
        is_interrupted = False
        while len(answers) < len(self.processes):
            try:
                if is_interrupted:
                    for worker in self.processes:
                        worker.send_signal(signal.SIGINT)
                self.receive_answer(answers, AGAIN_MS if is_interrupted else None)
            except KeyboardInterrupt:
                is_interrupted = True
        results = []
        for answer in answers:
            if isinstance(answer, WorkerFailure):
                raise LabError(answer.text)
            results.append(answer)
        return results

    def receive_answer(self, answers: list[WorkerResult | WorkerFailure], limit_ms: int | None = None) -> None:
        """Append the answer of the next worker, if it comes within a limit.

        An interrupt comes before it is read, or after it is in the list: one that comes together with the answer, as
        when all processes are told to end, would lose it, and the worker does not answer twice.

        Raises:
            KeyboardInterrupt: SIGINT, or SIGTERM where that interrupts, was received.
            LabError: the process has ended.
        """
        process = self.processes[len(answers)]
        waiting = select.poll()
        waiting.register(require_pipe(process.stdout), select.POLLIN)
        if not waiting.poll(limit_ms):
            return
        before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)
        try:
            answers.append(decode_json(self.receive(process), WorkerResult | WorkerFailure))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def order(self, results: list[WorkerResult]) -> npt.NDArray[np.intp]:
        """Return the rows of the buffer that have records, in the order of their starts, shape (recorded,)."""
        rows = np.concatenate(
            [
                np.arange(first_row, first_row + result.recorded)
                for first_row, result in zip(self.first_rows, results, strict=True)
            ]
        )
        ordered: npt.NDArray[np.intp] = rows[np.argsort(self.buffer.records["start_ns"][rows], kind="stable")]
        return ordered

    def kill(self) -> None:
        """Kill the processes and wait until they have ended."""
        for process in self.processes:
            process.kill()
        self.end()

    def end(self) -> list[int]:
        """Close the standard input of the processes, which end when their storm is over; return their exit codes."""
        for process in self.processes:
            with suppress(BrokenPipeError):  # it ended before it had read all
                require_pipe(process.stdin).close()
        codes = []
        for process in self.processes:
            codes.append(process.wait())
            require_pipe(process.stdout).close()
        self.processes.clear()
        return codes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if value is not None:
            self.kill()
        elif any(self.end()):
            raise LabError("A process that held sockets for a worker ended by itself; its sockets are closed.")


def copy_rows(source: Buffer, rows: npt.NDArray[np.intp], folder: Path | None) -> npt.NDArray[Any]:
    """Copy some rows of a buffer in their order into another, whose file is in a folder; return the copy."""
    into = Buffer(len(rows), folder, source.records.dtype)
    for first in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[first : first + CHUNK_ROWS]
        into.records[first : first + len(chunk)] = source.records[chunk]
    into.close()
    return into.records


def require_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a stream that the process was started with."""
    assert stream is not None
    return stream
