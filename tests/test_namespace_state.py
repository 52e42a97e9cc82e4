# SPDX-License-Identifier: MIT
"""What the lab sees of a network namespace, with real sockets: ages, owners, families, and what nobody may see."""

import os
import pickle
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter

import pytest
from namespaced import namespaced
from test_census import becomes
from test_network_namespace import Neighbour

from stress.lab import census, firewall, namespace_state, network_namespace, socket_owner, sysctl
from stress.lab.wait import wait_until
from stress.model.errors import LabError, UsageError
from stress.model.inspection import SocketOwner

NOBODY = 65534
IDLE_MS, LEAKED_MS, JIFFIES_MS = 1500, 500, 30
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")


def rows_by_peer(state):
    """Return what a state has of each socket of a server on port 5000, by its peer's port."""
    sockets = state.sockets
    rows = (sockets["local_port"] == 5000).nonzero()[0].tolist()
    return {
        int(sockets["remote_port"][row]): (
            census.state_name(int(sockets["state"][row])),
            int(state.ages_ms[row]),
            int(state.families[row]),
            int(sockets["inode"][row]),
        )
        for row in rows
    }


@namespaced
def test_the_age_of_a_leak_is_the_time_since_the_fin_although_it_had_been_idle_before():
    """Both connections are as old; of one the FIN comes long after the last data."""
    with socket.create_server(("127.0.0.1", 5000)) as server:
        ends = []
        for port in (40000, 40001):
            client = socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", port))
            ends += [client, server.accept()[0]]
            client.send(b"data")
        time.sleep(IDLE_MS / 1000)
        start = time.monotonic()
        ends[0].close()
        time.sleep(LEAKED_MS / 1000)
        state = namespace_state.take_state(with_rules=False)
        elapsed_ms = (time.monotonic() - start) * 1000
        rows = rows_by_peer(state)
    assert rows[40000][0] == "CLOSE-WAIT"
    assert LEAKED_MS - JIFFIES_MS <= rows[40000][1] <= elapsed_ms + JIFFIES_MS
    assert rows[40001][0] == "ESTABLISHED"
    assert rows[40001][1] >= IDLE_MS + LEAKED_MS - JIFFIES_MS


@namespaced
def test_a_connection_that_waits_in_the_accept_queue_belongs_to_no_process():
    with (
        socket.create_server(("127.0.0.1", 5000)) as server,
        socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", 40000)),
        socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", 40001)),
        server.accept()[0] as accepted,
    ):
        state = namespace_state.take_state(with_rules=False)
        inodes = {port: row[3] for port, row in rows_by_peer(state).items()}
        name = socket_owner.read_name(os.getpid())
        assert inodes == {40000: os.fstat(accepted.fileno()).st_ino, 40001: 0}
        assert state.owner(inodes[40000], 0) == SocketOwner(0, "root", os.getpid(), name)
        assert state.owner(0, 0) is None
        assert [(entry.port, entry.waiting) for entry in state.listeners] == [(5000, 1)]


@namespaced
def test_a_dual_stack_listener_s_ipv4_connections_are_ipv4():
    with (
        socket.create_server(("::", 5000), family=socket.AF_INET6, dualstack_ipv6=True) as server,
        socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", 40000)),
        socket.create_connection(("::1", 5000), source_address=("::1", 40001)),
    ):
        state = namespace_state.take_state(with_rules=False)
        assert {port: row[2] for port, row in rows_by_peer(state).items()} == {40000: 4, 40001: 6}
        mapped = state.sockets[(state.sockets["remote_port"] == 40000) & (state.families == 4)]
        assert [bytes(address)[:4] for address in mapped["local_address"].tolist()] == [bytes([127, 0, 0, 1])]
        assert [entry.address for entry in state.listeners] == ["::"]
        assert server.fileno() >= 0


