# SPDX-License-Identifier: MIT
"""The kernel's own word: what it drops and which resets it sends, heard from inside a namespace of one's own."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import another_network, namespaced, open_descriptors

from stress.lab import census, counters, firewall, wait
from stress.lab.kernel_word import bpf, btf
from stress.lab.kernel_word.word import open_kernel_word
from stress.model.errors import LabError

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
DOMAIN = {4: socket.AF_INET, 6: socket.AF_INET6}
SERVER, CLOSED = 5000, 6000
SYN = 0x02
TCP_REPAIR = 19
NOBODY = 65534
NO_WAIT = 0.2  # s that a client waits for an answer that does not come
LINGER_0 = struct.pack("ii", 1, 0)
TABLE = f"""table inet t {{
    chain input {{
        type filter hook input priority 0;
        tcp dport {SERVER} tcp flags & (syn | ack) == syn counter drop
    }}
}}
"""
both_families = pytest.mark.parametrize("family", [4, 6])


def opened(**options):
    """Open the kernel's word as root; a missing privilege is a skip, anything else a failure."""
    if os.geteuid() != 0:
        pytest.skip("the kernel's word needs root of the host")
    return open_kernel_word(**options)


@pytest.fixture
def word():
    """The word, opened before the test's process enters its namespace."""
    with opened() as kernel_word:
        yield kernel_word


def server(family, backlog=8):
    return socket.create_server((LOOPBACK[family], SERVER), family=DOMAIN[family], backlog=backlog)


def client(family, port=0):
    """Return a socket that waits no longer than it must, bound if a port is given."""
    ours = socket.socket(DOMAIN[family])
    ours.settimeout(NO_WAIT)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if port:
        ours.bind((LOOPBACK[family], port))
    return ours


def attempt(family, port, target=SERVER):
    """Try to connect once from ``port``; return the errno, or None where nobody answered in time."""
    with client(family, port) as ours:
        try:
            ours.connect((LOOPBACK[family], target))
        except TimeoutError:
            return None
        except OSError as error:
            return error.errno
    return 0


def told(word, events):
    """Return events as (kind, reason, source port, destination port), with addresses and namespace asserted."""
    rows = []
    for event in events:
        family = int(event["family"])
        size = 4 if family == 4 else 16
        for side in ("source", "destination"):
            assert socket.inet_ntop(DOMAIN[family], event[side].tobytes()[:size]) == LOOPBACK[family]
        drop = event["kind"] == 1
        reasons = word.drop_reasons if drop else word.reset_reasons
        ports = int(event["source_port"]), int(event["destination_port"])
        rows.append(("drop" if drop else "reset", reasons[int(event["reason"])], *ports))
    return rows


@both_families
def test_packets_that_a_firewall_drops_are_told_with_their_4_tuples(word, family):
    @namespaced
    def inside():
        firewall.run_nft(["-f", "-"], TABLE)
        inode = word.watch_this_namespace()
        begin_ns = time.monotonic_ns()
        with server(family):
            assert [attempt(family, port) for port in range(40000, 40003)] == [None] * 3
        end_ns = time.monotonic_ns()
        events = word.drain()
        assert told(word, events) == [("drop", "NETFILTER_DROP", port, SERVER) for port in range(40000, 40003)]
        assert events["family"].tolist() == [family] * 3
        assert events["flags"].tolist() == [SYN] * 3
        assert events["namespace"].tolist() == [inode] * 3
        assert begin_ns < events["time_ns"][0] < events["time_ns"][-1] < end_ns
        listing = firewall.parse_listing(firewall.run_nft(["--json", "list", "table", "inet", "t"]))
        counted = [
            part.counter.packets for item in listing.nftables if item.rule for part in item.rule.expr if part.counter
        ]
        assert counted == [3]
        assert word.counts()["drop", "NETFILTER_DROP"] == 3
        assert word.lost == 0

    if not firewall.has_nft():
        pytest.skip("nft is not installed")
    inside()


@both_families
def test_a_closed_port_is_a_dropped_syn_and_a_reset_from_there(word, family):
    @namespaced
    def inside():
        word.watch_this_namespace()
        before = counters.read()
        assert all(attempt(family, port, CLOSED) for port in (40001, 40002))
        moved = {name: count - before[name] for name, count in counters.read().items()}
        events = word.drain()
        assert Counter(told(word, events)) == Counter(
            [("reset", "NO_SOCKET", CLOSED, port) for port in (40001, 40002)]
            + [("drop", "NO_SOCKET", port, CLOSED) for port in (40001, 40002)]
        )
        assert set(events["flags"].tolist()) == {SYN}
        assert moved["OutRsts"] == word.counts()["reset", "NO_SOCKET"] == 2

    inside()


