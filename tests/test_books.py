# SPDX-License-Identifier: MIT
"""The books: they balance when the run is consistent, and only then; on paper and on this kernel."""

import errno
import itertools
import socket
import struct

import msgspec
import numpy as np
import pytest
from builders import COUNTERS, MS, a_run, settings, the_attempts, the_mines
from namespaced import namespaced

from stress.analysis.attribution.books import check_books
from stress.analysis.attribution.summary import analyse
from stress.model.plan import Close, Plan, Ports
from stress.model.record import ListenerReport
from stress.model.world import Drop
from stress.storm.catalogue import SCENARIOS
from stress.storm.run_plan import carry_out

OUT_RSTS = "OutRsts - EmbryonicRsts"
ACCEPTED = "accepted by the server + in its queue + EmbryonicRsts"
RESETS = "EstabResets + EmbryonicRsts"
QUEUE_OR_RST = {
    f"{counter} + lo rx_dropped + OutRsts - EmbryonicRsts" for counter in ("ListenOverflows", "ListenDrops")
}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
SIXTEEN_PORTS = (40000, 40015)
UNLIMITED, LIMITED = 2**31 - 1, 100


def lines(run):
    (act,) = analyse(run).acts
    return {line.counter: line for line in check_books(act.storm, act.syns)}


def unbalanced(run):
    return {counter for counter, line in lines(run).items() if not line.balanced}


def cleared_field(close=Close.RST, left=(40005,), **changes):
    """
    40000 mined   SYN, challenge ACK, RST, SYN: connected           one mine cleared
    40001 mined   three SYNs, of which the limit leaves two without an answer, then one more: connected
    40002         connected
    40003         refused
    40004         no port
    40005 mined   not drawn: its mine is left
    One connection is reset before the server's side is established: EmbryonicRsts, and an RST more.
    """
    attempts = the_attempts(
        (40000, 0, 1),
        (40001, 0, 3),
        (40002, 0, 0),
        (40003, errno.ECONNREFUSED, 0),
        (40004, errno.EADDRNOTAVAIL, 0),
        latency_ns=[9 * MS, 7020 * MS, MS, MS, MS],
    )
    counters = {
        "ActiveOpens": 4,
        "EmbryonicRsts": 1,
        "TCPSynRetrans": 4,
        "TCPSYNChallenge": 4,
        "TCPChallengeACK": 2,
        "OutRsts": (3 if close is Close.RST else 0) + 1 + 2 + 1,
        "TCPACKSkippedChallenge": 1,
        "EstabResets": (2 * 3 if close is Close.RST else 0) + 2 - 1,
    }
    return a_run(
        attempts,
        the_mines(40000, 40001, 40005, left=left),
        Plan(scenario="test", close=close),
        **{
            "counters": dict.fromkeys(COUNTERS, 0) | counters,
            "listener": ListenerReport(accepted=3 - 1, leaked=0, closed=2, first=0, errors={}),
        }
        | changes,
    )


def surviving_field(limit=UNLIMITED, **changes):
    """
    40000 mined   SYN, SYN: both challenged, every RST dropped: timed out
    40001 mined   the same, and the deadline comes before the kernel gives up
    40002         connected
    """
    attempts = the_attempts((40000, errno.ETIMEDOUT, 1), (40001, errno.EINPROGRESS, 1), (40002, 0, 0))
    counters = {
        "ActiveOpens": 3,
        "EmbryonicRsts": 0,
        "TCPSynRetrans": 2,
        "TCPSYNChallenge": 4,
        "TCPChallengeACK": 2,
        "TCPACKSkippedChallenge": 2,
        "OutRsts": 99,  # whose they are is not known behind the filter
    }
    return a_run(
        attempts,
        the_mines(40000, 40001, left=(40000, 40001)),
        Plan(scenario="test", close=Close.FIN, drop=Drop.RST),
        **{
            "counters": dict.fromkeys(COUNTERS, 0) | counters,
            "listener": ListenerReport(accepted=1, leaked=0, closed=1, first=0, errors={}),
            "sysctls": settings(tcp_challenge_ack_limit=limit),
        }
        | changes,
    )


