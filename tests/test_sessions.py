# SPDX-License-Identifier: MIT
"""Which session a run belongs to."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stored import a_document, a_suite

from stress.analysis.comparison.sessions import describe_closeness
from stress.compare.arms import read_arms
from stress.model.errors import UsageError
from stress.model.session import PAUSE_MAX_S, Stretch, number_sessions
from stress.store.runs import read_arm, read_observation, read_observations

DATA = Path(__file__).parent / "data"
BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)

stretches = st.lists(
    st.builds(
        lambda start, took, boot: Stretch(start, start + took, boot),
        st.integers(0, 5000).map(float),
        st.integers(0, 900).map(float),
        st.sampled_from(["", "one", "two"]),
    ),
    max_size=12,
)


def in_order(some):
    return sorted(some, key=lambda stretch: (stretch.start_s, stretch.end_s))


@given(stretches)
def test_numbers_of_sessions_rise_with_time_and_leave_none_out(some):
    by_stretch = sorted(zip(in_order(some), number_sessions(in_order(some)), strict=True), key=lambda pair: pair[1])
    numbers = [number for _, number in by_stretch]
    assert sorted(set(numbers)) == list(range(len(set(numbers))))
    assert [stretch for stretch, _ in by_stretch] == in_order(some)


@given(stretches, st.randoms(use_true_random=False))
def test_sessions_do_not_depend_on_the_order_in_which_stretches_are_given(some, random):
    shuffled = list(dict.fromkeys(some))
    random.shuffle(shuffled)
    numbers = dict(zip(in_order(shuffled), number_sessions(in_order(shuffled)), strict=True))
    assert dict(zip(shuffled, number_sessions(shuffled), strict=True)) == numbers


@given(stretches)
def test_a_session_has_one_boot_and_no_long_pause(some):
    ordered = in_order(some)
    numbers = number_sessions(ordered)
    for number in set(numbers):
        inside = [stretch for stretch, of in zip(ordered, numbers, strict=True) if of == number]
        assert len({stretch.boot for stretch in inside} - {""}) <= 1
        for place in range(1, len(inside)):
            assert inside[place].start_s - max(before.end_s for before in inside[:place]) <= PAUSE_MAX_S


@given(stretches)
def test_where_another_session_begins_there_was_a_pause_or_another_boot(some):
    ordered = in_order(some)
    numbers = number_sessions(ordered)
    for place in range(1, len(ordered)):
        if numbers[place] == numbers[place - 1]:
            continue
        before = [stretch for stretch, of in zip(ordered, numbers, strict=True) if of == numbers[place - 1]]
        paused = ordered[place].start_s - max(stretch.end_s for stretch in before) > PAUSE_MAX_S
        assert paused or {stretch.boot for stretch in before} - {"", ordered[place].boot}


@given(stretches)
def test_without_boots_the_pauses_alone_decide(some):
    blind = [Stretch(stretch.start_s, stretch.end_s) for stretch in some]
    same = [Stretch(stretch.start_s, stretch.end_s, "one") for stretch in some]
    assert number_sessions(blind) == number_sessions(same)


@pytest.mark.parametrize(("pause_s", "sessions"), [(PAUSE_MAX_S, 1), (PAUSE_MAX_S + 0.001, 2)])
def test_a_pause_of_ten_minutes_is_the_longest_within_a_session(pause_s, sessions):
    assert len(set(number_sessions([Stretch(0, 100), Stretch(100 + pause_s, 800)]))) == sessions


def test_a_run_of_a_program_that_stored_no_boot_reads_as_before_and_has_none():
    old = read_observation(DATA / "run-schema-3", "")
    assert (old.boot, old.session) == ("", "")
    assert old.took_s > 0


def test_a_run_has_the_boot_of_the_host_that_stormed():
    assert read_observation(DATA / "run-schema-3-boot", "").boot == "0b7e4f0e-3a5c-4d0e-9d0c-5a8f1f0c2b11"


def timed(path, minutes, *, took_s=60.0, boots=None, hosts=None):
    """Give the trials of a suite the times at which they began (minutes), boots and hosts, by their numbers."""
    for number, minute in enumerate(minutes):
        (file,) = path.glob(f"trials/{number:04d}-*/trial.json")
        record = json.loads(file.read_text())
        record |= {"started_utc": (BEGIN + timedelta(minutes=minute)).isoformat(), "took_s": took_s}
        if hosts:
            record["host"] = hosts[number]
        file.write_text(json.dumps(record))
        for run in file.parent.glob("*/run.json"):
            run.write_text(json.dumps(json.loads(run.read_text()) | ({"boot_id": boots[number]} if boots else {})))
    return path


def sessions_of(path):
    """Return which trials of a suite share a session, as numbers."""
    keys = [run.session for run in sorted(read_observations(path, ""), key=lambda run: run.path)]
    return [list(dict.fromkeys(keys)).index(key) for key in keys]


def test_a_suite_that_goes_on_after_a_pause_or_a_reboot_has_another_session(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean": [a_document() for _ in range(5)]})
    assert sessions_of(timed(suite, [0, 1, 2, 13, 14])) == [0, 0, 0, 0, 0]  # 10 minutes from an end to a start
    assert sessions_of(timed(suite, [0, 1, 2, 13.1, 14])) == [0, 0, 0, 1, 1]
    assert sessions_of(timed(suite, [0, 1, 2, 3, 4], boots=["a", "a", "b", "b", "b"])) == [0, 0, 1, 1, 1]


def test_a_trial_that_failed_is_no_pause(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean": [a_document(), "stopped after 900 s", a_document()]})
    timed(suite, [0, 1, 17], took_s=900)
    assert sessions_of(suite) == [0, 0]


def test_each_host_of_a_suite_has_sessions_of_its_own(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean": [a_document() for _ in range(4)]})
    manifest = json.loads((suite / "suite.json").read_text())
    (fingerprint, *_) = manifest["attestations"].values()
    manifest["attestations"] = {"lab1": fingerprint, "lab2": fingerprint}
    (suite / "suite.json").write_text(json.dumps(manifest))
    assert sessions_of(timed(suite, [0, 0, 1, 1], hosts=["lab1", "lab2"] * 2, boots=["a", "b"] * 2)) == [0, 1, 0, 1]


def test_each_trial_of_a_booted_kernel_has_a_boot_of_its_own_and_stays_in_the_session_of_its_machine(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean": [a_document()] * 2, "clean kernel=v6.12": [a_document()] * 2})
    manifest = json.loads((suite / "suite.json").read_text())
    manifest["cells"][1]["kernel"] = "v6.12"
    (suite / "suite.json").write_text(json.dumps(manifest))
    assert sessions_of(timed(suite, [0, 2, 1, 3], boots=["host", "host", "guest 1", "guest 2"])) == [0, 0, 0, 0]


def test_two_suites_never_share_a_session(tmp_path):
    for name in ("111111", "222222"):
        timed(a_suite(tmp_path / name, {"clean": [a_document()]}, suite_id=name), [0], boots=["a"])
    one, two = read_observations(tmp_path, "")
    assert one.session != two.session


def a_run(folder, minute, boot=None):
    """Write a run folder that began at a minute."""
    folder.mkdir(parents=True)
    document = a_document(started=(BEGIN + timedelta(minutes=minute)).isoformat())
    (folder / "run.json").write_text(json.dumps(document | ({"boot_id": boot} if boot else {})))
    return str(folder)


def test_runs_outside_of_suites_share_a_session_until_a_pause_or_a_reboot(tmp_path):
    minutes = {"a": (0, "x"), "b": (5, "x"), "c": (14, "x"), "d": (26, "x"), "e": (27, "y"), "f": (28, None)}
    runs = read_arms([a_run(tmp_path / name / name, *at) for name, at in minutes.items()])
    keys = {run.path.name: run.session for run in runs}
    assert keys["a"] == keys["b"] == keys["c"]
    assert len({keys[name] for name in "adef"}) == 4


def test_runs_without_a_stored_boot_share_a_session_by_their_pauses_alone(tmp_path):
    runs = read_arms([a_run(tmp_path / str(minute), minute) for minute in (0, 9, 30)])
    assert runs[0].session == runs[1].session != runs[2].session


def observed(days):
    """Return observations of sessions that began on some days."""
    began = datetime(2026, 11, 1, tzinfo=UTC)
    return [SimpleNamespace(session=str(day), started_utc=(began + timedelta(days=day)).isoformat()) for day in days]


def test_new_sessions_that_lie_much_closer_together_than_those_of_the_base_are_named():
    base = observed([0, 1, 2, 3])
    (text,) = describe_closeness(base, observed([10, 10.01]))
    assert text.startswith("the new sessions began 14 min 24 s apart, those of the base 1 d: what drifts")
    assert describe_closeness(base, observed([10, 10.5])) == []  # half as far
    assert describe_closeness(base, observed([10])) == []  # one alone
    assert describe_closeness(observed([0]), observed([10, 10.01])) == []  # nothing to compare with


def test_a_trial_without_a_valid_start_is_named(tmp_path):
    suite = a_suite(tmp_path / "suite", {"clean": [a_document()]})
    (file,) = suite.glob("trials/*/trial.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"started_utc": "yesterday"}))
    with pytest.raises(UsageError, match="began at 'yesterday', which is no time"):
        read_arm(str(suite))
