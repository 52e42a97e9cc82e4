# SPDX-License-Identifier: MIT
"""The use of connections, one byte each way: timed apart from connect(), and what a server does with it."""

import errno
import time

import msgspec
import numpy as np
import pytest
from namespaced import error_names, namespaced, open_descriptors

from stress._fastconnect import now_ns, storm
from stress.lab import counters, sysctl
from stress.lab.host import has_local_port_range
from stress.lab.listener import Listener
from stress.lab.wait import wait_until
from stress.model.attempt import USE, allocate_attempts
from stress.model.plan import Plan, Serve
from stress.storm import minefield
from stress.storm.check.plan_rules import plan_faults
from stress.storm.listener_reload import ListenerReload

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
SIXTEEN_PORTS = (40000, 40015)
MS = 1_000_000
both_families = pytest.mark.parametrize("family", [4, 6])


def fire(attempts, *, family=4, **options):
    """Storm a server on port 5000 and use every connection; return the records and the uses."""
    records, uses = allocate_attempts(attempts), np.zeros(attempts, USE)
    recorded, _ = storm(
        records,
        uses=uses,
        target=LOOPBACK[family],
        target_port=5000,
        attempts=attempts,
        epoch_ns=now_ns(),
        **options,
    )
    assert recorded == attempts
    return records, uses


def test_a_use_is_9_bytes_without_padding():
    assert USE.itemsize == 9


@both_families
@pytest.mark.parametrize("close", ["rst", "fin", "disconnect"])
@namespaced(ports=SIXTEEN_PORTS)
def test_every_connection_is_used_once_and_answered(family, close):
    with Listener(LOOPBACK[family], 5000) as server:
        server.start(answer=True)
        before, descriptors = counters.read(), open_descriptors()
        records, uses = fire(12, family=family, close=close)
        assert open_descriptors() == descriptors
        assert server.wait_settled(5)
        moved = counters.counter_changes(before, counters.read())
        report = server.report()
    assert not records["error"].any()
    assert not uses["error"].any()
    assert (uses["use_ns"] > 0).all()
    assert (records["close_ns"] > 0).all()
    assert (report.accepted, report.answered, report.closed, report.first) == (12, 12, 12, 0)
    assert moved["OutRsts"] == (0 if close == "fin" else 12)


@namespaced(ports=SIXTEEN_PORTS)
def test_a_used_connection_is_held_like_others():
    held = np.full(12, -1, np.intc)
    with Listener("127.0.0.1", 5000) as server:
        server.start(answer=True)
        descriptors = open_descriptors()
        _, uses = fire(12, close="hold", held=held)
        assert open_descriptors() == descriptors + 12
    assert (uses["use_ns"] > 0).all()
    assert (held >= 0).all()


@namespaced(ports=SIXTEEN_PORTS)
def test_a_use_that_nobody_answers_ends_unfinished_at_the_deadline():
    with Listener("127.0.0.1", 5000):
        descriptors = open_descriptors()
        records, uses = fire(12, deadline_ns=50 * MS)
        assert open_descriptors() == descriptors
    assert not records["error"].any()
    assert (uses["error"] == errno.EINPROGRESS).all()
    assert (records["latency_ns"] + uses["use_ns"] >= 50 * MS).all()
    assert np.median(records["latency_ns"]) < 50 * MS  # one may have met a machine that stood still


@namespaced(ports=SIXTEEN_PORTS)
def test_the_window_counts_connections_in_use_as_attempts_in_flight():
    with Listener("127.0.0.1", 5000):
        records, uses = fire(9, window=3, deadline_ns=30 * MS)
    ends = records["start_ns"] + records["latency_ns"] + uses["use_ns"]
    assert all((ends[:number] > start).sum() < 3 for number, start in enumerate(records["start_ns"]))


@namespaced(ports=SIXTEEN_PORTS)
def test_a_server_that_ends_a_connection_without_an_answer_is_told_from_a_reset():
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        _, uses = fire(4)
    assert error_names(uses["error"]) == ["ENODATA"] * 4


