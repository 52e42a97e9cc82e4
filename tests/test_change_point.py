# SPDX-License-Identifier: MIT
"""Change points of series whose steps are known."""

import itertools

import numpy as np
import pytest
from history_builders import a_series, drawn_series, levels, noise, times
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.analysis.history.change import Direction, State
from stress.analysis.history.change_point import SHOWING_POINTS_MIN, find_change_points
from stress.analysis.history.potts import candidate_levels, fit_steps, weighted_median
from stress.analysis.history.transform import transform_series

SEEDS = 150


def confirmed(track):
    return [change.place for change in track.changes if change.state is State.CONFIRMED]


def track_of(heights, name="body.p50", accepted=None, threshold=0.0):
    return find_change_points(a_series(times(heights), name), accepted or {}, threshold)


# The share of series without a step in which one is confirmed, as docs and tables may claim.
@pytest.mark.parametrize(
    ("points", "share", "tails", "most"),
    [(12, 0, 3, 0.02), (40, 0, None, 0.01), (40, 0, 3, 0.01), (40, 0, 1.5, 0.01), (40, 0.3, 3, 0.02),
     (20, 0.8, None, 0.05), (40, 0.6, 3, 0.03), (100, 0.8, None, 0.02)],
)  # fmt: skip
def test_noise_has_no_steps(points, share, tails, most):
    false = sum(
        bool(confirmed(track_of(drawn_series(seed, points, share=share, tails=tails)))) for seed in range(SEEDS)
    )
    assert false / SEEDS <= most


