# SPDX-License-Identifier: MIT
"""Ten real sessions of one suite, each held against the other nine: how many of the ten gates raise a false alarm?

``python benchmarks/ten_sessions.py [--sessions 10] [--results DIR] [--table docs/validation.md]``. During every third
session two processes load the CPUs. Each gate is ``connstorm gate SUITE --base-history DIR``, as a user runs it. The
suites of an earlier run of this program in DIR are used again. Ends with 1 when more than one gate raises an alarm.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from stress.analysis.comparison.arm_pair import pair_arms
from stress.analysis.comparison.metric_family import GATING_METRICS, metric_families
from stress.analysis.comparison.pairs import compare_pairs
from stress.analysis.comparison.verdict import Verdict
from stress.analysis.metric import find_metric
from stress.lab import host
from stress.model.observation import Observation
from stress.store.runs import read_arm

TRIALS = 14
LOADED_EVERY = 3
LIMIT = 1.1  # what a gate on a time allows; of a rate its inverse
SUITE = f"""
description = "one cell whose times are compared between sessions"
trials = {TRIALS}
settle_s = 1

[[scenario]]
name = "clean"

[[gate]]
expr = "body.p50 <= {LIMIT}x"

[[gate]]
expr = "body.p99 <= {LIMIT}x"

[[gate]]
expr = "rate >= {1 / LIMIT:.2f}x"

[[gate]]
expr = "errors == 0"
"""
ALARM = "regressed"
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)


@dataclass(frozen=True)
class GatedSession:
    """A session that was held against all others.

    Attributes:
        path: its suite folder.
        is_loaded: whether other processes loaded the CPUs.
        verdict: what verdict.json says.
        verdict_with_busy: the same where busy trials and sessions count (``--allow-busy``).
        base: how many sessions were the base.
        runs: its trials.
    """

    path: Path
    is_loaded: bool
    verdict: str
    verdict_with_busy: str
    base: int
    runs: Sequence[Observation]


def connstorm(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    command = [sys.executable, "-m", "stress", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@contextmanager
def loaded_cpus(count: int) -> Iterator[None]:
    """Load CPUs meanwhile."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def make_sessions(results: Path, sessions: int) -> list[Path]:
    """Run the suites that are still missing; return the folder of each session."""
    file = results / "between.toml"
    results.mkdir(parents=True, exist_ok=True)
    file.write_text(SUITE)
    for number in range(len(session_folders(results)), sessions):
        with loaded_cpus(2 if is_loaded(number) else 0):
            ended = connstorm("suite", file, "-o", results, "--json")
        if ended.returncode:
            sys.exit(f"session {number} ended with code {ended.returncode}: {ended.stderr}")
        sys.stderr.write(f"session {number + 1} of {sessions}{', loaded' if is_loaded(number) else ''}\n")
    return session_folders(results)[:sessions]


def session_folders(results: Path) -> list[Path]:
    """Return the suite folders so far, the oldest first."""
    return sorted(path.parent for path in results.glob("*-suite-between-*/suite.json"))


def is_loaded(number: int) -> bool:
    """Return whether the CPUs are loaded in a session."""
    return number % LOADED_EVERY == LOADED_EVERY - 1


def gate_session(number: int, path: Path, results: Path) -> GatedSession:
    """Hold a session against all others."""
    quiet, every = (evaluate(path, results, *options) for options in ((), ("--allow-busy",)))
    base = max((row["base_trials"] for row in every["conditions"] if row["effect"] is not None), default=0)
    runs = read_arm(str(path), path.name)
    return GatedSession(path, is_loaded(number), quiet["verdict"], every["verdict"], base, runs)


def evaluate(path: Path, results: Path, *options: str) -> dict[str, Any]:
    """Return the verdict of the gate of a session."""
    ended = connstorm("gate", path, "--base-history", results, "-o", results, "--json", *options)
    if ended.returncode not in (0, 1):
        sys.exit(f"The gate of {path} ended with code {ended.returncode}: {ended.stderr}")
    verdict: dict[str, Any] = json.loads(ended.stdout)
    return verdict


