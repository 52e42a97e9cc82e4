# SPDX-License-Identifier: MIT
"""The profiler of a run: lets perf record during the storms alone, and knows whose each sample is."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from stress.lab.perf import Recording
from stress.lab.perf_script import Sample, ScriptReader
from stress.model.errors import LabError
from stress.model.profile import (
    CLIENT,
    CLIENT_CPU,
    IDLE,
    OTHER,
    OTHER_CPU,
    PROFILER,
    SERVER,
    ActProfile,
    ProfileReport,
    Stacks,
)
from stress.storm.environment import Environment


@dataclass(frozen=True)
class Window:
    """A storm that was profiled: its name, who took part, the CPUs of the clients, and its time (CLOCK_MONOTONIC)."""

    act: str
    clients: Collection[int]
    servers: Collection[int]
    cpus: Collection[int]
    start_ns: int
    end_ns: int


def window_of(environment: Environment, act: str, clients: Collection[int], start_ns: int, end_ns: int) -> Window:
    """Return the window of a storm in an environment; the further arguments are as its attributes."""
    pinned = [cpu for cpu in environment.worker_cpus if cpu is not None]
    is_pinned = len(pinned) == len(environment.worker_cpus)
    cpus = set(pinned) if is_pinned else os.sched_getaffinity(0)
    servers = [process.popen.pid for process in environment.listener.processes]
    return Window(act, clients, servers, cpus, start_ns, end_ns)


class Profiler:
    """Records the stacks of each storm.

    Attributes:
        failure: why nothing is recorded any more; empty while all is well.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.failure = ""
        self.windows: list[Window] = []

    def begin(self) -> None:
        """Begin to record; the storm goes on where that fails."""
        self.tell("enable")

    def end(self, window: Window) -> None:
        """End to record, after a storm."""
        self.tell("disable")
        self.windows.append(window)

    def tell(self, command: str) -> None:
        """Tell perf something, unless it has failed."""
        if not self.failure:
            try:
                self.recording.tell(command)
            except LabError as error:
                self.failure = str(error)

    def finish(self) -> tuple[ProfileReport, Stacks]:
        """End the recording; return how the run was profiled, and the stacks of all storms."""
        reader, counted = ScriptReader(), list[Stacks]()
        if not self.failure:
            try:
                counted = count_stacks(self.windows, self.recording.samples(reader), self.recording.process.pid)
            except LabError as error:
                self.failure = str(error)
        acts, stacks = [], Counter[tuple[str, ...]]()
        for window, own in zip(self.windows, counted, strict=False):  # none where perf failed
            stacks.update(own)
            length_ns, cpus = window.end_ns - window.start_ns, sorted(window.cpus)
            acts.append(ActProfile(act=window.act, cpus=cpus, duration_ns=length_ns, samples=sum(own.values())))
        perf = self.recording
        report = ProfileReport(
            program=perf.program, rate_hz=perf.rate_hz, lost=reader.lost, failure=self.failure, acts=acts
        )
        return report, dict(stacks)


def count_stacks(windows: Sequence[Window], samples: Iterable[Sample], profiler: int) -> list[Stacks]:
    """Return the stacks of each storm; of what is neither client nor server only whose it was.

    Args:
        windows: the storms.
        samples: of the whole run.
        profiler: the process that takes them.
    """
    counted = [Counter[tuple[str, ...]]() for _ in windows]
    owners = [
        dict.fromkeys(window.servers, SERVER) | dict.fromkeys(window.clients, CLIENT) | {profiler: PROFILER, 0: IDLE}
        for window in windows
    ]
    for sample in samples:
        for window, whose, stacks in zip(windows, owners, counted, strict=True):
            if window.start_ns <= sample.time_ns < window.end_ns:
                role = whose.get(sample.process, OTHER)
                place = CLIENT_CPU if sample.cpu in window.cpus else OTHER_CPU
                frames = sample.frames if role in {CLIENT, SERVER} else ()
                stacks[window.act, place, role, *frames] += 1
    return [dict(stacks) for stacks in counted]
