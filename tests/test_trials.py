# SPDX-License-Identifier: MIT
"""Trials of a cell, and its change from the baseline: medians, intervals, what counts as a change, points of axes."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from suite_builders import a_cell, a_summary, alike, trials_of

from stress.analysis.comparison.axis_points import (
    NO_AXIS,
    axes_of,
    axis_points,
    cells_by_entry,
    differing_levels,
    is_crossed,
    level_text,
    missing_reason,
    values_of,
)
from stress.analysis.comparison.change import CLEAN_TRIALS, effect_of
from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.suite_comparison import compare_cell, compare_cells
from stress.analysis.comparison.verdict import Verdict
from stress.analysis.metric import METRICS
from stress.analysis.statistics import trials as analysis
from stress.analysis.statistics.trials import (
    CONFIDENCE_LEVEL,
    CellTrials,
    better_or_worse,
    estimate_cell,
    median_interval,
    rank_and_level,
    values_by_block,
)

RATE, P50, P99, RETRIES, ERRORS = (
    METRICS[name] for name in ("rate", "body.p50", "body.p99", "retries_per_million", "errors")
)
values = st.lists(st.floats(0, 1e12), min_size=1, max_size=40)


@pytest.mark.parametrize("count", range(6, 60))
def test_the_interval_is_that_of_scipy(count):
    ordered = np.arange(count, dtype=float)
    low, high = stats.quantile_test(ordered, p=0.5).confidence_interval(CONFIDENCE_LEVEL)
    estimate = median_interval(ordered.tolist())
    assert (estimate.low, estimate.high) == (low, high)
    assert estimate.level == pytest.approx(stats.binom(count, 0.5).cdf(high) - stats.binom(count, 0.5).cdf(low))


@pytest.mark.parametrize(("count", "level"), [(1, 0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375), (6, 0.96875)])
def test_of_few_trials_it_is_lowest_and_highest_with_the_level_that_they_have(count, level):
    estimate = median_interval(range(count))
    assert (estimate.low, estimate.high, estimate.trials, estimate.level) == (0, count - 1, count, level)


def test_of_many_trials_it_is_narrow():
    rank, level = rank_and_level(1000)
    assert 460 < rank < 480
    assert level == pytest.approx(CONFIDENCE_LEVEL, abs=0.005)


@given(values)
def test_the_median_occurred_and_lies_in_its_interval(sample):
    estimate = median_interval(sample)
    assert {estimate.median, estimate.low, estimate.high} <= set(sample)
    assert estimate.low <= estimate.median <= estimate.high
    assert estimate.trials == len(sample)
    assert estimate.level >= CONFIDENCE_LEVEL or (estimate.low, estimate.high, len(sample) < 6) == (
        min(sample),
        max(sample),
        True,
    )
    assert estimate.median == np.quantile(sample, 0.5, method="inverted_cdf")


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(sample, random):
    shuffled = random.sample(sample, len(sample))
    assert median_interval(shuffled) == median_interval(sample)


@given(values, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(sample, factor):
    estimate, scaled = median_interval(sample), median_interval([value * factor for value in sample])
    assert (scaled.median, scaled.low, scaled.high) == tuple(
        value * factor for value in (estimate.median, estimate.low, estimate.high)
    )


@pytest.mark.parametrize("count", [5, 7, 12, 20])
def test_intervals_cover_the_true_median_as_often_as_they_say(count):
    rng = np.random.default_rng(12)
    draws = np.exp(rng.normal(np.log(12_000), 0.4, (4000, count)))
    estimates = [median_interval(row) for row in draws.tolist()]
    covered = np.mean([estimate.low <= 12_000 <= estimate.high for estimate in estimates])
    assert covered == pytest.approx(estimates[0].level, abs=0.012)  # three standard errors, of 94 %


def test_what_a_trial_cannot_say_is_left_out():
    trials = trials_of([a_summary(p99=None), a_summary(p99=20_000), a_summary(p99=None)])
    assert estimate_cell(trials, P99).trials == 1
    assert values_by_block(trials, P99) == {1: 20_000.0}
    assert estimate_cell(trials_of([a_summary(p99=None)]), P99) is None
    assert estimate_cell(trials_of(), ERRORS) is None


def test_trials_beside_each_other_count_and_have_no_times():
    trials = trials_of([a_summary(timed_out=3)], measures=False)
    assert estimate_cell(trials, ERRORS).median == 3
    assert [estimate_cell(trials, metric) for metric in (RATE, P50)] == [None, None]
    assert cell_effect(trials, trials, P50) is None


def cell_effect(cell, baseline, metric):
    """The change of a cell, if it is the only one that is compared."""
    return effect_of(decide([compare_cell(cell, baseline, metric)])[0])


def pair(metric_values, baseline_values, **field):
    """Two cells whose trials differ in one field of their summaries."""
    (name,) = field or ("p50",)
    return (
        trials_of([a_summary(**{name: value}) for value in metric_values], levels={"tcp_x": 1}),
        trials_of([a_summary(**{name: value}) for value in baseline_values], levels={"tcp_x": 0}, baseline=True),
    )


def test_blocks_are_compared_with_themselves():
    """The machine's mood doubles the latency from block to block; a tenth more is seen all the same."""
    moods = [1000 * 2**block for block in range(7)]
    effect = cell_effect(*pair([mood * 1.1 for mood in moods], moods), P50)
    assert (effect.kind, effect.trials, effect.changes) == ("ratio", 7, True)
    assert effect.value == pytest.approx(1.1)
    assert effect.rises
    assert better_or_worse(effect, P50) == "worse"


