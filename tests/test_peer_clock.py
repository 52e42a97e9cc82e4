# SPDX-License-Identifier: MIT
"""The clocks of two hosts: whatever the ways and the rates, the offset is right within its error."""

import json
import os
import socket
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_to_boot import run_in_guest

from stress._fastconnect import now_ns
from stress.lab import time_namespace
from stress.model.errors import LabError
from stress.model.units import MILLION, SECOND_NS
from stress.storm.peer.clock import ClockPair, Exchange, estimate_offset, measure_offset

AHEAD_S = 100_000
DELAY_S = 0.02
AS_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
IN_TIME_NAMESPACE = ["unshare", *AS_ROOT, "--time", "--monotonic", str(AHEAD_S), "--fork"]
WAY_NS = st.integers(0, 200_000_000)
EXCHANGE = st.tuples(WAY_NS, WAY_NS, st.integers(0, SECOND_NS))  # there, back, and the pause after it
CLOCKS = {
    "client_ns": st.integers(0, 10**16),
    "ahead_ns": st.integers(-(10**16), 10**16),
    "ppm": st.integers(-500, 500),
}


def far_time(at_ns, client_ns, ahead_ns, ppm):
    """Return what the other host's clock reads; it was ``ahead_ns`` ahead at ``client_ns``."""
    return at_ns + ahead_ns + (at_ns - client_ns) * ppm // MILLION


def exchanges_of(ways, client_ns, ahead_ns, ppm):
    """Return exchanges from ``client_ns`` on."""
    at_ns = client_ns
    for there_ns, back_ns, pause_ns in ways:
        read_ns = at_ns + there_ns
        yield Exchange(at_ns, far_time(read_ns, client_ns, ahead_ns, ppm), read_ns + back_ns)
        at_ns = read_ns + back_ns + pause_ns


def is_right(offset, **clocks):
    """Return whether the true offset is within the error of one."""
    true_ns = far_time(offset.at_ns, **clocks) - offset.at_ns
    return abs(true_ns - offset.offset_ns) <= offset.error_ns


@given(st.lists(EXCHANGE, min_size=1, max_size=20), st.fixed_dictionaries(CLOCKS))
def test_whatever_the_ways_and_the_rate_the_true_offset_is_within_the_error(ways, clocks):
    exchanges = list(exchanges_of(ways, **clocks))
    offset = estimate_offset(exchanges)
    assert is_right(offset, **clocks)
    shortest_ns = min(exchange.round_trip_ns for exchange in exchanges)
    assert shortest_ns / 2 < offset.error_ns <= shortest_ns / 2 * 1.0005 + 3
    assert offset.exchanges == len(ways)


@given(
    st.lists(EXCHANGE, min_size=1, max_size=4),
    st.lists(EXCHANGE, min_size=1, max_size=4),
    st.fixed_dictionaries(CLOCKS),
    st.integers(0, 60 * SECOND_NS),
    st.lists(st.floats(0, 1), max_size=20),
)
def test_at_every_moment_of_a_storm_the_true_offset_is_within_the_error(before, after, clocks, storm_ns, moments):
    pause = [(*before[-1][:2], storm_ns)]
    exchanges = list(exchanges_of(before[:-1] + pause + after, **clocks))
    pair = ClockPair(estimate_offset(exchanges[: len(before)]), estimate_offset(exchanges[len(before) :]))
    begin_ns, end_ns = exchanges[0].sent_ns, exchanges[-1].received_ns
    for at_ns in (begin_ns, end_ns, *(begin_ns + int(moment * (end_ns - begin_ns)) for moment in moments)):
        assert is_right(pair.offset_at(at_ns), **clocks)
        (converted_ns,) = pair.convert(np.array([far_time(at_ns, **clocks)]))
        assert abs(converted_ns - at_ns) <= pair.offset_at(at_ns).error_ns


