# SPDX-License-Identifier: MIT
"""Samples of all CPUs by perf, which stays outside of the namespace that this process enters. Imports no numpy.

perf may see the kernel's functions only from the host's user namespace. So what records, and what later reads the
recording, are started before this process leaves that, and wait until they are told.
"""

import errno
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from stress.lab.pdeathsig import with_parent
from stress.lab.perf_script import FIELDS, Sample, ScriptReader
from stress.lab.signals import start_deaf
from stress.lab.time_namespace import read_ahead_ns
from stress.model import atomic
from stress.model.errors import LabError, UsageError

PARANOID, HIDDEN = Path("/proc/sys/kernel/perf_event_paranoid"), Path("/proc/sys/kernel/kptr_restrict")
PARANOID_MAX = 0  # from 1 on, only root may sample whole CPUs (perf_allow_cpu(), include/linux/perf_event.h)
MISSING = "{} needs perf, which is not installed: apt-get install linux-perf (elsewhere the package is perf)."
REINSTALL = "install it again, or leave out the profile."
NOT_RUNNABLE = (errno.ENOEXEC, errno.EACCES, errno.EPERM, errno.ENOENT)
ANSWER_LIMIT_S = 20.0
READ_LIMIT_S = 300.0
LINE_MAX_BYTES = 1 << 16  # a line of perf script has a few hundred
VERSION_MAX = 80  # characters that are stored
SAMPLING = (  # where the kernel is, on every CPU; the caches of perf are left alone
    *("--all-cpus", "--event", "cpu-clock", "--clockid", "CLOCK_MONOTONIC", "--strict-freq"),
    *("-g", "--kernel-callchains", "--no-buildid", "--no-buildid-cache"),
)
# No settings of the user, and nothing that is asked of a server of debugging symbols.
ITS_OWN = {"PERF_CONFIG": "/dev/null", "DEBUGINFOD_URLS": "", "LC_ALL": "C"}


def require_perf(who: str = "--profile") -> str:
    """Return the path of perf, which ``who`` needs.

    Raises:
        UsageError: it is not installed.
    """
    if (path := shutil.which("perf")) is None:
        raise UsageError(MISSING.format(who))
    return path


def sampling_refusal() -> str:
    """Return why this user may not sample whole CPUs with the kernel's functions, or nothing."""
    if os.geteuid() == 0:
        return ""
    try:
        paranoid, hidden = int(PARANOID.read_text()), int(HIDDEN.read_text())
    except (OSError, ValueError) as error:
        return f"this kernel does not say who may sample it ({error})"
    if paranoid > PARANOID_MAX:
        return f"kernel.perf_event_paranoid is {paranoid}, and only root may sample whole CPUs unless it is 0 or less"
    return f"kernel.kptr_restrict is {hidden}, which hides the kernel's functions from all but root" if hidden else ""