def test_blocks_without_both_are_left_out():
    cell = CellTrials(a_cell(levels={"tcp_x": 1}), {0: a_summary(p50=30), 2: a_summary(p50=20)}, {1: "boom"})
    baseline = CellTrials(a_cell(baseline=True), {1: a_summary(p50=10), 2: a_summary(p50=10)}, {0: "boom"})
    effect = cell_effect(cell, baseline, P50)
    assert (effect.value, effect.trials, effect.level) == (pytest.approx(2), 1, 0)
    assert not cell_effect(CellTrials(cell.cell, {0: a_summary()}, {}), baseline, P50).changes  # no block has both


def test_a_ratio_to_nothing_is_none():
    assert cell_effect(*pair([5, 5], [0, 0]), P50) is None
    assert cell_effect(*pair([5, 5], [0, 5]), P50).trials == 1


@pytest.mark.parametrize(
    ("factor", "blocks", "changes"),
    [(1.06, 6, True), (1.06, 5, False), (1.04, 9, False), (0.94, 6, True), (0.96, 9, False), (3.0, 1, False)],
)
def test_a_ratio_changes_when_it_is_sure_and_large(factor, blocks, changes):
    assert cell_effect(*pair([1000 * factor] * blocks, [1000] * blocks), P50).changes is changes


def test_it_does_not_change_when_blocks_disagree():
    assert not cell_effect(*pair([200, 200, 200, 200, 200, 90, 90], [100] * 7), P50).changes


def test_what_the_machine_was_calibrated_to_is_no_change():
    cell, baseline = pair([1200] * 7, [1000] * 7)
    assert cell_effect(cell, baseline, P50).changes
    assert not cell_effect(dataclasses.replace(cell, floors={"body.p50": 0.3}), baseline, P50).changes


@pytest.mark.parametrize(
    ("new", "old", "changes"),
    [(1, 0, True), (0, 0, False), (0, 1, True), (101, 100, False), (105, 100, True), (95, 100, True), (96, 100, False)],
)
def test_a_count_changes_by_an_attempt_or_by_a_share(new, old, changes):
    effect = cell_effect(*pair([new] * 7, [old] * 7, timed_out=...), ERRORS)
    assert effect.kind == "difference"
    assert (effect.value, effect.changes) == (new - old, changes)