@namespaced
def test_all_processes_that_hold_a_socket_are_listed():
    with socket.socket() as first, socket.socket() as second:
        for listener in (first, second):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(("127.0.0.1", 5000))
            listener.listen()
        child = os.fork()
        if child == 0:
            second.close()
            signal.pause()
            os._exit(0)
        try:
            inodes = [os.fstat(listener.fileno()).st_ino for listener in (first, second)]
            becomes_held = [[os.getpid(), child], [os.getpid()]]
            for _ in range(100):  # the child closes its end
                state = namespace_state.take_state(with_rules=False)
                if [state.holders[inode] for inode in inodes] == becomes_held:
                    break
                time.sleep(0.01)
            assert [state.holders[inode] for inode in inodes] == becomes_held
            assert sorted(entry.inode for entry in state.listeners) == sorted(inodes)
            assert {state.owners[inode].pid for inode in inodes} == {os.getpid()}
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@namespaced
def test_ports_addresses_settings_and_counters_are_those_of_this_namespace():
    sysctl.write("net.ipv4.ip_local_reserved_ports", "40001,40003")
    with socket.create_server(("127.0.0.1", 5000)), socket.socket() as only_bound:
        only_bound.bind(("127.0.0.1", 40002))
        with socket.create_connection(("127.0.0.1", 5000)):
            state = namespace_state.take_state(with_rules=False)
    assert (state.port_range, state.reserved) == ((40000, 40003), frozenset({40001, 40003}))
    assert state.addresses == {"127.0.0.1", "::1"}
    assert state.counters["ActiveOpens"] == 1
    assert state.sysctls["net.ipv4.ip_local_port_range"] == "40000 40003"
    assert abs(state.realtime_ns / 1e9 - time.time()) < 10
    if not any("bind()" in entry.what for entry in state.unseen):
        assert state.bound["local_port"].tolist() == [40002]


@namespaced
def test_half_open_connections_are_listed_and_of_closed_ones_nothing_is_invented():
    with socket.create_server(("127.0.0.1", 5000)) as server:
        client = socket.create_connection(("127.0.0.1", 5000), source_address=("127.0.0.1", 40000))
        server.accept()[0].close()
        client.close()
        becomes(4, ("TIME-WAIT", 5000, 40000))
        state = namespace_state.take_state(with_rules=False)
        ((name, age_ms, family, inode),) = rows_by_peer(state).values()
        assert (name, family, inode) == ("TIME-WAIT", 4, 0)
        assert 0 <= age_ms < 60_000
        assert state.owner(inode, 0) is None


