# SPDX-License-Identifier: MIT
"""The shift function: exact ratios of observed values, bands with their stated coverage, nothing without data."""

import math

import numpy as np
import pytest
from arm_builders import an_arm, empty, no_syn
from boxes import outside, overlapping
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection

from stress.analysis.comparison.arm import Arm, common_blocks
from stress.analysis.comparison.shift import (
    BEYOND_MIN,
    PROBABILITIES,
    TRIALS_MIN,
    has_enough_attempts,
    quantile_shift,
    quantiles_ns,
)
from stress.analysis.statistics.two_sample import paired_contrast, unpaired_contrast
from stress.view.figure.comparison import shift as view

latencies = st.lists(st.integers(1, 10**9), min_size=20, max_size=40).map(lambda values: np.sort(np.array(values)))
arms = st.lists(latencies, min_size=5, max_size=7)


def noisy(rng, *, trials=8, attempts=400, factor=1.0, between=0.03):
    """Trials whose medians differ among each other, as those of a machine do."""
    return [
        np.sort(10_000 * factor * rng.lognormal(0, between) * rng.lognormal(0, 0.3, attempts)).astype(np.int64)
        for _ in range(trials)
    ]


# Quantiles.


@given(latencies, st.sampled_from(PROBABILITIES))
def test_a_quantile_is_a_value_that_occurred_and_that_so_many_did_not_exceed(latency_ns, probability):
    (quantile,) = quantiles_ns(latency_ns, [probability])
    assert quantile in latency_ns
    assert np.count_nonzero(latency_ns <= quantile) >= round(probability * latency_ns.size, 6)
    assert (
        np.count_nonzero(latency_ns < quantile) < round(probability * latency_ns.size, 6) or quantile == latency_ns[0]
    )
    assert quantile == np.quantile(latency_ns, probability, method="inverted_cdf")


@pytest.mark.parametrize(
    ("attempts", "probability", "told"),
    [
        (20, 0.5, True),
        (19, 0.5, False),
        (100, 0.9, True),
        (1000, 0.99, True),
        (999, 0.99, False),
        (10_000, 0.999, True),
    ],
)
def test_a_quantile_needs_ten_attempts_beyond(attempts, probability, told):
    assert has_enough_attempts(attempts, probability) is told
    trial = np.arange(1, attempts + 1)
    shift = quantile_shift([trial] * 5, [trial] * 5, paired=True)
    assert (probability in shift.probabilities) is told
    assert (probability in shift.refused) is not told
    assert sorted(shift.probabilities + shift.refused) == list(PROBABILITIES)


def test_the_smallest_trial_decides_what_can_be_told():
    large, small = np.arange(1, 20_001), np.arange(1, 51)
    assert quantile_shift([large] * 5, [large] * 5, paired=False).refused == ()
    assert quantile_shift([large] * 5, [*[large] * 4, small], paired=False).refused == (0.9, 0.99, 0.999)


def test_where_nothing_can_be_told_nothing_is():
    shift = quantile_shift([np.array([5])], [np.array([6])], paired=False)
    assert (shift.probabilities, shift.refused, shift.level) == ((), PROBABILITIES, 0)
    assert shift.ratio.size == shift.low.size == shift.base_ns.size == 0


# Ratios.


@settings(max_examples=25)
@given(arms, arms, st.booleans())
def test_ratios_are_those_of_a_comparison_of_the_same_quantile(base, new, paired):
    least = min(len(base), len(new))
    base, new = base[:least], new[:least]
    shift = quantile_shift(base, new, paired=paired)
    compare = paired_contrast if paired else unpaired_contrast
    for place, probability in enumerate(shift.probabilities):
        values = [[float(quantiles_ns(trial, [probability])[0]) for trial in arm] for arm in (base, new)]
        assert shift.ratio[place] == pytest.approx(compare(*values, "ratio").effect)
        assert shift.base_ns[place] in values[0]


@settings(max_examples=25)
@given(arms, st.booleans(), st.integers(2, 50))
def test_a_factor_is_found_in_every_quantile_and_the_band_with_it(base, paired, factor):
    shift = quantile_shift(base, [trial * factor for trial in base], paired=paired)
    same = quantile_shift(base, base, paired=paired)
    assert shift.ratio == pytest.approx(np.full(shift.ratio.size, factor))
    assert shift.low == pytest.approx(same.low * factor)
    assert shift.high == pytest.approx(same.high * factor)


