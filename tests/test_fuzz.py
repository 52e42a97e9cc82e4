# SPDX-License-Identifier: MIT
"""Damaged and hostile files: each reader returns or refuses them in a sentence. ``make fuzz`` does it at length."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))

import fuzz  # noqa: E402  # not a package
import fuzz_outcome  # noqa: E402  # not a package
from fuzz_mutation import mutate, pick  # noqa: E402  # not a package
from fuzz_readers import READERS  # noqa: E402  # not a package

CORPUS = ROOT / "tests" / "data" / "fuzz"  # what once ended in a traceback, or took too much
INPUTS, SECONDS = 550, 0.1  # of each reader: whichever is reached first; a busy machine tries fewer
FOLDERS = {name.replace(" ", "-"): name for name in READERS}
WHOLE = sorted(name for name, reader in READERS.items() if reader.change is None and name != "fingerprint")
BINARY = ("archive", "attempts", "capture", "history cache")
TEXTS = sorted(name for name in WHOLE if b'"' in READERS[name].seeds()[0] and not name.startswith(BINARY))


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Two readers are told by the environment where their files are."""
    for name in ("CONNSTORM_KERNELS", "CONNSTORM_STATE"):
        monkeypatch.setenv(name, "")


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_once_a_finding_is_none_any_more(path, tmp_path):
    read = READERS[FOLDERS[path.parent.name]].prepare(tmp_path)
    assert fuzz_outcome.try_input(read, path.read_bytes()) in fuzz_outcome.OUTCOMES


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_reads_or_refuses_whatever_it_is_given(name, tmp_path):
    reader = READERS[name]
    read, seeds, change = reader.prepare(tmp_path), reader.seeds(), reader.change or mutate
    chance, end_s = random.Random(name), time.monotonic() + SECONDS
    for number in range(INPUTS):
        data = change(pick(seeds, chance.random), chance)
        outcome = fuzz_outcome.try_input(read, data)
        assert outcome in fuzz_outcome.OUTCOMES, f"{name} {number}: {outcome}"
        if time.monotonic() > end_s:
            break


@pytest.mark.parametrize("name", WHOLE)
def test_whole_seeds_are_read(name, tmp_path):
    read = READERS[name].prepare(tmp_path)
    assert {fuzz_outcome.try_input(read, seed) for seed in READERS[name].seeds()} == {"read"}


@pytest.mark.parametrize("name", TEXTS)
def test_a_name_of_ten_megabytes_is_read_or_refused(name, tmp_path):
    read = READERS[name].prepare(tmp_path)
    seed = READERS[name].seeds()[0]
    place = seed.index(b'"') + 1
    assert fuzz_outcome.try_input(read, seed[:place] + b"a" * 10_000_000 + seed[place:]) in fuzz_outcome.OUTCOMES


def test_counts_go_on_where_a_run_stopped_and_say_of_which_commit_they_are(tmp_path):
    state = tmp_path / "fuzz.json"
    asked = ["--reader", "event", "--reader", "archive", "--jobs", "1", "--state", str(state)]
    for inputs in (100, 300):
        command = [sys.executable, str(ROOT / "benchmarks" / "fuzz.py"), *asked, "--inputs", str(inputs)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        counts = json.loads(state.read_text())
        assert {name: [of["inputs"] for of in counts[name].values()] for name in counts} == {
            "event": [inputs],
            "archive": [inputs // READERS["archive"].share],
        }
        assert counts.keys() == {"event", "archive"}
        assert list(counts["event"]) == [fuzz.commit()]
    assert "| event | 300 | 300 | 0 | 0 |" in ended.stdout


def test_what_takes_too_long_and_what_raises_is_a_finding(monkeypatch):
    def wait_for_ever(_):
        while True:
            pass

    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGPROF)}
    monkeypatch.setattr(fuzz_outcome, "CPU_MAX_S", 0.01)
    try:
        fuzz_outcome.catch_slow()
        assert "TooSlowError" in fuzz_outcome.try_timed(wait_for_ever, b"")
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert "ZeroDivisionError" in fuzz_outcome.try_input(lambda _: 1 / 0, b"")
