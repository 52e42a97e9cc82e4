# SPDX-License-Identifier: MIT
"""Series of stored runs: which runs belong together, which do not, and in which order."""

from dataclasses import replace

import pytest
from history_builders import store, store_all
from stored import a_document, a_suite

from stress.analysis.history.run_row import parse_start_time
from stress.analysis.history.series import all_series
from stress.analysis.metric import find_metric
from stress.model.errors import UsageError
from stress.store.runs import read_observations

METRICS = (find_metric("rate"), find_metric("errors_per_million"))


def series_of(folder, metrics=METRICS):
    return all_series(read_observations(folder, ""), metrics)


def test_runs_of_a_cell_are_points_by_time(tmp_path):
    for number in (2, 0, 1):
        store(tmp_path, number, rate=40_000.0 + number, refused=number, program=f"connstorm {number}")
    rate, errors = series_of(tmp_path)
    assert rate.metric.name == "rate"
    assert rate.medians == [40_000, 40_001, 40_002]
    assert errors.medians == [0, 100, 200]
    assert [point.program for point in rate.points] == ["connstorm 0", "connstorm 1", "connstorm 2"]
    assert rate.current
    assert rate.alone
    assert [point.runs for point in rate.points] == [(point.path.name,) for point in rate.points]


def test_machines_of_another_kind_are_another_series(tmp_path):
    store(tmp_path, 0, rate=40_000.0)
    store(tmp_path, 1, rate=20_000.0, cpu="another")
    one, other = series_of(tmp_path, METRICS[:1])
    assert one.testbed != other.testbed
    assert one.current
    assert other.current
    assert {*one.medians, *other.medians} == {40_000, 20_000}


def test_another_kernel_goes_on_with_the_series(tmp_path):
    store(tmp_path, 0, kernel="6.12.1")
    store(tmp_path, 1, kernel="6.18.44")
    (rate,) = series_of(tmp_path, METRICS[:1])
    assert [point.kernel for point in rate.points] == ["6.12.1", "6.18.44"]


def test_another_plan_under_the_same_name_begins_a_series_and_ends_the_old_one(tmp_path):
    for place, (mines, rates) in enumerate(((500, (1.0, 2.0)), (400, (3.0,)))):
        documents = [a_document(rate=rate, plan={"mines": mines}, started=f"2026-01-0{place + 1}") for rate in rates]
        a_suite(tmp_path / f"suite-{place}", {"closewait": documents}, suite_id=f"{place:06x}")
    old, new = series_of(tmp_path, METRICS[:1])
    assert (old.medians, old.current, old.alone) == ([1.0], False, False)
    assert (new.medians, new.current, new.alone) == ([3.0], True, False)


def test_the_trials_of_a_suite_are_one_point_and_have_an_interval(tmp_path):
    documents = [a_document(rate=rate) for rate in (5.0, 1.0, 3.0, 2.0, 4.0, 6.0)]
    a_suite(tmp_path / "suite", {"closewait": [*documents, "it took too long"]})
    (rate,) = series_of(tmp_path, METRICS[:1])
    (point,) = rate.points
    assert (point.estimate.median, point.estimate.low, point.estimate.high, point.estimate.trials) == (3, 1, 6, 6)
    assert len(point.runs) == 6


def test_two_kernels_in_one_suite_are_two_points(tmp_path):
    documents = [a_document(kernel=kernel) for kernel in ("6.12.1", "6.18.44", "6.12.1")]
    a_suite(tmp_path / "suite", {"closewait": documents})
    (rate,) = series_of(tmp_path, METRICS[:1])
    assert sorted(point.estimate.trials for point in rate.points) == [1, 2]


def test_times_of_trials_that_were_not_alone_are_no_points(tmp_path):
    a_suite(tmp_path / "suite", {"closewait": [a_document()]}, measures=False)
    assert [series.metric.name for series in series_of(tmp_path)] == ["errors_per_million"]


def test_a_time_that_is_none_is_refused_with_the_run(tmp_path):
    store_all(tmp_path, [1.0])
    (observation,) = read_observations(tmp_path, "")
    with pytest.raises(UsageError, match=r"000000 began at 'yesterday', which is no time"):
        parse_start_time(replace(observation, started_utc="yesterday"))


def test_a_time_without_a_zone_is_utc(tmp_path):
    store_all(tmp_path, [1.0])
    (observation,) = read_observations(tmp_path, "")
    naive, aware = (
        parse_start_time(replace(observation, started_utc=f"2026-01-01T00:00:00{zone}")) for zone in ("", "+00:00")
    )
    assert naive == aware