@pytest.mark.parametrize("close", [Close.FIN, Close.RST, Close.HOLD])
def test_a_minefield_that_is_cleared_balances(close):
    run = cleared_field(close)
    assert unbalanced(run) == set()
    assert lines(run)[OUT_RSTS].value == (6 if close is Close.RST else 3)


def test_a_minefield_that_survives_balances():
    assert unbalanced(surviving_field()) == set()


@pytest.mark.parametrize(
    ("counter", "wrong"),
    [
        ("ActiveOpens", {"ActiveOpens"}),
        ("TCPSynRetrans", {"TCPSynRetrans"}),
        ("TCPSYNChallenge", {"TCPSYNChallenge"}),
        ("TCPChallengeACK", {"TCPChallengeACK"}),
        ("OutRsts", {OUT_RSTS}),
        ("EmbryonicRsts", {ACCEPTED, OUT_RSTS, RESETS}),
        ("EstabResets", {RESETS}),
        ("ListenOverflows", {"ListenOverflows + lo rx_dropped + OutRsts - EmbryonicRsts"}),
        ("ListenDrops", {"ListenDrops + lo rx_dropped + OutRsts - EmbryonicRsts"}),
        ("lo rx_dropped", QUEUE_OR_RST),
        ("TWRecycled", {"TWRecycled"}),
        ("TCPACKSkippedChallenge", set()),  # a limited challenge ACK is late, and no claim is about it
    ],
)
@pytest.mark.parametrize("by", [1, -1])
def test_one_count_more_or_less_is_seen(counter, wrong, by):
    run = cleared_field()
    counters = run.record.acts[0].counters | {counter: run.record.acts[0].counters[counter] + by}
    assert unbalanced(cleared_field(counters=counters)) == wrong


@pytest.mark.parametrize(
    ("counter", "wrong"),
    [
        ("ActiveOpens", {"ActiveOpens"}),
        ("TCPSynRetrans", {"TCPSynRetrans"}),
        ("TCPSYNChallenge", {"TCPSYNChallenge"}),
        ("TCPChallengeACK", {"TCPChallengeACK + TCPACKSkippedChallenge"}),
        ("TCPACKSkippedChallenge", {"TCPChallengeACK + TCPACKSkippedChallenge"}),
        ("EmbryonicRsts", {ACCEPTED, RESETS}),
        ("EstabResets", {RESETS}),
        ("OutRsts", set()),
    ],
)
@pytest.mark.parametrize("by", [1, -1])
def test_one_count_more_or_less_is_seen_behind_a_filter(counter, wrong, by):
    run = surviving_field()
    counters = run.record.acts[0].counters | {counter: run.record.acts[0].counters[counter] + by}
    assert unbalanced(surviving_field(counters=counters)) == wrong


def test_a_last_ack_that_found_the_queue_full_balances_as_one_that_an_rst_overtook_does():
    """The server has reset one connection that only the client saw: with an RST more, or with an overflow more."""
    overtaken = cleared_field().record.acts[0].counters
    turned_away = overtaken | {"OutRsts": overtaken["OutRsts"] - 1, "ListenOverflows": 1, "ListenDrops": 1}
    assert set(lines(cleared_field(counters=overtaken))) - set(lines(cleared_field(counters=turned_away))) == {
        OUT_RSTS,
        "ListenOverflows + lo rx_dropped",
        "ListenDrops + lo rx_dropped",
    }
    assert unbalanced(cleared_field(counters=turned_away)) == set()
    neither = turned_away | {"OutRsts": overtaken["OutRsts"]}
    assert unbalanced(cleared_field(counters=neither)) == QUEUE_OR_RST


@pytest.mark.parametrize("field", [cleared_field, surviving_field])
def test_a_connection_that_the_server_never_accepted_is_seen(field):
    report = field().record.acts[0].listener
    run = field(listener=msgspec.structs.replace(report, accepted=report.accepted - 1))
    assert unbalanced(run) == {ACCEPTED}


