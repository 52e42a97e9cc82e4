# SPDX-License-Identifier: MIT
"""The client engine, on real sockets in a namespace with four ephemeral ports."""

import errno
import os
import resource
import signal
import threading
import time

import numpy as np
import pytest
from namespaced import (
    FOUR_PORTS,
    another_network,
    error_names,
    namespaced,
    open_descriptors,
    silent_listener,
)
from reference import python_storm

from stress._fastconnect import PreparedStorm, now_ns, storm
from stress.lab import census, counters, sysctl
from stress.lab.host import has_local_port_range
from stress.lab.listener import Listener
from stress.model.attempt import ATTEMPT, allocate_attempts
from stress.model.plan import Plan
from stress.storm import minefield

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
PORTS = np.arange(40000, 40004, dtype=np.uint16)
both_families = pytest.mark.parametrize("family", [4, 6])


def fire(attempts, *, family=4, **options):
    """Storm a server on port 5000; return the records and whether SIGINT came."""
    records = allocate_attempts(attempts)
    recorded, interrupted = storm(
        records, target=LOOPBACK[family], target_port=5000, attempts=attempts, epoch_ns=now_ns(), **options
    )
    return records[:recorded], interrupted


def close_held(held):
    for descriptor in held:
        if descriptor >= 0:
            os.close(descriptor)


def test_an_attempt_is_32_bytes_without_padding():
    assert ATTEMPT.itemsize == 32
    assert ATTEMPT.isalignedstruct is False
    assert sum(ATTEMPT[name].itemsize for name in ATTEMPT.names) == ATTEMPT.itemsize  # no hidden padding


@both_families
@namespaced
def test_no_port_exactly_at_port_five(family):
    """127.0.0.1:40000…40003 -> :5000 are four 4-tuples; the fifth connect() finds none."""
    held = np.full(6, -1, np.intc)
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        records, _ = fire(6, family=family, close="hold", held=held)
        close_held(held)
    assert error_names(records["error"]) == ["0"] * 4 + ["EADDRNOTAVAIL"] * 2
    assert sorted(records["local_port"][:4]) == list(PORTS)
    assert (held[4:] == -1).all()


@both_families
@pytest.mark.parametrize("ports", ["no-port", "range"])
@namespaced
def test_other_ways_to_let_connect_choose_run_out_alike(family, ports):
    if ports == "range" and not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    held = np.full(5, -1, np.intc)
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        options = {"ports": ports, "source": LOOPBACK[family], "port_range": (40000, 40003)}
        records, _ = fire(5, family=family, close="hold", held=held, **options)
        close_held(held)
    assert error_names(records["error"]) == ["0"] * 4 + ["EADDRNOTAVAIL"]
    assert sorted(records["local_port"][:4]) == list(PORTS)


@namespaced(ports=(40000, 40009))
def test_a_port_range_of_the_socket_narrows_the_namespace_s():
    if not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        records, _ = fire(64, ports="range", port_range=(40003, 40005))
    assert not records["error"].any()
    assert set(records["local_port"]) == {40003, 40004, 40005}


@both_families
@namespaced
def test_bind_to_zero_runs_out_with_address_in_use(family):
    """bind() to port 0 has no 4-tuple to look at: it wants a port free of everything, and says EADDRINUSE."""
    held = np.full(5, -1, np.intc)
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        records, _ = fire(5, family=family, ports="bind", source=LOOPBACK[family], close="hold", held=held)
        close_held(held)
    assert error_names(records["error"]) == ["0"] * 4 + ["EADDRINUSE"]
    assert sorted(records["local_port"][:4]) == list(PORTS)


@both_families
@namespaced
def test_a_sweep_uses_every_port_once_and_in_its_order(family):
    order = PORTS[[2, 0, 3, 1]]
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        records, _ = fire(12, family=family, ports="list", port_list=order, source=LOOPBACK[family])
    assert not records["error"].any()
    assert records["local_port"].tolist() == order.tolist() * 3


@namespaced
def test_refused_when_nobody_listens():
    records, _ = fire(3)
    assert error_names(records["error"]) == ["ECONNREFUSED"] * 3


@namespaced(sysctls={"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"})
def test_an_unanswered_syn_ends_as_the_kernel_says():
    with silent_listener():
        records, _ = fire(2)
    assert error_names(records["error"]) == ["ETIMEDOUT"] * 2
    assert records["retransmits"].tolist() == [1, 1]  # TCP_INFO is readable after the failure