@settings(max_examples=25)
@given(arms, arms, st.booleans())
def test_bands_hold_their_ratio_and_arms_swapped_say_the_opposite(base, new, paired):
    least = min(len(base), len(new))
    there, back = (
        quantile_shift(base[:least], new[:least], paired=paired),
        quantile_shift(new[:least], base[:least], paired=paired),
    )
    assert np.all(there.low <= there.ratio * (1 + 1e-12))
    assert np.all(there.ratio <= there.high * (1 + 1e-12))
    assert back.ratio == pytest.approx(1 / there.ratio)
    if paired:  # the same blocks are drawn
        assert back.low == pytest.approx(1 / there.high)


@settings(max_examples=20)
@given(arms, arms)
def test_it_is_a_function_of_its_seed(base, new):
    one, again = (quantile_shift(base, new, paired=False, seed=3) for _ in range(2))
    assert (one.low.tolist(), one.high.tolist()) == (again.low.tolist(), again.high.tolist())


def test_another_seed_draws_other_trials():
    rng = np.random.default_rng(1)
    base, new = noisy(rng), noisy(rng)
    one, other = (quantile_shift(base, new, paired=False, seed=seed) for seed in (1, 2))
    assert one.high.tolist() != other.high.tolist()
    assert one.high == pytest.approx(other.high, rel=0.05)


# Bands.


@pytest.mark.parametrize("paired", [True, False])
def test_bands_hold_the_truth_in_all_quantiles_at_once_about_as_often_as_they_say(paired):
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(80):
        shift = quantile_shift(noisy(rng), noisy(rng, factor=1.2), paired=paired)
        held += bool(np.all((shift.low <= 1.2) & (shift.high >= 1.2)))
    assert held / 80 >= 0.88  # of 0.95; that they are not too wide is the next test


@pytest.mark.parametrize("paired", [True, False])
def test_bands_are_no_wider_than_they_must_be(paired):
    rng = np.random.default_rng(12)
    shift = quantile_shift(noisy(rng, trials=12), noisy(rng, trials=12, factor=1.2), paired=paired)
    assert np.all(shift.low > 1)
    assert np.all(shift.high < 1.5)


def test_trials_of_the_same_blocks_tell_more():
    rng = np.random.default_rng(13)
    moods = rng.lognormal(0, 0.3, 8)
    base, new = ([(trial * mood).astype(np.int64) for trial, mood in zip(noisy(rng), moods, strict=True)] for _ in "ab")
    together, apart = (quantile_shift(base, new, paired=paired) for paired in (True, False))
    assert np.all(np.log(together.high / together.low) < 0.5 * np.log(apart.high / apart.low))


@pytest.mark.parametrize("trials", [1, 2, TRIALS_MIN - 1])
def test_few_trials_have_no_band(trials):
    arm = [np.arange(1, 101)] * trials
    shift = quantile_shift(arm, arm, paired=True)
    assert shift.level == 0
    assert np.all(shift.low == 0)
    assert np.all(np.isinf(shift.high))
    assert np.all(shift.ratio == 1)


def test_trials_that_all_agree_leave_no_doubt():
    shift = quantile_shift([np.arange(1, 101)] * 6, [np.arange(1, 101) * 2] * 6, paired=False)
    assert shift.low.tolist() == shift.high.tolist() == shift.ratio.tolist()
    assert shift.ratio == pytest.approx(np.full(shift.ratio.size, 2))


@pytest.mark.parametrize(
    ("base", "new", "paired"),
    [([], [[1]], False), ([[1]], [], False), ([[1], []], [[1], [1]], False), ([[1], [2]], [[1]], True)],
)
def test_arms_that_cannot_be_compared_are_refused(base, new, paired):
    with pytest.raises(ValueError, match="trial"):
        quantile_shift([np.array(trial) for trial in base], [np.array(trial) for trial in new], paired=paired)


# The figure.


def drawn(*arms):
    figure = view.shift_figure(arms)
    (axes,) = figure.axes
    return figure, axes


