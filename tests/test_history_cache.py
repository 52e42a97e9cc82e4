# SPDX-License-Identifier: MIT
"""The cache of a history: with it everything is as without it, whatever happened to the folder or to the cache."""

import json
import shutil

import pytest
from history_builders import store, store_all, wavering
from stored import a_document, a_suite

from stress.analysis.history.history import HistoryFilter, build_from_rows, build_history
from stress.analysis.metric import find_metric
from stress.compare import history_cache
from stress.compare.history_cache import HistoryCache
from stress.store.runs import read_observations

CHOICE = HistoryFilter(("rate", "body.p50"))
METRICS = [find_metric(name) for name in CHOICE.metrics]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(history_cache, "SAVED_MIN", 1)
    store_all(tmp_path / "history", wavering((15, 40_000), (15, 34_000)))
    return tmp_path / "history"


def asked(folder):
    """Return what is built with a cache, and how many runs were read."""
    cache = HistoryCache(folder, METRICS)
    read = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            history_cache,
            "read_observations",
            lambda path, label: [read.append(path.name) or run for run in read_observations(path, label)],
        )
        built = build_from_rows(cache.read_rows(), CHOICE, (), memo=cache)
    cache.save()
    return built, read


def check(folder):
    """Hold what is built with a cache against what is built without one; return how many runs were read."""
    built, read = asked(folder)
    assert built == build_history(read_observations(folder, ""), CHOICE, ())
    return len(read)


def test_only_new_and_changed_runs_are_read(folder):
    assert check(folder) == 30
    assert check(folder) == 0
    name = store(folder, 30, rate=34_100.0)
    assert check(folder) == 1
    document = json.loads((folder / name / "run.json").read_text())
    document["summary"]["rate_per_s"] = 50_000.0
    (folder / name / "run.json").write_text(json.dumps(document))
    assert check(folder) == 1
    shutil.rmtree(folder / name)
    assert check(folder) == 0
    assert len(asked(folder)[0].tracks[0].series.points) == 30


def test_a_suite_is_read_again_when_a_trial_is_added(folder):
    a_suite(folder / "suite", {"closewait": [a_document(rate=1.0)]})
    assert check(folder) == 31
    assert check(folder) == 0
    shutil.rmtree(folder / "suite")
    a_suite(folder / "suite", {"closewait": [a_document(rate=1.0), a_document(rate=2.0)]})
    assert check(folder) == 2


@pytest.mark.parametrize("damage", ["empty", "half", "other", "bit", "gone"])
def test_a_damaged_cache_is_none(folder, damage):
    check(folder)
    (file,) = (folder.parent / "cache" / "connstorm" / "history").iterdir()
    data = file.read_bytes()
    if damage == "gone":
        shutil.rmtree(file.parent)
    else:
        bit = data[:-1] + bytes([data[-1] ^ 1])  # of a number that was computed
        damaged = {"empty": b"", "half": data[: len(data) // 2], "other": b"\x93\x01\x02\x03", "bit": bit}
        file.write_bytes(damaged[damage])
    assert check(folder) == 30
    assert check(folder) == 0


def test_another_version_of_the_program_computes_anew(folder, monkeypatch):
    check(folder)
    monkeypatch.setattr(history_cache, "source_version", lambda: "another")
    assert check(folder) == 30


def test_a_cache_that_cannot_be_written_is_not_missed(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
    assert check(folder) == 30
    assert check(folder) == 30


def test_results_are_looked_up_by_everything_that_they_depend_on(folder):
    cache = HistoryCache(folder, METRICS)
    assert cache("levels", [[1.0], [2.0]], lambda: (1, 2)) == [1, 2]
    assert cache("levels", [[1.0], [2.0]], lambda: pytest.fail("it is known")) == [1, 2]
    assert cache("levels", [[1.0, 2.0]], lambda: (3,)) == [3]
    assert cache("lines", [[1.0], [2.0]], lambda: ((4, 5.0),)) == [[4, 5.0]]


def test_caches_do_not_pile_up(folder, monkeypatch):
    monkeypatch.setattr(history_cache, "FILES_MAX", 2)
    for number in range(4):
        other = folder.parent / f"history{number}"
        shutil.copytree(folder, other)
        check(other)
    assert len([*(folder.parent / "cache" / "connstorm" / "history").iterdir()]) == 2