@namespaced
def test_an_unanswered_syn_ends_unfinished_at_the_deadline():
    with silent_listener():
        records, _ = fire(3, deadline_ns=50_000_000, ports="list", port_list=PORTS, source="127.0.0.1")
        assert census.take_census(4, range(5000, 5001))["client"] == {}  # closed, not forgotten
    assert error_names(records["error"]) == ["EINPROGRESS"] * 3
    assert (records["latency_ns"] >= 50_000_000).all()
    assert records["local_port"].tolist() == [40000, 40001, 40002]


@namespaced
def test_the_window_bounds_the_attempts_in_flight():
    """With a window of 1 no attempt starts before the one before it has ended; with 2 they overlap in pairs."""
    with silent_listener():
        for window in (1, 2):
            records, _ = fire(4, window=window, deadline_ns=30_000_000)
            ends = records["start_ns"] + records["latency_ns"]
            assert (records["start_ns"][window:] >= ends[:-window]).all()
            if window == 2:
                assert records["start_ns"][1] < ends[0]


@namespaced
def test_records_are_ordered_and_not_negative():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        records, _ = fire(2000, warmup=500)
    assert (np.diff(records["start_ns"]) > 0).all()
    assert (records["latency_ns"] > 0).all()
    assert (records["close_ns"] > 0).all()
    assert records["phase"].tolist() == [0] * 500 + [1] * 1500
    assert not records["retransmits"].any()
    assert not records["lag_us"].any()


@namespaced
def test_duration_ends_the_storm_before_its_attempts():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        records, interrupted = fire(10_000_000 // 32, duration_ns=50_000_000)
    assert 0 < len(records) < 10_000_000 // 32
    assert not interrupted
    assert records["start_ns"][-2] < 50_000_000 + records["start_ns"][0]


@pytest.mark.parametrize("close", ["fin", "rst"])
@pytest.mark.parametrize("ports", ["kernel", "bind", "list"])
@pytest.mark.parametrize("listening", [True, False])
@namespaced
def test_the_plain_python_twin_sees_the_same(close, ports, listening):
    """The same storm with the socket module: same errors in the same order, same ports, same counters moved."""
    seen = []
    for engine in (engine_storm, python_storm):
        another_network(ports=FOUR_PORTS)
        sysctl.write("net.ipv4.tcp_tw_reuse", "0")
        before = counters.read()
        with Listener("127.0.0.1", 5000) as server:
            if listening:
                server.start()
            else:
                server.sockets[0].close()
            errors = engine(attempts=6, ports=ports, port_list=PORTS, close=close)
            moved = counters.counter_changes(before, counters.read())
        seen.append((errors, moved["ActiveOpens"], moved["AttemptFails"]))
    (ours, *our_counters), (theirs, *their_counters) = seen
    assert [error for error, _ in ours] == [error for error, _ in theirs]
    assert our_counters == their_counters
    if ports == "list" or close == "fin":  # else a port is free again at once, and the kernel may choose any
        assert sorted(ours) == sorted(theirs)


def engine_storm(*, attempts, ports, port_list, close):
    records, _ = fire(
        attempts, ports=ports, source="127.0.0.1", close=close, port_list=port_list if ports == "list" else None
    )
    return [(int(record["error"]), int(record["local_port"]) if not record["error"] else 0) for record in records]


@pytest.mark.parametrize(
    "options",
    [
        {"close": "rst"},
        {"close": "fin"},
        {"ports": "list", "port_list": PORTS, "source": "127.0.0.1"},
        {"ports": "list", "port_list": np.array([80], np.uint16), "source": "127.0.0.1"},
        {"source": "127.0.0.1", "ports": "bind", "deadline_ns": 1},
    ],
)
@namespaced
def test_no_descriptor_is_left_behind(options):
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        before = open_descriptors()
        fire(100, **options)
        assert open_descriptors() == before
    fire(100, **options)  # nobody listens: refused
    with silent_listener():
        before = open_descriptors()
        fire(3, deadline_ns=20_000_000)
        assert open_descriptors() == before


@namespaced
def test_running_out_of_descriptors_is_data():
    import resource

    held = np.full(200, -1, np.intc)
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_descriptors() + 4, hard))
        records, _ = fire(6, close="hold", held=held)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        close_held(held)
    names = error_names(records["error"])
    assert "EMFILE" in names
    assert names == sorted(names)  # "0" … then "EMFILE" to the end


