# SPDX-License-Identifier: MIT
"""The executor of a dask cluster: each worker is a host, called by the worker's name.

A trial is a task that is pinned to its worker by address, and never stolen. dask delivers at least once: a task whose
worker was lost is run again. Here its result is taken once, by who asked for it, so no trial counts twice.
"""

import pkgutil
import secrets
from collections.abc import Sequence
from io import BytesIO
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

import msgspec
from distributed import Client, Future, KilledWorker

from stress.model.errors import LabError
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run.process import FINGERPRINT_LIMIT_S, CellResult
from stress.run.protocol import UNNUMBERED, Failed, decode_fingerprint, require_protocol
from stress.suite.executor import archive, dask_worker
from stress.suite.executor.base import Job, failed_trial
from stress.suite.executor.remote_trial import trial_request

CONNECT_S = 30
BACK_S = 300.0  # for how long a worker that was lost is waited for
TAKE_S = 300.0  # for a run folder to come
TRIES = 3  # of a trial whose worker was lost; dask's own number (distributed.scheduler.allowed-failures) too
PROTOCOL_NAME = "stress.run.protocol:PROTOCOL"
EVERYTHING = "all"  # dask's topic on which workers come and go


class DaskHandle:
    """A trial under way on a worker."""

    def __init__(self, fleet: "DaskFleet", host: str, payload: bytes, job: Job) -> None:
        """Start it; a worker that is gone is waited for by ``fetch``."""
        self.fleet = fleet
        self.host = host
        self.payload = payload
        self.job = job
        self.news: SimpleQueue[object] = SimpleQueue()  # something has happened; what, is looked up
        self.cancelled = False
        self.address: str | None = None
        self.future: Future[Any] | None = None
        fleet.listeners.append(self.news)
        self.start(fleet.addresses().get(host))

    def start(self, address: str | None) -> None:
        """Send the errand to the worker at an address, if there is one."""
        self.address = address
        if address is not None:
            self.future = self.fleet.send(dask_worker.run_packed_request, self.payload, address)
            self.future.add_done_callback(self.news.put)

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it is over; if its worker is lost, it is run again when that is back."""
        try:
            return self.outcome(notify)
        finally:
            self.fleet.listeners.remove(self.news)
            if self.future is not None:
                self.future.release()

    def outcome(self, notify: ProgressCallback) -> CellResult:
        """Do the same."""
        for _ in range(TRIES):
            if (ended := self.one_try(notify)) is not None:
                return ended
            self.start(self.fleet.addresses().get(self.host))
        return lost_too_often(self.host)

    def one_try(self, notify: ProgressCallback) -> CellResult | None:
        """Wait until it is over; None if it never will be, because the worker has come back at another address.

        One that comes back at the same address is given the task anew by dask itself.
        """
        while not self.cancelled:
            if self.future is not None and self.future.done() and (ended := self.taken(self.future)) is not None:
                return ended
            here = self.fleet.addresses().get(self.host)
            if here is None:
                notify(f"{self.host} was lost; waiting for it")
            elif here != self.address:
                if self.future is not None:
                    self.future.cancel()
                return None
            try:
                self.news.get(timeout=BACK_S if here is None else None)
            except Empty:
                return failed_trial(f"{self.host} was lost, and not back within {BACK_S:g} s; nothing was kept.")
        return failed_trial(f"The trial on {self.host} was ended.")

    def taken(self, future: Future[Any]) -> CellResult | None:
        """Take the result of a task that is done; None if it was lost on its way, and is being made again."""
        self.fleet.require()
        if future.status != "finished":
            return self.no_result(future)
        try:
            ended, packed = future.result(timeout=TAKE_S)
        except (TimeoutError, OSError):
            return None
        if ended.path is None:
            return CellResult(None, ended.failure, ended.settle)
        try:
            return CellResult(archive.unpack(BytesIO(packed), ended.path.name, self.job.folder), None, ended.settle)
        except LabError as error:
            return CellResult(None, Failed(f"{self.host}: {error}", error.exit_code), ended.settle)

    def no_result(self, future: Future[Any]) -> CellResult:
        """Say why a task that is over has no result."""
        if future.status == "cancelled":
            return failed_trial(f"The trial on {self.host} was cancelled by the scheduler; nothing was kept.")
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
            self.fleet.still(str(future.key), self.address)
        self.news.put(self)


class DaskFleet:
    """Runs trials on the workers of a dask scheduler, one trial at a time on each."""

    parallel_trials = 1

    def __init__(self, scheduler: str, hosts: Sequence[str] = ()) -> None:
        """Find the workers.

        Args:
            scheduler: its address, ``tcp://name:port``.
            hosts: names of workers; all that there are, if none is named.

        Raises:
            LabError: the scheduler does not answer, there is no worker, or one that was named is missing.
        """
        try:
            self.client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise LabError(f"The dask scheduler {scheduler} does not answer: {error}.") from error
        self.scheduler = scheduler
        self.token = secrets.token_hex(4)  # dask keeps results by key: keys of one suite must not be those of another
        self.numbers = count()
        self.fingerprints: dict[str, Fingerprint] = {}
        self.listeners: list[SimpleQueue[object]] = []
        there = self.addresses()
        self.names = list(hosts) or sorted(there)
        missing = [name for name in self.names if name not in there]
        if missing or not there:
            raise LabError(
                f"{scheduler} has no worker {', '.join(missing) or 'at all'} (of {', '.join(sorted(there))}); start "
                f"one on each host by connstorm worker {scheduler}."
            )
        self.require_protocol()
        self.client.register_plugin(dask_worker.Ender())
        self.client.subscribe_topic(EVERYTHING, self.tell)

    def require_protocol(self) -> None:
        """Raise LabError unless all workers, to which the plugin will go, speak the protocol of this program.

        They are asked by a function of the standard library, for other programs do not have this one's functions.
        """
        answers = self.client.run(pkgutil.resolve_name, PROTOCOL_NAME, on_error="return")
        for name, address in self.addresses().items():
            number = UNNUMBERED if isinstance(answers.get(address), ImportError) else answers.get(address)
            if isinstance(number, int):  # else it does not answer, which fingerprint() will say
                require_protocol(number, f"The connstorm of the worker {name}")

    @property
    def hosts(self) -> list[str]:
        """The names of the workers."""
        return self.names

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask a host what it is.

        Raises:
            LabError: it does not answer.
        """
        self.require()
        address = self.addresses().get(host)
        if address is None:
            raise LabError(
                f"{host} is not among the workers of {self.scheduler} any more; start connstorm worker there."
            )
        try:
            answer = self.send(dask_worker.packed_fingerprint, None, address).result(timeout=FINGERPRINT_LIMIT_S)
        except (TimeoutError, KilledWorker) as error:
            raise LabError(f"{host} did not say what it is: {error}.") from error
        self.fingerprints[host] = decode_fingerprint(answer, host)
        return self.fingerprints[host]

    def submit(self, job: Job, host: str) -> DaskHandle:
        """Start a trial on a host."""
        self.require()
        return DaskHandle(self, host, msgspec.json.encode(trial_request(job, self.fingerprints[host])), job)

    def send(self, function: Any, payload: bytes | None, address: str) -> "Future[Any]":
        """Have a worker, and no other, call a function once."""
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

    def still(self, key: str, address: str | None) -> None:
        """Wait until nothing of a task runs on its worker; one that is gone has nothing running."""
        if address is not None and address in self.addresses().values():
            self.client.run(dask_worker.wait_until_ended, key, workers=[address], on_error="ignore")

    def addresses(self) -> dict[str, str]:
        """Return where each worker is now."""
        workers = self.client.scheduler_info(n_workers=-1)["workers"]
        return {str(worker["name"]): address for address, worker in workers.items()}

    def require(self) -> None:
        """Raise LabError unless the scheduler is there."""
        if self.client.status != "running":
            raise LabError(
                f"The dask scheduler {self.scheduler} was lost. Trials that were recorded stay; go on with --resume "
                "when it is back."
            )

    def tell(self, event: object) -> None:
        """Tell all who wait that a worker has come or gone."""
        for news in list(self.listeners):
            news.put(event)


def lost_too_often(host: str) -> CellResult:
    """Return that a worker was lost again and again."""
    return failed_trial(f"{host} was lost {TRIES} times in the same trial; nothing was kept.")