def test_a_connection_that_the_server_closed_first_is_reset_at_one_end_only():
    report = msgspec.structs.replace(cleared_field().record.acts[0].listener, first=1)
    assert unbalanced(cleared_field(listener=report)) == {RESETS}
    counters = cleared_field().record.acts[0].counters
    assert unbalanced(cleared_field(listener=report, counters=counters | {"EstabResets": 6})) == set()
    assert unbalanced(cleared_field(Close.FIN, listener=report)) == set()


def test_a_mine_that_vanished_is_seen():
    assert unbalanced(cleared_field(left=())) == {"TCPChallengeACK", OUT_RSTS, RESETS}


def test_a_kernel_without_embryonic_resets_counts_none():
    counters = cleared_field().record.acts[0].counters
    old = {name: count for name, count in counters.items() if name != "EmbryonicRsts"}
    old |= {"OutRsts": 6, "EstabResets": 8}
    report = ListenerReport(accepted=3, leaked=0, closed=3, first=0, errors={})
    assert unbalanced(cleared_field(counters=old, listener=report)) == set()


def test_behind_a_filter_nothing_is_claimed_of_a_limit_that_may_have_been_reached():
    assert "TCPChallengeACK + TCPACKSkippedChallenge" in lines(surviving_field(UNLIMITED))
    assert "TCPChallengeACK + TCPACKSkippedChallenge" not in lines(surviving_field(LIMITED))


def test_an_imbalance_becomes_a_warning_with_its_difference():
    counters = surviving_field().record.acts[0].counters | {"TCPSynRetrans": 5}
    (warning,) = analyse(surviving_field(counters=counters)).summary.warnings
    assert "2 SYNs sent again, but TCPSynRetrans is 5 (a difference of +3)" in warning


def plan_of(scenario, family, close, **changes):
    """Return a catalogue scenario, one sweep of sixteen ports with eight mines."""
    plan = SCENARIOS[scenario].plan
    mines = 8 if plan.mines else 0
    address = LOOPBACK[family]
    return msgspec.structs.replace(
        plan,
        family=family,
        source=address,
        target=address,
        close=close,
        mines=mines,
        port_range=SIXTEEN_PORTS,
        **changes,
    )


