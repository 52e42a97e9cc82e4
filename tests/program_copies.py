# SPDX-License-Identifier: MIT
"""Copies of the program: one process has imported what its verbs need, and each run is a copy of it, made by fork(2).

Python and the libraries take half a second to load, and tests start the program hundreds of times. A copy has its own
arguments, environment, folder, input and outputs, goes through the program's entry, and ends as Python does.
"""

import atexit
import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from copies_process import HERE, NEW

SERVER = str(Path(__file__).with_name("copies_process.py"))
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "MALLOC", "MPL", "OPENBLAS", "OMP", "TZ")  # what is read when Python starts
OWNER = os.getpid()  # a child of it is in a namespace of its own


def of_start(variables):
    """Return the variables that count when Python or a library is loaded."""
    return tuple(sorted(item for item in variables.items() if item[0].startswith(AT_START)))


OWN = of_start(os.environ)
KNOWN = {OWN}  # what a process of copies may be started with; of all else there are too few runs


UNSHARE = ["unshare", "-Urn"]
NSENTER = ["nsenter", "--target"]


def find_place(variables, under):
    """Return where a copy has to be for a run with these variables, started by a command; None: it can be no copy.

    That is HERE, or NEW, or the process ID of one in whose namespaces it is.
    """
    start = of_start(variables)
    if os.getpid() != OWNER:  # in a namespace of its own, most of the time
        return None if under or start not in STARTED or state() != STATE else str(os.getpid())
    if start not in KNOWN:
        return None
    if not under:
        return HERE
    if list(under) == UNSHARE:
        return NEW
    options = set(under[3:]) - {"--preserve-credentials"}
    return under[2] if list(under[:2]) == NSENTER and options == {"--user", "--net"} else None


def state():
    """Return what a process has from the one that started it, its namespaces left out that a copy can enter."""
    lines = Path("/proc/self/status").read_bytes().splitlines()  # the name may be no letters
    inherited = [
        line for line in lines if line.startswith((b"Umask", b"SigIgn", b"SigBlk", b"NoNewPrivs", b"Cpus_allowed:"))
    ]
    limits = [resource.getrlimit(limit) for limit in range(16)]
    kinds = [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("mnt", "pid", "uts", "ipc")]
    return os.getresuid(), os.getresgid(), inherited, limits, kinds, Path("/proc/self/cgroup").read_text()


STATE = state()


STARTED = {}
STARTING = threading.Lock()


def asking(start):
    """Return the socket by which the process of copies with these variables is asked, which ends when this one does."""
    with STARTING:
        if start not in STARTED:
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            others = {name: value for name, value in os.environ.items() if not name.startswith(AT_START)}
            with its:
                process = subprocess.Popen(
                    [sys.executable, SERVER, str(its.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=others | dict(start) | {"OPENBLAS_NUM_THREADS": "1"},  # a process with threads makes no copies
                    pass_fds=[its.fileno()],
                )
            STARTED[start] = ours, process
            atexit.register(end_copies, ours, process)
        return STARTED[start][0]


def prepare():
    """Start the process of copies for a child of this one, which is to be in namespaces of its own."""
    if os.getpid() == OWNER:
        asking(of_start(os.environ))


def end_copies(ours, process):
    if os.getpid() == OWNER:
        ours.close()
        process.wait()


def run_copy(place, arguments, variables, *, folder=None, text=None, timeout_s=None):
    """Run the program to its end; return what ``subprocess.run`` does, its outputs as texts.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    with contextlib.ExitStack() as stack:
        stdin = stack.enter_context(tempfile.TemporaryFile())
        stdin.write((text or "").encode())
        stdin.seek(0)
        stdout, stderr, told = (Reader(stack) for _ in range(3))
        folder = str(folder or Path.cwd())
        question = {"place": place, "arguments": arguments, "variables": dict(variables), "folder": folder}
        descriptors = [stdin.fileno(), stdout.its, stderr.its, told.its]
        socket.send_fds(asking(of_start(variables)), [json.dumps(question).encode()], descriptors)
        readers = (stdout, stderr, told)
        for reader in readers:
            os.close(reader.its)
        if not read_all(readers, timeout_s):
            os.kill(int(told.text().split()[0]), signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, timeout_s)
        _, status = told.text().split()
        code = os.waitstatus_to_exitcode(int(status))
        return subprocess.CompletedProcess(arguments, code, stdout.text(), stderr.text())


class Reader:
    """One end of a pipe, and what was read of it; the other end is to be closed by who gives it away."""

    def __init__(self, stack):
        self.own, self.its = os.pipe()
        stack.callback(os.close, self.own)
        self.parts = []

    def read(self):
        """Read a part; return whether there may be more."""
        self.parts.append(os.read(self.own, 1 << 16))
        return bool(self.parts[-1])

    def text(self):
        return b"".join(self.parts).decode().replace("\r\n", "\n")


def read_all(readers, timeout_s):
    """Read pipes to their ends; return whether that took less than a time."""
    end = None if timeout_s is None else time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader.own, selectors.EVENT_READ, reader)
        while selector.get_map():
            ready = selector.select(None if end is None else end - time.monotonic())
            if not ready and end is not None and time.monotonic() >= end:
                return False
            for key, _ in ready:
                if not key.data.read():
                    selector.unregister(key.fileobj)
    return True