class Recording:
    """perf, which has started and records nothing yet. A context manager, which ends it on exit.

    Attributes:
        process: of perf.
        program: its name and version.
        rate_hz: samples a second on each CPU.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        """Start it; has to come before the process enters its user namespace.

        Args:
            folder: where it may write its own files, which are removed at the end.
            rate_hz: samples a second on each CPU.

        Raises:
            UsageError: perf is not installed, or the kernel refuses it.
        """
        perf = require_perf()
        self.program = read_version(perf)
        self.rate_hz = rate_hz
        self.ahead_ns = read_ahead_ns()
        with ExitStack() as stack:
            own = stack.enter_context(tempfile.TemporaryDirectory(prefix=".profile-", suffix=".partial", dir=folder))
            stack.enter_context(atomic.lock_folder(Path(own)))  # or another connstorm would take it for abandoned
            data = os.path.join(own, "perf.data")  # noqa: PTH118  # an argument of another program
            self.errors = stack.enter_context(tempfile.TemporaryFile())
            for_perf_read, self.commands = os.pipe()
            self.answers, for_perf_write = os.pipe()
            for descriptor in (self.commands, self.answers):
                stack.callback(os.close, descriptor)
            record = ["record", *SAMPLING, "--freq", str(rate_hz), "--output", data]
            record += ["--control", f"fd:{for_perf_read},{for_perf_write}", "--delay", "-1"]  # until it is told
            variables = {**os.environ, **ITS_OWN}
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stress.lab.bound_program", perf, *record],
                pass_fds=(for_perf_read, for_perf_write),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=with_parent(variables),
            )
            stack.callback(end_process, self.process)
            os.close(for_perf_read)
            os.close(for_perf_write)
            script = [perf, "script", "--input", data, "--ns", "--show-lost-events", "--fields", FIELDS]
            self.reader = subprocess.Popen(
                ["/bin/sh", "-c", 'read -r go && exec "$@"', "sh", *script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=variables,
            )
            stack.callback(end_process, self.reader)
            try:
                self.tell("ping")
            except LabError as error:
                raise UsageError(f"The kernel cannot be profiled here. {error}") from error
            self.stack = stack.pop_all()

    def tell(self, command: str) -> None:
        """Tell perf something, and wait until it has answered.

        Raises:
            LabError: it has ended, or does not answer.
        """
        with suppress(BrokenPipeError):  # seen below
            os.write(self.commands, f"{command}\n".encode())
        waiting = select.poll()
        waiting.register(self.answers, select.POLLIN)
        if not waiting.poll(ANSWER_LIMIT_S * 1000):
            raise LabError(f"perf did not answer within {ANSWER_LIMIT_S:g} s.")
        if not os.read(self.answers, 64):
            raise LabError(self.ended_text())

    def ended_text(self) -> str:
        """Return a sentence that says that perf has ended, with its own words."""
        try:
            code = self.process.wait(ANSWER_LIMIT_S)
        except subprocess.TimeoutExpired:
            return "perf takes no more commands, and does not end."
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        words = " ".join(line.strip() for line in lines if line.strip() and not line.startswith(("Events ", "[ perf")))
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        return f"perf ended by itself {how}{f': {words[:300]}' if words else ''}."

    def samples(self, reader: ScriptReader) -> Iterator[Sample]:
        """End the recording and yield its samples, with the times of this process's CLOCK_MONOTONIC.

        They are read while they are printed: many CPUs have millions a minute.

        Raises:
            LabError: perf had ended by itself, or its recording cannot be read.
        """
        if self.process.poll() is not None:
            raise LabError(self.ended_text())
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(ANSWER_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"perf did not end within {error.timeout:g} s.") from error
        is_late = threading.Event()
        limit = threading.Timer(READ_LIMIT_S, self.end_reader, [is_late])
        limit.daemon = True
        start_deaf(limit)
        try:
            for sample in reader.read(self.script_lines()):
                yield Sample(sample.process, sample.cpu, sample.time_ns + self.ahead_ns, sample.frames)
            code = self.reader.wait()
        finally:
            limit.cancel()
        if is_late.is_set():
            raise LabError(f"perf did not print what it had recorded within {READ_LIMIT_S:g} s.")
        if code:
            raise LabError(f"perf could not read what it had recorded, and ended with {code}.")

    def script_lines(self) -> Iterator[str]:
        """Let perf print what it has recorded, and yield the lines; longer ones than it prints come in parts."""
        go, output = self.reader.stdin, self.reader.stdout
        assert go is not None
        assert output is not None
        with suppress(BrokenPipeError):  # seen by its exit code
            go.write(b"go\n")
            go.close()
        for line in iter(partial(output.readline, LINE_MAX_BYTES), b""):
            yield line.decode(errors="replace")

    def end_reader(self, is_late: threading.Event) -> None:
        """End what prints the recording, whose time is over."""
        is_late.set()
        self.reader.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stack.close()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, if it still runs, and close what leads to it."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(BrokenPipeError):
                stream.close()


def read_version(perf: str) -> str:
    """Return the name and version of perf; a part of them, or nothing, where it says something else.

    Raises:
        UsageError: it cannot be run, or does not answer.
    """
    try:
        said = subprocess.run(
            [perf, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=ANSWER_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"{perf} did not say its version within {error.timeout:g} s; {REINSTALL}") from error
    except OSError as error:
        if error.errno not in NOT_RUNNABLE:  # a limit of this process
            raise
        raise UsageError(f"{perf} cannot be run: {error.strerror}; {REINSTALL}") from error
    return said.stdout.strip().partition("\n")[0].replace(" version", "")[:VERSION_MAX]
