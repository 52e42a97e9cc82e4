# SPDX-License-Identifier: MIT
"""The SYN ladder: on paper for kernels old and new, and on this kernel."""

import errno
import itertools
import socket
import struct
import threading

import pytest
from builders import MS, SECOND, a_ladder, the_attempts
from hypothesis import example, given
from hypothesis import strategies as st
from namespaced import namespaced

from stress._fastconnect import now_ns, storm
from stress.analysis.attribution.ladder import (
    LADDER_LIMITS,
    build_ladder,
    kernel_version,
    override_sysctls,
    wheel_slack_jiffies,
)
from stress.analysis.attribution.syns import Gap, classify_first_gaps
from stress.lab import host, sysctl
from stress.model.attempt import allocate_attempts
from stress.model.errors import UsageError

LINEAR = {"tcp_syn_retries": 6, "tcp_syn_linear_timeouts": 4}


def due_s(rungs):
    """Return when each rung's SYN is due: a rung opens one jiffy before, for the timer counts from a tick."""
    return [float(rung.label.removesuffix(" s")) for rung in rungs]


@pytest.mark.parametrize(
    ("sysctls", "due", "give_up_s"),
    [
        ({}, [1, 3, 7, 15, 31, 63], 127),  # up to 6.4
        ({"tcp_syn_retries": 6}, [1, 3, 7, 15, 31, 63], 127),
        (LINEAR, [1, 2, 3, 4, 5, 7, 11, 19, 35, 67], 131),  # from 6.5
        ({"tcp_syn_retries": 1, "tcp_syn_linear_timeouts": 0}, [1], 3),
        ({"tcp_syn_retries": 3, "tcp_syn_linear_timeouts": 4}, [1, 2, 3, 4, 5, 7, 11], 19),
        ({"tcp_syn_retries": 6, "tcp_rto_max_ms": 4000}, [1, 3, 7, 11, 15, 19], 23),  # from 6.15
        ({"tcp_syn_retries": 3, "tcp_syn_linear_timeouts": 1, "tcp_rto_max_ms": 1000}, [1, 2, 3], 4),
        ({"tcp_syn_retries": 8}, [1, 3, 7, 15, 31, 63, 127, 247], 367),  # no timeout above 120 s
    ],
)
def test_syns_are_due_as_documented(sysctls, due, give_up_s):
    ladder = a_ladder(**sysctls)
    assert due_s(ladder.rungs) == due
    assert [rung.from_ns for rung in ladder.rungs] == [second * SECOND - 4 * MS for second in due]
    assert [rung.retransmits for rung in ladder.rungs] == list(range(1, len(due) + 1))
    assert ladder.give_up_ns == give_up_s * SECOND


@pytest.mark.parametrize(
    ("retries", "linear", "rto_max_ms", "resends", "give_up_s"),
    [
        (1, 1, 120_000, 2, 4.05),
        (1, 2, 120_000, 2, 3.08),
        (1, 4, 120_000, 2, 3.06),
        (2, 2, 120_000, 4, 9.31),
        (2, 4, 120_000, 5, 7.14),
        (3, 1, 120_000, 4, 16.5),
        (3, 4, 120_000, 7, 19.4),
        (3, 1, 1000, 3, 4.10),
        (2, 3, 2000, 4, 6.10),
        (4, 1, 2000, 5, 10.1),
    ],
)
def test_with_linear_timeouts_the_kernel_gives_up_by_time_too(retries, linear, rto_max_ms, resends, give_up_s):
    """Measured on 6.18: SYNs sent again, and when connect() returned ETIMEDOUT."""
    settings = {"tcp_syn_retries": retries, "tcp_syn_linear_timeouts": linear, "tcp_rto_max_ms": rto_max_ms}
    ladder = a_ladder(**settings)
    assert len(ladder.rungs) == resends
    assert 0 <= give_up_s - ladder.give_up_ns / SECOND < 0.06 * give_up_s


