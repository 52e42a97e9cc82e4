# SPDX-License-Identifier: MIT
"""Damaged and hostile files: each reader returns or refuses them in a sentence. ``make fuzz`` does it at length."""

import random
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

from fuzz import mutate, try_input  # noqa: E402  # not a package
from fuzz_readers import READERS  # noqa: E402

CORPUS = ROOT / "tests" / "data" / "fuzz"  # what once ended in a traceback, or took too much
INPUTS, SECONDS = 1_430, 0.35  # of each reader: whichever is reached first; a busy machine tries fewer
FOLDERS = {name.replace(" ", "-"): name for name in READERS}
HANDLED = {"read", "refused"}


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_once_a_finding_is_none_any_more(path, tmp_path):
    read = READERS[FOLDERS[path.parent.name]].prepare(tmp_path)
    assert try_input(read, path.read_bytes()) in HANDLED


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_reads_or_refuses_whatever_it_is_given(name, tmp_path):
    read, seeds = READERS[name].prepare(tmp_path), READERS[name].seeds()
    end_s = time.monotonic() + SECONDS
    for number in range(INPUTS):
        chance = random.Random(f"{name} {number}")
        data = mutate(chance.choice(seeds), chance)
        outcome = try_input(read, data)
        assert outcome in HANDLED, f"{name} {number}: {outcome}"
        if time.monotonic() > end_s:
            break


@pytest.mark.parametrize(
    "name", ["calibration.json", "run.json", "suite TOML", "suite.json", "trial.json", "verdict.json"]
)
def test_whole_seeds_are_read(name, tmp_path):
    read = READERS[name].prepare(tmp_path)
    assert {try_input(read, seed) for seed in READERS[name].seeds()} == {"read"}


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"capture", "archive", "attempts.npy"}))
def test_a_name_of_ten_megabytes_is_read_or_refused(name, tmp_path):
    read = READERS[name].prepare(tmp_path)
    seed = READERS[name].seeds()[0]
    place = seed.index(b'"') + 1
    assert try_input(read, seed[:place] + b"a" * 10_000_000 + seed[place:]) in HANDLED