def of_child(uid, look):
    """Return what a function returns in a child that is another user and has none of this process's descriptors."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.closerange(3, writer)
            os.closerange(writer + 1, 1000)
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            with os.fdopen(writer, "wb") as stream:
                pickle.dump(look(), stream)
        finally:
            os._exit(1)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    os.waitpid(child, 0)
    return pickle.loads(data)  # noqa: S301  # from our own child


@needs_root
def test_nobody_sees_all_sockets_and_ages_but_not_whose_they_are_and_is_told_so():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as accepted,
    ):
        inodes = [os.fstat(end.fileno()).st_ino for end in (server, client, accepted)]
        state = of_child(NOBODY, namespace_state.take_state)
    assert set(inodes) <= {*state.sockets["inode"].tolist(), *(entry.inode for entry in state.listeners)}
    assert (state.ages_ms[[inode in inodes for inode in state.sockets["inode"].tolist()]] >= 0).all()
    assert not set(inodes) & set(state.owners)
    assert state.owner(inodes[0], 0) == SocketOwner(0, "root")
    (about_owners, about_rules) = (entry for entry in state.unseen if "bind()" not in entry.what)
    assert about_owners.what.startswith("the processes of ")
    assert "uid 0 (root)" in about_owners.what
    assert about_owners.remedy == "Look as root (sudo)."
    assert about_rules.what == "firewall rules that drop or reject what a retry needs"
    assert "root" in about_rules.remedy
    assert state.rules is None


@needs_root
def test_nobody_who_asks_for_one_process_is_told_that_its_sockets_are_hidden():
    """Else the answer would be that it has none."""
    pid = os.getpid()

    def refusal():
        try:
            socket_owner.check_visible(pid)
        except LabError as error:
            return str(error)
        return ""

    assert f"may not see which sockets process {pid} has; look as root" in of_child(NOBODY, refusal)
    assert refusal() == ""
    with pytest.raises(UsageError, match="There is no process 4999999"):
        socket_owner.check_visible(4999999)


@namespaced
def test_a_socket_closed_while_proc_was_read_and_a_process_started_then_are_not_called_hidden(monkeypatch):
    """At the first look /proc shows no process yet."""
    with socket.create_server(("127.0.0.1", 5000)) as server, socket.create_server(("127.0.0.1", 5001)) as closed:
        inodes = {os.fstat(end.fileno()).st_ino for end in (server, closed)}
        closed.close()
        looks = iter([[], [os.getpid()]])
        monkeypatch.setattr(socket_owner, "list_processes", lambda: next(looks))
        assert namespace_state.find_holders(inodes) == ({os.fstat(server.fileno()).st_ino: [os.getpid()]}, set())
        monkeypatch.setattr(socket_owner, "list_processes", list)
        assert namespace_state.find_holders(inodes) == ({}, {os.fstat(server.fileno()).st_ino})


@pytest.mark.parametrize(
    ("stderr", "why", "remedy"),
    [
        ("", "nft is not installed here", "where nft is installed"),
        ("Error: Operation not permitted (you must be root)", "to root only", "as root"),
        ("Error: out of memory", "nft --terse list ruleset failed: Error: out of memory", "Run nft list ruleset"),
    ],
)
@namespaced
def test_rules_that_cannot_be_seen_are_told_with_the_reason(tmp_path, monkeypatch, stderr, why, remedy):
    nft = tmp_path / "nft"
    nft.write_text(f"#!/bin/sh\necho '{stderr}' >&2; exit 1\n")
    nft.chmod(0o755)
    monkeypatch.setattr(firewall, "find_nft", lambda: str(nft) if stderr else None)
    state = namespace_state.take_state()
    (about_rules,) = (entry for entry in state.unseen if "rules" in entry.what)
    assert state.rules is None
    assert why in about_rules.why
    assert remedy in about_rules.remedy


@namespaced
def test_rules_of_this_namespace_are_listed():
    if not firewall.has_nft():
        pytest.skip("nft is missing (Debian: nftables)")
    firewall.run_nft(["add", "table", "inet", "blue"])
    assert "table inet blue" in namespace_state.take_state().rules


@needs_root
def test_users_are_named_as_they_are_outside_of_a_user_namespace_that_was_joined():
    with Neighbour(NOBODY) as neighbour:

        def look():
            network_namespace.enter(str(neighbour.pid))
            return namespace_state.take_state(with_rules=False)

        state = of_child(NOBODY, look)
    (listener,) = state.listeners
    assert (listener.port, listener.uid) == (7777, NOBODY)
    assert state.owner(listener.inode, listener.uid).pid == neighbour.pid
    assert state.owner(listener.inode, listener.uid).uid == NOBODY


SS_STATES = {"ESTAB": "ESTABLISHED", "CLOSE-WAIT": "CLOSE-WAIT", "FIN-WAIT-2": "FIN-WAIT-2", "LISTEN": "LISTEN"}


@namespaced(ports=(40000, 40099))
def test_ss_sees_the_same_sockets_in_the_same_hands():
    if shutil.which("ss") is None:
        pytest.skip("ss is missing (Debian: iproute2)")
    sysctl.write("net.ipv4.tcp_fin_timeout", "60")
    with socket.create_server(("::", 5000), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64) as server:
        ends = []
        for number, address in enumerate(["127.0.0.1", "::1"] * 4):
            ends.append(socket.create_connection((address, 5000)))
            if number < 6:
                ends.append(server.accept()[0])  # the others stay in the queue
            if number % 2:
                ends[-1 if number >= 6 else -2].close()
        unacknowledged = ["FIN-WAIT-1"]  # until a delayed ACK comes, perhaps between our list and that of ss
        assert wait_until(lambda: not sum(len(census.list_sockets(family, unacknowledged)) for family in (4, 6)), 30)
        state = namespace_state.take_state(with_rules=False)
        listed = subprocess.run(["ss", "-tanpH"], capture_output=True, text=True, check=True).stdout
    theirs = Counter()
    for line in listed.splitlines():
        name, _, _, local, _, *holder = line.split()
        pid = int(holder[0].partition("pid=")[2].partition(",")[0]) if holder else None
        theirs[SS_STATES[name], int(local.rpartition(":")[2]) == 5000, pid] += 1
    ours = Counter()
    for number, port, inode, uid in state.sockets[["state", "local_port", "inode", "uid"]].tolist():
        owner = state.owner(inode, uid)
        ours[census.state_name(number), port == 5000, owner and owner.pid] += 1
    for entry in state.listeners:
        ours["LISTEN", entry.port == 5000, state.owners[entry.inode].pid] += 1
    assert ours == theirs
    assert ours["CLOSE-WAIT", True, os.getpid()] == 3
    assert ours["CLOSE-WAIT", True, None] == 1