def test_rates_per_million_change_by_an_attempt_of_the_smallest_trial():
    one = [a_summary(attempts=1000, retried=1)] * 6
    none = [a_summary(attempts=1000)] * 6
    assert cell_effect(trials_of(one), trials_of(none), RETRIES).changes
    mixed = [*one[:5], a_summary(attempts=100, retried=1)]
    assert not cell_effect(trials_of(mixed), trials_of(none), RETRIES).changes


@pytest.mark.parametrize(
    ("metric", "new", "old", "expected"),
    [
        (RATE, 200, 100, "better"),
        (RATE, 100, 200, "worse"),
        (P50, 200, 100, "worse"),
        (P50, 100, 200, "better"),
        (P50, 100, 100, None),
    ],
)
def test_a_change_is_for_better_or_worse(metric, new, old, expected):
    name = "rate" if metric is RATE else "p50"
    assert better_or_worse(cell_effect(*pair([new] * 7, [old] * 7, **{name: ...}), metric), metric) == expected


def test_a_change_of_what_is_neither_good_nor_bad_is_neither():
    neutral = dataclasses.replace(METRICS["outcome.connected"], better=None)
    effect = cell_effect(*pair([5] * 7, [0] * 7, timed_out=...), neutral)
    assert effect.value == -5
    assert better_or_worse(analysis.Effect("difference", -500, -500, -500, 7, 0.98, changes=True), neutral) is None


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(1, 1e9), st.floats(1, 1e9)), min_size=1, max_size=12))
def test_an_effect_turned_round_turns_its_interval_round(pairs):
    cell, baseline = pair([new for new, _ in pairs], [old for _, old in pairs])
    there, back = cell_effect(cell, baseline, P50), cell_effect(baseline, cell, P50)
    assert (there.low, there.high) == pytest.approx((1 / back.high, 1 / back.low))
    if len(pairs) % 2:
        assert there.value == pytest.approx(1 / back.value)


@settings(max_examples=20)
@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_a_cell_is_never_apart_from_itself(counts):
    trials, _ = pair(counts, counts, timed_out=...)
    assert not any(effect.changes for metric in METRICS.values() if (effect := cell_effect(trials, trials, metric)))


def test_a_survey_of_which_nothing_changes_marks_next_to_nothing():
    """Of ten cells that are alike, as seldom as one comparison with its 5 %, not as 70 of them."""
    rng = np.random.default_rng(5)
    suites = 60
    marked = sum(
        any(effect.changes for effect in compare_cells(alike(rng, 14)).effects.values()) for _ in range(suites)
    )
    assert stats.binomtest(marked, suites).proportion_ci(0.95, "wilson").low <= 0.05


def test_a_survey_marks_a_change_for_what_it_is_worth_among_the_others():
    """Seven blocks cannot be sure of one cell among ten, but of ten cells that all change."""
    rng = np.random.default_rng(6)

    def marked(blocks, slower):
        usual, *others = alike(rng, blocks)
        cells = [
            trials_of([a_summary(rate=80_000.0, p50=20_000, p99=40_000)] * blocks, levels=trials.cell.levels)
            for trials in others[:slower]
        ]
        effects = compare_cells([usual, *cells, *others[slower:]]).effects
        return sum(effects[trials.cell.name, "body.p50"].changes for trials in cells)

    assert (marked(7, 1), marked(7, 10), marked(12, 1)) == (0, 10, 1)


@pytest.mark.parametrize("blocks", [5, 8, CLEAN_TRIALS - 1])
def test_few_trials_without_a_burst_are_no_proof_that_there_is_none(blocks):
    none = trials_of([a_summary()] * blocks)
    (comparison,) = decide([compare_cell(none, none, ERRORS)])
    assert (comparison.verdict, comparison.more_trials) == (Verdict.INCONCLUSIVE, CLEAN_TRIALS - blocks)
    more = trials_of([a_summary()] * CLEAN_TRIALS)
    assert decide([compare_cell(more, more, ERRORS)])[0].verdict is Verdict.EQUIVALENT
    assert decide([compare_cell(none, none, P50)])[0].verdict is Verdict.EQUIVALENT