def lay_mine(family, listening, port):
    """Leave the server's socket of a connection in CLOSE-WAIT, and nothing at the client; return the former."""
    with client(family, port) as ours:
        ours.connect((LOOPBACK[family], SERVER))
        mine, _ = listening.accept()
        ours.shutdown(socket.SHUT_WR)
        state = census.NUMBERS["FIN-WAIT-2"]  # an ACK that came later would be answered by an RST
        assert wait.wait_until(lambda: ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == state, 30)
        ours.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)  # it ends without a word
    return mine


@both_families
def test_a_mine_is_an_invalid_syn_and_a_reset_with_an_invalid_sequence(word, family):
    @namespaced
    def inside():
        with server(family) as listening, lay_mine(family, listening, 40001):
            assert [entry.state for entry in census.iterate_sockets(family, remote_port=40001)] == ["CLOSE-WAIT"]
            word.watch_this_namespace()
            before = counters.read()
            assert attempt(family, 40001) == 0
            moved = {name: count - before[name] for name, count in counters.read().items()}
            assert told(word, word.drain()) == [
                ("drop", "TCP_INVALID_SYN", 40001, SERVER),
                ("reset", "TCP_INVALID_ACK_SEQUENCE", 40001, SERVER),
                ("drop", "TCP_INVALID_ACK_SEQUENCE", SERVER, 40001),
            ]
            assert moved["TCPSYNChallenge"] == word.counts()["drop", "TCP_INVALID_SYN"] == 1

    inside()


def test_nothing_is_told_of_a_namespace_that_is_not_watched(word):
    @namespaced
    def inside():
        inode = word.watch_this_namespace()
        another_network(ports=(40000, 40003))
        assert attempt(4, 40001, CLOSED)
        assert word.drain().shape == (0,)
        assert word.counts() == {}
        second = word.watch_this_namespace()
        assert attempt(4, 40002, CLOSED)
        assert set(word.drain()["namespace"].tolist()) == {second} != {inode}
        assert word.counts(inode) == {}
        assert sum(word.counts(second).values()) == 2
        word.unwatch(second)
        assert attempt(4, 40003, CLOSED)
        assert word.drain().shape == (0,)
        assert sum(word.counts().values()) == 2, "counts of a namespace that is watched no longer stay in the totals"

    inside()


def test_a_full_accept_queue_leaves_no_event(word):
    @namespaced
    def inside():
        with server(4, backlog=0), client(4, 40001) as first:
            first.connect((LOOPBACK[4], SERVER))  # the only place
            word.watch_this_namespace()
            before = counters.read()
            assert attempt(4, 40002) is None
            assert counters.read()["ListenDrops"] == before["ListenDrops"] + 1
            assert word.drain().shape == (0,)
            assert word.counts() == {}

    inside()


def test_a_ring_that_is_too_small_says_how_much_is_lost():
    @namespaced(ports=(40000, 40100))
    def inside(word):
        word.watch_this_namespace()
        for port in range(40000, 40040):
            assert attempt(4, port, CLOSED)
        events = word.drain()
        assert word.lost > 0
        assert len(events) + word.lost == sum(word.counts().values()) == 80
        lost = word.lost
        assert attempt(4, 40041, CLOSED)
        assert len(word.drain()) == 2, "there is room again"
        assert word.lost == lost

    with opened(ring_bytes=os.sysconf("SC_PAGE_SIZE")) as word:
        inside(word)


def test_the_ring_is_read_across_its_end():
    @namespaced(ports=(40000, 40100))
    def inside(word):
        word.watch_this_namespace()
        for port in range(40000, 40060):
            assert attempt(4, port, CLOSED)
            events = word.drain()
            assert set(events["source_port"].tolist()) == {port, CLOSED}
            assert len(events) == 2
        assert word.lost == 0

    with opened(ring_bytes=os.sysconf("SC_PAGE_SIZE")) as word:
        inside(word)


