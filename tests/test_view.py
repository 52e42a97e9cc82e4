# SPDX-License-Identifier: MIT
import errno
import struct

import numpy as np
import pytest

from stress.analysis.ladder import ladder
from stress.model.attempt import ATTEMPT
from stress.model.outcome import Outcome
from stress.model.plan import Plan
from stress.model.run import MINE, Host, ListenerReport, Mines, Phase, Record, Run
from stress.model.summary import Band, Body, Summary
from stress.view.timeline import Scene, timeline

OUTCOMES = list(Outcome)
MS, SECOND = 10**6, 10**9
RATE_PER_S = 22_000


def scene_of(latency_ns, outcomes, collided=None, *, scenario="test", sysctls=None, gap_ns=SECOND // RATE_PER_S, mines=0):
    """A scene of given latencies (ns) and outcomes (index into OUTCOMES), with starts ``gap_ns`` apart."""
    latency_ns = np.asarray(latency_ns, np.int64)
    outcomes = np.asarray(outcomes, np.uint8)
    collided = np.zeros(outcomes.size, bool) if collided is None else np.asarray(collided, bool)
    attempts = np.zeros(latency_ns.size, ATTEMPT)
    attempts["start_ns"] = np.arange(latency_ns.size) * gap_ns
    attempts["latency_ns"] = latency_ns
    storm_ns = max(1, latency_ns.size * gap_ns)
    end_ns = max(storm_ns, int((attempts["start_ns"] + latency_ns).max(initial=0)))
    sysctls = sysctls or {}
    host = Host(
        kernel="6.18.44-amd64", jiffy_ns=4 * MS, cpu="cpu", cpus=2, memory_bytes=2**32, clocksource="tsc", python="3.11",
        nofile=20_000, firewall="none",
        sysctls={"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_syn_linear_timeouts": "4"} | sysctls,
    )
    record = Record(
        id="20260131T120000Z-test-1a2b", program="connstorm 0.1.0", started_utc="2026-01-31T12:00:00Z",
        plan=Plan(scenario=scenario, mines=mines, sysctls=sysctls), host=host, addresses=[], port_range=(32768, 60999),
        phases=[
            *([Phase("laying mines", -3 * SECOND, -2 * SECOND), Phase("waiting", -2 * SECOND, 0)] if mines else []),
            Phase("warm-up", 0, storm_ns // 10),
            Phase("storm", storm_ns // 10, storm_ns),
            Phase("drain", storm_ns, end_ns),
        ],
        counters={}, census_before={}, census_after={}, listener=ListenerReport(0, 0, 0, {}), mines_left=0,
        interrupted=False, warnings=[],
    )  # fmt: skip
    rungs = ladder(host)
    retried_ns = latency_ns[outcomes == OUTCOMES.index(Outcome.RETRIED)]
    body_ns = latency_ns[outcomes == 0]
    p50, p90, p99, p999, most = (
        np.quantile(body_ns, (0.5, 0.9, 0.99, 0.999, 1), method="inverted_cdf").tolist() if body_ns.size else [None] * 5
    )
    summary = Summary(
        attempts=latency_ns.size, duration_s=end_ns / SECOND, rate_per_s=SECOND / gap_ns,
        outcomes={outcome.value: int(np.count_nonzero(outcomes == i)) for i, outcome in enumerate(OUTCOMES)},
        causes={}, body=Body(p50, p90, p99, p999, most),
        bands=[
            Band(rung.label, rung.from_ns, rung.to_ns,
                 int(np.count_nonzero((retried_ns >= rung.from_ns) & (retried_ns <= rung.to_ns))))
            for rung in [rungs.fast, *rungs.rungs]
        ],
        retransmits=0, collisions=int(collided.sum()), mines=Mines(mines, int(collided.sum()), mines - int(collided.sum())),
        books=[], warnings=[],
    )  # fmt: skip
    return Scene(Run(record, attempts, np.zeros(mines, MINE)), summary, rungs, outcomes, collided)


def storm(count=28_232, mines=600, *, seed=1, resolve=None, outcome=Outcome.RETRIED, **options):
    """A storm whose body is log-normal around 12 µs with a tail to 1 ms, and whose collisions ``resolve`` times."""
    rng = np.random.default_rng(seed)
    latency_ns = 12_000 * np.exp(rng.normal(0, 0.22, count))
    tail = rng.random(count) < 0.004
    latency_ns[tail] *= np.exp(rng.uniform(0, np.log(80), tail.sum()))
    outcomes = np.zeros(count, np.uint8)
    collided = np.zeros(count, bool)
    met = rng.permutation(count)[:mines]
    collided[met] = True
    outcomes[met] = OUTCOMES.index(outcome)
    latency_ns[met] = resolve(rng, mines) if resolve else rng.uniform(8 * MS, 16 * MS, mines)
    return scene_of(latency_ns, outcomes, collided, mines=mines, **options)


def limited(rng, count):
    """Retries under a challenge-ACK limit: at once for some, then on the ladder from 2 s."""
    rung_s = rng.choice([0.008, 2, 3, 4, 5, 7], count, p=[0.16, 0.34, 0.2, 0.15, 0.1, 0.05])
    return rung_s * SECOND + rng.uniform(1 * MS, 8 * MS, count) + np.where(rung_s > 1, rung_s * 15 * MS, 0)


def dropped(rng, count):
    return 2 * SECOND + rng.uniform(12 * MS, 44 * MS, count)
