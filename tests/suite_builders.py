# SPDX-License-Identifier: MIT
"""Cells and summaries of trials for tests, each with only what matters to the test."""

import numpy as np

from stress.analysis.statistics.trials import CellTrials
from stress.model.outcome import Outcome
from stress.model.plan import Plan
from stress.model.suite import Cell
from stress.model.summary import Body, Claim, Mines, Summary

ATTEMPTS = 28_232


def a_summary(
    *, attempts=ATTEMPTS, rate=40_000.0, p50=11_000, p99=18_000, retried=0, causes=None, unbalanced=0, **ends
):
    """Return a summary; ``ends`` are counts of outcomes that came to nothing, such as ``timed_out=3``."""
    outcomes = {Outcome.RETRIED: retried, **ends}
    outcomes[Outcome.CONNECTED] = attempts - sum(outcomes.values())
    return Summary(
        attempts=attempts,
        duration_s=1.0,
        rate_per_s=rate,
        outcomes=outcomes,
        causes={"none": attempts - sum((causes or {}).values()), **(causes or {})},
        body=Body(p50, p50, p99, p99, p99),
        intended=None,
        bands=[],
        retransmits=retried,
        collisions=retried,
        mines=Mines(retried, retried, 0),
        acts=[],
        verdict=None,
        figures=[],
        evidence=[],
        books=[
            Claim("storm", "SYNs", 5, "A", 5, balanced=True),
            *(Claim("storm", "RSTs", 5, "B", 6, balanced=False) for _ in range(unbalanced)),
        ],
        warnings=[],
    )


def a_cell(scenario="closewait", levels=None, *, baseline=False, measures=True):
    levels = levels or {}
    differing = ", ".join(f"{axis}={level}" for axis, level in levels.items())  # a suite names only what differs
    return Cell(
        name=scenario if baseline else f"{scenario} {differing}",
        scenario=scenario,
        levels=levels,
        baseline=baseline,
        plan=Plan(scenario="closewait"),
        identity="identity",
        measures=measures,
    )


def trials_of(summaries=(), *, failed=None, not_applicable=None, **cell):
    """Return a cell with the summaries of its blocks from 0 on; ``failed`` is the reason by block."""
    return CellTrials(a_cell(**cell), dict(enumerate(summaries)), failed or {}, not_applicable)


# What each entry does: rate, p50 and p99 (ns), mines met of the default plan, and what they lead to.
ENTRIES = {
    "clean": (43_000, 11_400, 18_100, 0),
    "closewait": (45_000, 10_600, 17_600, 500),
    "rst-dropped": (42_000, 11_900, 21_500, 500),
}
# The values of each axis, the baseline's first.
AXES = {
    "net.ipv4.tcp_challenge_ack_limit": [2147483647, 100, 1000],
    "net.ipv4.tcp_syn_retries": [6, 1, 2],
    "net.ipv4.tcp_syn_linear_timeouts": [4, 0],
    "net.ipv4.tcp_tw_reuse": [2, 0, 1],
    "net.ipv4.tcp_timestamps": [1, 0],
    "net.ipv4.ip_local_port_range": [[32768, 60999], [1024, 65535], [60000, 60999]],
    "net.core.somaxconn": [4096, 128, 16, 8],
    "net.ipv4.tcp_ecn": [2, 0, 1],
}


def made_up(trials=14, *, seed=3, entries=ENTRIES, axes=AXES):
    """Return the cells of a suite of one axis at a time, with numbers that look like those of a machine."""
    rng = np.random.default_rng(seed)
    usual = {axis: values[0] for axis, values in axes.items()}
    blocks = np.exp(rng.normal(0, 0.03, trials))  # of the machine's mood, which a block's trials share
    cells = []
    for label, (rate, p50, p99, mines) in entries.items():
        points = [usual] + [usual | {axis: value} for axis, values in axes.items() for value in values[1:]]
        for point in points:
            changed = {axis: value for axis, value in point.items() if value != usual[axis]}
            made = [_a_trial(rng, label, (rate, p50, p99, mines), mood, changed) for mood in blocks]
            failed = {}
            if changed == {"net.core.somaxconn": 8} and label == "closewait":
                failed = dict.fromkeys((2, 5), "it took longer than 900 s")
            missing = None
            if "net.ipv4.tcp_syn_linear_timeouts" in changed and label == "rst-dropped":
                missing = "this kernel has no net.ipv4.tcp_syn_linear_timeouts"
            done = {} if missing else {block: trial for block, trial in enumerate(made) if block not in failed}
            cells.append(CellTrials(a_cell(label, point, baseline=not changed), done, failed, missing))
    return cells


def alike(rng, blocks, cells=11):
    """The cells of a suite that differ in nothing but noise."""
    moods = rng.lognormal(0, 0.05, blocks)
    return [
        trials_of(
            [
                a_summary(
                    rate=40_000 * mood * rng.lognormal(0, 0.03),
                    p50=11_000 / mood * rng.lognormal(0, 0.03),
                    p99=18_000 / mood * rng.lognormal(0, 0.1),
                    retried=int(rng.poisson(rng.gamma(8, 60))),
                    timed_out=int(rng.poisson(40)) if rng.random() < 0.25 else 0,
                )
                for mood in moods
            ],
            levels={"tcp_x": number},
            baseline=not number,
        )
        for number in range(cells)
    ]


def _a_trial(rng, label, usual, mood, changed):
    rate, p50, p99, mines = usual

    def about(value, spread=0.012):
        return float(value * mood * np.exp(rng.normal(0, spread)))

    factor, late, causes, ends = 1.0, 0, {}, {}
    if label == "closewait":
        late, causes = mines, {"closewait": mines}
        limit = changed.get("net.ipv4.tcp_challenge_ack_limit")
        if limit:
            withheld = int(rng.integers(400, 440)) if limit == 100 else int(rng.integers(0, 4))
            causes = {"closewait": mines - withheld, "challenge_limited": withheld}
    if label == "rst-dropped":
        ends, causes = {"timed_out": mines}, {"rst_dropped": mines}
    if changed.get("net.ipv4.ip_local_port_range") == [60000, 60999]:
        factor, ends = 3.4, ends | {"no_port": 900 + int(rng.integers(-40, 40))}
        causes = causes | {"port_exhausted": ends["no_port"]}
    if changed.get("net.ipv4.tcp_timestamps") == 0:
        factor = 0.91
    if (waiting := changed.get("net.core.somaxconn")) in (8, 16):
        queued = 130 * 16 // waiting + int(rng.integers(-20, 20))
        late, causes = late + queued, causes | {"accept_queue": queued}
        factor = 1.3
    return a_summary(
        rate=about(rate / factor),
        p50=round(about(p50 * factor)),
        p99=round(about(p99 * factor**2, 0.04)),
        retried=late,
        causes=causes,
        unbalanced=int(rng.random() < 0.2) if changed.get("net.ipv4.tcp_tw_reuse") == 0 else 0,
        **ends,
    )
