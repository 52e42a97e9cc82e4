# SPDX-License-Identifier: MIT
"""The change between sessions, compared with scipy and with data whose truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stress.analysis.comparison.compare import EQUAL_SESSIONS, compare_values, decide
from stress.analysis.comparison.verdict import Unit, Verdict
from stress.analysis.metric import find_metric
from stress.analysis.statistics.session import SessionSpread, measure_spread, session_contrast, session_value
from stress.analysis.statistics.session_power import decision_power, sessions_needed
from stress.analysis.statistics.session_tail import (
    NORMAL,
    TAILS,
    Design,
    Shape,
    critical_value,
    estimate_tail,
    evenness,
    two_sided_p,
)
from stress.view.text.comparison_wording import verdict_text

KINDS = ("ratio", "difference")
times = st.floats(1, 1e6)
samples = st.lists(times, min_size=1, max_size=8)


def shapes_of(values):
    return [Shape(row.size, evenness(row)) for row in values]


@given(samples, samples, st.sampled_from(KINDS))
def test_the_change_between_sessions_is_students(base, new, kind):
    contrast = session_contrast(base, new, kind)
    if len(base) + len(new) == 2:
        assert contrast is None
        return
    scaled = [np.log(arm) if kind == "ratio" else np.array(arm) for arm in (base, new)]
    if contrast is None:  # different values without a spread
        assert all(np.ptp(arm) <= 1e-6 * abs(arm).max() for arm in scaled)
        return
    if contrast.spread <= 1e-6:
        return
    if min(len(base), len(new)) > 1:
        moments = [(arm.mean(), arm.std(ddof=1), arm.size) for arm in (scaled[1], scaled[0])]
        assert contrast.p == pytest.approx(stats.ttest_ind_from_stats(*moments[0], *moments[1]).pvalue, abs=1e-9)
    assert contrast.low <= contrast.effect <= contrast.high
    assert (contrast.p < 0.05) == (not contrast.low <= (1 if kind == "ratio" else 0) <= contrast.high)


@given(samples, samples, st.sampled_from(KINDS))
def test_sessions_seen_from_the_other_arm_say_the_opposite(base, new, kind):
    one, other = session_contrast(base, new, kind), session_contrast(new, base, kind)
    assert (one is None) == (other is None)
    if one and other:
        assert one.p == pytest.approx(other.p)
        assert one.effect == pytest.approx(1 / other.effect if kind == "ratio" else -other.effect)


def test_one_session_each_says_nothing_without_a_spread():
    assert session_contrast([100.0], [200.0], "ratio") is None


def test_one_session_each_is_compared_by_what_sessions_differ_by():
    spread = SessionSpread(sd=0.05, df=9)
    contrast = session_contrast([100.0], [200.0], "ratio", spread)
    assert contrast.effect == pytest.approx(2)
    assert contrast.p == pytest.approx(2 * stats.t.sf(math.log(2) / (0.05 * math.sqrt(2)), 9))
    assert session_contrast([100.0], [104.0], "ratio", spread).p > 0.5


def test_a_new_session_is_held_against_the_prediction_interval_of_the_base():
    base = [100.0, 104.0, 97.0, 101.0, 99.0]
    logs = np.log(base)
    reach = stats.t.ppf(0.975, 4) * logs.std(ddof=1) * math.sqrt(1 + 1 / 5)
    edge = math.exp(logs.mean() + reach)
    assert session_contrast(base, [edge * 1.0001], "ratio").p < 0.05
    assert session_contrast(base, [edge * 0.9999], "ratio").p > 0.05


def test_a_spread_counts_by_its_degrees_of_freedom():
    base, new, spread = [1.0, 2.0, 4.0], [3.0], SessionSpread(sd=3.0, df=5)
    pooled = math.sqrt((np.var(base, ddof=1) * 2 + 9 * 5) / 7)
    contrast = session_contrast(base, new, "difference", spread)
    assert contrast.spread == pytest.approx(pooled * math.sqrt(2))
    assert contrast.p == pytest.approx(2 * stats.t.sf((3 - 7 / 3) / (pooled * math.sqrt(1 + 1 / 3)), 7))


def test_different_values_without_any_spread_cannot_be_compared():
    assert session_contrast([100.0, 100.0, 100.0], [101.0], "ratio") is None
    assert session_contrast([100.0, 100.0], [100.0], "ratio").p == 1


def test_the_value_of_a_session_is_the_median_of_its_trials():
    assert session_value([3.0, 100.0, 1.0], "ratio") == pytest.approx(3)
    assert session_value([1.0, 4.0], "ratio") == pytest.approx(2)
    assert session_value([1.0, 4.0], "difference") == 2.5
    with pytest.raises(ValueError, match="without a value"):
        session_value([], "ratio")
    with pytest.raises(ValueError, match="above 0"):
        session_value([0.0, 1.0], "ratio")


def test_what_is_no_spread_is_refused():
    assert measure_spread([100.0], "ratio") is None
    spread = measure_spread([100.0, 110.0, 105.0], "ratio")
    assert spread.df == 2
    assert spread.sd == pytest.approx(np.log([100.0, 110.0, 105.0]).std(ddof=1))
    with pytest.raises(ValueError, match="is none"):
        SessionSpread(0.1, 0)
    with pytest.raises(ValueError, match="is none"):
        SessionSpread(math.nan, 5)


def test_normal_sessions_are_taken_for_normal():
    generator = np.random.default_rng(5)
    taken = [estimate_tail(shapes_of(generator.standard_normal((5, 10)))) for _ in range(400)]
    assert taken.count(NORMAL) >= 380


def test_sessions_with_outliers_are_recognised_from_all_metrics_together():
    generator = np.random.default_rng(6)
    for tail in (2.5, 3.0, 5.0):
        taken = [estimate_tail(shapes_of(generator.standard_t(tail, (40, 20)))) for _ in range(50)]
        assert sorted(taken)[25] == pytest.approx(tail, abs=1)


def test_three_sessions_say_nothing_of_outliers():
    assert estimate_tail(shapes_of(np.random.default_rng(7).standard_t(2.1, (40, 3)))) == NORMAL
    assert estimate_tail([]) == NORMAL


@pytest.mark.parametrize("design", [Design(20, 1), Design(1, 10), Design(3, 1, 9), Design(1, 1, 9)])
def test_the_p_of_normal_sessions_is_the_limit_of_the_integrated_one(design):
    for change in (1.0, 2.0, 4.0):
        assert two_sided_p(change, design, 1e6) == pytest.approx(two_sided_p(change, design), rel=0.1)


@pytest.mark.parametrize("design", [Design(20, 1), Design(3, 1, 9), Design(1, 1, 9)])
@pytest.mark.parametrize("tail", TAILS)
def test_the_critical_value_has_its_p(design, tail):
    assert two_sided_p(critical_value(design, 0.95, tail), design, tail) == pytest.approx(0.05, rel=1e-3)
    if tail < 6:
        assert critical_value(design, 0.999, tail) > 1.2 * critical_value(design, 0.999)


def test_the_p_with_outliers_is_as_often_small_as_it_says():
    generator = np.random.default_rng(8)
    sessions = generator.standard_t(3, (20_000, 11))
    base, new = sessions[:, :10], sessions[:, 10]
    change = np.abs(new - base.mean(1)) / (base.std(1, ddof=1) * math.sqrt(1.1))
    for level in (0.95, 0.99, 0.999):
        share = float((change > critical_value(Design(10, 1), level, 3.0)).mean())
        assert share == pytest.approx(1 - level, abs=4 * math.sqrt((1 - level) / 20_000))


@pytest.mark.parametrize(("base", "new", "effect"), [(20, 1, 4.0), (10, 2, 3.0), (3, 1, 8.0)])
def test_the_power_of_sessions_is_that_of_simulated_ones(base, new, effect):
    generator = np.random.default_rng(9)
    old, now = generator.standard_normal((4000, base)), effect + generator.standard_normal((4000, new))
    if new > 1:
        hits = stats.ttest_ind(now, old, axis=1).pvalue <= 0.01
    else:
        hits = np.abs(now[:, 0] - old.mean(1)) > stats.t.ppf(0.995, base - 1) * old.std(1, ddof=1) * math.sqrt(
            1 + 1 / base
        )
    assert decision_power(effect, 1, (base, new), 0, alpha=0.01, least=0) == pytest.approx(hits.mean(), abs=0.03)


def test_how_many_sessions_would_decide():
    assert sessions_needed(5.0, 1.0, 20, 1, alpha=0.01) == 1
    assert sessions_needed(2.0, 1.0, 10, 1, alpha=0.01) > 2
    assert sessions_needed(0.5, 1.0, 10, 1, alpha=0.01) is None  # ten base sessions do not say it, however many new
    assert sessions_needed(0.9, 1.0, 10, 1, alpha=0.01, of_both=True) > 10
    assert sessions_needed(0.0, 1.0, 10, 1, alpha=0.01) is None
    assert sessions_needed(0.0, 0.0, 10, 1, least=0.05) == 1
    # A small change needs an interval within what matters.
    many = sessions_needed(0.01, 0.05, 3, 1, least=0.1, of_both=True)
    assert many is not None
    assert many > sessions_needed(0.0, 0.01, 3, 1, least=0.1, of_both=True)


def sessions_compared(base, new, metric="body.p50", **options):
    numbered = [dict(enumerate(arm)) for arm in (base, new)]
    return compare_values(
        "", "base", "new", find_metric(metric), *numbered, unit=Unit.SESSION, threshold=0.0, gating=True, **options
    )


def test_outliers_in_other_metrics_make_a_change_less_sure():
    generator = np.random.default_rng(10)
    heavy = [sessions_compared(100 * np.exp(0.03 * row[:20]), 100 * np.exp(0.03 * row[20:]))
             for row in generator.standard_t(2.5, (39, 21))]  # fmt: skip
    even = [sessions_compared(100 * np.exp(0.05 * row[:20]), 100 * np.exp(0.05 * row[20:]))
            for row in generator.standard_normal((39, 21))]  # fmt: skip
    apart = sessions_compared(100 * np.exp(0.05 * generator.standard_normal(20)), [130.0])
    among_even, among_heavy = decide([apart, *even])[0], decide([apart, *heavy])[0]
    assert among_even.p == apart.p
    assert among_heavy.p > 3 * apart.p
    assert among_heavy.high > among_even.high
    assert among_heavy.effect == among_even.effect


def test_the_verdict_says_how_many_sessions_would_decide():
    generator = np.random.default_rng(11)
    base = 100 * np.exp(0.05 * generator.standard_normal(20))
    history = decide([sessions_compared(base, [115.0])])[0]
    assert history.verdict is Verdict.REGRESSED or history.more_trials >= 1
    small = decide([sessions_compared(base, [108.0])])[0]
    assert (small.verdict, verdict_text(small)) == (
        Verdict.INCONCLUSIVE,
        f"inconclusive, +{small.more_trials} sessions of new",
    )
    few = decide([sessions_compared(base[:3], [108.0])])[0]
    assert verdict_text(few) in {f"inconclusive, +{few.more_trials} sessions", "inconclusive"}


def test_sessions_that_are_all_equal_are_held_back_with_their_reason():
    held = decide([sessions_compared([100.0, 100.0], [120.0])])[0]
    assert (held.verdict, held.held_back) == (Verdict.INCONCLUSIVE, EQUAL_SESSIONS)
