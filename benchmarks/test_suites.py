# SPDX-License-Identifier: MIT
"""What a suite takes apart from its storms, against the version before trials were copies of a template, in turn."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pairs import spread

from stress.model.units import SECOND_NS
from stress.store import run_folder

ROOT = Path(__file__).parents[1]
BEFORE = "bf91a197fe02"  # the last commit whose trials were started anew
TRIALS, ROUNDS = 20, 5
SUITE = f"""
trials = {TRIALS}
warmup = 0
settle_s = 0
seed = 1
[[scenario]]
name = "clean"
attempts = 1000
"""


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """Return a checkout of the version before, with the engines of this one, which have not changed since."""
    changed = subprocess.run(
        ["git", "-C", ROOT, "diff", "--quiet", BEFORE, "--", "stress/*.pyx", "stress/*.pxd", "stress/*.h"], check=False
    )
    if changed.returncode:
        pytest.skip("the engines have changed since, or there is no history of the repository")
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "-C", ROOT, "archive", BEFORE, "stress"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
    for engine in (ROOT / "stress").glob("*.so"):
        shutil.copy2(engine, folder / "stress")
    return folder


def overhead_s(source, checkout, results):
    """Run the suite by a checkout; return its time without the storms, and its CPU time, for a trial."""
    before_s, begun_s = os.times(), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "stress", "suite", source, "-o", results],
        env=os.environ | {"PYTHONPATH": str(checkout)},
        cwd=checkout,
        capture_output=True,
        check=True,
    )
    wall_s, after_s = time.monotonic() - begun_s, os.times()
    cpu_s = after_s.children_user + after_s.children_system - before_s.children_user - before_s.children_system
    storms_s = sum(storm_s(path) for path in results.glob("*/trials/*/2*"))
    shutil.rmtree(results)
    return (wall_s - storms_s) / TRIALS, cpu_s / TRIALS


def storm_s(path):
    """Return how long the storms of a run took."""
    run, _ = run_folder.read(path)
    return sum(
        (phase.end_ns - phase.start_ns) / SECOND_NS
        for act in run.record.acts
        for phase in act.phases
        if phase.name not in ("minefield", "set-up")
    )


def test_suites(benchmark, table, tmp_path, before):
    source = tmp_path / "small.toml"
    source.write_text(SUITE)
    ours, theirs = [], []

    def both():
        theirs.append(overhead_s(source, before, tmp_path / "before"))
        ours.append(overhead_s(source, ROOT, tmp_path / "now"))

    benchmark.pedantic(both, rounds=ROUNDS)
    for what, column in (("time without the storm", 0), ("CPU time", 1)):
        now, then = ([pair[column] for pair in pairs] for pairs in (ours, theirs))
        table.add(
            f"A trial of 1,000 attempts, in a suite of {TRIALS}",
            ("what", "now", f"before ({BEFORE[:7]})", "now / before (quartiles)"),
            what,
            spread(now, "{:.2f} s"),
            spread(then, "{:.2f} s"),
            spread([a / b for a, b in zip(now, then, strict=True)]),
        )
