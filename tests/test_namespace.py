# SPDX-License-Identifier: MIT
"""The private namespace: what is its own, what stays outside, and when it is refused."""

import os
import socket
import threading
from pathlib import Path

import pytest
from namespaced import namespaced

from stress.lab import counters, namespace, sysctl
from stress.model.errors import LabError

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
LIMITS = Path("/proc/sys/user")
OUTSIDE = os.geteuid(), os.getegid()


@namespaced
def test_the_process_is_root_of_its_own_users_only():
    assert os.geteuid() == 0
    assert Path("/proc/self/uid_map").read_text().split() == ["0", str(OUTSIDE[0]), "1"]
    assert Path("/proc/self/gid_map").read_text().split() == ["0", str(OUTSIDE[1]), "1"]
    assert Path("/proc/self/setgroups").read_text() == "deny\n"


def test_the_host_s_network_is_another():
    """The child changes a setting and moves a counter of its own network; the parent's stay as they were."""
    links = [Path("/proc/self/ns/net").readlink(), Path("/proc/self/ns/user").readlink()]
    before = sysctl.read(FIN_TIMEOUT)

    @namespaced
    def inside():
        assert Path("/proc/self/ns/net").readlink() != links[0]
        assert Path("/proc/self/ns/user").readlink() != links[1]
        assert not any(counters.read().values())
        sysctl.write(FIN_TIMEOUT, str(int(before) + 1))

    inside()
    assert sysctl.read(FIN_TIMEOUT) == before
    assert Path("/proc/self/ns/net").readlink() == links[0]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.200.3.4", "::1"])
@namespaced
def test_loopback_is_up(address):
    with (
        socket.create_server((address, 5000), family=socket.AF_INET6 if ":" in address else socket.AF_INET),
        socket.create_connection((address, 5000)) as client,
    ):
        assert client.getpeername()[0] == address


@namespaced
def test_there_is_no_interface_but_loopback():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    assert socket.if_nametoindex("lo") == namespace.LOOPBACK_INDEX


@namespaced
def test_a_process_with_threads_is_refused():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    with pytest.raises(LabError, match="by a process with one thread"):
        namespace.enter_namespace()
    done.set()
    thread.join()


@namespaced
def test_root_without_user_namespaces_gets_a_network_of_its_own():
    (LIMITS / "max_user_namespaces").write_text("0")
    networks = Path("/proc/self/ns/net").readlink()
    users = Path("/proc/self/ns/user").readlink()
    namespace.enter_namespace()
    assert Path("/proc/self/ns/net").readlink() != networks
    assert Path("/proc/self/ns/user").readlink() == users
    socket.create_server(("127.0.0.1", 5000)).close()


@namespaced
def test_a_user_without_user_namespaces_is_refused_with_a_hint_at_host():
    assert namespace.unshare(namespace.CLONE_NEWUSER) == 0
    Path("/proc/self/uid_map").write_text("1000 0 1")
    assert os.geteuid() == 1000
    (LIMITS / "max_user_namespaces").write_text("0")
    with pytest.raises(LabError, match=r"ENOSPC.*--host would run on this host's own stack"):
        namespace.enter_namespace()


@namespaced
def test_root_without_network_namespaces_is_refused():
    (LIMITS / "max_net_namespaces").write_text("0")
    users = Path("/proc/self/ns/user").readlink()
    with pytest.raises(LabError, match="ENOSPC"):
        namespace.enter_namespace()
    assert Path("/proc/self/ns/user").readlink() == users
