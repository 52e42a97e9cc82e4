# SPDX-License-Identifier: MIT
"""Run folders with profiles for tests: copies of a small profiled run, with other stacks.

The stacks in ``data/profile-stacks`` are those of real storms of 4,000 attempts, 1,999 samples a second: ``plain``, and
behind 600 rules of nftables that match nothing. Trials of them have the same stacks, with counts by chance.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from stored import a_suite

from stress.model.profile import folded_text, parse_folded

TESTS = Path(__file__).parent
FROZEN = TESTS / "data" / "run-schema-3-profile"
STACKS = TESTS / "data" / "profile-stacks"
ATTEMPTS = 2000  # of the frozen run
SAMPLE_NS = 500_250 / ATTEMPTS  # of an attempt, for which a sample stands
DURATION_NS = {"plain": 99_000_000, "rules": 252_000_000}  # of the real storms


def frozen_stacks(name):
    """Return the stacks of a real storm."""
    return parse_folded((STACKS / f"{name}.folded").read_text())


def trials_of(name, count, seed=1):
    """Return the stacks of trials, whose counts differ from those of a real storm by chance."""
    random = np.random.default_rng(seed)
    stacks = frozen_stacks(name)
    return [
        {stack: int(n) for stack, n in zip(stacks, random.poisson(list(stacks.values())), strict=True) if n}
        for _ in range(count)
    ]


def profiled_run(path, stacks=None, duration_ns=None, text=None, **changes):
    """Write a run folder with these stacks, or this text of stacks; ``changes`` are those of its document."""
    shutil.copytree(FROZEN, path)
    document = json.loads((path / "run.json").read_text()) | changes
    del document["digest"]
    if duration_ns is not None:
        document["profiled"]["acts"][0]["duration_ns"] = duration_ns
    if stacks is not None:
        text = folded_text(stacks)
    if text is not None:
        (path / "profile.folded").write_text(text)
        document["files"]["profile.folded"] = hashlib.sha256(text.encode()).hexdigest()
    (path / "run.json").write_text(json.dumps(document))
    return path


def profiled_arm(path, name, count, seed=1):
    """Write a folder of profiled runs."""
    path.mkdir()
    for number, stacks in enumerate(trials_of(name, count, seed)):
        duration_ns = DURATION_NS[name] + number * 1_000_000
        profiled_run(path / f"run-{number}", stacks, duration_ns, id=f"{seed:02x}{number:04x}")
    return path


def profiled_suite(path, cells, documents):
    """Write a suite with the trials of ``documents`` by cell, of which some cells have profiles: stacks by trial."""
    a_suite(path, documents)
    for file in sorted(path.glob("trials/*/trial.json")):
        record = json.loads(file.read_text())
        stacks = cells.get(record["trial"]["cell"], {}).get(record["trial"]["block"])
        if isinstance(stacks, str):
            record["unprofiled"] = stacks
        elif stacks is not None:
            record["profile"] = "run"
            profiled_run(file.parent / "profile" / "run", stacks)
        file.write_text(json.dumps(record))
    return path