def test_a_hastened_resend_leaves_time_for_more():
    """Measured on 6.18 behind a firewall that drops RSTs: six SYNs sent again, ETIMEDOUT after 10.37 s."""
    ladder = a_ladder(tcp_syn_retries=2, tcp_syn_linear_timeouts=4)
    assert (len(ladder.rungs), ladder.give_up_ns) == (5, 7 * SECOND)
    assert 0 <= 10.37 - ladder.challenged_give_up_ns / SECOND < 0.4
    attempts = the_attempts(
        (40000, errno.ETIMEDOUT, 6), (40001, errno.ETIMEDOUT, 5), latency_ns=[10_376 * MS, 7_141 * MS]
    )
    assert classify_first_gaps(attempts, ladder).tolist() == [Gap.FAST, Gap.TIMEOUT]


@pytest.mark.parametrize(
    ("kernel", "fast"),
    [("4.4.0-21-generic", False), ("5.5.19", False), ("5.6.0", True), ("5.10.0-30", True), ("6.1", True)],
)
def test_the_fast_resend_came_with_5_6(kernel, fast):
    assert (a_ladder(kernel=kernel).fast is not None) == fast


@pytest.mark.parametrize(
    ("latency_s", "retransmits"),
    [(2.04, 2), (3.06, 3), (4.08, 4), (5.10, 5), (7.12, 6), (11.2, 7), (2.03, 2), (3.05, 3)],
)
def test_latencies_measured_on_6_18_lie_on_their_rung(latency_s, retransmits):
    """Challenge-ACK limits of 10 and of 1, HZ=250: docs of the experiment are in the reference, 6b."""
    rungs = a_ladder(**LINEAR).rungs
    assert [rung.retransmits for rung in rungs if rung.from_ns <= latency_s * SECOND <= rung.to_ns] == [retransmits]


@pytest.mark.parametrize(("latency_s", "retransmits"), [(3.04, 2), (7.10, 3), (15.5, 4)])
def test_latencies_measured_on_5_10_lie_on_their_rung(latency_s, retransmits):
    rungs = a_ladder(kernel="5.10.0-30-amd64", tcp_syn_retries=6).rungs
    assert [rung.retransmits for rung in rungs if rung.from_ns <= latency_s * SECOND <= rung.to_ns] == [retransmits]


@pytest.mark.parametrize("latency_ms", [8, 9, 11.5, 16])
def test_a_collision_on_6_18_lies_on_the_fast_rung(latency_ms):
    fast = a_ladder(**LINEAR).fast
    assert fast.from_ns <= latency_ms * MS <= fast.to_ns
    assert fast.retransmits == 1


@pytest.mark.parametrize("hz", [100, 250, 1000])
def test_the_fast_rung_is_a_matter_of_jiffies(hz):
    """Due after two, it comes on the third at the latest, and no wake-up is six late."""
    fast = a_ladder(hz=hz).fast
    assert (fast.from_ns, fast.to_ns) == (SECOND // hz, 9 * SECOND // hz)


@given(st.sampled_from([100, 250, 300, 1000]), st.integers(0, 4), st.integers(1, 8))
def test_rungs_never_overlap(hz, linear, retries):
    ladder = a_ladder(hz=hz, tcp_syn_retries=retries, tcp_syn_linear_timeouts=linear)
    rungs = (ladder.fast, *ladder.rungs)
    assert all(rung.from_ns < rung.to_ns for rung in rungs)
    assert all(lower.to_ns < upper.from_ns for lower, upper in itertools.pairwise(rungs))
    assert rungs[-1].from_ns < ladder.give_up_ns


def expiry(clock, delay):
    """Return when a timer that is set at ``clock`` fires: calc_wheel_index() of kernel/time/timer.c."""
    level = 0
    while delay >= 63 << (3 * level):
        level += 1
    shift = 3 * level
    return ((clock + delay >> shift) + 1) << shift


@given(st.integers(0, 40_000))
@example(62)
@example(63)
@example(503)
@example(504)
@example(4031)
@example(4032)
def test_the_wheel_s_slack_is_the_latest_of_all_phases(delay):
    """A delay below 40,000 jiffies is on level 4 at most, whose phases repeat after 8**4 jiffies."""
    late = [expiry(clock, delay) - (clock + delay) for clock in range(8**4)]
    assert max(late) == wheel_slack_jiffies(delay)


@given(st.integers(0, 99), st.integers(0, 999), st.from_regex(r"([^\d].*)?", fullmatch=True))
def test_a_release_begins_with_its_version(major, minor, rest):
    assert kernel_version(f"{major}.{minor}{rest}") == (major, minor)


@pytest.mark.parametrize("release", ["", "6", "6-18", "v6.18", "linux", ".6.18"])
def test_a_release_without_a_version_is_refused(release):
    with pytest.raises(ValueError, match="does not begin with a version"):
        kernel_version(release)


def attach(server, *instructions):
    import ctypes

    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions))
    server.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HP", len(instructions), ctypes.addressof(code)))