def interrupt_when(condition):
    """Send SIGINT to this process, from another thread, as soon as a condition holds."""

    def watch():
        while not condition():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch).start()


@namespaced
def test_sigint_ends_the_storm_and_keeps_its_records():
    records = allocate_attempts(3_000_000)
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        before = open_descriptors()
        interrupt_when(lambda: records["latency_ns"][1000])
        recorded, interrupted = storm(
            records, target="127.0.0.1", target_port=5000, attempts=len(records), epoch_ns=now_ns()
        )
        assert open_descriptors() == before
    assert interrupted
    assert 1000 < recorded < len(records)
    assert (records["latency_ns"][:recorded] > 0).all()
    assert not records["latency_ns"][recorded:].any()


@namespaced
def test_sigint_ends_the_wait_for_stragglers():
    records = allocate_attempts(2)
    with silent_listener():
        interrupt_when(lambda: records["error"][1])
        recorded, interrupted = storm(records, target="127.0.0.1", target_port=5000, attempts=2, epoch_ns=now_ns())
    assert (recorded, interrupted) == (2, True)
    assert error_names(records["error"]) == ["EINPROGRESS"] * 2


@namespaced
def test_another_handler_s_exception_comes_through_and_leaves_nothing_open():
    class EnoughError(Exception):
        pass

    def handler(*_):
        raise EnoughError

    signal.signal(signal.SIGALRM, handler)
    with silent_listener():
        before = open_descriptors()
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(EnoughError):
            fire(2)
        assert open_descriptors() == before


@namespaced
def test_other_threads_run_during_a_storm():
    """A thread counts while the storm holds the interpreter for one call: it only can if the GIL is free."""
    done = threading.Event()
    counted = 0

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1

    with silent_listener():
        thread = threading.Thread(target=count)
        records = allocate_attempts(2)
        thread.start()
        before = counted
        storm(
            records,
            target="127.0.0.1",
            target_port=5000,
            attempts=2,
            epoch_ns=now_ns(),
            deadline_ns=100_000_000,
        )
        during = counted - before
        done.set()
        thread.join()
    assert during > 1000


def buffers():
    frozen = allocate_attempts(4)
    frozen.setflags(write=False)
    return {
        "read-only": frozen,
        "wrong type": np.zeros(4, np.int64),
        "other record": np.zeros(4, [(name, "<i8" if index else "<i4") for index, name in enumerate(ATTEMPT.names)]),
        "not contiguous": allocate_attempts(8)[::2],
        "two dimensions": allocate_attempts(4).reshape(2, 2),
        "too short": allocate_attempts(3),
        "nothing": None,
    }


@pytest.mark.parametrize("kind", buffers())
def test_bad_buffers_are_refused(kind):
    with pytest.raises((ValueError, TypeError)):
        storm(buffers()[kind], target="127.0.0.1", target_port=5000, attempts=4, epoch_ns=0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ports": "any"}, "ports must be one of"),
        ({"close": "slowly"}, "close must be one of"),
        ({"window": 0}, "window must be at least 1"),
        ({"target": "localhost"}, "is not an IPv4 address"),
        ({"target": "::1", "source": "127.0.0.1"}, "is not an IPv6 address"),
        ({"target_port": 0}, "target_port"),
        ({"target_port": 70000}, "target_port"),
        ({"ports": "list"}, "needs a port_list"),
        ({"ports": "list", "port_list": np.zeros(0, np.uint16)}, "needs a port_list"),
        ({"ports": "range"}, "needs a port_range"),
        ({"ports": "range", "port_range": (5, 4)}, "needs a port_range"),
        ({"close": "hold"}, "needs room for every descriptor"),
        ({"close": "hold", "held": np.zeros(1, np.intc)}, "needs room for every descriptor"),
        ({"deadline_ns": -1}, "cannot be negative"),
        ({"jiffy_ns": -1}, "cannot be negative"),
        ({"duration_ns": -1}, "cannot be negative"),
        ({"address": 70000}, "16 bits"),
        ({"close": "disconnect", "ports": "bind"}, "bind"),
        ({"close": "disconnect", "sources": 2, "ports": "no-port"}, "one source"),
        ({"sources": 2, "target": "::1"}, "IPv6"),
        ({"sources": 0}, "at least 1"),
        ({"target_port": 65535, "target_ports": 2}, "65535 and 1 after it"),
        ({"watched": np.zeros(4, np.uint8)}, "65536 entries"),
        ({"address_list": np.zeros(4, np.uint16)}, "belongs to a port_list"),
        ({"ports": "list", "port_list": PORTS, "address_list": np.ones(4, np.uint16)}, "pairs that there are"),
        ({"ports": "list", "port_list": PORTS, "address_list": np.zeros(3, np.uint16)}, "shape of port_list"),
    ],
)
def test_bad_arguments_are_refused_before_a_socket_is_opened(options, words):
    before = open_descriptors()
    with pytest.raises(ValueError, match=words):
        storm(
            allocate_attempts(2),
            **({"target": "127.0.0.1", "target_port": 5000, "attempts": 2, "epoch_ns": 0} | options),
        )
    assert open_descriptors() == before