def changed_by_trials(sessions: Sequence[GatedSession]) -> int:
    """Return how many pairs of sessions have changed where trials are compared as if all were of one session."""
    alike = [[replace(run, session="one", busy=()) for run in session.runs] for session in sessions]
    families = metric_families([run for runs in alike for run in runs], GATING_METRICS)
    return sum(
        any(
            comparison.verdict in CHANGED
            for comparison in compare_pairs([pair_arms("", "base", "new", old, new)], families)
        )
        for old, new in combinations(alike, 2)
    )


def median_text(runs: Sequence[Observation], name: str, per: float) -> str:
    """Return the median of a metric over trials, in a unit."""
    values = sorted(float(value) for run in runs if (value := find_metric(name).value(run.summary)) is not None)
    return f"{values[len(values) // 2] / per:.1f}"


def tables(sessions: Sequence[GatedSession]) -> list[str]:
    """Return the lines of the page."""
    facts = host.read_host()
    alarms = sum(session.verdict == ALARM for session in sessions)
    with_busy = sum(session.verdict_with_busy == ALARM for session in sessions)
    pairs = f"{changed_by_trials(sessions)} of {len(sessions) * (len(sessions) - 1) // 2} pairs"
    busy = sum(run.is_busy for session in sessions for run in session.runs)
    rows = [
        f"| {number} | {'yes' if session.is_loaded else ''} | {sum(run.is_busy for run in session.runs)} of {TRIALS} "
        f"| {median_text(session.runs, 'body.p50', 1e3)} | {median_text(session.runs, 'body.p99', 1e3)} "
        f"| {median_text(session.runs, 'rate', 1e3)} | {session.base} | {session.verdict} "
        f"| {session.verdict_with_busy} |"
        for number, session in enumerate(sessions, start=1)
    ]
    return [
        (
            f"Linux {facts.kernel}, {facts.cpu}, {facts.cpus} virtual CPUs. {len(sessions)} suites of one cell "
            f"(`clean`, {TRIALS} trials), one after the other; during every third, two processes loaded the CPUs. Each "
            f"was gated against the others by `connstorm gate SUITE --base-history DIR`: times and rate within a "
            f"factor of {LIMIT}, no errors. By its own records the machine was busy in {busy} of "
            f"{len(sessions) * TRIALS} trials."
        ),
        "",
        "| session | loaded | busy trials | p50, µs | p99, µs | rate, k/s | base sessions | gate | with --allow-busy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *rows,
        "",
        (
            f"**{alarms} of {len(sessions)} gates raised an alarm**, and {with_busy} where busy trials and sessions "
            f"count as well (at most 1 is wanted). Compared by their trials, as if all were quiet and of one "
            f"session, {pairs} of these suites would have regressed or improved."
        ),
    ]


def write_part(page: Path, lines: Sequence[str]) -> None:
    """Write the part of a page where its marks are."""
    begin, end = "<!-- ten-sessions: begin -->\n", "<!-- ten-sessions: end -->\n"
    head, _, rest = page.read_text().partition(begin)
    page.write_text(f"{head}{begin}{chr(10).join(lines)}\n{end}{rest.partition(end)[2]}")


def main() -> int:
    """Run the sessions and the gates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = options.results or Path(folder)
        paths = make_sessions(results, options.sessions)
        sessions = [gate_session(number, path, results) for number, path in enumerate(paths)]
    lines = tables(sessions)
    sys.stdout.write("\n".join(lines) + "\n")
    if options.table is not None:
        write_part(options.table, lines)
    alarms = (
        sum(session.verdict == ALARM for session in sessions),
        sum(session.verdict_with_busy == ALARM for session in sessions),
    )
    return int(max(alarms) > 1)


if __name__ == "__main__":
    sys.exit(main())
