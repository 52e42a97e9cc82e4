# SPDX-License-Identifier: MIT
"""connstorm run-cell: one plan, in this process, in a namespace that it enters first."""

import signal
import sys
from pathlib import Path

import click
import msgspec

from stress.lab import namespace
from stress.lab.parent import die_with_parent
from stress.model.errors import INTERRUPTED, ConnstormError, UsageError
from stress.model.plan import Plan


@click.command("run-cell", hidden=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True)
def run_cell(output: Path) -> None:
    """Carry out the plan on standard input; print what happens as JSON, one event a line."""
    die_with_parent(signal.SIGTERM)
    try:
        plan = decode_plan(sys.stdin.buffer.read())
        if not plan.host:
            namespace.enter()
        # numpy starts threads, and a process with threads cannot enter a namespace: only now.
        from stress.suite import cell, process  # noqa: PLC0415

        path = cell.run(plan, output, lambda text: emit(process.Stage(text)))
        emit(process.Done(str(path)))
    except ConnstormError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("interrupted before the storm", INTERRUPTED)


def decode_plan(data: bytes) -> Plan:
    """Decode a plan.

    Raises:
        UsageError: it is none.
    """
    try:
        return msgspec.json.decode(data, type=Plan)
    except msgspec.DecodeError as error:
        raise UsageError(f"The plan on standard input cannot be read: {error}.") from error


def emit(event: msgspec.Struct) -> None:
    """Print one event."""
    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def fail(text: str, exit_code: int) -> None:
    """Print the failure as the last event and end with its code."""
    from stress.suite.process import Failed  # noqa: PLC0415  # see above

    emit(Failed(text, exit_code))
    sys.exit(exit_code)
