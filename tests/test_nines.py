# SPDX-License-Identifier: MIT
"""The nines plot: each trial exactly, the median over trials as far as it can be told, the rungs of each ladder."""

import numpy as np
import pytest
from arm_builders import a_trial, an_arm, empty, no_syn
from boxes import outside, overlapping
from builders import MS, SECOND, a_ladder
from hypothesis import given
from hypothesis import strategies as st

from stress.analysis.attribution.ladder import build_ladder
from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.comparison.arm import Arm
from stress.view.figure.comparison.arm_ladders import NAME_MAX, ArmRung, arm_rungs, rung_text
from stress.view.figure.comparison.arm_style import caption_of, title_of
from stress.view.figure.comparison.nines import (
    axis_ticks,
    detail,
    median_line,
    nines_figure,
    nines_of,
    nines_within,
    percent_text,
    trial_line,
)

latencies = st.lists(st.integers(1, 10**11), min_size=1, max_size=60).map(lambda values: np.sort(np.array(values)))
LINEAR = {"tcp_syn_linear_timeouts": 4, "tcp_syn_retries": 6}
DOUBLING = {"tcp_syn_linear_timeouts": 0, "tcp_syn_retries": 6}


def slow(label, seed, sysctls, *, trials=3):
    """An arm some of whose attempts waited as long as a minute."""
    runs = [a_trial(seed + number, sysctls=sysctls) for number in range(trials)]
    for run in runs:
        run.attempts["latency_ns"][:30] = np.geomspace(SECOND, 70 * SECOND, 30).astype(np.int64)
    return Arm(label, runs)


def panels(figure):
    return {axes.get_label(): axes for axes in figure.axes}


def lines(axes, label):
    return [line for line in axes.lines if line.get_label() == label]


# Lines.


@given(latencies, st.floats(0, 4))
def test_a_trials_line_is_at_a_latency_that_so_many_did_not_exceed(latency_ns, place):
    within, values = trial_line(latency_ns, np.array([place]))
    assert within.size == (place <= nines_within(latency_ns.size))
    for value in values:
        share = np.count_nonzero(latency_ns <= value) / latency_ns.size
        assert value in latency_ns
        assert share >= 1 - 10**-place - 1e-6


@given(latencies)
def test_a_trials_line_begins_at_its_fastest_and_ends_at_its_slowest(latency_ns):
    _, values = trial_line(latency_ns, np.array([0, nines_within(latency_ns.size)]))
    assert values.tolist() == [latency_ns[0], latency_ns[-1]]


@given(st.lists(latencies, min_size=1, max_size=5))
def test_the_median_is_a_value_of_a_trial_where_ten_attempts_of_each_lie_beyond(trials):
    within, values = median_line(trials, np.linspace(0, 3, 50))
    least = min(trial.size for trial in trials)
    assert all(round(least * 10**-place, 6) >= 10 for place in within)
    every = np.concatenate(trials)
    assert all(value in every for value in values)
    assert np.all(np.diff(values) >= 0)


def test_between_two_modes_the_median_is_one_of_them():
    trials = [np.full(100, 10_000), np.full(100, SECOND)]
    assert set(median_line(trials, np.linspace(0, 0.9, 9))[1]) == {10_000}


def test_every_trial_has_a_thin_line_and_every_arm_a_thick_one():
    arms = [an_arm(trials=4), an_arm("new", trials=3, first=20)]
    left = panels(nines_figure(arms))["nines"]
    for arm in arms:
        thin, (thick,) = lines(left, f"{arm.label}, a trial"), lines(left, arm.label)
        assert len(thin) == len(arm.runs)
        assert thick.get_linewidth() > 2 * thin[0].get_linewidth()
        assert {line.get_color() for line in thin} == {thick.get_color()}
        for line, trial in zip(thin, arm.waits_ns(), strict=True):
            assert line.get_ydata()[-1] == trial[-1]
            assert line.get_xdata()[-1] == pytest.approx(nines_within(trial.size), rel=0.01)
    base, new = (lines(left, arm.label)[0] for arm in arms)
    assert (base.get_color(), base.get_linestyle()) != (new.get_color(), new.get_linestyle())


def test_attempts_without_a_syn_are_in_no_line():
    arm = an_arm(trials=1)
    arm.runs[0].attempts["error"][:50] = 99  # EADDRNOTAVAIL
    (waits,) = arm.waits_ns()
    assert waits.size == np.count_nonzero(has_sent_syn(arm.runs[0].attempts)) == len(arm.runs[0].attempts) - 50


# Axes.


