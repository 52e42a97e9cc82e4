# SPDX-License-Identifier: MIT
"""A dask worker as a host of a fleet: it starts ``run-cell`` on request, and does as little else as possible.

A worker's own activity would disturb the storms that it measures: by default it samples its stack 100 times per second,
ticks 50 times, and checks its memory 10 times. ``QUIET`` turns this off or makes it rare.
"""

import asyncio
import signal
import socket
import tempfile
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import dask
import msgspec
from distributed import Status, Worker, WorkerPlugin, get_worker

from stress.model.json_text import decode_json
from stress.model.progress import ignore_progress
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
STORMS = "connstorm-storms"  # dask's topic for how far storms are
POLL_S = 0.05  # between checks whether a cancelled trial has ended
END_LIMIT_S = 15.0  # for a cancelled trial

# In the worker: the process of each trial by the key of its task, None before it is started; and the cancelled keys.
running_trials: dict[str, CellProcess | None] = {}
cancelled_keys: set[str] = set()


class Ender(WorkerPlugin):
    """Ends a trial when its task was cancelled, or its client was lost."""

    name = "connstorm-ender"

    def transition(self, key: Any, start: Any, finish: Any, **kwargs: Any) -> None:
        """End the trial of a task that leaves the state ``executing`` without a result."""
        del kwargs
        if start == "executing" and finish in ("released", "cancelled", "forgotten") and str(key) in running_trials:
            end_trial(str(key))

    def teardown(self, worker: Worker) -> None:
        """End all trials when the worker ends, but not when another suite registers its own plugin."""
        if worker.status is Status.closing:
            for key in list(running_trials):
                end_trial(key)


def end_trial(key: str) -> None:
    """End a trial; the thread that started it waits until its process has ended."""
    cancelled_keys.add(key)
    running = running_trials[key]
    if running is not None:
        running.cancel()


def packed_fingerprint() -> bytes:
    """Return the fingerprint of this host as JSON."""
    return msgspec.json.encode(process.request_fingerprint())


def run_packed_request(request: bytes, key: str) -> tuple[CellResult, bytes]:
    """Run a trial; return its result, and the archive of its run folder, which is empty if there is none."""
    trial = decode_json(request, TrialRequest)

    def note_process(running: CellProcess) -> None:
        running_trials[key] = running
        if key in cancelled_keys:
            running.cancel()

    running_trials[key] = None
    try:
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
            watch = partial(tell_storm, get_worker(), key)
            ended = run_request(trial, Path(folder), ignore_progress, watch, note_process)
            stream = BytesIO()
            if ended.path is not None:
                archive.pack_run_folder(ended.path, stream)
            return ended, stream.getvalue()
    finally:
        del running_trials[key]
        cancelled_keys.discard(key)


def tell_storm(worker: Worker, key: str, text: str) -> None:
    """Tell the client how far the storm of a trial is; the worker's own thread sends it."""
    worker.log_event(STORMS, (key, text))


async def wait_until_ended(key: str) -> None:
    """Wait until nothing of a trial runs on this worker."""
    for _ in range(round(END_LIMIT_S / POLL_S)):
        if key not in running_trials:
            break
        await asyncio.sleep(POLL_S)


async def run_worker(scheduler: str, name: str | None) -> None:
    """Run a worker of a scheduler until the scheduler ends, or this process receives a signal."""
    signalled = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, signalled.set)
    with dask.config.set(QUIET):
        worker = Worker(scheduler, name=name or socket.gethostname(), nthreads=1, dashboard=False, memory_limit=0)
        async with worker:
            ends = [asyncio.ensure_future(worker.finished()), asyncio.ensure_future(signalled.wait())]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
