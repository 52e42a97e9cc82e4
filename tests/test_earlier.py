"""The line about the run before: what it is compared with, and what it may not say."""

import json
import re

import pytest
from scipy import stats
from stored import a_document

from stress.analysis.comparison.earlier import T_975, chance_difference
from stress.compare.earlier import find_earlier
from stress.view.text.earlier_wording import earlier_lines, earlier_text


def store(results, number, *, minute=0, p50=10_000, day=28, interrupted=False, **fields):
    """Write a run folder; the number is that of the hour after ten."""
    started = f"2026-11-{day:02}T1{number}:{minute:02}:00+00:00"
    document = a_document(started=started, p50=p50, **fields) | {
        "interrupted": interrupted,
        "id": f"{minute:03x}{number:03x}",
    }
    folder = results / f"202611{day:02}T1{number}{minute:02}00Z-closewait-{minute:03x}{number:03x}"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(document))
    return folder


def test_the_first_run_is_compared_with_none(tmp_path):
    assert find_earlier(store(tmp_path, 1), tmp_path) is None


def test_without_a_spread_it_says_so(tmp_path):
    store(tmp_path, 1, day=27)
    text = earlier_text(find_earlier(store(tmp_path, 2, p50=9_880), tmp_path))
    assert text == (
        "p50 −1.2 % against the run of yesterday 11:00 UTC, closewait-000001 "
        "(one session each; by how much sessions differ here was not measured)"
    )


def test_the_limit_is_the_spread_of_the_runs_before(tmp_path):
    before = (10_000, 10_100, 10_200, 9_900)
    for number, p50 in enumerate(before):
        store(tmp_path, number, p50=p50)
    earlier = find_earlier(store(tmp_path, 5, p50=9_900), tmp_path)
    assert earlier.before.summary.body.p50_ns == 9_900  # the newest, not the nearest
    assert earlier.chance == chance_difference(before)
    limit = f"{100 * earlier.chance:.2g} %"
    text = earlier_text(earlier)
    assert text.startswith("p50 +0.0 % against the run of today 13:00 UTC, closewait-000003 (one session each: ")
    assert f"says nothing about less than {limit}; by the 4 sessions of the last 5 h, two sessions" in text


def test_runs_of_one_session_say_nothing_of_how_far_sessions_differ(tmp_path):
    """Three runs within ten minutes agree, and the run of the next day differs: that they agreed is no limit for it."""
    for minute, p50 in enumerate((10_000, 10_050, 10_100)):
        store(tmp_path, 0, minute=minute, p50=p50, day=27)
    text = earlier_text(find_earlier(store(tmp_path, 1, p50=12_000), tmp_path))
    assert text.endswith("(one session each; by how much sessions differ here was not measured)")
    for minute, p50 in enumerate((12_000, 12_100), start=1):
        store(tmp_path, 1, minute=minute, p50=p50)
    earlier = find_earlier(store(tmp_path, 1, minute=9, p50=12_100), tmp_path)
    assert earlier.is_same_session
    assert earlier.chance == chance_difference((12_000, 12_100, 12_000))
    assert "(both of one session: says nothing" in earlier_text(earlier)
    assert "by the 3 runs of the last 9 min, two runs differ so far by chance" in earlier_text(earlier)


def test_what_differs_is_not_compared(tmp_path):
    changes = ({"kernel": "5.10.0"}, {"plan": {"window": 7}}, {"settings": {"net.ipv4.tcp_tw_reuse": "9"}})
    for number, change in enumerate((*changes, {"emulated": True}, {"interrupted": True}, {"p50": None})):
        store(tmp_path, number, **change)
    (tmp_path / "20261128T170000Z-closewait-00000a").mkdir()
    assert find_earlier(store(tmp_path, 8), tmp_path) is None
    assert find_earlier(store(tmp_path, 9), tmp_path).before.path.name.endswith("-000008")


def test_a_later_run_is_none_before(tmp_path):
    run = store(tmp_path, 1)
    store(tmp_path, 2)
    assert find_earlier(run, tmp_path) is None


def test_the_noise_within_a_session_is_the_least_that_sessions_differ_by(tmp_path):
    run = [store(tmp_path, number, p50=10_000 + number) for number in range(5)][-1]
    testbed = find_earlier(run, tmp_path).now.host.testbed
    noise = {"closewait": {"body.p50": {"kind": "ratio", "floor": 0.25, "spread": 0.1, "median": 1.0}}}
    document = {"schema": 1, "program": "p", "started_utc": "", "kernel": "", "cpu": "", "trials": 12}
    (tmp_path / "calibration").mkdir()
    file = tmp_path / "calibration" / f"{testbed}.json"
    file.write_text(json.dumps(document | {"testbed": testbed, "scenarios": noise}))
    assert "less than 25 %; noise within one session is up to 25 %" in earlier_text(find_earlier(run, tmp_path))


@pytest.mark.parametrize("columns", [80, 120])
def test_no_number_is_torn_from_its_unit(columns, tmp_path):
    run = [store(tmp_path, number, p50=10_000 + number * 100) for number in range(5)][-1]
    lines = earlier_lines(find_earlier(run, tmp_path), columns).splitlines()
    assert max(map(len, lines)) <= columns
    assert not any(re.match(r"%", line) for line in lines)


def test_the_quantiles_are_those_of_students_t():
    assert pytest.approx([stats.t.ppf(0.975, freedom) for freedom in range(1, len(T_975) + 1)], abs=6e-4) == T_975


def test_two_runs_of_one_level_differ_by_less_in_19_of_20_pairs():
    rng = stats.norm(scale=0.02)
    draws = 10_000 * (1 + rng.rvs((2_000, 7), random_state=7))
    inside = [abs(row[5] / row[6] - 1) < chance_difference(row[:5].tolist()) for row in draws]
    assert 0.93 < sum(inside) / len(inside) < 0.97
