# SPDX-License-Identifier: MIT
"""Hosts, records, attempts and runs for tests, each with only the fields that a test is about given."""

import errno

import numpy as np
from hypothesis import strategies as st

from stress.analysis.attribution.ladder import build_ladder
from stress.lab.counters import LO_DROPPED
from stress.model.attempt import ATTEMPT, STORM
from stress.model.host import Host
from stress.model.plan import Plan
from stress.model.record import Act, Address, ListenerReport, Record
from stress.model.run import CLOSE_WAIT, MINE, Run

SECOND, MS, US = 10**9, 10**6, 10**3


def a_host(*, kernel="6.18.44", hz=250):
    return Host(
        kernel=kernel,
        jiffy_ns=SECOND // hz,
        cpu="cpu",
        cpus=2,
        memory_bytes=1 << 32,
        clocksource="tsc",
        python="3.11.2",
        nofile=20_000,
    )


def settings(**sysctls):
    """Return settings by dotted name; ``tcp_syn_retries=3`` and the like stand for those under net.ipv4."""
    return {f"net.ipv4.{name}": str(value) for name, value in sysctls.items()}


def a_ladder(*, kernel="6.18.44", hz=250, **sysctls):
    return build_ladder(a_host(kernel=kernel, hz=hz), settings(**sysctls))


UNLIMITED = settings(tcp_challenge_ack_limit=2**31 - 1)


def an_act(plan=None, **changes):
    fields = {
        "name": "storm",
        "plan": plan or Plan(scenario="test"),
        "address": Address(0, "127.0.0.1", 1, "127.0.0.1", 5000, 1),
        "attempts": 0,
        "port_range": (40000, 40003),
        "ports": 4,
        "sysctls": UNLIMITED,
        "firewall": "no rule, no filter",
        "dropped": {},
        "phases": [],
        "counters": dict.fromkeys(COUNTERS, 0),
        "census_before": {},
        "census_after": {},
        "listener": ListenerReport(0, 0, 0, 0, {}),
        "waiting": 0,
        "starved_ns": None,
        "mines_laid": 0,
        "stolen_ms": 0,
        "pairs": [],
        "outside_packets": 0,
        "syn_sent_before": 0,
    }
    return Act(**(fields | changes))


COUNTERS = (
    "ActiveOpens",
    "EmbryonicRsts",
    "EstabResets",
    "InSegs",
    "ListenDrops",
    "ListenOverflows",
    "OutRsts",
    "OutSegs",
    "RetransSegs",
    "TCPACKSkippedChallenge",
    "TCPChallengeACK",
    "TCPSYNChallenge",
    "TCPSynRetrans",
    "TWRecycled",
    LO_DROPPED,
)


def a_record(plan=None, *, acts=None, **changes):
    fields = {
        "id": "abc123",
        "program": "connstorm 0",
        "started_utc": "2026-01-31T12:00:00.000+00:00",
        "plan": plan or Plan(scenario="test"),
        "host": a_host(),
        "overhead": None,
        "acts": [an_act(plan)] if acts is None else acts,
        "interrupted": False,
        "warnings": [],
    }
    return Record(**(fields | changes))


def the_attempts(*rows, **columns):
    """Return attempts of (local port, errno, retransmits), started 1 µs apart; columns replace whole fields."""
    attempts = np.zeros(len(rows), ATTEMPT)
    attempts["start_ns"] = np.arange(len(rows)) * US
    attempts["phase"] = STORM
    for name, values in zip(("local_port", "error", "retransmits"), zip(*rows, strict=True), strict=False):
        attempts[name] = values
    for name, values in columns.items():
        attempts[name] = values
    return attempts


def the_mines(*ports, left=(), address=0, state=CLOSE_WAIT):
    """Return mines; those whose ports are in ``left`` stood when the storm was over."""
    mines = np.zeros(len(ports), MINE)
    mines["state"], mines["age_ms"] = state, -1
    mines["local_port"] = ports
    mines["left"] = np.isin(ports, left) if ports else 0
    mines["address"] = address
    return mines


def a_run(attempts, mines=None, plan=None, *, acts=1, **changes):
    """Return a run of ``acts`` like acts; ``changes`` are fields of each act, or of the record."""
    mines = the_mines() if mines is None else mines
    of_acts = {name: value for name, value in changes.items() if name in Act.__struct_fields__}
    of_record = {name: value for name, value in changes.items() if name not in Act.__struct_fields__}
    made = [
        an_act(
            plan,
            **{
                "name": f"act {number}",
                "address": Address(number, "127.0.0.1", 1, "127.0.0.1", 5000, 1),
                "attempts": int((attempts["address"] == number).sum()),
                "mines_laid": int((mines["address"] == number).sum()),
            }
            | of_acts,
        )
        for number in range(acts)
    ]
    return Run(a_record(plan, acts=made, **of_record), attempts, mines)


def a_storm(attempts, mines=None, plan=None, **changes):
    """Return the storm of a run of one act."""
    (storm,) = a_run(attempts, mines, plan, **changes).storms()
    return storm


ERRNOS = (0, 0, 0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EINPROGRESS, errno.EMFILE)


def in_acts(*rows, **columns):
    """Return attempts as ``the_attempts``, those of each act together."""
    attempts = the_attempts(*rows, **columns)
    return attempts[np.argsort(attempts["address"], kind="stable")]


# Attempts and mines on few 4-tuples, so that they meet often.
many_attempts = st.lists(
    st.tuples(
        st.integers(0, 1),  # address: the act
        st.integers(40000, 40003),
        st.sampled_from(ERRNOS),
        st.integers(0, 3),  # retransmits
        st.integers(0, 1),  # phase
        st.one_of(st.integers(1, 40 * MS), st.integers(1, 140 * SECOND)),  # latency
    ),
    max_size=60,
).map(
    lambda rows: in_acts(
        *((port, error, retransmits) for _, port, error, retransmits, _, _ in rows),
        address=[row[0] for row in rows],
        phase=[row[4] for row in rows],
        latency_ns=[row[5] for row in rows],
    )
)
many_mines = st.sets(st.tuples(st.integers(0, 1), st.integers(40000, 40003), st.just(0))).map(
    lambda tuples: np.array([(*place, CLOSE_WAIT, -1, 0) for place in sorted(tuples)], MINE)
)
