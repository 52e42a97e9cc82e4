# SPDX-License-Identifier: MIT
"""Worlds in processes of their own, several at a time. Single-threaded, for processes are forked."""

import os
import pickle
import selectors
import signal
import sys
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import pyroute2  # noqa: F401  # each child would import it anew, which takes a tenth of a second

from stress.lab import namespace
from stress.lab.kernel_word.asked import AskedKernel
from stress.lab.kernel_word.btf import read_kernel_types
from stress.lab.pdeathsig import die_with_parent
from stress.model.errors import LabError
from stress.model.plan import EvidenceSource
from worlds.site import Site
from worlds.truth import Verdict
from worlds.world import HERE, PRIVATE, World

LIMIT_S = 300


@dataclass(frozen=True)
class Job:
    """A world, and a way to storm it."""

    world: World
    way: str = HERE

    @property
    def name(self):
        """The world's name, with the way where it is not the first."""
        return self.world.name if self.way == self.world.ways[0] else f"{self.world.name} ({self.way})"


@dataclass(frozen=True)
class Result:
    """What came of a job: a verdict, or why there is none."""

    job: Job
    verdict: Verdict | None
    skipped: str = ""
    failed: str = ""
    took_s: float = 0.0
    by_kernel: Verdict | None = None  # of the same storms, with the kernel's own word

    @property
    def faults(self):
        """Sentences for what is wrong, none when nothing is."""
        if self.failed:
            return [self.failed]
        with_word = [f"with the kernel's word: {fault}" for fault in self.by_kernel.faults] if self.by_kernel else []
        return [*(self.verdict.faults if self.verdict else []), *with_word]

    def as_object(self):
        """Return what a table of results needs, as JSON takes it."""
        counts = {"attempts": 0, "troubled": 0, "named": 0, "unknown": 0} | (vars(self.verdict) if self.verdict else {})
        return {
            "world": self.job.world.name,
            "way": self.job.way,
            **{name: counts[name] for name in ("attempts", "troubled", "named", "unknown")},
            "bounds": counts.get("bounds", []),
            "named_by_kernel": self.by_kernel.named if self.by_kernel else None,
            "faults": self.faults,
            "skipped": self.skipped,
            "hints": [hint for told in counts.get("told", {}).values() for hint in told.get("hints", [])],
        }


def carry_out(jobs, at_once):
    """Carry out jobs, at most so many at once; yield their results as they come."""
    with suppress(LabError):
        read_kernel_types()  # each child would read them anew
    waiting, selector = deque(jobs), selectors.DefaultSelector()
    running = 0
    while waiting or running:
        while waiting and running < at_once:
            start(waiting.popleft(), selector)
            running += 1
        for key, _ in selector.select(1):
            job, child, begun_s, chunks = key.data
            chunk = os.read(key.fd, 1 << 16)
            if chunk:
                chunks.append(chunk)
                continue
            selector.unregister(key.fileobj)
            os.close(key.fd)
            os.killpg(child, signal.SIGKILL)  # its servers
            _, status = os.waitpid(child, 0)
            running -= 1
            answer = b"".join(chunks)
            died = (None, "", f"died with wait status {status}", None)
            verdict, skipped, failed, by_kernel = pickle.loads(answer) if answer else died  # noqa: S301  # from our own child
            yield Result(job, verdict, skipped, failed, time.monotonic() - begun_s, by_kernel)


def start(job, selector):
    """Start a job in a process of its own, the leader of a group."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)
        die_with_parent(signal.SIGKILL)
        signal.alarm(LIMIT_S)
        try:
            answer = answer_of(job)
            with os.fdopen(writer, "wb") as stream:
                stream.write(pickle.dumps(answer))
            sys.stdout.flush()
        finally:
            os._exit(0)  # whatever goes wrong here: the child must not go on with the parent's tests
    os.close(writer)
    selector.register(reader, selectors.EVENT_READ, (job, child, time.monotonic(), []))


def answer_of(job):
    """Enter a namespace and make the world there.

    Returns its verdict, why it was skipped, why it failed, and its verdict with the kernel's word.
    """
    try:
        asked = AskedKernel(EvidenceSource.KERNEL) if job.way in (HERE, PRIVATE) and os.geteuid() == 0 else None
        namespace.enter_namespace()
    except LabError as error:
        return None, str(error), "", None
    try:
        site = Site(job.world.family, job.way, asked)
        job.world.build(site)
    except BaseException:  # noqa: BLE001  # whatever it is, the parent reports it
        return None, "", traceback.format_exc(), None
    return site.verdict, "", "", site.verdict_by_kernel if asked and asked.word else None