@pytest.mark.parametrize(
    ("points", "at", "share", "least"), [(20, 10, 0, 0.75), (40, 20, 0, 0.95), (40, 32, 0, 0.9), (100, 95, 0, 0.75),
                                         (100, 50, 0, 0.95), (100, 50, 0.3, 0.9)],
)  # fmt: skip
def test_steps_of_five_widths_are_confirmed_where_they_are(points, at, share, least):
    hits = 0
    for seed in range(SEEDS // 3):
        heights = drawn_series(seed, points, share=share, tails=3) + levels((at, 0), (points - at, 5))
        hits += any(abs(place - at) <= 2 for place in confirmed(track_of(heights)))
    assert hits / (SEEDS // 3) >= least


def test_several_steps_are_told_apart():
    heights = drawn_series(1, 120) + levels((40, 0), (40, 6), (40, -4))
    track = track_of(heights)
    assert confirmed(track) == pytest.approx([40, 80], abs=2)
    assert [change.direction for change in track.changes] == [Direction.REGRESSED, Direction.IMPROVED]
    assert [(segment.first, segment.last) for segment in track.segments] == [
        *itertools.pairwise([0, *confirmed(track), 120])
    ]


def test_stray_runs_are_no_levels():
    heights = drawn_series(2, 60)
    heights[[7, 20, 21, 44, 59]] += [40, 60, -50, 300, 80]
    assert not track_of(heights).changes


def test_one_run_is_too_new_to_be_a_level_and_few_are_suspected_at_most():
    base = drawn_series(3, 40)
    for newest in (1, 2, 6):
        heights = np.concatenate([base, 12 + drawn_series(4, 6)[:newest]])
        states = [change.state for change in track_of(heights).changes]
        assert states == {1: [], 2: [State.SUSPECTED], 6: [State.CONFIRMED]}[newest]


@pytest.mark.parametrize(
    ("name", "up"),
    [("rate", Direction.IMPROVED), ("body.p99", Direction.REGRESSED), ("errors_per_million", Direction.REGRESSED)],
)
def test_up_is_good_or_bad_as_the_metric_says(name, up):
    heights = drawn_series(5, 60) + levels((30, 0), (30, 60))
    for sign, expected in ((1, up), (-1, ({*Direction} - {up, Direction.CHANGED}).pop())):
        (change,) = track_of(sign * heights, name).changes
        assert change.direction is expected


def test_steps_below_the_threshold_are_none():
    heights = drawn_series(6, 80) + levels((40, 0), (40, 4))  # 8 per cent
    assert confirmed(track_of(heights, threshold=0.05))
    assert not track_of(heights, threshold=0.15).changes


def test_a_regression_that_is_undone_does_not_stand():
    worse, back = levels((30, 0), (30, 10)), levels((30, 0), (30, 10), (30, 0))
    (stands,) = track_of(drawn_series(7, 60) + worse).changes
    assert not stands.undone
    undone, improved = track_of(drawn_series(7, 90) + back).changes
    assert undone.undone
    assert not improved.undone
    half = track_of(drawn_series(7, 90) + levels((30, 0), (30, 10), (30, 5)), threshold=0.05)
    assert not half.changes[0].undone
    assert len(half.open_regressions) == 1


def test_series_of_older_plans_do_not_stand():
    heights = times(drawn_series(8, 60) + levels((30, 0), (30, 10)))
    assert find_change_points(a_series(heights), {}).open_regressions
    old = find_change_points(a_series(heights, current=False), {})
    assert old.changes
    assert not old.open_regressions


def test_an_accepted_step_is_a_new_beginning():
    heights = drawn_series(9, 90) + levels((30, 0), (30, 10), (30, 20))
    first, second = track_of(heights).changes
    accepted, left = track_of(heights, accepted={first.place: "a new kernel"}).changes
    assert (accepted.state, accepted.reason, accepted.place) == (State.ACCEPTED, "a new kernel", first.place)
    assert (left.state, left.place) == (State.CONFIRMED, second.place)


def test_a_step_is_accepted_one_run_beside_it():
    """Which run is the first after a step may come out differently when more are there; no second step is found."""
    heights = drawn_series(10, 60) + levels((30, 0), (30, 10))
    for beside in (-2, -1, 1, 2):
        (change,) = track_of(heights, accepted={30 + beside: "known"}).changes
        assert change.state is State.ACCEPTED


def test_too_few_points_show_nothing_and_four_may():
    """What history says of short series."""
    for points in range(1, SHOWING_POINTS_MIN):
        for at in range(points):
            for height in (5, 50, 5_000):
                assert not track_of(levels((at, 0), (points - at, height))).changes
    (change,) = track_of(levels((2, 0), (2, 50))).changes
    assert change.state is State.SUSPECTED


def test_few_points_have_no_steps():
    for points in range(1, 6):
        assert not confirmed(track_of(levels((points // 2, 0), (points - points // 2, 50))))


@pytest.mark.parametrize("name", ["body.p50", "rate", "errors_per_million", "collisions"])
@pytest.mark.parametrize("value", [0, 1, 12_345.0])
def test_runs_that_are_all_alike_have_no_steps(name, value):
    track = find_change_points(a_series([value] * 50, name), {})
    assert not track.changes
    assert [(segment.first, segment.last, segment.level) for segment in track.segments] == [(0, 50, value)]


def test_rare_events_are_not_taken_for_steps():
    """One error in ten thousand attempts, now and then."""
    false = 0
    for seed in range(SEEDS):
        errors = 100.0 * np.random.default_rng(seed).poisson(0.1, 60)
        false += bool(confirmed(find_change_points(a_series(errors, "errors_per_million"), {})))
    assert false / SEEDS <= 0.01


def test_more_errors_are_found_whatever_their_number_was():
    rng = np.random.default_rng(11)
    for before, after in ((0, 10), (10, 50), (400, 600)):
        counts = np.concatenate([rng.poisson(before, 30), rng.poisson(after, 30)])
        (change,) = find_change_points(a_series(100.0 * counts, "errors_per_million"), {}).changes
        assert change.state is State.CONFIRMED
        assert change.place == pytest.approx(30, abs=1)


def test_points_with_wide_intervals_count_less():
    series = a_series([10_000.0] * 4, trials=9, width=100.0)
    wide = a_series([10_000.0] * 4, trials=9, width=1000.0)
    few = a_series([10_000.0] * 4, trials=3, width=1000.0)
    points = series.points[:3] + wide.points[3:]
    assert transform_series(a_series([1.0])).weights.tolist() == [1]
    mixed = transform_series(type(series)(**{**vars(series), "points": points})).weights
    assert mixed[0] == mixed[1] == 1
    assert mixed[3] == 0.25  # the limit
    mixed = transform_series(type(series)(**{**vars(series), "points": series.points[:3] + few.points[3:]})).weights
    assert mixed.tolist() == [1, 1, 1, 1]  # of three trials the interval is no measure


seeds = st.integers(0, 2**32 - 1)
steps = st.lists(st.tuples(st.integers(5, 30), st.floats(-12, 12)), min_size=1, max_size=4)


def simulated(seed, stretches):
    heights = levels(*stretches)
    return heights + noise(np.random.default_rng(seed), len(heights), tails=4)


@settings(max_examples=40)
@given(seed=seeds, stretches=steps, factor=st.floats(1e-3, 1e3))
def test_the_unit_of_times_does_not_matter(seed, stretches, factor):
    values = times(simulated(seed, stretches))
    one, other = (find_change_points(a_series(values * scale), {}) for scale in (1, factor))
    assert [(change.place, change.state) for change in one.changes] == [
        (change.place, change.state) for change in other.changes
    ]


@settings(max_examples=40)
@given(seed=seeds, stretches=steps)
def test_backwards_the_same_steps_are_confirmed(seed, stretches):
    values = times(simulated(seed, stretches))
    forth, back = (confirmed(find_change_points(a_series(order), {})) for order in (values, values[::-1]))
    assert [len(values) - place for place in reversed(back)] == pytest.approx(forth, abs=2)


@settings(max_examples=40)
@given(seed=seeds, stretches=steps)
def test_up_becomes_down_in_a_mirror(seed, stretches):
    heights = simulated(seed, stretches)
    up, down = (find_change_points(a_series(times(series)), {}, 0) for series in (heights, -heights))
    assert confirmed(up) == pytest.approx(confirmed(down), abs=2)


@settings(max_examples=60)
@given(
    values=st.lists(st.floats(0, 1e12), min_size=1, max_size=60),
    name=st.sampled_from(["rate", "body.p50", "errors_per_million", "errors"]),
    accepted=st.dictionaries(st.integers(-3, 70), st.just("why"), max_size=4),
)
def test_whatever_the_values_segments_cover_all_points(values, name, accepted):
    track = find_change_points(a_series(values, name), accepted)
    ends = [0, *(segment.last for segment in track.segments)]
    assert [segment.first for segment in track.segments] == ends[:-1]
    assert ends[-1] == len(values)
    assert all(segment.last > segment.first for segment in track.segments)
    assert {change.place for change in track.changes if change.state is State.ACCEPTED} == {
        place for place in accepted if 0 < place < len(values)
    }


def brute(values, weights, price):
    """Return the least cost of all segmentations, each level any of the values."""
    best = np.inf
    for flags in itertools.product((False, True), repeat=len(values) - 1):
        ends = [0, *(place + 1 for place, flag in enumerate(flags) if flag), len(values)]
        cost = price * (len(ends) - 2)
        for first, last in itertools.pairwise(ends):
            far = np.minimum(weights[first:last, None] * np.abs(values[first:last, None] - values), price)
            cost += far.sum(axis=0).min()
        best = min(best, cost)
    return best


@settings(max_examples=40)
@given(seed=seeds, points=st.integers(2, 9), price=st.floats(0.1, 6))
def test_the_potts_fit_is_the_best_of_all(seed, points, price):
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(size=points) * 2, rng.uniform(0.25, 4, points)
    (steps,) = fit_steps(values, weights, np.array([price]))
    ends = [0, *steps, points]
    cost = price * len(steps)
    for first, last in itertools.pairwise(ends):
        far = np.minimum(weights[first:last, None] * np.abs(values[first:last, None] - values), price)
        cost += far.sum(axis=0).min()
    assert cost == pytest.approx(brute(values, weights, price))


def test_levels_of_many_values_are_few_and_have_the_outermost():
    values = np.random.default_rng(12).normal(size=5000)
    levels = candidate_levels(values)
    assert len(levels) <= 400
    assert set(np.sort(values)[:100]) | set(np.sort(values)[-100:]) <= set(levels)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_median_of_equal_weights_is_the_median(values):
    assert weighted_median(np.array(values), np.ones(len(values))) == pytest.approx(np.median(values))


def test_ten_thousand_points_have_their_steps():
    heights = noise(np.random.default_rng(14), 10_000, tails=3) + levels((9_900, 0), (100, 5))
    assert confirmed(track_of(heights)) == pytest.approx([9_900], abs=2)
