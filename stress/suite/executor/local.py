# SPDX-License-Identifier: MIT
"""The executor of this machine: each trial is a process of its own."""

import os
from dataclasses import dataclass

import msgspec

from stress.model.errors import LabError
from stress.model.extra import require_package
from stress.model.progress import ProgressCallback
from stress.model.suite import Fingerprint
from stress.run import other_connstorm, process
from stress.run.peer.peer_call import JOIN_VARIABLE
from stress.run.peer.relay_spec import CONNSTORM
from stress.run.process import CellProcess, CellResult
from stress.run.protocol import decode_fingerprint
from stress.run.template import Template
from stress.suite.executor.base import Job

HERE = "local"


@dataclass(frozen=True)
class LocalHandle:
    """A trial that was submitted to this machine."""

    running: CellProcess
    watch: ProgressCallback | None

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends."""
        return self.running.wait(notify, self.watch)

    def cancel(self) -> None:
        """End it."""
        self.running.stop()


class Local:
    """Runs trials on this machine, one after the other; those that do not measure in parallel, one per CPU."""

    template: Template | None = None  # of all trials here

    def __init__(self, remote_connstorm: str = CONNSTORM) -> None:
        """Take the command that starts connstorm on hosts across a link, as the shell there reads it."""
        self.remote_connstorm = remote_connstorm

    @property
    def hosts(self) -> list[str]:
        """This machine."""
        return [HERE]

    @property
    def runs_arms(self) -> bool:
        """Whether jobs may have an arm."""
        return True

    @property
    def parallel_trials(self) -> int:
        """One trial per CPU."""
        return len(os.sched_getaffinity(0))

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask this machine what it is."""
        assert host == HERE
        return process.request_fingerprint()

    def fingerprint_peer(self, name: str) -> Fingerprint:
        """Ask a host across a link what it is; the connection is closed again.

        Raises:
            LabError: it does not answer, or speaks another protocol; or asyncssh is not installed.
        """
        require_package("asyncssh", "fleet", f"To reach {name}", kind=LabError)
        from stress.run.ssh_link import Link  # noqa: PLC0415  # asyncssh is of the extra fleet

        link = Link(name)
        try:
            answer = link.output(f"{self.remote_connstorm} run-cell --attest", process.FINGERPRINT_LIMIT_S)
        finally:
            link.close()
        return decode_fingerprint(answer, name)

    def submit(self, job: Job, host: str) -> LocalHandle:
        """Start a trial."""
        assert host == HERE
        options = process.trial_options(job.settle_s, set_host=job.set_host)
        if job.plan.peers:
            options += ("--remote-connstorm", self.remote_connstorm)
        if job.profile_hz is not None:
            options += ("--profile", str(job.profile_hz))
        variables: dict[str, str | None] = {JOIN_VARIABLE: ""}  # a join word is good for one run
        starter: tuple[str, ...] = process.RUN_CELL
        if job.arm is not None and job.arm.python is not None:
            starter = other_connstorm.run_cell_command(job.arm.python)
            variables |= other_connstorm.ITS_OWN_MODULES
        elif job.arm is not None:
            options += ("--arm", msgspec.json.encode(job.arm).decode())
        template = self.find_template() if starter is process.RUN_CELL else None
        cell = CellProcess(job.plan, job.folder, options, job.limit_s, variables, starter, template)
        return LocalHandle(cell, job.watch)

    def find_template(self) -> Template:
        """Return the template, which is started with the first trial."""
        if self.template is None:
            self.template = Template(os.environ | process.ONE_THREAD)
        return self.template
