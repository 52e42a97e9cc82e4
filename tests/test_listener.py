# SPDX-License-Identifier: MIT
"""The server under test: what its processes accept, close and leak, and how they end."""

import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from namespaced import namespaced

from stress._listener import ACCEPTED, LEAKED
from stress.lab import census, counters, sysctl
from stress.lab.listener import Listener
from stress.lab.paired_listener import PairedListener
from stress.lab.wait import wait_until
from stress.model.errors import LabError, UsageError
from stress.model.record import ListenerReport

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
SIXTEEN_PORTS = (40000, 40015)
both_families = pytest.mark.parametrize("family", [4, 6])


def connect(count, family=4):
    return [socket.create_connection((LOOPBACK[family], 5000)) for _ in range(count)]


def hang_up(clients, *, reset=False):
    for client in clients:
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def server_states(family=4):
    return census.take_census(family, range(5000, 5001))["server"]


def live_states(family=4):
    """Count the server's sockets but for TIME-WAIT, which a late ACK of the other CPU can end early (RFC 1337)."""
    return {state: count for state, count in server_states(family).items() if state != "TIME-WAIT"}


@both_families
@namespaced(ports=SIXTEEN_PORTS)
def test_it_closes_all_connections(family):
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        clients = connect(10, family)
        assert server.wait_settled(5)
        assert server.report() == ListenerReport(accepted=10, leaked=0, closed=10, first=10, errors={})
        assert all(client.recv(1) == b"" for client in clients)  # FIN
        hang_up(clients)
        assert wait_until(lambda: live_states(family) == {"LISTEN": 1}, 30)


@pytest.mark.parametrize("reset", [True, False])
@namespaced(ports=SIXTEEN_PORTS)
def test_it_knows_whom_the_client_was_first_to_end(reset):
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        stayed = connect(3)
        hang_up(connect(4), reset=reset)
        assert server.wait_settled(5)
        assert server.report() == ListenerReport(accepted=7, leaked=0, closed=7, first=3, errors={})
        hang_up(stayed)


@namespaced(ports=SIXTEEN_PORTS)
def test_it_leaks_the_first_and_closes_the_others():
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=3)
        clients = connect(10)
        assert server.wait_settled(5)
        assert server.report() == ListenerReport(accepted=10, leaked=3, closed=7, first=7, errors={})
        assert all(client.recv(1) == b"" for client in clients[3:])  # FIN
        hang_up(clients)
        assert wait_until(lambda: live_states() == {"CLOSE-WAIT": 3, "LISTEN": 1}, 30)


@namespaced(ports=SIXTEEN_PORTS)
def test_it_leaks_all_connections():
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=-1)
        hang_up(connect(10))
        assert server.wait_accepted(10, 5)
        assert server.report() == ListenerReport(accepted=10, leaked=10, closed=0, first=0, errors={})
        assert server_states() == {"CLOSE-WAIT": 10, "LISTEN": 1}


@namespaced(ports=SIXTEEN_PORTS)
def test_it_leaves_those_after_its_share():
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=3, then="leave")
        clients = connect(5)
        assert server.wait_accepted(3, 5)
        assert not server.wait_accepted(4, 0.2)
        assert server.queue_length() == 2
        assert not server.wait_settled(0.1)
        server.start()
        assert server.wait_settled(5)
        assert server.report() == ListenerReport(accepted=5, leaked=3, closed=2, first=2, errors={})
        hang_up(clients)


@namespaced(ports=SIXTEEN_PORTS)
def test_two_holders_share_exactly_what_they_may_hold():
    with Listener("127.0.0.1", 5000) as server:
        for _ in range(2):
            server.start(leak=4, then="leave")
        clients = connect(10)
        assert server.wait_accepted(8, 5)
        assert not server.wait_accepted(9, 0.2)
        assert [process.report[LEAKED] for process in server.processes] == [4, 4]
        assert server.queue_length() == 2
        hang_up(clients)


@namespaced(ports=SIXTEEN_PORTS)
def test_a_full_descriptor_table_is_counted_by_name():
    with Listener("127.0.0.1", 5000) as server:
        server.start(leak=-1)
        clients = connect(1)
        assert server.wait_accepted(1, 5)
        pid = server.processes[0].popen.pid
        taken = {int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        lowest_free = min(set(range(len(taken) + 1)) - taken)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, lowest_free))
        clients += connect(8)
        assert wait_until(lambda: server.report().errors, 30)
        report = server.report()
        assert report.errors.keys() == {"EMFILE"}
        assert report.accepted == report.leaked == 1
        assert server.queue_length() == 8
        hang_up(clients)


