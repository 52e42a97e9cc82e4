# SPDX-License-Identifier: MIT
"""Several workers, each in a process of its own, that start together."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self

import msgspec
import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.model.errors import LabError
from stress.storm.buffer import Buffer
from stress.storm.worker import WorkerResult, WorkerSpec
from stress.storm.worker_process import BeginMessage, WorkerFailure

START_AFTER_NS = 20_000_000  # until every worker has been told: a pipe and a wake-up each
CHUNK_ROWS = 1 << 20


class Workers:
    """The processes of one storm. A context manager; leaving it ends them, with the sockets that they hold."""

    def __init__(
        self, shares: list[WorkerSpec], rows: list[int], buffer: Buffer, watched: npt.NDArray[np.uint8]
    ) -> None:
        """Start a process for each share and wait until all are ready.

        Args:
            shares: one for each worker.
            rows: how many records each makes at most; they lie one after the other in the buffer.
            buffer: of all.
            watched: shape (65536,), as the engine takes it.

        Raises:
            LabError: one does not come up.
        """
        self.firsts = np.cumsum([0, *rows[:-1]]).tolist()
        self.buffer = buffer
        self.processes: list[subprocess.Popen[bytes]] = []
        watched_fd = os.memfd_create("connstorm-watched")
        with ExitStack() as unless_all_are_ready, ExitStack() as always:
            always.callback(os.close, watched_fd)
            unless_all_are_ready.callback(self.kill)
            os.pwrite(watched_fd, watched.tobytes(), 0)
            for share, first in zip(shares, self.firsts, strict=True):
                orders = (buffer.descriptor, watched_fd, first, int(not buffer.in_file))
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "stress.storm.worker_process", *map(str, orders)],
                        pass_fds=(buffer.descriptor, watched_fd),
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                    )
                )
                self.tell(self.processes[-1], share)
            for process in self.processes:
                self.hear(process)
            unless_all_are_ready.pop_all()

    def tell(self, process: subprocess.Popen[bytes], what: msgspec.Struct) -> None:
        """Write a line to a worker."""
        stream = require_pipe(process.stdin)
        stream.write(msgspec.json.encode(what) + b"\n")
        stream.flush()

    def hear(self, process: subprocess.Popen[bytes]) -> bytes:
        """Read a line from a worker."""
        if line := require_pipe(process.stdout).readline():
            return line
        raise LabError(f"A worker's process ended by itself with code {process.wait()}; its records are lost.")

    def storm(self, epoch_ns: int) -> list[WorkerResult]:
        """Let all workers storm, and return what became of each; SIGINT is passed on to them.

        Raises:
            LabError: a worker failed.
        """
        begin = BeginMessage(epoch_ns, now_ns() + START_AFTER_NS)
        ended: list[WorkerResult | WorkerFailure] = []
        for process in self.processes:
            self.tell(process, begin)
        for process in self.processes:
            try:
                line = self.hear(process)
            except KeyboardInterrupt:
                for worker in self.processes:
                    worker.send_signal(signal.SIGINT)
                line = self.hear(process)
            ended.append(msgspec.json.decode(line, type=WorkerResult | WorkerFailure))
        for failed in (each for each in ended if isinstance(each, WorkerFailure)):
            raise LabError(failed.text)
        return [each for each in ended if isinstance(each, WorkerResult)]

    def merge(self, fired: list[WorkerResult], into: Buffer) -> npt.NDArray[Any]:
        """Copy what each worker recorded, in the order of the starts; return it."""
        parts = [np.arange(first, first + part.recorded) for first, part in zip(self.firsts, fired, strict=True)]
        rows = np.concatenate(parts)
        rows = rows[np.argsort(self.buffer.records["start_ns"][rows], kind="stable")]
        for first in range(0, len(rows), CHUNK_ROWS):
            chunk = rows[first : first + CHUNK_ROWS]
            into.records[first : first + len(chunk)] = self.buffer.records[chunk]
        return into.records[: len(rows)]

    def kill(self) -> None:
        """End the processes at once, whatever they are at."""
        for process in self.processes:
            process.kill()
        self.end()

    def end(self) -> None:
        """Let the processes end: they do when their storm is over."""
        for process in self.processes:
            require_pipe(process.stdin).close()
        for process in self.processes:
            process.wait()
            require_pipe(process.stdout).close()
        self.processes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if value is None:
            self.end()
        else:
            self.kill()


def require_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a stream that is there, for it was asked for."""
    assert stream is not None
    return stream