def test_nines_are_named_as_people_say_them():
    assert [percent_text(nines) for nines in range(1, 6)] == ["90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]
    assert nines_of(0.999) == pytest.approx(3)


@pytest.mark.parametrize("most", [1.5, 3.3, 6.3, 8])
def test_names_of_nines_have_room(most):
    ticks = axis_ticks(most, 225)
    assert ticks[1.0] == "90 %"
    assert len(ticks) >= 2
    assert list(ticks) == sorted(ticks)


# Ladders.


def test_each_rung_is_there_once_with_the_arms_that_have_it():
    both = [a_ladder(**LINEAR), a_ladder(**DOUBLING)]
    rungs = arm_rungs(both)
    assert [band.at_ns for band in rungs] == sorted(band.at_ns for band in rungs)
    by_arms = {arms: [band.label for band in rungs if band.arms == arms] for arms in ((0,), (1,), (0, 1))}
    assert by_arms[0, 1][:3] == ["2 jiffies", "1 s", "3 s"]
    assert by_arms[0,][:3] == ["2 s", "4 s", "5 s"]
    assert "15 s" in by_arms[1,]
    for number, rung_set in enumerate(both):
        mine = [band for band in rungs if number in band.arms]
        assert sum(not band.gives_up for band in mine) == len(rung_set.rungs) + 1
        assert [band.at_ns for band in mine if band.gives_up] == [rung_set.give_up_ns]


def test_rungs_are_dashed_lines_in_the_colour_of_the_arm_that_alone_has_them():
    arms = [slow("linear", 1, LINEAR), slow("doubling", 10, DOUBLING)]
    left = panels(nines_figure(arms))["nines"]
    by_label = {line.get_label(): line for line in left.lines if line.get_label().startswith("_")}
    colours = {arm.label: lines(left, arm.label)[0].get_color() for arm in arms}
    assert by_label["_2 s"].get_color() == colours["linear"]
    assert by_label["_15 s"].get_color() == colours["doubling"]
    assert by_label["_1 s"].get_color() not in colours.values()
    assert by_label["_1 s"].get_ydata()[0] == a_ladder(**LINEAR).rungs[0].from_ns
    assert by_label["_1 s"].is_dashed()
    limit = left.get_ylim()[1]
    record = arms[0].runs[0].record
    rungs = [rung.from_ns for rung in build_ladder(record.host, record.acts[0].sysctls).rungs]
    assert all(line.get_ydata()[0] < limit for line in by_label.values())
    assert sum(rung < limit for rung in rungs) <= len(by_label)


def test_what_several_arms_share_says_whose_it_is_as_far_as_there_is_room():
    labels = ("a", "b", "a label that is long")
    assert rung_text(ArmRung("4 s", 4 * SECOND, (0, 1)), labels) == "4 s (a, b)"
    text = rung_text(ArmRung("4 s", 4 * SECOND, (0, 2)), labels)
    assert text.startswith("4 s (a, a")
    assert text.endswith("…)")
    assert len(text) <= NAME_MAX
    assert rung_text(ArmRung("ETIMEDOUT 8 s", 8 * SECOND, (0, 1)), labels) == "ETIMEDOUT 8 s"


# Words, and what does not break it.


def test_the_finding_is_the_median_over_trials_of_p99():
    arm = an_arm(trials=5, retried=0)
    p99 = sorted(np.quantile(trial, 0.99, method="inverted_cdf") for trial in arm.waits_ns())[2]
    assert detail([arm], [arm.waits_ns()]) == f"99 in 100 attempts took no longer than {p99 / 1000:.3g} µs (base)"


def test_the_caption_says_what_is_common_once_and_what_differs_by_arm():
    arms = [an_arm(trials=2), an_arm("new", trials=1, attempts=100)]
    assert caption_of(arms) == [
        "Linux 6.18.44", "HZ 250", "connstorm 0", "base: 2 trials of 3,000 attempts", "new: 1 trial of 100 attempts",
    ]  # fmt: skip
    assert title_of(arms) == "test: new against base"


@pytest.mark.parametrize(
    "arms",
    [
        [an_arm(trials=2), an_arm("new", trials=2)],
        [slow("linear", 1, LINEAR), slow("doubling", 10, DOUBLING)],
        [an_arm(f"an arm with a long name, number {number}", trials=1) for number in range(4)],
        [slow("a", 1, LINEAR), slow("b", 10, DOUBLING), slow("c", 20, LINEAR)],
        [an_arm(attempts=1, retried=0, trials=1), an_arm("new", attempts=1, retried=1, trials=1)],
    ],
    ids=["alike", "ladders", "long names", "three", "one attempt"],
)
def test_nothing_that_is_written_overlaps(arms):
    figure = nines_figure(arms)
    assert overlapping(figure) == []
    assert outside(figure) == []


@pytest.mark.parametrize("arm", [no_syn(), empty(), Arm("no run", [])], ids=lambda arm: arm.label)
def test_arms_without_latencies_are_no_error(arm):
    assert detail([arm], [[]]) == "no attempt sent a SYN"
    both = panels(nines_figure([an_arm(trials=2), arm]))
    assert len(lines(both["nines"], "base, a trial")) == 2
    assert lines(both["nines"], arm.label) == []
    nines_figure([arm])


def test_latencies_between_the_ladders_are_within_the_axes():
    arms = [an_arm(trials=2, retried=100, median=MS)]
    left = panels(nines_figure(arms))["nines"]
    low, high = left.get_ylim()
    every = np.concatenate(arms[0].waits_ns())
    assert low < every.min()
    assert high > every.max()


def test_latencies_by_share_are_drawn_once():
    assert list(panels(nines_figure([an_arm(trials=3), an_arm("new", trials=3, first=20)]))) == ["nines"]