def test_a_prepared_storm_that_never_runs_leaves_no_descriptor():
    before = open_descriptors()
    prepared = PreparedStorm(allocate_attempts(2), target="127.0.0.1", target_port=5000, attempts=2)
    assert open_descriptors() == before + 1  # epoll
    del prepared
    assert open_descriptors() == before


@pytest.mark.parametrize("arguments", [{}, {"target": 5}, {"unknown": 1}])
def test_arguments_of_other_types_close_no_descriptor_of_others(arguments):
    before = open_descriptors()
    with pytest.raises(TypeError):
        PreparedStorm(allocate_attempts(2), **arguments)
    assert open_descriptors() == before


@namespaced
def test_a_prepared_storm_runs_once():
    prepared = PreparedStorm(allocate_attempts(2), target="127.0.0.1", target_port=5000, attempts=2)
    assert prepared.run(epoch_ns=now_ns()) == (2, False)
    with pytest.raises(ValueError, match="run once"):
        prepared.run(epoch_ns=now_ns())


def test_no_attempts_is_no_storm():
    assert storm(allocate_attempts(0), target="127.0.0.1", target_port=5000, attempts=0, epoch_ns=0) == (0, False)


def test_errno_fits_its_field():
    assert max(errno.errorcode) <= np.iinfo(ATTEMPT["error"]).max


@both_families
@pytest.mark.parametrize("ports", ["kernel", "no-port", "range", "each"])
@namespaced
def test_a_disconnected_socket_serves_the_next_attempt(family, ports):
    """One socket makes twelve connections: the server sees twelve, the client has one descriptor at a time."""
    if ports in ("range", "each") and not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    options = {"range": {"port_range": (40000, 40003)}, "each": {"port_list": PORTS}}.get(ports, {})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Listener(LOOPBACK[family], 5000) as server:
        server.start()
        before, counted = open_descriptors(), counters.read()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before + 4, hard))  # epoll, the socket, and two of slack
        records, _ = fire(12, family=family, ports=ports, source=LOOPBACK[family], close="disconnect", **options)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        assert open_descriptors() == before
        assert server.wait_accepted(12, 5)
        moved = counters.counter_changes(counted, counters.read())
    assert not records["error"].any()
    assert set(records["local_port"]) <= set(PORTS)
    assert (records["close_ns"] > 0).all()
    assert (moved["ActiveOpens"], moved["OutRsts"]) == (12, 12)
    if ports == "each":
        assert records["local_port"].tolist() == PORTS.tolist() * 3


@namespaced(ports=(40000, 40031))
def test_a_straggler_s_socket_is_used_again_too():
    """Sixteen mined ports, each used twice: the first attempt waits for its resend, and its socket comes back."""
    if not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    mined = np.arange(40000, 40016, dtype=np.uint16)
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(Plan(scenario="test"), server, mined, 1024)
        server.start()
        before = open_descriptors()
        records, _ = fire(32, ports="each", port_list=mined, source="127.0.0.1", close="disconnect", window=4)
        assert open_descriptors() == before
    # The last four stragglers may still hold their ports when these come again.
    assert not records["error"][:28].any()
    assert {int(error) for error in records["error"][28:]} <= {0, errno.EADDRNOTAVAIL}
    assert records["retransmits"].tolist() == [1] * 16 + [0] * 16


