# SPDX-License-Identifier: MIT
"""The executor of a dask cluster: each worker is a host, named by the worker's name.

A trial is a task that is pinned to its worker by address, and never stolen. dask delivers at least once: a task whose
worker was lost is run again. Its result is read once, by its own handle, so no trial counts twice.
"""

import secrets
from collections.abc import Sequence
from io import BytesIO
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker

from stress.model.errors import LabError
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.suite import Fingerprint
from stress.run.process import FINGERPRINT_LIMIT_S, CellResult
from stress.run.protocol import Failed, decode_fingerprint
from stress.suite.executor import archive, dask_worker
from stress.suite.executor.base import Job, failed_trial, failure_elsewhere
from stress.suite.executor.dask_protocol import require_worker_protocol
from stress.suite.executor.remote_trial import trial_request

CONNECT_S = 30
RETURN_LIMIT_S = 300.0  # for a worker that was lost to return
TRANSFER_LIMIT_S = 300.0  # for the transfer of a run folder
TRIES = 3  # of a trial whose worker was lost; dask has the same limit (distributed.scheduler.allowed-failures)
ALL_EVENTS = "all"  # dask's topic for workers that join and leave, among others


class DaskHandle:
    """A trial that was submitted to a worker."""

    def __init__(self, fleet: "DaskFleet", host: str, payload: bytes, job: Job) -> None:
        """Start it; for a worker that was lost, ``fetch`` waits."""
        self.fleet = fleet
        self.host = host
        self.payload = payload
        self.job = job
        self.events: SimpleQueue[object] = SimpleQueue()  # only wakes fetch(), which looks up what has changed
        self.cancelled = False
        self.address: str | None = None
        self.future: Future[Any] | None = None
        fleet.listeners.append(self.events)
        self.start(fleet.addresses().get(host))

    def start(self, address: str | None) -> None:
        """Send the trial request to the worker at an address, if there is one."""
        self.address = address
        if address is not None:
            self.future = self.fleet.send(dask_worker.run_packed_request, self.payload, address)
            self.fleet.watches[str(self.future.key)] = self.job.watch or ignore_progress
            self.future.add_done_callback(self.events.put)

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends; if its worker is lost, run it again when the worker has returned."""
        try:
            return self.fetch_with_retries(notify)
        finally:
            self.fleet.listeners.remove(self.events)
            if self.future is not None:
                self.fleet.watches.pop(str(self.future.key), None)
                self.future.release()

    def fetch_with_retries(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends, in one of at most TRIES tries."""
        for _ in range(TRIES):
            if (ended := self.one_try(notify)) is not None:
                return ended
            self.start(self.fleet.addresses().get(self.host))
        return lost_too_often(self.host)

    def one_try(self, notify: ProgressCallback) -> CellResult | None:
        """Wait until it ends; return None if it never will, because the worker has returned at another address.

        To a worker that returns at the same address dask itself sends the task again.
        """
        while not self.cancelled:
            if self.future is not None and self.future.done() and (ended := self.read_result(self.future)) is not None:
                return ended
            address = self.fleet.addresses().get(self.host)
            if address is None:
                notify(f"{self.host} was lost; waiting for it")
            elif address != self.address:
                if self.future is not None:
                    self.future.cancel()
                return None
            try:
                self.events.get(timeout=RETURN_LIMIT_S if address is None else None)
            except Empty:
                return failed_trial(
                    f"{self.host} was lost, and did not return within {RETURN_LIMIT_S:g} s; nothing was stored."
                )
        return failed_trial(f"The trial on {self.host} was cancelled.")

    def read_result(self, future: Future[Any]) -> CellResult | None:
        """Return the result of a task that has ended; None if it was lost in transfer, and the task is run again."""
        self.fleet.require_scheduler()
        if future.status != "finished":
            return self.failure_without_result(future)
        try:
            ended, packed = future.result(timeout=TRANSFER_LIMIT_S)
        except (TimeoutError, OSError):
            return None
        if ended.path is None:
            return CellResult(None, ended.failure and failure_elsewhere(ended.failure), ended.settle)
        try:
            return CellResult(archive.unpack_for(self.job, BytesIO(packed), ended.path.name), None, ended.settle)
        except LabError as error:
            return CellResult(None, Failed(f"{self.host}: {error}", error.exit_code), ended.settle)

    def failure_without_result(self, future: Future[Any]) -> CellResult:
        """Return why a task that has ended has no result."""
        if future.status == "cancelled":
            return failed_trial(f"The trial on {self.host} was cancelled by the scheduler; nothing was stored.")
        error = future.exception()
        if isinstance(error, KilledWorker):
            return lost_too_often(self.host)
        return failed_trial(f"{self.host}: {type(error).__name__}: {error}")

    def cancel(self) -> None:
        """End it, and wait until it has ended there."""
        self.cancelled = True
        future = self.future
        if future is not None:
            future.cancel()
            self.fleet.wait_until_ended(str(future.key), self.address)
        self.events.put(self)


