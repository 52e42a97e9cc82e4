# SPDX-License-Identifier: MIT
"""One cell in a fresh process and a fresh namespace, through ``connstorm run-cell``."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from stress.model.errors import INTERRUPTED, ConnstormError, LabError, UsageError
from stress.model.notify import Notify
from stress.model.plan import Plan


class Stage(msgspec.Struct, frozen=True, tag="stage"):
    """The cell begins something."""

    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The cell has written its folder."""

    path: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The cell could not be run, and wrote nothing."""

    text: str
    exit_code: int


Event = Stage | Done | Failed  # what run-cell prints, one JSON object a line

ERRORS: dict[int, type[ConnstormError]] = {error.exit_code: error for error in (UsageError, LabError)}


def run(plan: Plan, results: Path, notify: Notify) -> Path:
    """Run a cell in a process of its own and return its run folder.

    A KeyboardInterrupt here is passed on to the cell once, which then ends its storm and writes what it has.

    Raises:
        UsageError, LabError: the cell's own.
        LabError: the cell's process died.
        KeyboardInterrupt: it was interrupted before there was anything to keep, or a second time.
    """
    command = [sys.executable, "-m", "stress", "run-cell", "--output", str(results)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # a cell that died before it read its plan is reported below
            process.stdin.write(msgspec.json.encode(plan))
            process.stdin.close()
        try:
            last = follow(events(process.stdout), notify)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            try:
                last = follow(events(process.stdout), notify)
            except KeyboardInterrupt:
                process.kill()
                raise
    match last:
        case Done(path):
            return Path(path)
        case Failed(_, code) if code == INTERRUPTED:
            raise KeyboardInterrupt
        case Failed(text, code):
            raise ERRORS.get(code, LabError)(text)
        case _:
            raise LabError(
                f"The process that ran {plan.scenario} ended with code {process.returncode} before it had "
                "a result; nothing was kept."
            )


def events(stream: IO[bytes]) -> Iterator[Event]:
    """Decode the lines of a cell as they come."""
    for line in stream:
        yield msgspec.json.decode(line, type=Event)


def follow(stream: Iterator[Event], notify: Notify) -> Event | None:
    """Pass stages on; return the last event."""
    last: Event | None = None
    for last in stream:
        if isinstance(last, Stage):
            notify(last.text)
    return last
