# SPDX-License-Identifier: MIT
"""Run a test in a child process with a private network namespace of its own, with a tiny port range."""

import ctypes
import errno
import functools
import os
import pickle
import signal
import socket
import struct
import sys
import traceback
from pathlib import Path

import pyroute2  # noqa: F401  # each child would import it anew, which takes a tenth of a second
import pytest

from stress.lab import namespace, sysctl
from stress.model.errors import LabError

LIMIT_S = 380  # below pytest's timeout
FOUR_PORTS = (40000, 40003)  # exhaustion takes four connects


def namespaced(test=None, *, ports=FOUR_PORTS, sysctls=None, as_oneself=False):
    """Decorate a test so that it runs in a fresh namespace whose ephemeral ports are ``ports``.

    With ``as_oneself`` root stays the host's root there, who can become another user.
    """
    if test is None:
        return functools.partial(namespaced, ports=ports, sysctls=sysctls, as_oneself=as_oneself)

    @functools.wraps(test)
    def wrapper(*args, **kwargs):
        if "program_copies" in sys.modules:  # a test that runs the program
            sys.modules["program_copies"].prepare()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(LIMIT_S)  # a test that hangs does not outlive pytest's own patience
            os.close(reader)
            try:
                with os.fdopen(writer, "wb") as stream:
                    stream.write(pickle.dumps(verdict(test, ports, sysctls or {}, args, kwargs, as_oneself=as_oneself)))
            finally:
                os._exit(0)  # whatever goes wrong here: the child must not go on with the parent's tests
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        _, status = os.waitpid(child, 0)
        if not answer:
            pytest.fail(f"the test's process died with wait status {status}")
        kind, text = pickle.loads(answer)  # noqa: S301  # from our own child
        if kind == "skipped":
            pytest.skip(text)
        if kind == "failed":
            pytest.fail(text, pytrace=False)

    return wrapper


def verdict(test, ports, sysctls, args, kwargs, *, as_oneself):
    """Enter the namespace, run the test, and say how it went."""
    try:
        namespace.enter_namespace(as_oneself=as_oneself)
    except LabError as error:
        return "skipped", str(error)
    try:
        sysctl.write("net.ipv4.ip_local_port_range", "{} {}".format(*ports))
        for name, value in sysctls.items():
            sysctl.write(name, value)
        test(*args, **kwargs)
    except pytest.skip.Exception as skipped:
        return "skipped", str(skipped)
    except BaseException:  # noqa: BLE001  # whatever it is, the parent reports it
        return "failed", traceback.format_exc()
    finally:
        sys.stdout.flush()
    return "passed", ""


def another_network(*, ports):
    """Move this process, which is in a namespace of its own already, to a new and empty network."""
    assert namespace.unshare(namespace.CLONE_NEWNET) == 0
    namespace.bring_loopback_up()
    sysctl.write("net.ipv4.ip_local_port_range", "{} {}".format(*ports))


def open_descriptors():
    """Return how many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir())) - 1


def error_names(numbers):
    """Return errno names, for readable assertions."""
    return [errno.errorcode.get(int(number), "0") for number in numbers]


def silent_listener():
    """Return a listening socket that drops every segment: SYNs are never answered."""
    server = socket.create_server(("127.0.0.1", 5000))
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # keep 0 bytes
    server.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", 1, ctypes.addressof(code)))
    return server