def one_attempt():
    record = allocate_attempts(1)
    storm(record, target="127.0.0.1", target_port=5000, attempts=1, epoch_ns=now_ns())
    return record[0]


@pytest.mark.parametrize("deaf_s", [0.5, 1.5])
@pytest.mark.parametrize("linear", [0, 4])
@namespaced
def test_a_server_that_wakes_up_is_met_on_the_next_rung(deaf_s, linear):
    """The server drops SYNs for a while: 0.5 s leave the rung of 1 s, 1.5 s the next one, 2 s or 3 s."""
    sysctl.write("net.ipv4.tcp_syn_linear_timeouts", str(linear))
    ladder = build_ladder(host.read_host(), sysctl.read_recorded())
    place = int(deaf_s)
    with socket.create_server(("127.0.0.1", 5000)) as server:
        attach(server, (0x06, 0, 0, 0))
        hears = threading.Timer(deaf_s, attach, (server, (0x06, 0, 0, 0xFFFFFFFF)))
        hears.start()
        attempt = one_attempt()
        hears.join()
    assert attempt["error"] == 0
    assert attempt["retransmits"] == ladder.rungs[place].retransmits
    assert ladder.rungs[place].from_ns <= attempt["latency_ns"] < ladder.rungs[place + 1].from_ns


@namespaced(sysctls={"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"})
def test_this_kernel_gives_up_when_the_ladder_ends():
    ladder = build_ladder(host.read_host(), sysctl.read_recorded())
    with socket.create_server(("127.0.0.1", 5000)) as server:
        attach(server, (0x06, 0, 0, 0))
        attempt = one_attempt()
    assert ladder.give_up_ns == 3 * SECOND
    assert attempt["retransmits"] == len(ladder.rungs) == 1
    assert 0 <= attempt["latency_ns"] - ladder.give_up_ns < SECOND


@pytest.mark.parametrize("name", LADDER_LIMITS)
@namespaced
def test_the_limits_of_a_setting_are_the_kernel_s(name):
    if sysctl.read(name) is None:
        pytest.skip(f"this kernel has no {name}")
    for value in LADDER_LIMITS[name]:
        sysctl.write(name, str(value))
    for value in (LADDER_LIMITS[name][0] - 1, LADDER_LIMITS[name][1] + 1):
        with pytest.raises(UsageError):
            sysctl.write(name, str(value))


def test_supposed_settings_replace_those_of_the_host_and_no_others():
    host_s = {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_fin_timeout": "60"}
    assert override_sysctls(host_s, {"net.ipv4.tcp_syn_retries": "2"}) == host_s | {"net.ipv4.tcp_syn_retries": "2"}
    assert host_s["net.ipv4.tcp_syn_retries"] == "6"