def test_what_every_close_raises_is_counted_and_not_told(word):
    @namespaced(ports=(40000, 40100), sysctls={"net.ipv4.tcp_max_tw_buckets": "0"})
    def inside():
        word.watch_this_namespace()
        with server(4) as listening:
            for number in range(30):
                ours = client(4)
                ours.connect((LOOPBACK[4], SERVER))
                theirs, _ = listening.accept()
                if number < 20:
                    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                ours.close()
                theirs.close()
        assert word.drain().shape == (0,)
        assert word.counts() == {("reset", "TCP_STATE"): 20, ("drop", "QUEUE_PURGE"): 10}
        assert word.lost == 0

    inside()


@both_families
def test_a_listener_that_closes_with_a_queue_resets_whom_nobody_accepted(word, family):
    @namespaced
    def inside():
        word.watch_this_namespace()
        with client(family, 40001) as ours:
            with server(family):
                ours.connect((LOOPBACK[family], SERVER))
            events = word.drain()
            assert told(word, events) == [("reset", "TCP_STATE", SERVER, 40001)]
            assert events["flags"].tolist() == [0], "it answers no packet"
            with pytest.raises(ConnectionResetError):
                ours.recv(1)

    inside()


def test_the_addresses_of_ipv4_clients_of_a_server_on_ipv6_are_those_of_ipv4(word):
    @namespaced
    def inside():
        word.watch_this_namespace()
        with client(4, 40001) as ours:
            with socket.create_server(("::", SERVER), family=socket.AF_INET6, dualstack_ipv6=True):
                ours.connect((LOOPBACK[4], SERVER))
            assert told(word, word.drain()) == [("reset", "TCP_STATE", SERVER, 40001)]

    inside()


def test_udp_is_counted_and_not_told(word):
    @namespaced
    def inside():
        word.watch_this_namespace()
        with socket.socket(type=socket.SOCK_DGRAM) as ours:
            ours.sendto(b"x", (LOOPBACK[4], CLOSED))
        assert word.drain().shape == (0,)
        assert word.counts()["drop", "NO_SOCKET"] == 1

    inside()


PROCESS = """
    import os, sys
    from stress.lab.kernel_word.word import open_kernel_word
    word = open_kernel_word()
    assert "numpy" not in sys.modules
    assert len(os.listdir("/proc/self/task")) == 1
    from stress.lab import namespace
    namespace.enter_namespace()
    inode = word.watch_this_namespace()
    import numpy as np
    from stress._fastconnect import now_ns, storm
    from stress.model.attempt import allocate_attempts
    records = allocate_attempts(200)
    ports = np.arange(50000, 50200, dtype=np.uint16)
    storm(records, target="127.0.0.1", target_port=6000, attempts=200, epoch_ns=now_ns(), ports="list", port_list=ports)
    events = word.drain()
    drops, resets = (events[events["kind"] == kind] for kind in (1, 2))
    assert drops["source_port"].tolist() == resets["destination_port"].tolist() == records["local_port"].tolist()
    assert (events["namespace"] == inode).all()
    assert word.lost == 0
    assert word.counts() == {("drop", "NO_SOCKET"): 200, ("reset", "NO_SOCKET"): 200}
"""


def test_a_process_opens_it_enters_its_namespace_storms_and_hears(word):
    completed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROCESS)], capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0, completed.stderr
    assert word.drain().shape == (0,), "another word hears its own namespaces alone"


def test_a_closed_word_leaves_no_descriptor():
    opened().close()  # the types are read by now
    before = open_descriptors()
    with opened() as word:
        assert open_descriptors() > before
        assert word.lost == 0
    assert open_descriptors() == before


def test_all_reasons_have_names(word):
    assert word.is_complete == (word.limits == "")
    assert {"NETFILTER_DROP", "NO_SOCKET", "TCP_INVALID_SYN", "QUEUE_PURGE"} <= set(word.drop_reasons.values())
    if word.is_complete:
        assert {"NO_SOCKET", "TCP_STATE", "TCP_INVALID_ACK_SEQUENCE"} <= set(word.reset_reasons.values())


