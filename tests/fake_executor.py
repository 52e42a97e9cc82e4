# SPDX-License-Identifier: MIT
"""An executor without processes: trials end as a script says, and leave a copy of a frozen run."""

import shutil
import threading
from pathlib import Path

from stress.lab import sysctl
from stress.model.errors import INTERRUPTED, LabError
from stress.run.fingerprint import take_fingerprint
from stress.run.process import CellResult
from stress.run.protocol import Failed

FROZEN = next((Path(__file__).parent / "data" / "suite-schema-1" / "trials" / "0000-closewait").glob("2*"))
LOST = Failed("The host was lost.", LabError.exit_code)
INTERRUPTED_TRIAL = Failed("interrupted", INTERRUPTED)
CUT_SHORT = Failed("it leaves a run that says that it was interrupted", INTERRUPTED)


class FakeHandle:
    """A trial that ends when it is released, as its script says: None is a run, else a failure."""

    def __init__(self, job, failure, released):
        self.job = job
        self.failure = failure
        self.released = released
        self.cancelled = False

    def fetch(self, notify):
        notify("storm")
        if self.job.watch is not None:
            self.job.watch("half of it")
        assert self.released.wait(60), "a trial that nobody released"
        if self.cancelled:
            return CellResult(None, INTERRUPTED_TRIAL, None)
        if self.failure is not None and self.failure is not CUT_SHORT:
            return CellResult(None, self.failure, None)
        path = Path(shutil.copytree(FROZEN, self.job.folder / FROZEN.name))
        if self.failure is CUT_SHORT:
            file = path / "run.json"
            file.write_text(file.read_text().replace('"interrupted": false', '"interrupted": true'))
        return CellResult(path, None, None)

    def cancel(self):
        self.cancelled = True
        self.released.set()


class FakeExecutor:
    """Hosts that answer at once.

    Attributes:
        script: what becomes of the submitted trials, one after the other; after its end all succeed. A failure, or the
            name of an event in ``held`` that must be set before the trial ends.
        calls: what the scheduler asked, in order.
    """

    def __init__(self, hosts=("lab1",), script=(), parallel_trials=1):
        self.hosts = list(hosts)
        self.parallel_trials = parallel_trials
        self.script = list(script)
        self.calls = []
        self.handles = []
        self.held = {}

    def fingerprint(self, host):
        self.calls.append(("fingerprint", host))
        return take_fingerprint(sysctl.list_names(), sysctl.list_names())

    def submit(self, job, host):
        self.calls.append(("submit", host, job.plan.seed))
        failure = self.script.pop(0) if self.script else None
        released = threading.Event()
        if isinstance(failure, str):
            self.held[failure] = released
            failure = None
        else:
            released.set()
        handle = FakeHandle(job, failure, released)
        self.handles.append(handle)
        return handle