@namespaced(ports=(40000, 40015))
def test_stragglers_are_held_like_others():
    mined = np.arange(40000, 40016, dtype=np.uint16)
    held = np.full(16, -1, np.intc)
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(Plan(scenario="test"), server, mined[:8], 1024)
        server.start()
        before = open_descriptors()
        records, _ = fire(16, ports="list", port_list=mined, source="127.0.0.1", close="hold", held=held)
        assert open_descriptors() == before + 16
        assert census.take_census(4, range(5000, 5001))["client"] == {"ESTABLISHED": 16}
        close_held(held)
    assert not records["error"].any()
    assert (held >= 0).all()
    assert records["retransmits"].tolist() == [1] * 8 + [0] * 8


@pytest.mark.parametrize("watching", [None, 0, 1])
@namespaced
def test_retransmits_are_known_whether_watched_or_not(watching):
    """An attempt that met a mine has waited for its resend, and so is read in any case."""
    watched = None if watching is None else np.full(65536, watching, np.uint8)
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(Plan(scenario="test"), server, PORTS[:2], 1024)
        server.start()
        records, _ = fire(4, ports="list", port_list=PORTS, source="127.0.0.1", watched=watched)
    assert records["retransmits"].tolist() == [1, 1, 0, 0]


@namespaced
def test_addresses_and_ports_are_taken_in_turn():
    """127.0.0.1 and 127.0.0.2 to ports 5000 and 5001: four pairs, source by source."""
    with Listener("127.0.0.1", 5000, ports=2) as server:
        options = {"source": "127.0.0.1", "sources": 2, "target_ports": 2, "ports": "no-port", "address": 100}
        held = np.full(8, -1, np.intc)
        records, _ = fire(8, close="hold", held=held, **options)
        peers = [
            (client.local_address, client.remote_port)
            for client in census.iterate_sockets(4, ["ESTABLISHED"])
            if client.local_port not in server.ports
        ]
        close_held(held)
    assert not records["error"].any()
    assert records["address"].tolist() == [100, 101, 102, 103] * 2
    assert {peer: peers.count(peer) for peer in set(peers)} == {
        (source, port): 2 for source in ("127.0.0.1", "127.0.0.2") for port in (5000, 5001)
    }


@pytest.mark.parametrize("ports", ["list", "each"])
@namespaced
def test_listed_tuples_are_taken_as_they_are_listed(ports):
    if ports == "each" and not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    pairs = np.array([1, 0, 1, 1], np.uint16)
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        options = {"source": "127.0.0.1", "sources": 2, "port_list": PORTS, "address_list": pairs}
        records, _ = fire(8, ports=ports, **options)
        assert server.wait_accepted(8, 5)
    assert not records["error"].any()
    assert records["address"].tolist() == pairs.tolist() * 2
    assert records["local_port"].tolist() == PORTS.tolist() * 2


@namespaced
def test_a_storm_waits_for_its_moment():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        epoch_ns = now_ns()
        records = allocate_attempts(3)
        storm(
            records, target="127.0.0.1", target_port=5000, attempts=3, epoch_ns=epoch_ns, begin_ns=epoch_ns + 30_000_000
        )
    assert records["start_ns"][0] >= 30_000_000


@namespaced
def test_a_storm_that_begins_late_is_late_by_its_intended_starts():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        epoch_ns = now_ns()
        records = allocate_attempts(3)
        interval_ns, late_ns = 10_000_000, 50_000_000
        begin = {"epoch_ns": epoch_ns, "begin_ns": epoch_ns - late_ns, "interval_ns": interval_ns}
        storm(records, target="127.0.0.1", target_port=5000, attempts=3, **begin)
    assert (records["lag_us"] >= (late_ns - np.arange(3) * interval_ns) // 1000).all()


@namespaced
def test_a_late_storm_makes_up_for_what_was_due_lately_alone():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        epoch_ns = now_ns()
        records = allocate_attempts(200)
        begin = {
            "epoch_ns": epoch_ns,
            "begin_ns": epoch_ns - 10**9,
            "interval_ns": 1_000_000,
            "catch_up_ns": 20_000_000,
        }
        storm(records, target="127.0.0.1", target_port=5000, attempts=200, **begin)
    starts_ms = (records["start_ns"] - records["start_ns"][0]) / 1e6
    assert records["lag_us"][0] >= 10**6
    assert (starts_ms >= np.arange(200) - 21).all()
    for first in range(0, 200, 20):
        assert (starts_ms[first:] - starts_ms[first] >= np.arange(200 - first) - 21).all()