def refusal(prepare):
    """Return what open_kernel_word() says in a child process that ``prepare`` was called in."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        prepare()
        try:
            open_kernel_word()
        except LabError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


def become_nobody():
    if os.geteuid() == 0:
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def test_nobody_is_told_which_privilege_it_takes():
    assert refusal(become_nobody) == (
        "This process may not load BPF programs; the kernel's word needs CAP_BPF and CAP_PERFMON in the initial user "
        "namespace, which root of the host has."
    )


def test_root_of_a_namespace_is_not_root_of_the_host():
    @namespaced
    def inside():
        with pytest.raises(LabError, match="initial user namespace"):
            open_kernel_word()

    inside()


def test_an_architecture_whose_bpf_is_unknown_is_refused():
    with pytest.raises(LabError, match="this is riscv64"):
        bpf.check_architecture("riscv64")
    with pytest.raises(LabError, match="little-endian"):
        bpf.check_architecture("x86_64", "big")


def test_a_kernel_without_description_of_its_types_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(btf, "PATH", tmp_path / "vmlinux")
    with pytest.raises(LabError, match="CONFIG_DEBUG_INFO_BTF"):
        btf.read_kernel_types.__wrapped__()


def description(names, *types, magic=btf.MAGIC):
    """Return types in the kernel's format; each is (name, kind, size or type, members, has bit fields)."""
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    places = {name: strings.index(b"\0" + name.encode() + b"\0") + 1 for name in names} | {"": 0}
    body = b""
    for name, kind, more, members, bit_fields in types:
        body += struct.pack("<III", places[name], kind << 24 | len(members) | bit_fields << 31, more)
        body += b"".join(
            struct.pack(f"<{len(member)}I", *(places.get(part, part) for part in member)) for member in members
        )
    header = btf.FILE_HEADER.pack(magic, 1, 0, btf.FILE_HEADER.size, 0, len(body), len(body), len(strings))
    return header + body + strings


SMALL = description(
    ["sk_buff", "head", "dev", "len", "reason", "NONE", "BAD", "btf_trace_drop"],
    ("sk_buff", btf.STRUCT, 24, [("head", 0, 64), ("", 2, 128), ("len", 0, 4 << 24 | 8)], 1),
    ("", btf.UNION, 8, [("dev", 0, 32)], 0),
    ("reason", btf.ENUM, 4, [("NONE", 0), ("BAD", 7)], 0),
    ("btf_trace_drop", btf.TYPEDEF, 5, [], 0),
    ("", btf.PTR, 6, [], 0),
    ("", btf.FUNC_PROTO, 0, [("", 0), ("", 7), ("", 9), ("", 3)], 0),
    ("", btf.PTR, 8, [], 0),
    ("", btf.CONST, 1, [], 0),
    ("", btf.PTR, 0, [], 0),
)


def read_all(data):
    types = btf.KernelTypes(data)
    return (
        *(types.offset("sk_buff", member) for member in ("head", "dev", "len")),
        types.enumerators("reason"),
        types.arguments("drop"),
    )


def test_types_are_read():
    assert read_all(SMALL) == (8, 20, 1, {0: "NONE", 7: "BAD"}, ["sk_buff", "", "reason"])


def test_what_the_types_do_not_have_is_a_sentence():
    types = btf.KernelTypes(SMALL)
    for wrong in (
        lambda: types.offset("sk_buff", "tail"),
        lambda: types.offset("sock", "sk"),
        lambda: types.enumerators("sk_buff"),
        lambda: types.arguments("reset"),
    ):
        with pytest.raises(LabError, match="cannot be read: "):
            wrong()
    with pytest.raises(LabError, match="no little-endian BTF"):
        btf.KernelTypes(description([], magic=0x9FEB))


def read_or_refuse(data):
    with contextlib.suppress(LabError):
        read_all(data)


@given(st.integers(0, len(SMALL) - 1))
def test_truncated_types_are_refused(length):
    with pytest.raises(LabError):
        btf.KernelTypes(SMALL[:length])


@given(st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_types_are_read_or_refused(damages):
    data = bytearray(SMALL)
    for place, byte in damages:
        data[place] = byte
    read_or_refuse(bytes(data))


@given(st.binary())
def test_anything_else_is_refused(data):
    read_or_refuse(data)
    read_or_refuse(SMALL[: btf.FILE_HEADER.size] + data)


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(0, 20), st.integers(0, 3)), max_size=12))
def test_types_that_lead_to_each_other_are_read_or_refused(types):
    rows = [("a", kind, more, [("a", more, 0)] * members, 0) for kind, more, members in types]
    data = description(["a", "btf_trace_a"], ("btf_trace_a", btf.TYPEDEF, 2, [], 0), *rows)
    for ask in (
        lambda known: known.offset("a", "b"),
        lambda known: known.enumerators("a"),
        lambda known: known.arguments("a"),
    ):
        with contextlib.suppress(LabError):
            ask(btf.KernelTypes(data))
