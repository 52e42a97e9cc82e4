# SPDX-License-Identifier: MIT
"""Hosts, records, attempts and runs for tests, each with only what the test is about spelt out."""

import errno

import numpy as np
from hypothesis import strategies as st

from stress.model.attempt import ATTEMPT, STORM
from stress.model.plan import Plan
from stress.model.record import Address, Host, ListenerReport, Record
from stress.model.run import MINE, Run

SECOND, MS, US = 10**9, 10**6, 10**3


def a_host(*, kernel="6.18.44", hz=250, **sysctls):
    """Return a host; ``tcp_syn_retries=3`` and the like stand for settings under net.ipv4."""
    return Host(
        kernel=kernel,
        jiffy_ns=SECOND // hz,
        cpu="cpu",
        cpus=2,
        memory_bytes=1 << 32,
        clocksource="tsc",
        python="3.11.2",
        nofile=20_000,
        firewall="no rules; no socket filter",
        sysctls={f"net.ipv4.{name}": str(value) for name, value in sysctls.items()},
    )


def a_record(plan=None, **changes):
    fields = {
        "id": "abc123",
        "program": "connstorm 0",
        "started_utc": "2026-01-31T12:00:00.000+00:00",
        "plan": plan or Plan(scenario="test"),
        "host": a_host(tcp_challenge_ack_limit=2**31 - 1),
        "addresses": [Address("127.0.0.1", "127.0.0.1", 5000)],
        "port_range": (40000, 40003),
        "phases": [],
        "counters": dict.fromkeys(COUNTERS, 0),
        "census_before": {},
        "census_after": {},
        "listener": ListenerReport(0, 0, 0, {}),
        "mines_left": 0,
        "stolen_ms": 0,
        "interrupted": False,
        "warnings": [],
    }
    return Record(**(fields | changes))


COUNTERS = (
    "ActiveOpens",
    "EmbryonicRsts",
    "OutRsts",
    "TCPACKSkippedChallenge",
    "TCPChallengeACK",
    "TCPSYNChallenge",
    "TCPSynRetrans",
)


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


def the_mines(*ports, address=0):
    mines = np.zeros(len(ports), MINE)
    mines["local_port"] = ports
    mines["address"] = address
    return mines


def a_run(attempts, mines=None, plan=None, **record):
    return Run(a_record(plan, **record), attempts, the_mines() if mines is None else mines)


ERRNOS = (0, 0, 0, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EINPROGRESS, errno.EMFILE)

# Attempts and mines on few 4-tuples, so that they meet often.
many_attempts = st.lists(
    st.tuples(
        st.integers(0, 1),  # address
        st.integers(40000, 40003),
        st.sampled_from(ERRNOS),
        st.integers(0, 3),  # retransmits
        st.integers(0, 1),  # phase
        st.one_of(st.integers(1, 40 * MS), st.integers(1, 140 * SECOND)),  # latency
    ),
    max_size=60,
).map(
    lambda rows: the_attempts(
        *((port, error, retransmits) for _, port, error, retransmits, _, _ in rows),
        address=[row[0] for row in rows],
        phase=[row[4] for row in rows],
        latency_ns=[row[5] for row in rows],
    )
)
many_mines = st.sets(st.tuples(st.integers(0, 1), st.integers(40000, 40003))).map(
    lambda tuples: np.array(sorted(tuples), MINE)
)
TWO_ADDRESSES = [Address("127.0.0.1", "127.0.0.1", 5000), Address("127.0.0.2", "127.0.0.1", 5000)]
