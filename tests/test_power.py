# SPDX-License-Identifier: MIT
"""How many trials it takes, compared with what the tests then detect."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stress.analysis.statistics.power import (
    TRIALS_MAX,
    attempts_needed,
    detectable_effect,
    reachable_p,
    smallest_p,
    spread_of_interval,
    trials_needed,
)
from stress.analysis.statistics.two_sample import paired_contrast, unpaired_contrast

LEVELS = (0.9, 0.95, 1 - 0.05 / 6, 1 - 0.05 / 100)


@pytest.mark.parametrize(("trials", "p"), [(1, 1), (5, 0.0625), (6, 0.03125), (8, 0.0078125), (12, 0.00048828125)])
def test_the_smallest_p_of_pairs(trials, p):
    assert smallest_p(trials, paired=True) == p
    assert paired_contrast([1.0] * trials, [2.0] * trials, "ratio").p == p


@pytest.mark.parametrize(("trials", "p"), [(1, 1), (3, 0.1), (4, 0.0286), (5, 0.0079), (6, 0.0022), (8, 0.00016)])
def test_the_smallest_p_of_unpaired_trials(trials, p):
    assert smallest_p(trials, paired=False) == pytest.approx(p, rel=0.04)
    assert unpaired_contrast([1.0] * trials, [2.0] * trials, "ratio").p == pytest.approx(
        smallest_p(trials, paired=False)
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("pairs", [True, False])
def test_however_large_the_effect_the_test_must_be_able_to_reach_its_p(level, pairs):
    trials = trials_needed(0.01, 1000, level, paired=pairs)
    assert smallest_p(trials, paired=pairs) <= 1 - level + 1e-9
    assert smallest_p(trials - 1, paired=pairs) > 1 - level
    assert trials_needed(0.0, 0.01, level, paired=pairs) == trials


def test_what_a_hundred_tests_need():
    assert trials_needed(0, 1, 1 - 0.05 / 100) == 12
    assert trials_needed(0, 1, 1 - 0.05 / 100, paired=False) == 8


@pytest.mark.parametrize(("trials", "alpha", "p"), [(6, 0.05, 2 / 64), (7, 0.05, 6 / 128), (5, 0.05, 2 / 32)])
def test_the_p_values_that_can_occur_lie_apart(trials, alpha, p):
    assert reachable_p(trials, alpha, paired=True) == pytest.approx(p)


def test_no_number_of_trials_shows_nothing():
    assert trials_needed(0.1, 0) is None
    assert trials_needed(1, 1e-9) is None
    assert trials_needed(1e300, 1e-300) is None
    assert trials_needed(1, 0.03) <= TRIALS_MAX


def test_many_trials_follow_the_normal_approximation():
    expected = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * (0.1 / 0.01) ** 2 * math.pi / 3
    assert trials_needed(0.1, 0.01) == pytest.approx(expected, rel=0.01)
    assert trials_needed(0.1, 0.01, paired=False) == pytest.approx(expected, rel=0.01)


@given(st.floats(0.001, 10), st.floats(0.001, 10), st.sampled_from(LEVELS), st.booleans())
def test_what_is_needed_detects_and_what_is_detected_needs_no_more(spread, effect, level, pairs):
    trials = trials_needed(spread, effect, level, paired=pairs)
    if trials is not None:
        assert detectable_effect(spread, trials, level, paired=pairs) <= effect * (1 + 1e-9)
        assert trials_needed(spread, -effect, level, paired=pairs) == trials
    for count in (12, 20, 100):
        seen = detectable_effect(spread, count, level, paired=pairs)
        assert trials_needed(spread, seen * (1 + 1e-9), level, paired=pairs) <= count


@given(st.integers(1, 200), st.booleans())
def test_what_is_detected_is_finite_and_falls_with_the_trials(trials, pairs):
    seen = detectable_effect(0.1, trials, paired=pairs)
    assert 0 < seen < 1
    assert detectable_effect(0.1, 4 * trials + 20, paired=pairs) < seen
    assert detectable_effect(0.2, trials, paired=pairs) == pytest.approx(2 * seen)
    assert detectable_effect(0, trials, paired=pairs) == 0


@pytest.mark.parametrize("level", [0.95, 1 - 0.05 / 6])
@pytest.mark.parametrize("effect", [0.03, 0.05, 0.08, 0.12])
@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
def test_the_power_is_at_least_what_is_claimed(compare, effect, level):
    spread, cases = 0.05, 300
    trials = trials_needed(spread, effect, level, paired=compare is paired_contrast)
    rng = np.random.default_rng(trials)
    base, new = rng.normal(9, spread / math.sqrt(2), (2, cases, trials))
    ps = [compare(*rows, "ratio").p for rows in zip(np.exp(base), np.exp(new + effect), strict=True)]
    seen = stats.binomtest(sum(p <= 1 - level + 1e-9 for p in ps), cases).proportion_ci(0.99, "wilson")
    assert seen.high >= 0.78


@pytest.mark.parametrize(
    ("base", "new", "millions"), [(10, 20, 2.4), (1, 2, 24), (100, 110, 16.5), (20, 10, 2.4), (0, 10, 0.785)]
)
def test_attempts_to_tell_rates_apart(base, new, millions):
    assert attempts_needed(base, new) == pytest.approx(millions * 1e6, rel=0.03)
    assert attempts_needed(base, new, dispersion=3) == pytest.approx(3 * attempts_needed(base, new), rel=1e-4)


def test_no_attempts_tell_a_rate_from_itself():
    with pytest.raises(ValueError, match="Equal rates"):
        attempts_needed(5, 5)


def test_so_many_attempts_see_the_change_so_often():
    attempts, cases = attempts_needed(10, 20), 4000
    rng = np.random.default_rng(6)
    base, new = (rng.poisson(rate * attempts / 1e6, cases) for rate in (10, 20))
    seen = np.mean(np.abs(new - base) > stats.norm.ppf(0.975) * np.sqrt(base + new))
    assert seen == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("compare", [paired_contrast, unpaired_contrast])
@pytest.mark.parametrize("trials", [4, 8, 30])
def test_an_interval_tells_the_spread_about(compare, trials):
    rng = np.random.default_rng(trials)
    rows = np.exp(rng.normal(0, 0.05, (200, 2, trials)))
    contrasts = [compare(*row, "ratio") for row in rows]
    spreads = [
        spread_of_interval(math.log(contrast.low), math.log(contrast.high), contrast.level, trials)
        for contrast in contrasts
    ]
    assert 0.9 < np.median(spreads) / (0.05 * math.sqrt(2)) < 1.45  # of four trials too much, never too little
    assert spread_of_interval(0, 0, 0, 1) == 0
