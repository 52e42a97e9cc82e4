# SPDX-License-Identifier: MIT
"""One plan in a fresh process and a fresh namespace, through ``connstorm run-cell``."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.lab.signals import CANCEL, start_deaf
from stress.model import atomic
from stress.model.errors import CRASHED, INTERRUPTED, FaultError, LabError
from stress.model.json_text import decode_json
from stress.model.plan import Plan
from stress.model.progress import ProgressCallback, StormUnderway
from stress.model.suite import Fingerprint, Settle
from stress.run.cell_exit import exit_text
from stress.run.output_lines import OutputLines
from stress.run.protocol import Done, Event, Failed, Settled, Stage, decode_fingerprint
from stress.run.template import Template, begin_cell

RUN_CELL = (sys.executable, "-m", "stress", "run-cell")
# numpy's linear algebra, which no run uses, would start a thread. It would share the storm's table of descriptors, and
# every system call on one of them would then take and drop a reference (fdget(), fs/file.c).
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
FINGERPRINT_LIMIT_S = 60
GRACE_S = 5.0  # from CANCEL to SIGKILL, where its time is over
STOP_S = 30.0  # the same where the user ends it: it restores settings of the host first


@dataclass(frozen=True)
class CellResult:
    """How a cell ended: with a run folder, or a failure; and how quiet the machine was, if that was measured."""

    path: Path | None
    failure: Failed | None
    settle: Settle | None


class CellProcess:
    """A cell that runs in a process of its own, which the kernel ends when this process ends."""

    def __init__(  # noqa: PLR0917  # most callers give the first two
        self,
        plan: Plan,
        results: Path,
        options: tuple[str, ...] = (),
        limit_s: float | None = None,
        variables: Mapping[str, str | None] | None = None,
        starter: Sequence[str] = RUN_CELL,
        template: Template | None = None,
    ) -> None:
        """Start it.

        Args:
            plan: what to do.
            results: where its run folder will be.
            options: further ones of ``run-cell``.
            limit_s: end it after this long; None waits without a limit.
            variables: of its environment, in addition to those of this process; None leaves one out.
            starter: the command that starts ``run-cell``.
            template: makes a copy of itself in its place, where it still can.
        """
        self.plan = plan
        self.results = results
        whole: dict[str, str | None] = {**os.environ, **ONE_THREAD, **(variables or {})}
        environment = {name: value for name, value in whole.items() if value is not None}
        self.process = begin_cell(["--output", str(results), *options], environment, starter, template)
        self.lines = OutputLines(self.process)
        self.last: Event | None = None
        self.settle: Settle | None = None
        self.ending = threading.Lock()
        self.late = False
        self.limit = threading.Timer(limit_s or 0, self.stop_after_limit)
        self.limit.daemon = True
        self.limit_s = limit_s
        if limit_s is not None:
            start_deaf(self.limit)
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # a cell that died before it read its plan is reported at its end
            self.process.stdin.write(msgspec.json.encode(plan))
            self.process.stdin.close()

    def wait(self, notify: ProgressCallback, watch: ProgressCallback | None = None) -> CellResult:
        """Wait until it ends; after a KeyboardInterrupt here it continues to run.

        Args:
            notify: called with each stage.
            watch: called by another thread every few seconds of a long storm, with how far it is; None watches none.
        """
        with ExitStack() as watching:
            for line in filter(None, self.lines):
                try:
                    event = decode_json(line, Event)
                except msgspec.DecodeError:  # of a library that prints: the run folder is no worse for that
                    notify(f"run-cell printed {line[:80]!r}, which is no event")
                    continue
                watching.close()
                self.last = event
                if isinstance(event, Stage):
                    notify(event.text)
                elif isinstance(event, Settled):
                    self.settle = event.settle
                elif isinstance(event, StormUnderway) and watch is not None:
                    from stress.run.storm_watch import watch_storm  # noqa: PLC0415  # numpy, which doctor must not load

                    watching.enter_context(watch_storm(self.process.pid, event, watch))
        self.reap()
        match self.last:
            case Done(path):
                return CellResult(Path(path), None, self.settle)
            case Failed() as failure:
                return CellResult(None, failure, self.settle)
            case _:
                atomic.remove_abandoned(self.results)
                code = self.process.wait()
                text = exit_text(self.plan.scenario, code, self.limit_s if self.late else None)
                kind = FaultError if code == CRASHED else LabError
                return CellResult(None, Failed(text, kind.exit_code, kind.__name__), self.settle)

    def interrupt(self) -> None:
        """Let it end its storm early and write what it has recorded."""
        self.lines.send_signal(signal.SIGTERM)

    def cancel(self) -> None:
        """Let it end; it restores settings of the host, and writes nothing more."""
        self.lines.send_signal(CANCEL)

    def stop(self) -> None:
        """End it, by force after STOP_S, and wait until it has ended; another thread may be in ``wait`` meanwhile.

        What it has written only in part is removed.
        """
        self.cancel()
        if not self.lines.wait_for_end(STOP_S):
            self.kill()
        self.await_end()
        atomic.remove_abandoned(self.results)

    def kill(self) -> None:
        """End it at once."""
        self.lines.send_signal(signal.SIGKILL)

    def await_end(self) -> None:
        """Wait until it has ended, and end what it has left behind in its group."""
        with self.ending:  # of several threads one does it
            if self.process.returncode is None:
                self.lines.wait_for_end()  # its process ID is not used again yet
                with suppress(PermissionError):  # of a process that has become another user
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def reap(self) -> None:
        """Wait until it has ended, end what it has left behind, and close its standard output."""
        self.await_end()
        self.limit.cancel()
        self.lines.close()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def stop_after_limit(self) -> None:
        """End it because its time is over."""
        self.late = True
        self.cancel()
        self.limit = threading.Timer(GRACE_S, self.kill)
        self.limit.daemon = True
        self.limit.start()


def trial_options(settle_s: float, *, set_host: bool = True) -> tuple[str, ...]:
    """Return the options of ``run-cell`` for a trial of a suite."""
    return ("--settle", str(settle_s), "--no-draw", "--whole", *(["--set-host"] if set_host else []))


def run(
    plan: Plan,
    results: Path,
    notify: ProgressCallback,
    options: tuple[str, ...] = (),
    variables: Mapping[str, str] | None = None,
    *,
    watch: ProgressCallback | None = None,
) -> Path:
    """Run a cell in a process of its own, with further options of ``run-cell``, and return its run folder.

    ``notify`` and ``watch`` are as of ``CellProcess.wait``.

    A first KeyboardInterrupt is passed on to the cell, which then ends its storm and writes what it has recorded.

    A cell that takes longer than its plan can is ended.

    Raises:
        UsageError, LabError: the cell's own.
        LabError: the cell's process died, or hung.
        KeyboardInterrupt: it was interrupted before there was anything to store, or a second time.
    """
    from stress.run import time_limit  # noqa: PLC0415  # numpy, which doctor must not load

    limit_s = time_limit.longest_s(plan)
    cell = CellProcess(plan, results, options, limit_s, variables)
    try:
        result = cell.wait(notify, watch)
    except KeyboardInterrupt:
        cell.interrupt()
        try:
            result = cell.wait(notify)
        except KeyboardInterrupt:
            cell.stop()
            cell.reap()
            raise
        if cell.process.returncode == -signal.SIGTERM:  # it had not begun
            raise KeyboardInterrupt from None
    if result.path is not None:
        return result.path
    if cell.late:
        raise LabError(
            f"{plan.scenario} did not end within {limit_s:,.0f} s, which is more than its plan can take, and was "
            "ended; nothing was stored. See whether the machine was stopped meanwhile, and run it again."
        )
    assert result.failure is not None
    if result.failure.exit_code == INTERRUPTED:
        raise KeyboardInterrupt
    raise result.failure.error()


def request_fingerprint() -> Fingerprint:
    """Return the fingerprint of this host, taken in a process of its own.

    Raises:
        LabError: it does not answer in time, or not as this program understands it.
    """
    try:
        answer = subprocess.run([*RUN_CELL, "--attest"], capture_output=True, timeout=FINGERPRINT_LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"This host did not say what it is: {error}.") from error
    return decode_fingerprint(answer.stdout, "This host")
