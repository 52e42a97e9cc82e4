# SPDX-License-Identifier: MIT
"""Verdicts: the rule itself, and how often it is right about data whose truth is known."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stress.analysis.comparison import compare as analysis
from stress.analysis.comparison.compare import compare_values, decide, default_threshold
from stress.analysis.comparison.verdict import Unit, Verdict
from stress.analysis.metric import METRICS, band_metric, rate_metric
from stress.analysis.statistics.trials import Estimate

ERRORS_PER_MILLION = METRICS["errors_per_million"]
P50, RATE, RETRIES, ERRORS = (METRICS[name] for name in ("body.p50", "rate", "retries_per_million", "errors"))


def compared(metric, base, new, *, threshold=0.05, gating=True, paired=True, row="closewait", **options):
    """The comparison of two lists, or of values by block."""
    base, new = (values if isinstance(values, dict) else dict(enumerate(values)) for values in (base, new))
    options.setdefault("unit", Unit.BLOCK if paired else Unit.TRIAL)
    return compare_values(row, "old", "new", metric, base, new, threshold=threshold, gating=gating, **options)


def noisy(rng, level, spread, trials):
    return (level * rng.lognormal(0, spread, trials)).tolist()


def changed(factor, *, trials=10, metric=P50, spread=0.01, **options):
    rng = np.random.default_rng(trials)
    return compared(metric, noisy(rng, 1000, spread, trials), noisy(rng, 1000 * factor, spread, trials), **options)


# The rule.


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        (1.2, Verdict.REGRESSED),
        (0.8, Verdict.IMPROVED),
        (1.0, Verdict.EQUIVALENT),
        (1.025, Verdict.EQUIVALENT),  # sure, but small
        (0.98, Verdict.EQUIVALENT),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_verdicts_of_a_latency(factor, verdict, paired):
    comparison = changed(factor, paired=paired)
    assert (comparison.verdict, comparison.kind, comparison.paired) == (verdict, "ratio", paired)
    assert comparison.effect == pytest.approx(factor, rel=0.02)
    assert comparison.more_trials is None


def test_more_is_better_of_a_rate():
    assert changed(1.2, metric=RATE).verdict is Verdict.IMPROVED
    assert changed(0.8, metric=RATE).verdict is Verdict.REGRESSED


def test_a_change_is_no_change_below_its_threshold():
    assert changed(1.2, threshold=0.3).verdict is Verdict.EQUIVALENT
    assert changed(1.025, threshold=0.01).verdict is Verdict.REGRESSED


def test_a_few_trials_decide_nothing():
    comparison = changed(2, trials=5)
    assert (comparison.verdict, comparison.more_trials) == (Verdict.INCONCLUSIVE, 1)
    assert comparison.p == 0.0625
    assert changed(1, trials=4).verdict is Verdict.INCONCLUSIVE
    assert changed(1, trials=5).verdict is Verdict.EQUIVALENT
    assert changed(2, trials=6).verdict is Verdict.REGRESSED


def test_trials_that_all_agree_need_only_be_enough():
    comparison = compared(RETRIES, [0] * 2, [0] * 2, threshold=35)
    assert (comparison.verdict, comparison.level, comparison.more_trials) == (Verdict.INCONCLUSIVE, 0.5, 12)
    assert compared(RETRIES, [0] * 13, [0] * 13, threshold=35).more_trials == 1
    assert compared(RETRIES, [0] * 14, [0] * 14, threshold=35).verdict is Verdict.EQUIVALENT


def test_one_trial_says_nothing():
    comparison = compared(P50, [1000], [5000])
    assert (comparison.verdict, comparison.level, comparison.p, comparison.effect) == (
        Verdict.INCONCLUSIVE,
        0,
        1,
        pytest.approx(5),
    )
    assert comparison.more_trials == 5


def test_noise_larger_than_the_threshold_is_inconclusive_and_takes_more_trials():
    comparison = changed(1.0, spread=0.15)
    assert comparison.verdict is Verdict.INCONCLUSIVE
    assert 10 < comparison.more_trials < 10_000


def test_so_many_more_trials_probably_decide():
    rng = np.random.default_rng(21)
    inconclusive = changed(1.1, spread=0.1)
    assert inconclusive.verdict is Verdict.INCONCLUSIVE
    trials = 10 + inconclusive.more_trials
    again = [
        compared(P50, noisy(rng, 1000, 0.1, trials), noisy(rng, 1000 * inconclusive.effect, 0.1, trials))
        for _ in range(100)
    ]
    assert sum(comparison.verdict is Verdict.REGRESSED for comparison in again) >= 70


def test_a_change_as_large_as_the_threshold_is_decided_where_trials_agree():
    assert compared(ERRORS, [0] * 4, [1] * 4, threshold=1).more_trials == 2
    assert compared(ERRORS, [0] * 6, [1] * 6, threshold=1).verdict is Verdict.REGRESSED


@pytest.mark.parametrize(
    ("base", "new"), [([], []), ([1000] * 7, []), ([], [1000] * 7), ([0.0] * 7, [1000] * 7), ({1: 5.0}, {2: 5.0})]
)
def test_without_values_of_both_there_is_no_data(base, new):
    comparison = compared(P50, base, new)
    assert (comparison.verdict, comparison.effect, comparison.low, comparison.high, comparison.level, comparison.p) == (
        Verdict.NO_DATA,
        *[None] * 5,
    )
    assert [comparison.base_estimate is None, comparison.new_estimate is None] == [not base, not new]
    (decided,) = decide([comparison])
    assert decided == comparison


def test_blocks_are_compared_with_themselves():
    moods = [1000 * 2.0**block for block in range(8)]
    within = compared(P50, moods, [mood * 1.1 for mood in moods])
    assert within.verdict is Verdict.REGRESSED
    assert compared(P50, moods, [mood * 1.1 for mood in moods], paired=False).verdict is Verdict.INCONCLUSIVE


def test_what_has_no_partner_is_left_out():
    comparison = compared(P50, {1: 10.0, 2: 20.0, 3: 30.0, 9: 0.0}, {3: 60.0, 2: 40.0, 7: 1.0, 9: 5.0})
    assert (comparison.base_estimate.trials, comparison.new_estimate.trials, comparison.effect) == (
        2,
        2,
        pytest.approx(2),
    )
    assert (comparison.base_estimate.median, comparison.new_estimate.median) == (20, 40)
    assert compared(P50, {1: 10.0, 2: 20.0}, {"a": 60.0}, paired=False).new_estimate.trials == 1


def test_counts_are_compared_by_difference():
    comparison = compared(ERRORS, [0] * 8, [3, 4, 3, 2, 5, 3, 3, 4], threshold=1)
    assert (comparison.kind, comparison.verdict) == ("difference", Verdict.REGRESSED)
    assert comparison.effect == pytest.approx(27 / 8)
    assert compared(ERRORS, [3, 4, 3, 2, 5, 3, 3, 4], [0] * 8, threshold=1).verdict is Verdict.IMPROVED
    assert compared(ERRORS, [0] * 8, [1] * 8, threshold=1).verdict is Verdict.REGRESSED
    assert compared(ERRORS, [0] * 14, [0] * 14, threshold=1).verdict is Verdict.EQUIVALENT


def test_a_burst_in_one_trial_of_twenty_is_inconclusive():
    comparison = compared(ERRORS, [0] * 20, [0] * 19 + [10_000], threshold=1)
    assert comparison.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("trials", [5, 8, 14, 20])
def test_an_arm_with_a_burst_in_a_fifth_of_its_trials_is_seldom_called_equivalent(trials):
    """A tenth of the attempts of one trial in five fail. Before 14 clean trials were asked for: 33 % of 5 trials."""
    rng = np.random.default_rng(10)
    cases = 400
    bursts = np.where(rng.random((cases, trials)) < 0.2, 100_000.0, 0.0)
    called = sum(
        compared(ERRORS_PER_MILLION, [0] * trials, burst, threshold=35).verdict is Verdict.EQUIVALENT
        for burst in bursts.tolist()
    )
    assert share(called, cases).low <= 0.05
    assert called == 0 or trials >= 14


def test_what_is_neither_good_nor_bad_never_regresses(monkeypatch):
    neutral = dataclasses.replace(ERRORS, better=None)
    monkeypatch.setitem(METRICS, "errors", neutral)
    comparison = compared(neutral, [0] * 8, [5] * 8, threshold=1)
    assert (comparison.verdict, comparison.effect, comparison.more_trials) == (Verdict.INCONCLUSIVE, 5, None)
    assert compared(neutral, [5] * 14, [5] * 14, threshold=1).verdict is Verdict.EQUIVALENT


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("outcome.connected", Verdict.IMPROVED),
        ("outcome.timed_out", Verdict.REGRESSED),
        ("cause.none", Verdict.IMPROVED),
        ("cause.closewait", Verdict.REGRESSED),
    ],
)
def test_outcomes_and_causes_have_a_direction(name, verdict):
    for metric in (METRICS[name], rate_metric(f"{name}.per_million")):
        assert compared(metric, [100] * 8, [150] * 8, threshold=5).verdict is verdict


def test_metrics_that_are_made_on_demand_have_verdicts():
    assert compared(band_metric("band.1s"), [10] * 8, [150] * 8, threshold=35).verdict is Verdict.REGRESSED


# Correction.


def test_the_family_that_gates_is_corrected_by_holm_and_the_rest_by_benjamini_and_hochberg():
    rest = [changed(1.2, gating=False), changed(1.2, trials=7, gating=False), changed(1.0, gating=False)]
    family = [dataclasses.replace(comparison, gating=True) for comparison in rest]
    *gate, first, second, third = decide([*family, *rest])
    assert [comparison.adjusted_p for comparison in gate] == pytest.approx([3 * 2**-9, 2 * 2**-6, gate[2].p])
    assert [comparison.adjusted_p for comparison in (first, second)] == pytest.approx([3 * 2**-9, 3 * 2**-7])
    assert third.adjusted_p == third.p


def test_of_many_tests_a_change_must_be_surer():
    alone = changed(1.2, trials=7)
    assert decide([alone])[0].verdict is Verdict.REGRESSED
    among = decide([alone, *[changed(1.0)] * 5])[0]
    assert (among.verdict, among.p, among.adjusted_p) == (Verdict.INCONCLUSIVE, alone.p, 6 * alone.p)
    assert among.more_trials == 1  # with eight blocks 0.0078 can be reached
    assert decide([changed(1.2, trials=8), *[changed(1.0)] * 5])[0].verdict is Verdict.REGRESSED


def test_what_has_no_data_is_no_test():
    comparisons = decide([changed(1.2, trials=7), *[compared(P50, [], [])] * 20])
    assert comparisons[0].adjusted_p == comparisons[0].p
    assert {comparison.verdict for comparison in comparisons[1:]} == {Verdict.NO_DATA}
    assert decide([]) == []


def test_a_stricter_alpha_decides_less():
    assert decide([changed(1.2, trials=6)], alpha=0.01)[0].verdict is Verdict.INCONCLUSIVE


comparisons = st.builds(
    lambda factor, trials, gating: changed(factor, trials=trials, gating=gating, spread=0.03),
    st.sampled_from([0.7, 0.96, 1.0, 1.06, 1.3]),
    st.integers(1, 12),
    st.booleans(),
)


@given(st.lists(comparisons, max_size=8))
def test_decisions_follow_the_rule(values):
    for before, after in zip(values, decide(values), strict=True):
        assert before.p <= after.adjusted_p + 1e-12
        unchanged = {"verdict": before.verdict, "more_trials": before.more_trials, "adjusted_p": None}
        assert dataclasses.replace(after, **unchanged) == before
        if after.verdict in (Verdict.REGRESSED, Verdict.IMPROVED):
            assert after.adjusted_p <= 0.05
            assert not 1 / 1.05 < after.effect < 1.05
            assert not after.low <= 1 <= after.high
        if after.verdict is Verdict.EQUIVALENT:
            assert 1 / 1.05 < after.low <= after.high < 1.05
            assert after.level >= 0.9
        assert (after.more_trials is None) or after.verdict is Verdict.INCONCLUSIVE


# Thresholds.


def test_default_thresholds():
    usual = Estimate(median=2000, low=1900, high=2100, trials=7, level=0.98)
    never = Estimate(median=0, low=0, high=0, trials=7, level=0.98)
    assert default_threshold(P50, usual) == default_threshold(RATE, usual) == default_threshold(P50, None) == 0.05
    assert default_threshold(RETRIES, usual, attempts=28_000) == 100
    assert default_threshold(RETRIES, never, attempts=28_000) == pytest.approx(35.714286)
    assert default_threshold(RETRIES, never) == default_threshold(RETRIES, None) == 1
    assert default_threshold(ERRORS, usual) == 100
    assert default_threshold(ERRORS, never) == 1


# Data whose truth is known: whole storms, of which each trial is summarised by six numbers.

FAMILY = ("rate", "body.p50", "body.p90", "body.p99", "retries_per_million", "errors_per_million")
BODY = 400  # attempts of a trial's body; the tail of more would not be another


def storms(rng, cases, trials, *, slower=1.0, retries=500.0):
    """Values of the family by metric, shape (cases, trials): lognormal with a heavy tail, a band at 1 s, and bursts.

    Args:
        rng: where all chance comes from.
        cases: comparisons.
        trials: of each.
        slower: by what latencies are multiplied.
        retries: per million, whose variance is some thirty times as large as that of independent ones.
    """
    shape = (cases, trials)
    body = 11_000 * slower * rng.lognormal(0, 0.15, (*shape, BODY))
    late = rng.random((*shape, BODY)) < 0.03
    body[late] *= 1 + rng.pareto(1.5, late.sum())
    body *= rng.lognormal(0, 0.02, (*shape, 1))  # what a trial has of its own
    ordered = np.sort(body)
    retried = rng.poisson(rng.gamma(8, retries / 8, shape)).astype(float)
    lost = np.where(rng.random(shape) < 0.25, rng.poisson(100, shape), 0).astype(float)
    return {
        "rate": 45_000 / slower * rng.lognormal(0, 0.03, shape),
        **{f"body.p{share}": ordered[..., BODY * share // 100 - 1] for share in (50, 90, 99)},
        "retries_per_million": retried,
        "errors_per_million": lost,
    }


def decided(base, new, case, *, paired=True):
    """The decisions on one family."""
    return decide(
        [
            compared(
                METRICS[name],
                base[name][case].tolist(),
                new[name][case].tolist(),
                paired=paired,
                threshold=threshold(base[name][case], name),
            )
            for name in FAMILY
        ]
    )


def threshold(values, name):
    return default_threshold(METRICS[name], analysis.median_interval(values.tolist()), attempts=28_000)


def share(times, cases):
    return stats.binomtest(times, cases).proportion_ci(0.95, "wilson")


@pytest.mark.parametrize("unit", list(Unit))
def test_what_is_held_back_has_its_effect_and_takes_no_part_in_the_correction(unit):
    """A verdict that was held back costs the others nothing, however sure it would be."""
    held = [changed(2.0, unit=unit, held_back="the machine was busy")] * 20
    *quiet, last = decide([*held, changed(1.2, trials=6)])
    assert last.verdict is Verdict.REGRESSED
    assert last.adjusted_p == last.p
    for comparison in quiet:
        assert (comparison.verdict, comparison.held_back) == (Verdict.INCONCLUSIVE, "the machine was busy")
        assert (comparison.p, comparison.adjusted_p, comparison.more_trials) == (None, None, None)
        assert comparison.effect == pytest.approx(2.0, rel=0.05)
        assert comparison.base_estimate is not None
        assert comparison.new_estimate is not None


def test_one_session_each_is_held_back_and_an_arm_without_a_value_stays_without_data():
    alone = compared(P50, [100.0], [200.0], unit=Unit.SESSION)
    assert (alone.verdict, alone.held_back) == (Verdict.INCONCLUSIVE, "one session each")
    assert alone.effect == pytest.approx(2.0)
    assert (alone.unit, alone.paired, alone.p) == (Unit.SESSION, False, None)
    assert compared(P50, [], [200.0], held_back="busy").verdict is Verdict.NO_DATA


CALLED = (Verdict.REGRESSED, Verdict.IMPROVED)


@pytest.mark.parametrize(("trials", "paired", "cases"), [(10, True, 600), (8, False, 400)])
def test_a_family_of_which_nothing_changes_is_seldom_called_changed(trials, paired, cases):
    rng = np.random.default_rng(2024)
    base, new = storms(rng, cases, trials), storms(rng, cases, trials)
    alarms = sum(
        any(comparison.verdict in CALLED for comparison in decided(base, new, case, paired=paired))
        for case in range(cases)
    )
    assert alarms / cases <= 0.05
    assert share(alarms, cases).low <= 0.05


def test_a_latency_that_rises_is_found_and_nothing_else_is():
    rng = np.random.default_rng(77)
    cases, trials = 200, 12
    base, new = storms(rng, cases, trials), storms(rng, cases, trials, slower=1.15)
    verdicts = [
        {comparison.metric: comparison.verdict for comparison in decided(base, new, case)} for case in range(cases)
    ]
    for name in ("rate", "body.p50", "body.p90"):
        assert share(sum(verdict[name] is Verdict.REGRESSED for verdict in verdicts), cases).low >= 0.9
    wrong = sum(verdict[name] in CALLED for verdict in verdicts for name in FAMILY[4:])
    assert share(wrong, 2 * cases).low <= 0.05
    assert not any(verdict is Verdict.IMPROVED for by_metric in verdicts for verdict in list(by_metric.values())[:3])


def test_a_band_that_fills_is_found_and_the_body_stays_what_it_is():
    """Ten times the retries: no percentile of the body moves, and nobody has to look at one between two bands."""
    rng = np.random.default_rng(78)
    cases, trials = 100, 12
    base, new = storms(rng, cases, trials), storms(rng, cases, trials, retries=5000.0)
    verdicts = [
        {comparison.metric: comparison.verdict for comparison in decided(base, new, case)} for case in range(cases)
    ]
    assert share(sum(verdict["retries_per_million"] is Verdict.REGRESSED for verdict in verdicts), cases).low >= 0.95
    assert share(sum(verdict["body.p50"] is Verdict.EQUIVALENT for verdict in verdicts), cases).low >= 0.9


def test_of_many_trials_no_change_is_equivalent():
    rng = np.random.default_rng(79)
    cases, trials = 60, 60
    base, new = storms(rng, cases, trials), storms(rng, cases, trials)
    verdicts = [
        {comparison.metric: comparison.verdict for comparison in decided(base, new, case)} for case in range(cases)
    ]
    for name in ("rate", "body.p50", "body.p90"):
        assert sum(verdict[name] is Verdict.EQUIVALENT for verdict in verdicts) >= 0.97 * cases


@pytest.mark.parametrize("paired", [True, False])
def test_a_change_at_the_edge_of_the_threshold_is_seldom_called_equivalent(paired):
    rng = np.random.default_rng(80)
    cases = 400
    comparisons = [
        compared(P50, noisy(rng, 1000, 0.03, 12), noisy(rng, 1050, 0.03, 12), paired=paired) for _ in range(cases)
    ]
    assert share(sum(comparison.verdict is Verdict.EQUIVALENT for comparison in comparisons), cases).low <= 0.025
