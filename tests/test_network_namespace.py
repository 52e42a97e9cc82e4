# SPDX-License-Identifier: MIT
"""Entering network namespaces that others have made, by path and by process, and what is said where that fails."""

import ctypes
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from namespaced import namespaced

from stress.lab import counters, namespace, network_namespace, sysctl
from stress.model.errors import ConnstormError, LabError, UsageError

NOBODY = 65534
PR_SET_DUMPABLE = 4  # linux/prctl.h
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


class Neighbour:
    """A process in a network namespace of its own, where somebody listens on port 7777 and the range is another."""

    def __init__(self, uid=None):
        import pyroute2  # noqa: F401  # another user may not be able to read it

        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.live(uid, writer)
            finally:
                os._exit(1)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            self.is_made = bool(stream.read())

    def live(self, uid, writer):
        """Make the namespace, say so, and stay."""
        if uid is None:
            assert namespace.unshare(namespace.CLONE_NEWNET) == 0
        else:
            become(uid)
            namespace.enter_namespace()  # with users of its own
        namespace.bring_loopback_up()
        sysctl.write("net.ipv4.ip_local_port_range", "41000 41003")
        with socket.create_server(("127.0.0.1", 7777)):
            os.write(writer, b"ready")
            os.close(writer)
            signal.pause()

    def __enter__(self):
        if not self.is_made:
            self.__exit__()
            pytest.skip("this kernel refuses a namespace here")
        return self

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    @property
    def path(self):
        return f"/proc/{self.pid}/ns/net"

    @property
    def inode(self):
        return Path(self.path).stat().st_ino


def become(uid):
    """Become another user for good, whose own processes may look into this one, as if it had started a program."""
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def is_in_the_neighbour_s():
    """Return whether settings, counters and connections of the calling thread are those of the neighbour."""
    before = counters.read()["ActiveOpens"]
    with socket.create_connection(("127.0.0.1", 7777)):
        opened = counters.read()["ActiveOpens"] - before
    return (sysctl.read("net.ipv4.ip_local_port_range"), opened) == ("41000 41003", 1)


@pytest.mark.parametrize("by", ["path", "pid"])
@namespaced
def test_settings_counters_and_sockets_are_those_of_the_namespace_that_was_entered(by):
    with Neighbour() as neighbour:
        network_namespace.enter(str(getattr(neighbour, by)))
        assert network_namespace.read_inode() == neighbour.inode
        assert is_in_the_neighbour_s()


@namespaced
def test_only_the_calling_thread_moves_and_reads_proc_of_where_it_is():
    before = network_namespace.read_inode()
    inside = []

    def look():
        network_namespace.enter(str(neighbour.pid))
        inside.append(is_in_the_neighbour_s())

    with Neighbour() as neighbour:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        assert inside == [True]
        assert network_namespace.read_inode() == before
        assert sysctl.read("net.ipv4.ip_local_port_range") == "40000 40003"


def enter_as(uid, where, *, threads=0):
    """Enter a namespace in a child that is another user; return the exit code of the failure, and text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        become(uid)
        for _ in range(threads):
            threading.Thread(target=signal.pause, daemon=True).start()
        try:
            network_namespace.enter(where)
            answer = (0, sysctl.read("net.ipv4.ip_local_port_range"))
        except ConnstormError as error:
            answer = (error.exit_code, str(error))
        os.write(writer, pickle.dumps(answer))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return pickle.loads(answer)  # noqa: S301  # from our own child


@needs_root
def test_a_user_joins_the_user_namespace_of_its_own_and_another_user_is_told_whom_to_ask():
    with Neighbour(NOBODY) as neighbour:
        where = str(neighbour.pid)
        assert enter_as(NOBODY, where) == (0, "41000 41003")
        assert enter_as(0, where) == (0, "41000 41003")
        refused = f"The network namespace of process {where} may not be entered by this user; do it as root (sudo) or "
        assert enter_as(NOBODY - 1, where) == (3, refused + "as the user who made it.")
        code, text = enter_as(NOBODY, where, threads=1)
        assert (code, text.split(";")[0]) == (3, f"{where} can only be entered by a process with one thread")


@needs_root
def test_a_user_may_not_enter_the_namespace_of_root_by_its_path(tmp_path):
    """A namespace that ip netns has made: anybody may open its path."""
    libc = ctypes.CDLL(None, use_errno=True)
    named = tmp_path / "blue"
    named.touch()
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 1:
            folder.chmod(folder.stat().st_mode | 1)
    with Neighbour() as neighbour:
        if libc.mount(neighbour.path.encode(), str(named).encode(), b"none", 4096, None):  # MS_BIND
            pytest.skip("this root may not mount")
    try:
        assert enter_as(0, str(named)) == (0, "41000 41003")
        code, text = enter_as(NOBODY, str(named))
        assert (code, "may not be entered by this user" in text) == (3, True)
    finally:
        libc.umount2(str(named).encode(), 2)  # MNT_DETACH


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("/run/netns/no-such-namespace", "cannot be opened: No such file or directory"),
        ("/etc/passwd", "/etc/passwd is no network namespace; give a path such as /run/netns/NAME"),
        ("/proc/self/ns/user", "is no network namespace"),
        ("/", "is no network namespace"),
        ("4999999", "There is no process 4999999 here"),
        ("", "cannot be opened"),
        ("a\0b", "is no path"),
    ],
)
def test_what_is_no_namespace_is_a_wrong_argument(where, text):
    with pytest.raises(UsageError) as caught:
        network_namespace.enter(where)
    assert text in str(caught.value)


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="is no network namespace"):
        network_namespace.enter(str(tmp_path / "fifo"))


def test_the_name_that_ip_netns_has_is_suggested(tmp_path, monkeypatch):
    monkeypatch.setattr(network_namespace, "NAMED", str(tmp_path))
    Path(tmp_path / "blue").touch()
    with pytest.raises(UsageError, match=f"; did you mean {tmp_path}/blue?"):
        network_namespace.enter("blue")


def test_other_failures_are_named():
    assert isinstance(network_namespace.refusal("7", 12), LabError)
    assert (
        str(network_namespace.refusal("/x", 12))
        == "The network namespace /x cannot be entered: Cannot allocate memory."
    )


def test_a_program_that_enters_has_loaded_no_numpy():
    program = "import sys; from stress.lab import network_namespace; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"False\n"
