# SPDX-License-Identifier: MIT
"""The program of one worker of several.

It reads its specification, prepares all that its storm needs, says that it is ready, reads when to begin, storms,
writes its result, and holds its open sockets until its standard input ends.
"""

import mmap
import signal
import sys

import msgspec
import numpy as np

from stress.lab.fd_holder import DescriptorHolders
from stress.lab.pdeathsig import die_with_parent
from stress.lab.signals import INTERRUPTING, FirstInterrupt, ignore
from stress.model.attempt import ATTEMPT, USE
from stress.model.errors import LabError
from stress.model.json_text import decode_json
from stress.model.run import PORTS
from stress.storm.ports import read_port_range
from stress.storm.worker import Worker, WorkerSpec, pin_to_cpu


class BeginMessage(msgspec.Struct, frozen=True):
    """When the run began and this storm begins (CLOCK_MONOTONIC, ns)."""

    epoch_ns: int
    begin_ns: int


class WorkerFailure(msgspec.Struct, frozen=True, tag="failed"):
    """Why a worker has no result."""

    text: str


def main(arguments: list[str]) -> int:
    """Carry out one worker's part of a storm.

    Args:
        arguments: descriptors of the records, of their uses (-1: none) and of the watched ports, the first of the
            worker's rows, and whether to prefault them (0 or 1).

    Returns:
        The exit code: 1 where sockets that were to stay open until the end did not.
    """
    die_with_parent(signal.SIGKILL)
    ignore(INTERRUPTING)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTING)  # which who started it had blocked
    records_fd, uses_fd, watched_fd, first_row, prefault = map(int, arguments)
    line = sys.stdin.buffer.readline()
    if not line:
        return 0  # whoever started it was interrupted
    spec = decode_json(line, WorkerSpec)
    ports = read_port_range(spec.plan.server_ports)
    own = slice(first_row, first_row + spec.own_attempts(ports))
    records = np.frombuffer(mmap.mmap(records_fd, 0), ATTEMPT)[own]
    uses = np.frombuffer(mmap.mmap(uses_fd, 0), USE)[own] if uses_fd >= 0 else None
    watched = np.frombuffer(mmap.mmap(watched_fd, PORTS), np.uint8)
    try:
        with pin_to_cpu(spec.cpu), DescriptorHolders() as holders:
            if prefault:
                records.view(np.uint8)[:] = 0
            storm_when_told(Worker(spec, ports, records, watched, uses), holders)
    except LabError:  # the result was sent, and the parent reads no more than that: the exit code says it
        return 1
    return 0


def storm_when_told(worker: Worker, holders: DescriptorHolders) -> None:
    """Say that a worker is ready, let it storm, send what came of it, and wait for the end of standard input."""
    write_line(b"ready")
    line = sys.stdin.buffer.readline()
    if not line:
        return
    begin = decode_json(line, BeginMessage)
    FirstInterrupt(*INTERRUPTING)
    try:
        result = worker.storm(begin.epoch_ns, begin.begin_ns, holders)
    except LabError as error:
        write_line(msgspec.json.encode(WorkerFailure(str(error))))
        return
    finally:
        ignore(INTERRUPTING)
    write_line(msgspec.json.encode(result))
    sys.stdin.buffer.read()


def write_line(line: bytes) -> None:
    """Write one line to standard output."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