def run_here(plan):
    """Carry out a plan on this kernel and check what holds for every one of them."""
    run, _, _ = carry_out(plan)
    findings = analyse(run)
    assert findings.summary.warnings == []
    assert all(line.balanced for line in findings.summary.books)
    assert sorted(run.attempts["local_port"]) == sorted([*range(40000, 40016)] * (len(run.attempts) // 16))
    assert findings.summary.mines.laid == plan.mines == len(run.mines)
    return run, findings


every_way = pytest.mark.parametrize(
    ("family", "close"), list(itertools.product([4, 6], [Close.FIN, Close.RST])), ids=str
)


@every_way
@namespaced
def test_a_clean_storm(family, close):
    _, findings = run_here(plan_of("clean", family, close))
    causes = findings.summary.causes
    assert findings.summary.outcomes["connected"] == causes["none"] + causes["stalled"] == 16  # on a busy machine
    assert findings.summary.collisions == 0
    assert len(findings.summary.books) == 10


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_foreign_traffic_in_the_namespace_is_warned_of_with_the_difference(family):
    """Three connections to another server, one of them reset, after the storm and before the counters are read."""

    def disturb(stage):
        if stage != "settling":
            return
        kind = socket.AF_INET6 if family == 6 else socket.AF_INET
        with socket.create_server((LOOPBACK[family], 6000), family=kind) as server:
            for reset in (False, False, True):
                client = socket.create_connection(server.getsockname()[:2])
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", reset, 0))
                client.close()

    run, _, _ = carry_out(plan_of("closewait", family, Close.RST), disturb)
    summary = analyse(run).summary
    assert "The books do not balance: 16 attempts that sent a SYN, but ActiveOpens is 19 (a difference of +3)." in (
        summary.warnings
    )
    # The two that were never accepted are reset by their server when it ends.
    off = {line.counter: line.delta - line.value for line in summary.books if not line.balanced}
    assert off["ActiveOpens"] == off[OUT_RSTS] == 3
    assert summary.causes["closewait"] == 8


@every_way
@namespaced
def test_each_mine_costs_one_retry(family, close):
    run, findings = run_here(plan_of("closewait", family, close))
    summary = findings.summary
    assert summary.outcomes["connected"] == summary.outcomes["retried"] == summary.causes["closewait"] == 8
    assert (summary.collisions, summary.mines.hit, summary.mines.left) == (8, 8, 0)
    assert set(run.attempts["local_port"][findings.collided]) == set(run.mines["local_port"])
    assert (run.attempts["retransmits"][findings.collided] == 1).all()
    fastest_ns = run.attempts["latency_ns"][findings.collided].min()  # others may wait for a busy machine
    assert summary.bands[0].from_ns <= fastest_ns < 1000 * MS
    (act,) = run.record.acts
    assert act.census_before == {"client": {}, "server": {"CLOSE-WAIT": 8, "LISTEN": 1}}


@pytest.mark.parametrize(("family", "close"), [(4, Close.FIN), (6, Close.RST)], ids=str)
@namespaced
def test_a_challenge_limit_makes_collisions_wait_for_the_ladder(family, close):
    """
    Two challenge ACKs a second at most: few of the eight collisions get one for their first SYN. The others have
    lost the fast resend, which is the first resend or none, and so connect after 2 s at the earliest.
    """
    limit = {"net.ipv4.tcp_challenge_ack_limit": "2"}
    run, findings = run_here(plan_of("challenge-limit", family, close, sysctls=limit))
    summary = findings.summary
    assert summary.outcomes["connected"] == 8
    assert summary.outcomes["retried"] == summary.collisions == 8
    assert summary.causes["closewait"] + summary.causes["challenge_limited"] == 8
    assert summary.causes["challenge_limited"] > 0
    assert summary.mines.left == 0
    bands = {band.label: band for band in summary.bands}
    assert bands["2 jiffies"].count < 8
    assert bands["1 s"].count == 0
    again = run.attempts["retransmits"] > 1
    assert again.any()
    assert (run.attempts["latency_ns"][again] >= bands["2 s"].from_ns).all()


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_mines_survive_a_firewall_that_drops_the_rst(family):
    _, findings = run_here(plan_of("rst-dropped", family, Close.FIN))
    summary = findings.summary
    assert summary.outcomes["connected"] == summary.outcomes["timed_out"] == summary.causes["rst_dropped"] == 8
    assert (summary.collisions, summary.mines.hit, summary.mines.left) == (8, 8, 8)
    assert summary.retransmits == 8


@namespaced
def test_a_second_sweep_finds_the_mines_gone():
    run, findings = run_here(plan_of("closewait", 4, Close.RST, sweeps=2))
    assert len(run.attempts) == 32
    assert np.flatnonzero(findings.collided).max() < 16
    assert findings.summary.collisions == 8


@namespaced
def test_a_storm_that_ends_before_the_ladder_leaves_its_attempts_unfinished():
    """The RST is dropped, and each attempt is given up after 0.1 s: two SYNs were challenged by then."""
    _, findings = run_here(plan_of("rst-dropped", 4, Close.FIN, deadline_s=0.1))
    assert findings.summary.outcomes["unfinished"] == findings.summary.collisions == 8
    assert findings.summary.mines.left == 8


@namespaced
def test_the_seed_places_the_mines():
    places = [
        run_here(plan_of("closewait", 4, Close.RST, seed=seed))[0].mines["local_port"].tolist() for seed in (1, 1, 2)
    ]
    assert places[0] == places[1] != places[2]


@namespaced
def test_held_connections_balance_too():
    _, findings = run_here(plan_of("closewait", 4, Close.HOLD))
    assert findings.summary.outcomes["retried"] == 8


@namespaced
def test_the_kernel_s_own_choice_of_ports_balances():
    """The kernel may draw any port and any number of times, but a mine is met at most once."""
    plan = msgspec.structs.replace(plan_of("closewait", 4, Close.RST), ports=Ports.KERNEL, attempts=200)
    findings = analyse(carry_out(plan)[0])
    assert findings.summary.warnings == []
    assert findings.summary.collisions == 8 - findings.summary.mines.left