@given(
    st.lists(st.tuples(st.integers(0, SECOND_NS), st.integers(0, 500)), min_size=1, max_size=20),
    st.sampled_from([1, -1]),
    st.tuples(WAY_NS, WAY_NS),
)
def test_rates_that_change_but_not_their_sign_are_covered(pieces, sign, ways):
    """As where a time server corrects one clock by more and more."""
    times_ns, offsets_ns = [0], [0]
    for duration_ns, ppm in pieces:
        times_ns.append(times_ns[-1] + duration_ns)
        offsets_ns.append(offsets_ns[-1] + sign * duration_ns * ppm // MILLION)
    there_ns, back_ns = ways
    ends = [
        estimate_offset([Exchange(at_ns - there_ns, at_ns + offset_ns, at_ns + back_ns)])
        for at_ns, offset_ns in ((times_ns[0], offsets_ns[0]), (times_ns[-1], offsets_ns[-1]))
    ]
    pair = ClockPair(*ends)
    for at_ns, offset_ns in zip(times_ns, offsets_ns, strict=True):
        offset = pair.offset_at(at_ns)
        assert abs(offset.offset_ns - offset_ns) <= offset.error_ns


@given(st.fixed_dictionaries(CLOCKS), WAY_NS, WAY_NS, st.integers(0, 60 * SECOND_NS))
def test_without_a_measurement_after_the_storm_the_error_grows(clocks, there_ns, back_ns, later_ns):
    (exchange,) = exchanges_of([(there_ns, back_ns, 0)], **clocks)
    pair = ClockPair(estimate_offset([exchange]))
    later = pair.offset_at(exchange.received_ns + later_ns)
    assert is_right(later, **clocks)
    assert later.error_ns >= pair.before.error_ns + later_ns * 500 // MILLION
    times_ns = np.array([[exchange.far_ns]])
    assert pair.convert(times_ns).tolist() == [[exchange.far_ns - pair.before.offset_ns]]


def test_converted_times_stay_in_their_order():
    """Where the clocks moved apart, and before and after what was measured."""
    before, after = (
        estimate_offset([Exchange(at_ns, far_ns, at_ns + 10)]) for at_ns, far_ns in ((0, 5), (10**9, 10**9 + 400_000))
    )
    times_ns = ClockPair(before, after).convert(np.arange(-(10**9), 3 * 10**9, 10**6))
    assert all(one < other for one, other in pairwise(times_ns.tolist()))


@pytest.mark.parametrize("stepped_ns", [-SECOND_NS, -3_000_000, 3_000_000, SECOND_NS])
def test_a_clock_that_did_not_run_on_is_refused(stepped_ns):
    """The other host was suspended, which stops its clock, or this one was."""
    ways_ns = 1_000_000
    steady = [Exchange(at_ns, at_ns + ways_ns, at_ns + 2 * ways_ns) for at_ns in range(0, 10**9, 10**8)]
    moved = [exchange._replace(far_ns=exchange.far_ns + stepped_ns) for exchange in steady]
    with pytest.raises(LabError, match=r"did not run on while they were compared.*suspended"):
        estimate_offset(steady[:5] + moved[5:])
    with pytest.raises(LabError, match=r"moved apart by .* within .* suspended"):
        ClockPair(estimate_offset(steady[:5]), estimate_offset(moved[5:]))


def test_a_clock_that_goes_back_is_refused_however_long_the_ways_are():
    with pytest.raises(LabError, match="did not run on"):
        estimate_offset([Exchange(0, 500, 1000), Exchange(1000, 499, 2000)])


def test_over_a_real_connection_the_own_clock_is_not_ahead():
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def ping():
            ours.send(b"?")
            theirs.recv(1)
            theirs.send(now_ns().to_bytes(8))
            return int.from_bytes(ours.recv(8))

        offset = measure_offset(ping)
    assert abs(offset.offset_ns) <= offset.error_ns
    assert offset.exchanges == 16


def in_time_namespace(code):
    """Run a program in a time namespace; return what it prints, as lines."""
    ended = subprocess.run(
        [*IN_TIME_NAMESPACE, sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    if "unshare" in ended.stderr:
        pytest.skip(f"no time namespace here: {ended.stderr.strip()}")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_how_far_a_time_namespace_is_ahead_of_the_host():
    assert time_namespace.read_ahead_ns() == 0
    code = "from stress.lab import time_namespace; print(time_namespace.read_ahead_ns())"
    assert in_time_namespace(code) == [str(AHEAD_S * SECOND_NS)]


def test_a_time_namespace_for_children_alone_is_refused():
    code = """
        import ctypes
        from stress.lab import time_namespace
        from stress.model.errors import LabError
        assert ctypes.CDLL(None).unshare(0x80) == 0
        try:
            time_namespace.read_ahead_ns()
        except LabError as error:
            print(error)
    """
    (line,) = in_time_namespace(code)
    assert line.endswith("start connstorm with unshare --time --fork.")


def test_the_kernels_word_is_of_the_clock_of_the_time_namespace():
    if os.geteuid() != 0:
        pytest.skip("the kernel's word needs root of the host")
    code = """
        import socket, sys
        from stress.lab import namespace
        from stress.lab.kernel_word.word import open_kernel_word
        from stress.model.errors import LabError
        try:
            word = open_kernel_word()
        except LabError as error:
            sys.exit(print(error))
        namespace.enter_namespace()
        word.watch_this_namespace()
        from stress._fastconnect import now_ns  # and with it numpy, which starts threads
        begin_ns = now_ns()
        with socket.socket() as ours:
            ours.connect_ex(("127.0.0.1", 6000))
        end_ns = now_ns()
        print(*((begin_ns < event["time_ns"] < end_ns) for event in word.drain()))
    """
    (line,) = in_time_namespace(code)
    if "needs" in line or "cannot" in line:
        pytest.skip(line)
    assert set(line.split()) == {"True"}


# In a time namespace: answers on standard input, with a pause before or after it has read its clock.
ANSWER = """
import os, sys, time
before_s, after_s = float(sys.argv[1]), float(sys.argv[2])
while os.read(0, 1):
    time.sleep(before_s)
    reading = time.monotonic_ns().to_bytes(8, "big")
    time.sleep(after_s)
    os.write(1, reading)
"""


@pytest.mark.parametrize(("before_s", "after_s", "sign"), [(0, 0, 0), (DELAY_S, 0, 1), (0, DELAY_S, -1)])
def test_the_offset_is_right_within_its_error_whichever_way_is_late(before_s, after_s, sign):
    in_time_namespace("pass")  # or skip
    command = [*IN_TIME_NAMESPACE, sys.executable, "-c", ANSWER, str(before_s), str(after_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as far:

        def ping():
            far.stdin.write(b"?")
            return int.from_bytes(far.stdout.read(8))

        ping()  # as soon as it has started
        offset = measure_offset(ping)
        far.stdin.close()
    off_ns = offset.offset_ns - AHEAD_S * SECOND_NS
    assert abs(off_ns) <= offset.error_ns
    # Half of the delay: nothing that both ends see tells on which of the ways it was.
    assert off_ns * sign >= abs(sign) * DELAY_S * SECOND_NS / 4


@pytest.mark.only_with("CONNSTORM_CLOCK")  # it boots a kernel: make clock
@pytest.mark.timeout(240)
def test_one_way_that_takes_20_ms_longer_moves_the_offset_but_not_out_of_its_error(tmp_path, monkeypatch):
    """In a booted kernel, which has netem; the other host is in a time namespace."""
    program = Path(__file__).with_name("guest_clock.py")
    lines = run_in_guest(program, (str(AHEAD_S), "20"), tmp_path / "share", monkeypatch)
    measured = {line["late"]: line for line in map(json.loads, lines)}
    off_ns = {late: line["offset_ns"] - AHEAD_S * SECOND_NS for late, line in measured.items()}
    for late, line in measured.items():
        assert abs(off_ns[late]) <= line["error_ns"]
    assert off_ns["client"] > 9_000_000
    assert off_ns["server"] < -9_000_000
    assert measured["none"]["error_ns"] < 10_000_000 <= measured["client"]["error_ns"]
