# SPDX-License-Identifier: MIT
"""Of which commit a run is: read from real checkouts, stored, and shown by a history where it differs."""

import os
import subprocess
from dataclasses import replace

import msgspec
import pytest
from history_builders import a_series, store
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.history.change import ChangePoint, Direction, State
from stress.analysis.history.difference import differences_at
from stress.analysis.history.history import HistoryFilter, build_history
from stress.lab import checkout
from stress.lab.checkout import VARIABLE, checkout_commit, program_commit
from stress.model.commit import short_commit, valid_commit
from stress.run import process
from stress.run.fingerprint import take_fingerprint
from stress.run.other_connstorm import ITS_OWN_MODULES
from stress.store import run_folder
from stress.store.runs import read_observation, read_observations
from stress.storm.catalogue import find_scenario
from stress.view.page.history_document import history_document
from stress.view.text.history_wording import changed_line, maker_names

HASH = "0123456789abcdef0123456789abcdef01234567"
OTHER = HASH[::-1]
AUTHOR = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


def git(folder, *words):
    done = subprocess.run(["git", "-C", folder, *AUTHOR, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Return a checkout with a package and a file next to it, in one commit."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    (tmp_path / "stress").mkdir()
    (tmp_path / "stress" / "storm.py").write_text("fast = True\n")
    (tmp_path / "README").write_text("read me\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "a storm")
    return tmp_path


def test_the_commit_of_a_checkout_says_whether_the_package_was_changed(repository, monkeypatch):
    commit = git(repository, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as a hook of git has it
    assert checkout_commit(repository) == commit
    (repository / "README").write_text("of no consequence\n")
    assert checkout_commit(repository) == commit
    (repository / "stress" / "storm.py").write_text("fast = False\n")
    assert checkout_commit(repository) == f"{commit}+"
    monkeypatch.delenv("GIT_DIR")
    git(repository, "checkout", "-q", "stress")
    assert checkout_commit(repository) == commit
    (repository / "stress" / "new.py").touch()
    assert checkout_commit(repository) == f"{commit}+"


def test_a_checkout_of_somebody_else_is_read(repository):
    commit = git(repository, "rev-parse", "HEAD")
    try:
        for place in [repository, *repository.rglob("*")]:
            os.chown(place, 65534, 65534)
    except PermissionError:
        pytest.skip("only root gives files away")
    assert checkout_commit(repository) == commit


def test_where_git_says_nothing_there_is_no_commit(tmp_path, repository, monkeypatch):
    assert checkout_commit(tmp_path / "nowhere") == ""
    git(repository, "checkout", "-q", "--orphan", "begun")
    assert checkout_commit(repository) == ""  # it has none yet
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout_commit(repository) == ""


def test_who_is_asked_for_the_commit(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, f"{HASH}+\n")
    assert program_commit() == f"{HASH}+"
    monkeypatch.setenv(VARIABLE, "main; rm -rf")
    assert program_commit() == ""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr(checkout.stress, "__file__", str(tmp_path / "stress" / "__init__.py"))
    monkeypatch.setattr(checkout, "BUILD", {"commit": "1a2b3c4-dirty"})
    assert program_commit() == "1a2b3c4+"
    assert ITS_OWN_MODULES[VARIABLE] is None  # of the connstorm of an arm it would be wrong


@given(st.text())
def test_what_is_no_commit_is_not_stored(text):
    assert valid_commit(text) in {"", text}
    assert short_commit(text) == "" or len(text) >= 7


def test_a_run_and_a_fingerprint_have_the_commit(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, HASH)
    plan = msgspec.structs.replace(find_scenario("clean").plan, attempts=16)
    path = process.run(plan, tmp_path, lambda _: None, ("--no-draw",))
    assert run_folder.read(path)[0].record.commit == HASH
    assert read_observation(path, "").commit == HASH
    assert take_fingerprint([], []).commit == HASH
    assert process.request_fingerprint().commit == HASH
    monkeypatch.setenv(VARIABLE, "")
    assert take_fingerprint([], []).commit is msgspec.UNSET


def test_a_history_says_which_commits_lie_between_its_points(tmp_path):
    commits = [None, HASH, HASH, OTHER, f"{OTHER}+"]
    for number, commit in enumerate(commits):
        store(tmp_path, number, commit=commit)
    (track,) = build_history(read_observations(tmp_path, ""), HistoryFilter(["rate"]), ()).tracks
    short, other = short_commit(HASH), short_commit(OTHER)
    points = track.series.points
    assert maker_names(points) == ("version", ["1.0", short, short, other, f"{other}+"])
    assert maker_names(points[1:]) == ("commit", [short, short, other, f"{other}+"])
    assert maker_names(points[:3]) == ("version", ["1.0", "1.0", "1.0"])  # of one commit, as far as is known
    assert "not those of the commit" in changed_line([track])
    document = history_document(build_history(read_observations(tmp_path, ""), HistoryFilter(["rate"]), ()), "it", "x")
    assert {fact.name: fact.text for fact in document.facts}["commits"] == f"{short} to {other}+, 3 in all"


def test_a_commit_hides_no_other_difference_near_a_step():
    facts = [{"commit": str(place), "kernel": "6.1" if place < 4 else "6.2"} for place in range(6)]
    series = a_series([1, 1, 1, 2, 2, 2])
    series = replace(
        series, points=tuple(msgspec.structs.replace(p, facts=f) for p, f in zip(series.points, facts, strict=True))
    )
    change = ChangePoint(3, State.CONFIRMED, Direction.REGRESSED, 1.0, 2.0, undone=False, reason="")
    assert [(one.what, one.before, one.after) for one in differences_at(series, change)] == [
        ("commit", "2", "3"),
        ("kernel", "6.1", "6.2"),
    ]