@namespaced
def test_a_process_that_dies_is_the_lab_s_failure():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        server.start()
        assert server.report() == ListenerReport(0, 0, 0, 0, {})
        os.kill(server.processes[1].popen.pid, signal.SIGKILL)
        server.processes[1].popen.wait()
        with pytest.raises(LabError, match="ended by itself with code -9; its sockets are closed"):
            server.report()


@both_families
@namespaced
def test_a_port_that_is_taken_is_wrong_use(family):
    with (
        Listener(LOOPBACK[family], 5000),
        pytest.raises(UsageError, match=r"port 5000: Address already in use; choose another with --listen-port"),
    ):
        Listener(LOOPBACK[family], 5000)


class SomeError(Exception):
    """Raised by a test inside the listener's block."""


@pytest.mark.parametrize("error", [None, SomeError, KeyboardInterrupt])
@namespaced
def test_nothing_is_left_when_it_is_closed(error):
    before = set(Path("/proc/self/fd").iterdir())
    try:
        with Listener("127.0.0.1", 5000) as server:
            server.start()
            server.start(leak=-1)
            hang_up(connect(2))
            server.wait_accepted(2, 5)
            processes = [process.popen for process in server.processes]
            if error:
                raise error
    except (SomeError, KeyboardInterrupt):
        pass
    assert all(process.returncode is not None for process in processes)
    assert not any(Path(f"/proc/{process.pid}").exists() for process in processes)
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert server_states() == {}
    Listener("127.0.0.1", 5000).close()


@namespaced
def test_a_process_that_cannot_see_that_it_is_to_stop_ends_too():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        connect(1)
        server.wait_accepted(1, 5)
        stuck = server.processes[0].popen
        os.kill(stuck.pid, signal.SIGSTOP)
    assert stuck.returncode == -signal.SIGKILL


@pytest.mark.parametrize("drop_rst", [True, False])
@both_families
@namespaced
def test_a_filter_keeps_the_client_s_rst_from_the_server(family, drop_rst):
    """The client resets; behind the filter the server's socket never learns of it."""
    with Listener(LOOPBACK[family], 5000, drop_rst=drop_rst) as server:
        server.start(leak=-1)
        clients = connect(3, family)
        server.wait_accepted(3, 5)
        assert server_states(family) == {"ESTABLISHED": 3, "LISTEN": 1}
        hang_up(clients, reset=True)
        assert server_states(family) == ({"ESTABLISHED": 3} if drop_rst else {}) | {"LISTEN": 1}
        assert counters.read()["OutRsts"] == 3
        assert counters.read()["EstabResets"] == (0 if drop_rst else 3) + 3  # the clients' own, and the server's


@pytest.mark.parametrize("longest", ["7", "50000"])
@namespaced
def test_its_queue_is_as_long_as_the_kernel_allows(longest):
    if shutil.which("ss") is None:
        pytest.skip("ss is not installed (iproute2)")
    sysctl.write("net.core.somaxconn", longest)
    with Listener("127.0.0.1", 5000):
        listing = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    assert listing.split()[2] == longest


@namespaced
def test_it_is_pinned_to_the_given_cpu():
    cpu = max(os.sched_getaffinity(0))
    with Listener("127.0.0.1", 5000, cpu=cpu) as server:
        server.start()
        connect(1)
        assert server.wait_accepted(1, 5)
        assert os.sched_getaffinity(server.processes[0].popen.pid) == {cpu}


@both_families
@namespaced(ports=SIXTEEN_PORTS)
def test_each_pair_is_served_by_its_own_process(family):
    """On one port: a client's SYNs come to the listener of its pair, whatever the 4-tuple."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        pytest.skip("there is one CPU")
    with PairedListener(LOOPBACK[family], 5000, [(cpus[0], cpus[1]), (cpus[1], cpus[0])]) as server:
        for _ in cpus:
            server.start()
        assert [os.sched_getaffinity(process.popen.pid) for process in server.processes] == [{cpus[1]}, {cpus[0]}]
        for number, cpu in enumerate([cpus[0], cpus[1], cpus[0]]):
            os.sched_setaffinity(0, {cpu})
            hang_up(connect(3, family), reset=True)
            assert server.wait_accepted(3 * number + 3, 5)
        assert [process.report[ACCEPTED] for process in server.processes] == [6, 3]


@namespaced(ports=SIXTEEN_PORTS)
def test_connections_from_other_cpus_are_served_too():
    cpus = sorted(os.sched_getaffinity(0))
    elsewhere = cpus[-1] + 1, cpus[-1] + 2  # on which nobody runs
    with PairedListener("127.0.0.1", 5000, [(cpu, cpus[0]) for cpu in elsewhere]) as server:
        for _ in elsewhere:
            server.start()
        hang_up(connect(8), reset=True)
        assert server.wait_accepted(8, 5)