LEVELS = {"net.ipv4.tcp_x": 1, "range": [1, 9], "pin": True}


def one_at_a_time():
    usual = trials_of([a_summary()], levels=LEVELS, baseline=True)
    others = [{"net.ipv4.tcp_x": 100}, {"net.ipv4.tcp_x": 20}, {"range": [1, 5]}, {"pin": False}]
    return [*(trials_of([a_summary()], levels=LEVELS | other) for other in others), usual]


def test_entries_begin_with_their_baseline():
    cells = [*one_at_a_time(), trials_of(scenario="clean")]
    assert {label: len(entry) for label, entry in cells_by_entry(cells).items()} == {"closewait": 5, "clean": 1}
    assert cells_by_entry(cells)["closewait"][0].cell.baseline


def test_cells_are_told_apart_by_what_differs_from_the_baseline():
    *others, usual = one_at_a_time()
    assert [differing_levels(trials, usual) for trials in others] == [
        {"net.ipv4.tcp_x": "100"},
        {"net.ipv4.tcp_x": "20"},
        {"range": "1 5"},
        {"pin": "false"},
    ]
    assert differing_levels(usual, usual) == {}
    assert len(differing_levels(usual, None)) == 3
    assert not is_crossed([*others, usual])


def test_values_stand_in_their_order():
    cells = one_at_a_time()
    assert axes_of(cells) == ["net.ipv4.tcp_x", "range", "pin"]
    assert values_of(cells, "net.ipv4.tcp_x") == ["1", "20", "100"]
    assert values_of(cells, "range") == ["1 5", "1 9"]
    assert values_of(cells, "pin") == ["true", "false"]  # as the cells have them
    assert level_text(True) == "true"


def test_an_entry_without_axes_stands_by_itself():
    cells = [*one_at_a_time(), trials_of([a_summary()], scenario="clean", baseline=True)]
    assert axes_of(cells)[-1] == NO_AXIS
    (point,) = axis_points(cells, NO_AXIS, P50, {})
    assert (point.scenario, point.level, point.baseline, point.effect) == ("clean", "as it is", True, None)


def test_a_point_is_a_cell_where_one_axis_varies_at_a_time():
    cells = one_at_a_time()
    points = axis_points(cells, "net.ipv4.tcp_x", P50, compare_cells(cells).effects)
    assert [(point.level, point.baseline, point.cells) for point in points] == [
        ("1", True, 1),
        ("20", False, 1),
        ("100", False, 1),
    ]
    assert [point.effect is not None for point in points] == [False, True, True]
    assert all(point.estimate.median == 11_000 for point in points)


def test_a_point_pools_the_cells_where_axes_vary_together():
    cells = [
        trials_of([a_summary(p50=100 * x + y)] * 3, levels={"x": x, "y": y}, baseline=(x, y) == (0, 0))
        for x, y in itertools.product(range(2), range(4))
    ]
    points = axis_points(cells, "x", P50, compare_cells(cells).effects)
    assert [(point.level, point.cells, point.estimate.trials, point.effect) for point in points] == [
        ("0", 4, 12, None),
        ("1", 4, 12, None),
    ]
    assert [point.estimate.median for point in points] == [1, 101]
    assert [point.baseline for point in points] == [True, False]


def test_entries_whose_baseline_is_excluded_are_compared_with_nothing():
    *others, _ = one_at_a_time()
    effects = compare_cells(others).effects
    assert not effects
    assert all(point.effect is None for axis in axes_of(others) for point in axis_points(others, axis, P50, effects))


def test_what_is_missing_has_a_reason():
    absent = trials_of(not_applicable="no such setting")
    failed = trials_of(failed={0: "boom"})
    assert [missing_reason(cells) for cells in ([trials_of()], [absent], [absent, failed])] == [
        "not run",
        "not applicable",
        "failed",
    ]
    assert missing_reason([failed, trials_of([a_summary()])]) is None
