# SPDX-License-Identifier: MIT
"""Two-sample tests compared with scipy, with their own definition, and with data whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from stress.analysis.statistics.multiple_testing import benjamini_hochberg_correction, holm_correction
from stress.analysis.statistics.permutation import (
    ARRANGEMENTS_MAX,
    doubled_ranks,
    exchanges,
    rank_sum_tails,
    split_sums,
    subsets,
)
from stress.analysis.statistics.two_sample import paired_contrast, unpaired_contrast

KINDS = ("ratio", "difference")
times = st.floats(1, 1e6)
# Few different values, so that there are ties and zeros.
counts = st.integers(0, 4).map(lambda count: count * 35.42)
pairs_of = {
    "ratio": st.lists(st.tuples(times, times) | st.sampled_from([(10.0, 10.0), (20.0, 21.0)]), min_size=1, max_size=20),
    "difference": st.lists(st.tuples(counts, counts), min_size=1, max_size=20),  # 15 and more are drawn
}
samples_of = {
    "ratio": st.lists(times | st.sampled_from([10.0, 11.0, 12.0]), min_size=1, max_size=12),
    "difference": st.lists(counts, min_size=1, max_size=12),  # nine an arm and more are drawn
}


def arms(pairs):
    return [base for base, _ in pairs], [new for _, new in pairs]


def turned(contrast):
    """The same contrast seen from the other arm."""
    if contrast.kind == "ratio":
        return 1 / contrast.effect, 1 / contrast.high, 1 / contrast.low
    return -contrast.effect, -contrast.high, -contrast.low


def numbers(contrast):
    return [contrast.effect, contrast.low, contrast.high, contrast.level, contrast.p, contrast.spread]


def sound(contrast):
    assert 0 < contrast.p <= 1
    assert 0 <= contrast.level < 1
    assert contrast.low <= contrast.effect <= contrast.high
    assert all(math.isfinite(number) for number in (contrast.effect, contrast.low, contrast.high, contrast.spread))
    assert contrast.spread >= 0


# Against scipy, which enumerates or knows the distribution.


@pytest.mark.parametrize("count", [1, 2, 5, 6, 9, 12, 20, 40])
def test_p_of_paired_ratios_is_that_of_wilcoxon(count):
    base, new = np.random.default_rng(count).lognormal(9, 0.3, (2, count))
    expected = stats.wilcoxon(np.log(new) - np.log(base), method="exact").pvalue
    assert paired_contrast(base, new, "ratio").p == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [(51, 52), (300, 20)])
@pytest.mark.parametrize("digits", [0, 9])
def test_very_many_trials_are_normal_as_they_are_to_scipy(sizes, digits):
    rng = np.random.default_rng(sizes)
    base, new = (np.round(rng.lognormal(2, 0.3, size), digits) for size in sizes)
    expected = stats.mannwhitneyu(new, base, method="asymptotic").pvalue
    assert unpaired_contrast(base, new, "ratio").p == pytest.approx(expected)
    assert unpaired_contrast([5.0] * sizes[0], [5.0] * sizes[1], "ratio").p == 1


def test_where_it_becomes_normal_little_changes():
    normal, exact = rank_sum_tails(51, 50), np.cumsum(split_sums(tuple(range(1, 102)), 50)[1275 : 1275 + 2551])
    assert normal == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 4), (7, 7), (10, 12), (25, 20)])
def test_p_of_unpaired_ratios_is_that_of_mann_and_whitney(sizes):
    rng = np.random.default_rng(sizes)
    base, new = (rng.lognormal(9, 0.3, size) for size in sizes)
    assert unpaired_contrast(base, new, "ratio").p == pytest.approx(
        stats.mannwhitneyu(new, base, method="exact").pvalue
    )


def permuted(data, statistic, kind):
    return stats.permutation_test(data, statistic, permutation_type=kind, n_resamples=np.inf, vectorized=False).pvalue


@given(st.lists(st.sampled_from([0.5, 0.8, 1.0, 1.0, 1.25, 2.0]), min_size=2, max_size=6))
def test_tied_ranks_of_pairs_are_permuted(ratios):
    logs = np.round(np.log(ratios), 12)

    def positive(change):
        return stats.rankdata(np.abs(change))[change > 0].sum() - stats.rankdata(np.abs(change))[change < 0].sum()

    assert paired_contrast([1.0] * len(ratios), ratios, "ratio").p == pytest.approx(
        permuted((logs,), positive, "samples")
    )


@given(*[st.lists(st.sampled_from([1.0, 2.0, 3.0]), min_size=2, max_size=4)] * 2)
def test_tied_ranks_of_trials_are_permuted(base, new):
    def sum_of_ranks(first, second):
        return stats.rankdata([*first, *second])[: len(first)].sum()

    expected = permuted((new, base), sum_of_ranks, "independent")
    assert unpaired_contrast(base, new, "ratio").p == pytest.approx(expected)


@given(st.lists(st.tuples(counts, counts), min_size=2, max_size=6))
def test_p_of_paired_differences_is_that_of_flipped_signs(pairs):
    base, new = arms(pairs)
    expected = permuted((np.subtract(new, base),), lambda change: round(np.mean(change), 6), "samples")
    assert paired_contrast(base, new, "difference").p == pytest.approx(expected)


@given(*[st.lists(counts, min_size=2, max_size=4)] * 2)
def test_p_of_unpaired_differences_is_that_of_permuted_trials(base, new):
    def change(first, second):
        return round(np.mean(first) - np.mean(second), 6)  # equal means of other sums differ in their last digit

    expected = permuted((new, base), change, "independent")
    assert unpaired_contrast(base, new, "difference").p == pytest.approx(expected)


def test_drawn_arrangements_come_close_to_all():
    """A trial more than are gone through, and the normal approximation, which is good where nothing stands out."""
    rng = np.random.default_rng(8)
    for size in (16, 24):
        base, new = rng.normal(100, 10, size), rng.normal(105, 10, size)
        assert paired_contrast(base, new, "difference").p == pytest.approx(stats.ttest_rel(new, base).pvalue, abs=0.01)
        assert unpaired_contrast(base, new, "difference").p == pytest.approx(
            stats.ttest_ind(new, base).pvalue, abs=0.01
        )
        interval = stats.ttest_rel(new, base).confidence_interval(0.95)
        contrast = paired_contrast(base, new, "difference")
        assert (contrast.low, contrast.high) == pytest.approx(tuple(interval), abs=0.6)


def test_a_textbook_example():
    """Hollander and Wolfe (1973), p. 29: depression before and after a tranquilliser, and their interval of 96 %."""
    before = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
    after = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
    contrast = paired_contrast(np.exp(before), np.exp(after), "ratio")
    assert np.log([contrast.effect, contrast.low, contrast.high]) == pytest.approx([-0.46, -0.786, -0.010])
    assert contrast.p == pytest.approx(0.0390625)
    assert contrast.level == pytest.approx(1 - 0.0390625)


# The interval is what the test does not reject.


def shifted(new, contrast, by):
    return [value / by if contrast.kind == "ratio" else value - by for value in new]


@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [6, 7, 8])
def test_the_interval_is_what_the_test_does_not_reject(compare, kind, count):
    base, new = np.random.default_rng(count).lognormal(3, 0.5, (2, count))
    contrast = compare(base, new, kind)
    near = 1e-6 * (contrast.high - contrast.low)
    rejected = 1 - contrast.level + 1e-9
    for inside, outside in ((contrast.low + near, contrast.low - near), (contrast.high - near, contrast.high + near)):
        assert compare(base, shifted(new, contrast, inside), kind).p > rejected
        assert compare(base, shifted(new, contrast, outside), kind).p <= rejected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "level"), [(1, 0), (2, 0.5), (3, 0.75), (4, 0.875), (5, 0.9375), (6, 0.96875)])
def test_of_few_blocks_it_is_lowest_and_highest_with_the_level_that_they_have(kind, count, level):
    base, new = [1.0] * count, [2.0 + place for place in range(count)]
    contrast = paired_contrast(base, new, kind)
    ends = (2, count + 1) if kind == "ratio" else (1, count)
    assert (contrast.low, contrast.high) == pytest.approx(ends)
    assert contrast.level == level
    assert contrast.p == pytest.approx(2 / 2**count)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "p"), [(1, 1), (2, 1 / 3), (3, 0.1), (4, 2 / 70), (5, 2 / 252)])
def test_of_few_trials_too(kind, count, p):
    contrast = unpaired_contrast(
        [1.0 + place for place in range(count)], [20.0 + place for place in range(count)], kind
    )
    assert contrast.p == pytest.approx(p)
    assert contrast.level == pytest.approx(1 - p if count < 5 else 0.95, abs=0.03)


@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
@pytest.mark.parametrize("kind", KINDS)
def test_a_higher_level_is_a_wider_interval(compare, kind):
    base, new = np.random.default_rng(2).lognormal(3, 0.5, (2, 12))
    narrow, usual, wide = (compare(base, new, kind, level) for level in (0.8, 0.95, 0.99))
    assert wide.low < usual.low < narrow.low < usual.effect < narrow.high < usual.high < wide.high
    assert (narrow.level >= 0.8, usual.level >= 0.95, wide.level >= 0.99) == (True, True, True)


# What holds of all samples.


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_swapped_arms_show_the_opposite_change(kind, data):
    pairs = arms(data.draw(pairs_of[kind]))
    alone = data.draw(samples_of[kind]), data.draw(samples_of[kind])
    itself = alone[0], alone[0]
    for compare, (base, new) in ((paired_contrast, pairs), (unpaired_contrast, alone), (unpaired_contrast, itself)):
        there, back = compare(base, new, kind), compare(new, base, kind)
        sound(there)
        assert (there.effect, there.low, there.high) == pytest.approx(turned(back))
        assert (there.p, there.level, there.spread) == pytest.approx((back.p, back.level, back.spread))


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_matter(kind, data, random):
    pairs = data.draw(pairs_of[kind])
    contrast, again = (paired_contrast(*arms(order), kind) for order in (pairs, random.sample(pairs, len(pairs))))
    assert numbers(again) == pytest.approx(numbers(contrast))
    base, new = data.draw(samples_of[kind]), data.draw(samples_of[kind])
    contrast = unpaired_contrast(base, new, kind)
    assert numbers(
        unpaired_contrast(random.sample(base, len(base)), random.sample(new, len(new)), kind)
    ) == pytest.approx(numbers(contrast))


@given(pairs_of["ratio"], samples_of["ratio"], samples_of["ratio"], st.sampled_from([0.25, 3.0, 1000.0]))
def test_the_unit_does_not_matter_to_a_ratio(pairs, base, new, factor):
    for compare, (old, now) in ((paired_contrast, arms(pairs)), (unpaired_contrast, (base, new))):
        contrast = compare(old, now, "ratio")
        scaled = compare([value * factor for value in old], [value * factor for value in now], "ratio")
        assert numbers(scaled) == pytest.approx(numbers(contrast), rel=1e-6, abs=1e-9)


# Powers of two, for which scaled sums are exact: equal means must stay equal.
@given(pairs_of["difference"], samples_of["difference"], samples_of["difference"], st.sampled_from([0.5, 4.0, 2.0**20]))
def test_a_difference_is_in_the_unit_of_the_values(pairs, base, new, factor):
    for compare, (old, now) in ((paired_contrast, arms(pairs)), (unpaired_contrast, (base, new))):
        contrast = compare(old, now, "difference")
        scaled = compare([value * factor for value in old], [value * factor for value in now], "difference")
        assert (scaled.effect, scaled.low, scaled.high) == pytest.approx(
            (contrast.effect * factor, contrast.low * factor, contrast.high * factor), abs=1e-6
        )
        assert scaled.p == pytest.approx(contrast.p)


@given(pairs_of["ratio"])
def test_what_all_blocks_share_drops_out(pairs):
    """A block in which the machine was slow counts as much as any other."""
    base, new = arms(pairs)
    mood = [2.0 ** (place % 5) for place in range(len(pairs))]
    slowed = paired_contrast(np.multiply(base, mood), np.multiply(new, mood), "ratio")
    assert numbers(slowed) == pytest.approx(numbers(paired_contrast(base, new, "ratio")), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
@pytest.mark.parametrize("count", [1, 7, 30])
def test_of_samples_that_are_all_equal_nothing_changes(kind, compare, count):
    contrast = compare([7.0] * count, [7.0] * count, kind)
    none = 1 if kind == "ratio" else 0
    assert (contrast.effect, contrast.low, contrast.high, contrast.p, contrast.spread) == (none, none, none, 1, 0)


def test_a_rate_that_is_always_zero_does_not_change():
    for compare in (paired_contrast, unpaired_contrast):
        contrast = compare([0] * 10, [0] * 10, "difference")
        assert (contrast.effect, contrast.low, contrast.high, contrast.p) == (0, 0, 0, 1)
        assert math.copysign(1, contrast.low) == math.copysign(1, contrast.high) == 1


def test_a_single_burst_is_no_proof_and_no_equivalence():
    calm = [0.0] * 20
    for compare in (paired_contrast, unpaired_contrast):
        contrast = compare(calm, [*calm[:19], 10_000.0], "difference")
        assert contrast.effect == 500
        assert contrast.low <= 0
        assert contrast.high > 1000
        assert contrast.p > 0.9


def test_a_spoilt_trial_is_one_trial():
    rng = np.random.default_rng(1)
    base = rng.lognormal(9, 0.02, 12)
    new = base * 1.1 * rng.lognormal(0, 0.02, 12)
    spoilt = [*new[:11], new[11] * 50]
    for compare in (paired_contrast, unpaired_contrast):
        contrast = compare(base, spoilt, "ratio")
        assert contrast.effect == pytest.approx(1.1, rel=0.03)
        assert contrast.low > 1
        assert contrast.spread < 0.1


@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
@pytest.mark.parametrize(
    ("base", "new", "kind", "why"),
    [
        ([], [], "ratio", "empty"),
        ([1.0], [], "difference", "empty"),
        ([1.0], [math.nan], "difference", "finite"),
        ([math.inf], [1.0], "ratio", "finite"),
        ([1.0, 0.0], [1.0, 1.0], "ratio", "above 0"),
        ([1.0], [-1.0], "ratio", "above 0"),
    ],
)
def test_what_cannot_be_compared_is_refused(compare, base, new, kind, why):
    with pytest.raises(ValueError, match=why):
        compare(base, new, kind)


def test_pairs_need_partners():
    with pytest.raises(ValueError, match="3 values cannot be paired with 2"):
        paired_contrast([1, 2, 3], [1, 2], "difference")


@given(st.lists(st.integers(0, 5), min_size=1))
def test_ranks_are_those_of_scipy(values):
    assert doubled_ranks(np.array(values, float)) == pytest.approx(2 * stats.rankdata(values))


@pytest.mark.parametrize("size", [1, 3, 14, 15, 20])
def test_subsets_are_all_or_many(size):
    rows = subsets(size)
    assert rows.any(1).all()
    assert (
        len(rows) == 2**size - 1
        if 2**size <= ARRANGEMENTS_MAX
        else len(rows) == pytest.approx(ARRANGEMENTS_MAX, rel=0.001)
    )
    assert rows.mean() == pytest.approx(0.5, abs=0.51 / size)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 5), (8, 8), (9, 9), (3, 60)])
def test_exchanges_are_all_or_many_and_of_one_size(sizes):
    from_base, from_new = exchanges(*sizes)
    assert (from_base.shape[1], from_new.shape[1]) == sizes
    assert (from_base.sum(1) == from_new.sum(1)).all()
    assert from_base.any(1).all()
    every = math.comb(sum(sizes), sizes[0])
    assert (
        len(from_base) == every - 1
        if every <= ARRANGEMENTS_MAX
        else len(from_base) == pytest.approx(ARRANGEMENTS_MAX, rel=0.1)
    )


# Data whose truth is known.


def latencies(rng, shape):
    """Percentiles of trials: lognormal, and one in twenty far out."""
    return rng.lognormal(9.4, 0.05, shape) * np.where(rng.random(shape) < 0.05, rng.pareto(2, shape) + 1, 1)


def bursts(rng, shape, mean=200.0):
    """Events per million: their variance is some forty times their mean."""
    return rng.negative_binomial(5, 5 / (5 + mean), shape).astype(float)


def rare_bursts(rng, shape):
    """Errors per million: none in four trials of five."""
    return np.where(rng.random(shape) < 0.2, rng.poisson(300, shape), 0).astype(float)


def bands(rng, shape):
    """Share of attempts that wait for the timer of one second, of 28 000 attempts a trial."""
    return rng.binomial(28_000, 5e-4, shape) / 0.028


TRUTHS = [("ratio", latencies), ("difference", bursts), ("difference", rare_bursts), ("difference", bands)]


@pytest.mark.parametrize(("kind", "draw"), TRUTHS, ids=[draw.__name__ for _, draw in TRUTHS])
@pytest.mark.parametrize(
    ("compare", "count"), [(paired_contrast, 8), (paired_contrast, 12), (unpaired_contrast, 7), (unpaired_contrast, 12)]
)
def test_where_nothing_changes_intervals_cover_it_and_alarms_are_rare(kind, draw, compare, count):
    cases = 500
    rows = draw(np.random.default_rng(count), (cases, 2, count))
    contrasts = [compare(*row, kind) for row in rows]
    none = 1 if kind == "ratio" else 0
    covered = stats.binomtest(sum(contrast.low <= none <= contrast.high for contrast in contrasts), cases)
    alarms = stats.binomtest(sum(contrast.p <= 0.05 for contrast in contrasts), cases)
    assert covered.proportion_ci(0.99, "wilson").high >= 0.95
    assert alarms.proportion_ci(0.99, "wilson").low <= 0.05


@pytest.mark.parametrize(("compare", "count"), [(paired_contrast, 8), (unpaired_contrast, 12)])
def test_intervals_cover_the_true_ratio_as_often_as_they_say(compare, count):
    rng = np.random.default_rng(3)
    cases = 1500
    mood = rng.lognormal(0, 0.3, (cases, count)) if compare is paired_contrast else 1
    base, new = latencies(rng, (2, cases, count))
    contrasts = [compare(*rows, "ratio") for rows in zip(base * mood, new * mood * 1.2, strict=True)]
    covered = stats.binomtest(sum(contrast.low <= 1.2 <= contrast.high for contrast in contrasts), cases)
    assert covered.proportion_ci(0.99, "wilson").low <= contrasts[0].level <= covered.proportion_ci(0.99, "wilson").high


@pytest.mark.parametrize(("compare", "count"), [(paired_contrast, 12), (unpaired_contrast, 12)])
def test_intervals_cover_the_true_difference_of_bursts(compare, count):
    """Twice as many events have another spread, too, which no shift has; it costs an interval little."""
    rng = np.random.default_rng(4)
    cases = 500
    contrasts = [
        compare(*rows, "difference")
        for rows in zip(bursts(rng, (cases, count)), bursts(rng, (cases, count), 400.0), strict=True)
    ]
    covered = stats.binomtest(sum(contrast.low <= 200 <= contrast.high for contrast in contrasts), cases)
    assert covered.proportion_ci(0.99, "wilson").high >= 0.93
    assert np.mean([contrast.effect for contrast in contrasts]) == pytest.approx(200, rel=0.05)


@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
def test_the_spread_is_that_of_the_difference_of_two_trials(compare):
    rng = np.random.default_rng(5)
    normal = rng.normal(0, 0.1, (2, 400))
    assert compare(*np.exp(normal), "ratio").spread == pytest.approx(0.1 * math.sqrt(2), rel=0.1)
    assert compare(*normal, "difference").spread == pytest.approx(0.1 * math.sqrt(2), rel=0.1)


# Corrections.

ps = st.lists(st.floats(1e-6, 1), max_size=20)


def test_corrections_of_a_hand_worked_family():
    family = [0.01, 0.04, 0.03, 0.005]
    assert holm_correction(family) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg_correction(family) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm_correction([]) == benjamini_hochberg_correction([]) == []


@given(ps)
def test_corrections_raise_p_and_keep_its_order(family):
    for correct in (holm_correction, benjamini_hochberg_correction):
        adjusted = correct(family)
        assert all(p - 1e-12 <= q <= 1 for p, q in zip(family, adjusted, strict=True))
        order = sorted(range(len(family)), key=family.__getitem__)
        assert [adjusted[place] for place in order] == sorted(adjusted)
    assert all(
        few <= many + 1e-12
        for few, many in zip(benjamini_hochberg_correction(family), holm_correction(family), strict=True)
    )


@given(ps, st.randoms(use_true_random=False))
def test_corrections_do_not_depend_on_the_order(family, random):
    assume(family)
    order = random.sample(range(len(family)), len(family))
    for correct in (holm_correction, benjamini_hochberg_correction):
        adjusted = correct(family)
        assert correct([family[place] for place in order]) == pytest.approx([adjusted[place] for place in order])


@given(st.floats(1e-6, 1))
def test_a_single_test_needs_no_correction(p):
    assert holm_correction([p]) == [p]
    assert benjamini_hochberg_correction([p]) == pytest.approx([p])