def close_when_filled(server):
    """Let the stuck listener close when connections wait in it, however late they come; return how many did, then."""
    waiting = []
    close_stuck = server.close_stuck

    def close():
        wait_until(lambda: server.queue_length(server.stuck) > 0, 30)
        time.sleep(0.1)  # all the others come with it
        waiting.append(server.queue_length(server.stuck))
        close_stuck()

    server.close_stuck = close
    return waiting


@both_families
@namespaced(ports=(40000, 40099))
def test_connections_in_the_queue_of_a_listener_that_closes_are_reset(family):
    plan = Plan(scenario="test", listeners=2, stuck=1, stuck_until_s=0.1)
    with Listener(LOOPBACK[family], 5000, per_port=2, stuck=1) as server:
        server.start(answer=True)
        before = counters.read()
        close_when_filled(server)
        with ListenerReload(plan, server):
            records, uses = fire(100, family=family)
        assert server.wait_settled(5)
        moved = counters.counter_changes(before, counters.read())
        report = server.report()
    assert not records["error"].any()  # connect() had succeeded
    assert set(error_names(uses["error"])) == {"0", "ECONNRESET"}
    resets = int((uses["error"] == errno.ECONNRESET).sum())
    assert report.accepted == report.answered == 100 - resets
    assert (moved["OutRsts"], moved["EstabResets"]) == (100, 200)


@namespaced(ports=(40000, 40099))
def test_a_migrated_request_is_answered_by_the_other_listener():
    plan = Plan(scenario="test", listeners=2, stuck=1, stuck_until_s=0.1)
    sysctl.write("net.ipv4.tcp_migrate_req", "1")
    with Listener("127.0.0.1", 5000, per_port=2, stuck=1) as server:
        server.start(answer=True)
        before = counters.read()
        waiting = close_when_filled(server)
        with ListenerReload(plan, server):
            _, uses = fire(100)
        moved = counters.counter_changes(before, counters.read())
    assert not uses["error"].any()
    assert waiting == [moved["TCPMigrateReqSuccess"]]
    assert waiting[0] > 0


@namespaced
def test_what_did_not_connect_was_not_used():
    records, uses = fire(4)  # nobody listens
    assert error_names(records["error"]) == ["ECONNREFUSED"] * 4
    assert not uses["use_ns"].any()
    assert not uses["error"].any()


@namespaced(ports=(40000, 40031))
def test_a_straggler_is_used_when_it_has_connected():
    if not has_local_port_range():
        pytest.skip("this kernel has no IP_LOCAL_PORT_RANGE (Linux 6.3)")
    ports = np.arange(40000, 40032, dtype=np.uint16)
    with Listener("127.0.0.1", 5000) as server:
        minefield.lay_mines(Plan(scenario="test"), server, ports[:16], 1024)
        server.start(answer=True)
        records, uses = fire(32, ports="each", port_list=ports, source="127.0.0.1", close="disconnect", window=4)
    assert records["retransmits"].tolist() == [1] * 16 + [0] * 16
    assert not uses["error"].any()
    assert (uses["use_ns"] > 0).all()


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="uses has room for 3 of 4 attempts"):
        storm(allocate_attempts(4), uses=np.zeros(3, USE), target="127.0.0.1", target_port=1, attempts=4, epoch_ns=0)
    with pytest.raises(ValueError, match="protocol must be one of tcp, mptcp, tfo, not 'sctp'"):
        storm(allocate_attempts(4), protocol="sctp", target="127.0.0.1", target_port=1, attempts=4, epoch_ns=0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"use": True, "serve": Serve.LEAK}, "give a --deadline"),
        ({"use": True, "listeners": 2, "stuck": 1}, "give a --deadline"),
        ({"stuck": 1}, "--stuck must be from 0 to one less than --listeners 1, not 1"),
        ({"listeners": 65}, "--listeners of all server ports must be from 1 to 64"),
        ({"stuck_until_s": 1.0}, "give their number by --stuck"),
        ({"listeners": 2, "stuck": 1, "stuck_until_s": 0.0}, "--stuck-until must be above 0"),
        ({"use": True, "protocol": "tfo"}, "leave out one of them"),
    ],
)
def test_a_plan_whose_uses_would_never_end_is_refused(fields, words):
    plan = msgspec.convert({"scenario": "test"} | fields, Plan)
    assert any(words in sentence for sentence in plan_faults(plan)), list(plan_faults(plan))
