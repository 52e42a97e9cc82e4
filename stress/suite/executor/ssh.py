# SPDX-License-Identifier: MIT
"""The executor of hosts that are reached by ssh: they need sshd and an installed connstorm."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from stress.model.errors import LabError, UsageError
from stress.model.json_text import decode_json
from stress.model.progress import ProgressCallback, ignore_progress
from stress.model.suite import Fingerprint, Settle
from stress.run.process import FINGERPRINT_LIMIT_S, CellResult
from stress.run.protocol import Failed, Settled, Stage, decode_fingerprint
from stress.run.ssh_link import LOST, REFUSED, Link, Remote, error_text
from stress.suite.executor import archive
from stress.suite.executor.agent import Message, Sending, Storming
from stress.suite.executor.base import Job, failed_trial, failure_elsewhere
from stress.suite.executor.remote_trial import TrialRequest, trial_request

RETURN_LIMIT_S = 300.0  # for a host that was lost to return
RECONNECT_S = 2.0  # between tries to reach it
TRIES = 2  # of a trial whose host was lost


class SshHandle:
    """A trial that was submitted to a host."""

    def __init__(self, link: Link, command: str, request: TrialRequest, job: Job) -> None:
        """Start it; for a host that cannot be reached, ``fetch`` waits."""
        self.link = link
        self.command = command
        self.request = request
        self.job = job
        self.watch = job.watch or ignore_progress
        self.cancelled = False
        self.remote: Remote | None = None
        with suppress(*LOST):
            self.start()

    def start(self) -> None:
        """Start the agent, and send it the trial request."""
        self.remote = self.link.start(f"{self.command} run-cell --agent", msgspec.json.encode(self.request) + b"\n")

    def fetch(self, notify: ProgressCallback) -> CellResult:
        """Wait until it ends; if the connection is lost, run it once more when the host has returned."""
        for number in range(1, TRIES + 1):
            try:
                if self.remote is None:
                    self.start()
                return self.fetch_once(notify)
            except LOST as error:
                self.remote = None
                lost = f"{self.link.name} was lost: {error_text(error)}"
                if self.cancelled or isinstance(error, REFUSED):
                    return failed_trial(f"{lost}; nothing was stored.")
            if number < TRIES:
                notify(f"{lost}; waiting for it")
                if not self.link.wait_until_back(RETURN_LIMIT_S, RECONNECT_S, lambda: self.cancelled):
                    return failed_trial(f"{lost}, and did not return within {RETURN_LIMIT_S:g} s; nothing was stored.")
        return failed_trial(f"{lost}, {TRIES} times in the same trial; nothing was stored.")

    def fetch_once(self, notify: ProgressCallback) -> CellResult:
        """Wait until one try ends.

        Raises:
            OSError, asyncssh.Error: the connection is lost.
        """
        assert self.remote is not None
        settle: Settle | None = None
        while line := self.remote.line():
            match decode_message(line, self.link.name):
                case Stage(text):
                    notify(text)
                case Storming(text):
                    self.watch(text)
                case Settled(settled):
                    settle = settled
                case Failed() as failure:
                    return CellResult(None, failure_elsewhere(failure), settle)
                case Sending(name):
                    return self.receive_folder(self.remote, name, settle)
        return failed_trial(f"connstorm ended on {self.link.name} with {self.remote.exit_text()}; nothing was stored.")

    def receive_folder(self, remote: Remote, name: str, settle: Settle | None) -> CellResult:
        """Receive the run folder."""
        try:
            return CellResult(archive.unpack_for(self.job, remote, name), None, settle)
        except LabError as error:
            return CellResult(None, Failed(f"{self.link.name}: {error}", error.exit_code), settle)

    def cancel(self) -> None:
        """End it, and wait until it has ended there."""
        self.cancelled = True
        if self.remote is not None:
            self.remote.cancel()


class Ssh:
    """Runs trials on hosts that are reached by ssh, one trial at a time on each."""

    parallel_trials = 1

    def __init__(self, hosts: Sequence[str], command: str = "connstorm") -> None:
        """Note the hosts.

        Args:
            hosts: each ``[user@]name[:port]``; names may be those of ``~/.ssh/config``.
            command: that starts connstorm there, as the shell there reads it.

        Raises:
            UsageError: there is no host, one occurs twice, or one is not of that form.
        """
        if not hosts or len(set(hosts)) < len(hosts):
            raise UsageError("--executor ssh needs --hosts, each of them once: --hosts lab1,root@lab2:2222.")
        self.links = {name: Link(name) for name in hosts}
        self.command = command
        self.fingerprints: dict[str, Fingerprint] = {}

    @property
    def hosts(self) -> list[str]:
        """The names of the hosts as they were given."""
        return list(self.links)

    def fingerprint(self, host: str) -> Fingerprint:
        """Ask a host what it is.

        Raises:
            LabError: it does not answer, or speaks another protocol.
        """
        answer = self.links[host].output(f"{self.command} run-cell --attest", FINGERPRINT_LIMIT_S)
        self.fingerprints[host] = decode_fingerprint(answer, host)
        return self.fingerprints[host]

    def submit(self, job: Job, host: str) -> SshHandle:
        """Start a trial on a host."""
        return SshHandle(self.links[host], self.command, trial_request(job, self.fingerprints[host]), job)


def decode_message(line: bytes, host: str) -> Message:
    """Decode a line that the agent printed."""
    try:
        message: Message = decode_json(line, Message)
    except msgspec.DecodeError:
        return Failed(f"{host} printed {line[:80]!r}, which is no event; nothing was stored.", LabError.exit_code)
    return message
