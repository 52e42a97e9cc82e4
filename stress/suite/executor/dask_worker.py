# SPDX-License-Identifier: MIT
"""A dask worker as a host of a fleet: it starts ``run-cell`` when it is told to, and does as little else as it can.

What a worker does by itself would be measured with the storm beside it: samples of its own stack a hundred times a
second, a tick fifty times, looks at memory ten times. ``QUIET`` has none of it, or little.
"""

import asyncio
import signal
import socket
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Status, Worker, WorkerPlugin

from stress.run import process
from stress.run.process import CellProcess, CellResult
from stress.suite.executor import archive
from stress.suite.executor.agent import FOLDER_PREFIX
from stress.suite.executor.remote_trial import TrialRequest, run_request

QUIET: dict[str, Any] = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.memory.monitor-interval": "60s",
    "distributed.admin.tick.interval": "10s",
    "distributed.admin.tick.limit": "60s",
    "distributed.admin.tick.cycle": "60s",
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.admin.system-monitor.gil.enabled": False,
}
STILL_S = 0.05  # between looks whether a trial has ended that is no longer wanted

STILL_LIMIT_S = 15.0

# In the worker: the process of each trial by the key of its task, None before it has one; and what is not wanted.
under_way: dict[str, CellProcess | None] = {}
unwanted: set[str] = set()


class Ender(WorkerPlugin):
    """Ends a trial when its task is no longer wanted: it was cancelled, or whoever asked for it is gone."""

    name = "connstorm-ender"

    def transition(self, key: Any, start: Any, finish: Any, **kwargs: Any) -> None:
        """See a task change its state."""
        del kwargs
        if start == "executing" and finish in ("released", "cancelled", "forgotten") and str(key) in under_way:
            end_trial(str(key))

    def teardown(self, worker: Worker) -> None:
        """End what is under way when the worker ends; not when another suite brings a plugin of its own."""
        if worker.status is Status.closing:
            for key in list(under_way):
                end_trial(key)


def end_trial(key: str) -> None:
    """End a trial; the thread that began it waits until it is gone."""
    unwanted.add(key)
    running = under_way[key]
    if running is not None:
        running.process.terminate()


def packed_fingerprint() -> bytes:
    """Return what this host is, as JSON."""
    return msgspec.json.encode(process.request_fingerprint())


def run_packed_request(errand: bytes, key: str) -> tuple[CellResult, bytes]:
    """Carry out an errand; return how it ended, and the run folder, empty if there is none."""
    task = msgspec.json.decode(errand, type=TrialRequest)

    def began(running: CellProcess) -> None:
        under_way[key] = running
        if key in unwanted:
            running.process.terminate()

    under_way[key] = None
    try:
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as room:
            ended = run_request(task, Path(room), lambda _: None, began)
            packed = BytesIO()
            if ended.path is not None:
                archive.pack(ended.path, packed)
            return ended, packed.getvalue()
    finally:
        del under_way[key]
        unwanted.discard(key)


async def wait_until_ended(key: str) -> None:
    """Wait until nothing of a trial runs here any more."""
    for _ in range(round(STILL_LIMIT_S / STILL_S)):
        if key not in under_way:
            break
        await asyncio.sleep(STILL_S)


async def run_worker(scheduler: str, name: str | None) -> None:
    """Be a worker of a scheduler until that ends, or this process is told to."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    with dask.config.set(QUIET):
        worker = Worker(scheduler, name=name or socket.gethostname(), nthreads=1, dashboard=False, memory_limit=0)
        async with worker:
            ends = [asyncio.ensure_future(worker.finished()), asyncio.ensure_future(told.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
