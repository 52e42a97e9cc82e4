# SPDX-License-Identifier: MIT
"""Progress of a suite: a live display on a terminal, plain lines elsewhere.

During a trial nothing is drawn but how far a long storm is, by this process, every few seconds.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.text import Text

from stress.model.suite import Status, Trial, TrialRecord
from stress.model.summary import Summary
from stress.model.text import plural
from stress.model.units import duration_text
from stress.view.text.suite_plan import time_text

LAST = 3  # results that the display shows


class SuiteProgress:
    """Shows the progress of a suite; a context manager.

    The remaining time is predicted from finished trials of the same cell, otherwise from the estimate, scaled by the
    ratio of measured to estimated times so far.
    """

    def __init__(self, console: Console, expected_s: Mapping[str, float], hosts: int = 1) -> None:
        """Prepare the display.

        Args:
            console: the output.
            expected_s: the estimated time of a trial, for each cell, in seconds.
            hosts: number of hosts that run trials at the same time.
        """
        self.console = console
        self.path: Path | None = None
        self.left: dict[int, Trial] = {}
        self.total = 0
        self.expected_s = expected_s
        self.hosts = hosts
        self.took_s: dict[str, list[float]] = {}
        self.profiling: set[int] = set()  # trials whose plan now runs under a profiler
        self.last: list[str] = []
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        (self.live or nullcontext()).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.live or nullcontext()).__exit__(kind, value, trace)

    def opens(self, path: Path, missing: Sequence[Trial]) -> None:
        """Report that a suite starts or is resumed."""
        self.path = path
        self.left = {trial.number: trial for trial in missing}
        self.total = len(missing)
        self.stage(f"{path}: {plural(self.total, 'trial')} to run")

    def stage(self, text: str) -> None:
        """Report work other than a trial."""
        if self.live:
            self.show(text)
        else:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begins(self, trial: Trial) -> None:
        """Report that a trial starts."""
        self.profiling.discard(trial.number)
        if self.live:
            self.show(f"block {trial.block + 1}: {trial.cell}")

    def profiles(self, trial: Trial) -> None:
        """Report that the profile of a trial starts."""
        self.profiling.add(trial.number)
        if self.live:
            self.show(f"block {trial.block + 1}: {trial.cell}: {self.profiling_text()}")

    def storms(self, trial: Trial, text: str) -> None:
        """Report how far a long storm is."""
        profiling = self.profiling_text() if trial.number in self.profiling else ""
        parts = [part for part in (trial.cell, profiling, text) if part]
        if self.live:
            self.show(f"block {trial.block + 1}: {': '.join(parts)}")
        elif text:
            self.console.print(f"           {': '.join(parts)}", highlight=False, markup=False, soft_wrap=True)

    def profiling_text(self) -> str:
        """Return that the trial which runs is being profiled."""
        return f"profiling trial {self.total - len(self.left) + 1} of {self.total}"

    def ended(self, record: TrialRecord, summary: Summary | None) -> None:
        """Report that a trial ended."""
        self.left.pop(record.trial.number, None)
        self.profiling.discard(record.trial.number)
        if record.status is not Status.NOT_APPLICABLE:
            self.took_s.setdefault(record.trial.cell, []).append(record.took_s)
        where = f"{record.host}: " if self.hosts > 1 else ""
        self.last = [*self.last[1 - LAST :], where + result_line(record, summary)]
        if self.live:
            self.show("")
        else:
            done = self.total - len(self.left)
            self.console.print(
                f"{done:>4}/{self.total}  {self.last[-1]}, about {time_text(self.left_s())} left",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def left_s(self) -> float:
        """Return the predicted remaining time in seconds."""
        measured = {cell: sum(times) / len(times) for cell, times in self.took_s.items()}
        expected = sum(self.expected_s.get(cell, 0.0) for cell in measured)
        scale = sum(measured.values()) / expected if expected else 1.0
        remaining = sum(
            measured.get(trial.cell, scale * self.expected_s.get(trial.cell, 0.0)) for trial in self.left.values()
        )
        return remaining / self.hosts

    def show(self, now: str) -> None:
        """Draw the display once."""
        assert self.live is not None
        done = self.total - len(self.left)
        head = Text.assemble(
            (f"{done} of {plural(self.total, 'trial')}", "bold"), f", about {time_text(self.left_s())} left"
        )
        bar = Padding(ProgressBar(total=max(self.total, 1), completed=done, width=min(self.console.width, 60)), 0)
        lines = [Text(f"  {line}", style="dim") for line in self.last]
        self.live.update(Group(head, bar, *lines, Text(now)), refresh=True)


def result_line(record: TrialRecord, summary: Summary | None) -> str:
    """Return the result of a trial in one line."""
    if summary is None:
        return f"{record.trial.cell}: {record.status.upper()}: {(record.reason or '').rstrip('.')}"
    p50 = summary.body.p50_ns
    slow = {cause: count for cause, count in summary.causes.items() if count and cause != "none"}
    parts = [
        f"{summary.rate_per_s:,.0f}/s",
        *([f"p50 {duration_text(p50)}"] if p50 is not None else []),
        *(f"{count:,} {cause}" for cause, count in slow.items()),
        *([] if all(claim.balanced for claim in summary.books) else ["books NOT balanced"]),
    ]
    busy = "" if record.settle is None or record.settle.settled else " (the machine was busy)"
    missing = f", NO profile: {record.unprofiled.rstrip('.')}" if record.unprofiled else ""
    profile = missing or (", profiled" if record.profile else "")
    return f"{record.trial.cell}: {', '.join(parts)} in {record.took_s:.1f} s{profile}{busy}"