class DaskFleet:
    """Runs trials on the workers of a dask scheduler, one trial at a time on each."""

    parallel_trials = 1

    def __init__(self, scheduler: str, hosts: Sequence[str] = ()) -> None:
        """Find the workers.

        Args:
            scheduler: its address, ``tcp://name:port``.
            hosts: names of workers; if none is named, all workers.

        Raises:
            LabError: the scheduler does not answer, there is no worker, one that was named is missing, or one speaks
                another protocol.
        """
        try:
            self.client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LabError(f"The dask scheduler {scheduler} does not answer: {error}.") from error
        self.scheduler = scheduler
        self.token = secrets.token_hex(4)  # dask stores results by key: two suites must not have the same keys
        self.numbers = count()
        self.fingerprints: dict[str, Fingerprint] = {}
        self.listeners: list[SimpleQueue[object]] = []
        self.watches: dict[str, ProgressCallback] = {}  # by the key of the task
        workers = self.addresses()
        self.names = list(hosts) or sorted(workers)
        missing = [name for name in self.names if name not in workers]
        if missing or not workers:
            raise LabError(
                f"{scheduler} has no worker {', '.join(missing) or 'at all'} (of {', '.join(sorted(workers))}); start "
                f"one on each host by connstorm worker {scheduler}."
            )
        require_worker_protocol(self.client, workers)
        self.client.register_plugin(dask_worker.Ender())
        self.client.subscribe_topic(ALL_EVENTS, self.wake_handles)
        self.client.subscribe_topic(dask_worker.STORMS, self.tell_storm)

    @property
    def hosts(self) -> list[str]:
        """The names of the workers."""
        return self.names

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask a host what it is.

        Raises:
            LabError: it does not answer.
        """
        self.require_scheduler()
        address = self.addresses().get(host)
        if address is None:
            raise LabError(
                f"{host} is not among the workers of {self.scheduler} any more; start connstorm worker on it."
            )
        try:
            answer = self.send(dask_worker.packed_fingerprint, None, address).result(timeout=FINGERPRINT_LIMIT_S)
        except (TimeoutError, KilledWorker) as error:
            raise LabError(f"{host} did not say what it is: {error}.") from error
        self.fingerprints[host] = decode_fingerprint(answer, host)
        return self.fingerprints[host]

    def submit(self, job: Job, host: str) -> DaskHandle:
        """Start a trial on a host."""
        self.require_scheduler()
        return DaskHandle(self, host, msgspec.json.encode(trial_request(job, self.fingerprints[host])), job)

    def send(self, function: Any, payload: bytes | None, address: str) -> "Future[Any]":
        """Have one worker, and no other, call a function once."""
        key = f"connstorm-{self.token}-{next(self.numbers)}"
        return self.client.submit(
            function,
            *([] if payload is None else [payload, key]),
            key=key,
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
        )

    def wait_until_ended(self, key: str, address: str | None) -> None:
        """Wait until nothing of a task runs on its worker; on a worker that was lost nothing runs."""
        if address is not None and address in self.addresses().values():
            self.client.run(dask_worker.wait_until_ended, key, workers=[address], on_error="ignore")

    def addresses(self) -> dict[str, str]:
        """Return the address of each worker that is connected, by its name."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        return {str(worker["name"]): address for address, worker in workers.items()}

    def require_scheduler(self) -> None:
        """Raise LabError unless the scheduler is connected."""
        if self.client.status != "running":
            raise LabError(
                f"The dask scheduler {self.scheduler} was lost. Trials that were recorded stay; continue with "
                "--resume when it has returned."
            )

    def wake_handles(self, event: object) -> None:
        """Wake all handles that wait, for a worker has joined or left."""
        for events in list(self.listeners):
            events.put(event)

    def tell_storm(self, event: tuple[float, tuple[str, str]]) -> None:
        """Pass on how far the storm of a trial is."""
        _, (key, text) = event
        self.watches.get(key, ignore_progress)(text)


def lost_too_often(host: str) -> CellResult:
    """Return the result of a trial whose worker was lost in every try."""
    return failed_trial(f"{host} was lost {TRIES} times in the same trial; nothing was stored.")