def test_marks_stand_at_the_ratios_and_bars_reach_as_far_as_the_band():
    base, new = an_arm(), an_arm("new", median=13_000, first=20)
    (shift,) = view.quantile_shifts(base, [new])
    _, axes = drawn(base, new)
    (marks,) = (line for line in axes.lines if line.get_label() == "ratio")
    assert marks.get_xdata().tolist() == [view.quantile_place(probability) for probability in shift.probabilities]
    assert marks.get_ydata().tolist() == shift.ratio.tolist()
    (bars,) = (collection for collection in axes.collections if isinstance(collection, LineCollection))
    low, high = axes.get_ylim()
    ends = [(segment[0, 1], segment[1, 1]) for segment in bars.get_segments()]
    assert ends == list(zip(np.clip(shift.low, low, high), np.clip(shift.high, low, high), strict=True))


def test_quantiles_are_named_with_what_they_are_in_the_base_or_what_they_need():
    _, axes = drawn(an_arm(attempts=1200, retried=0), an_arm("new", attempts=1200, retried=0))
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert [name.split("\n")[0] for name in names] == [view.quantile_text(probability) for probability in PROBABILITIES]
    assert names[4].startswith("p50\n1")
    assert names[-2].startswith("p99\n")
    assert "needs" not in names[-2]
    assert names[-1] == f"p99.9\nneeds\n{BEYOND_MIN * 1000:,}"


def test_a_band_wider_than_all_else_is_cut_with_an_arrow():
    rng = np.random.default_rng(5)
    wild = [np.sort(np.append(np.full(980, 10_000), rng.integers(1, 10**7, 20) * 100 + 10_000)) for _ in range(6)]
    shift = quantile_shift(wild, wild[::-1], paired=True)
    assert shift.high[-1] > view.axis_reach([shift])
    assert view.axis_reach([shift]) >= view.NARROWEST


def test_the_finding_says_where_arms_differ():
    base, new = an_arm(), an_arm("new", median=15_000, first=20)
    assert "10 of 10 quantiles surely differ" in view.detail((base, new), view.quantile_shifts(base, [new]))
    same = view.detail((base, base), view.quantile_shifts(base, [base]))
    assert same == "base: no quantile surely differs"
    few = an_arm("few", trials=3, blocks=False)
    assert view.detail((few, few), view.quantile_shifts(few, [few])) == "few: fewer than 5 trials, too few to tell"


def test_trials_of_common_blocks_are_compared_within_them():
    base, new = an_arm(trials=7), an_arm("new", trials=6, first=20)
    assert common_blocks(base, new) == [(number, number) for number in range(6)]
    (shift,) = view.quantile_shifts(base, [new])
    assert (shift.paired, shift.trials) == (True, (6, 6))
    (apart,) = view.quantile_shifts(base, [Arm("new", new.runs)])
    assert (apart.paired, apart.trials) == (False, (7, 6))
    assert common_blocks(base, Arm("new", new.runs, (0,) * 6)) == []
    assert common_blocks(Arm("base", base.runs, tuple(reversed(range(7)))), new)[0] == (1, 5)


def test_several_arms_stand_beside_each_other_with_a_key():
    arms = (an_arm(), an_arm("new", first=20), an_arm("newer", first=40, median=20_000))
    figure, axes = drawn(*arms)
    marks = [line for line in axes.lines if line.get_label() == "ratio"]
    assert len(marks) == 2
    assert marks[1].get_xdata()[0] - marks[0].get_xdata()[0] == pytest.approx(view.STEP)
    assert marks[0].get_marker() != marks[1].get_marker()
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == ["new", "newer"]


@pytest.mark.parametrize("factor", [1, 1.3, 40])
def test_nothing_that_is_written_overlaps(factor):
    figure, _ = drawn(an_arm(), an_arm("new", first=20, median=11_000 * factor))
    assert overlapping(figure) == []
    assert outside(figure) == []


@pytest.mark.parametrize("other", [no_syn(), empty(), an_arm("one", trials=1, blocks=False)], ids=lambda arm: arm.label)
def test_arms_without_a_body_are_drawn_as_that(other):
    figure, axes = drawn(an_arm(), other)
    assert "too few to tell" in figure.texts[0].get_text()
    assert all(not isinstance(collection, LineCollection) for collection in axes.collections)


def test_a_single_arm_has_no_shift():
    with pytest.raises(ValueError, match="two arms"):
        view.shift_figure([an_arm()])


def test_the_axis_has_ticks_that_do_not_crowd():
    for reach in (1.16, 1.5, 4, 90, 10_000):
        ticks = view.axis_ticks(reach)
        assert ticks
        assert all(1 < tick < reach for tick in ticks)
        steps = np.diff(np.log([1, *ticks])) / math.log(reach) / 2
        assert steps.min() >= view.TICK_ROOM
