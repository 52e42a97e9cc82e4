# SPDX-License-Identifier: MIT
"""The forest plot: each comparison at its place, none lost without a word, no direction mistaken."""

import dataclasses
import itertools
import math

import pytest
from boxes import outside, overlapping
from comparison_builders import compared, made_up

from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.verdict import Verdict
from stress.view.figure.comparison.forest import forest_figure
from stress.view.figure.verdict_style import HOLLOW, VERDICT_LOOKS
from stress.view.text import comparison_wording as words
from stress.view.text.forest_lines import (
    FARTHEST,
    LINES_MAX,
    axis_limit,
    axis_ticks,
    forest_line,
    lines_by_row,
    omitted_text,
    threshold_text,
)

STEADY = [1000.0 + trial for trial in range(8)]
MANY = made_up([f"closewait net.ipv4.tcp_challenge_ack_limit={number}" for number in range(17)])


def scaled(factor, name="body.p50", **options):
    (comparisons,) = decide([compared("clean", name, STEADY, [value * factor for value in STEADY], **options)])
    return comparisons


def marks(figure):
    """The places of marks in the order of lines, from the top."""
    (axes,) = figure.axes
    lines = [line for line in axes.lines if line.get_label() in {look.label for look in VERDICT_LOOKS.values()}]
    markers = [(line.get_ydata()[0], line.get_xdata()[0], line) for line in lines if line.get_marker() != "None"]
    return sorted(markers, key=lambda mark: mark[0])


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


# Places.


def test_a_ratio_lies_as_far_out_as_its_logarithm_in_thresholds():
    assert forest_line(scaled(1.05)).effect == pytest.approx(1)
    assert forest_line(scaled(2)).effect == pytest.approx(math.log(2) / math.log(1.05))
    assert forest_line(scaled(0.5)).effect == pytest.approx(-forest_line(scaled(2)).effect)
    assert forest_line(scaled(2, threshold=1.0)).effect == pytest.approx(1)


def test_a_difference_lies_as_far_out_as_it_has_thresholds():
    line = forest_line(scaled(1.1, "retries_per_million", threshold=20))
    assert line.effect == pytest.approx(100.35 / 20)
    assert line.low <= line.effect <= line.high


def test_worse_is_to_the_right_whatever_the_direction_of_the_metric():
    for name, factor in (("rate", 0.5), ("body.p50", 2), ("retries_per_million", 2), ("outcome.connected", 0.5)):
        comparison = scaled(factor, name)
        assert comparison.verdict is Verdict.REGRESSED
        assert forest_line(comparison).effect > 1
        assert forest_line(comparison).low <= forest_line(comparison).effect <= forest_line(comparison).high
    assert forest_line(scaled(2, "rate")).effect < -1


def test_verdicts_lie_where_they_belong():
    """Those that changed outside the band and not across its middle, equivalent intervals within it."""
    for comparison in MANY + made_up():
        line = forest_line(comparison)
        if comparison.verdict is Verdict.EQUIVALENT:
            assert max(-line.low, line.high) < 1
        elif comparison.verdict in words.CHANGED:
            assert abs(line.effect) >= 1
            assert line.low * line.high > 0
            assert (line.effect > 0) == (comparison.verdict is Verdict.REGRESSED)
        elif comparison.verdict is Verdict.NO_DATA:
            assert line.effect is None


def test_marks_stand_at_the_effects_in_the_order_of_rows():
    comparisons = made_up()
    expected = [line for lines in lines_by_row(comparisons).values() for line in lines if line.effect is not None]
    drawn = marks(forest_figure(comparisons))
    assert [place for _, place, _ in drawn] == [line.effect for line in expected]
    for (_, _, mark), line in zip(drawn, expected, strict=True):
        look = VERDICT_LOOKS[line.comparison.verdict]
        assert mark.get_marker() == look.marker
        hollow = line.comparison.verdict in HOLLOW
        assert mark.get_markerfacecolor() == ("white" if hollow else look.colour)


def test_bars_are_the_intervals():
    comparisons = made_up()
    (axes,) = forest_figure(comparisons).axes
    bars = [tuple(line.get_xdata()) for line in axes.lines if line.get_label() == "interval"]
    lines = [line for lines in lines_by_row(comparisons).values() for line in lines if line.effect is not None]
    assert bars == [(line.low, line.high) for line in lines]
    left, right = axes.get_xlim()
    assert all(left <= low <= high <= right for low, high in bars)


def test_a_threshold_of_nothing_and_the_farthest_change_have_a_place():
    assert forest_line(scaled(2, "errors", threshold=0)).effect == 1
    assert forest_line(scaled(10**9, "errors", threshold=1e-3)).effect == FARTHEST


def test_looks_differ_in_colour_and_shape():
    looks = [look for look in VERDICT_LOOKS.values() if look.marker]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == len(looks) == 4
    assert set(VERDICT_LOOKS) == set(Verdict)


# What is written.


def test_each_line_says_change_interval_threshold_p_and_verdict():
    comparison = scaled(1.5)
    text = written(forest_figure([comparison]))
    change, interval = words.effect_texts(comparison)
    for part in ("body p50", change, interval, "±5 %", words.p_text(comparison.adjusted_p), "regressed"):
        assert part in text
    assert threshold_text(scaled(1.5, "retries_per_million", threshold=35.4)) == "±35.4"


def test_what_gates_is_bold():
    (axes,) = forest_figure([scaled(1.5), dataclasses.replace(scaled(1.5), metric="body.p90", gating=False)]).axes
    weights = {text.get_text(): text.get_fontweight() for text in axes.texts}
    assert (weights["body p50"], weights["body p90"]) == ("bold", "normal")


def test_no_data_is_shown_as_that():
    figure = forest_figure(decide([compared("clean", "body.p50", STEADY, [])]))
    assert "no data in new" in written(figure)
    assert marks(figure) == []
    assert any(line.get_label() == "no data" for line in figure.axes[0].lines)


def test_the_title_says_what_it_comes_to_and_the_line_below_which_arms():
    figure = forest_figure(made_up())
    assert figure.texts[0].get_text().replace("\n", " ") == words.sentence(made_up())
    assert figure.texts[0].get_fontsize() >= 9
    assert figure.texts[1].get_text() == "v6.18 against v6.12"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "regressed", "improved", "inconclusive", "equivalent",
    ]  # fmt: skip


# How much of it.


def test_of_very_many_those_that_matter_are_drawn_and_the_rest_is_counted():
    told = [comparison for comparison in MANY if not words.is_of_nothing(comparison)]
    assert len(told) > LINES_MAX
    drawn = [line.comparison for lines in lines_by_row(MANY).values() for line in lines]
    assert len(drawn) == LINES_MAX
    least = max(words.SEVERITY.index(comparison.verdict) for comparison in drawn)
    others = [comparison for comparison in told if not any(comparison is one for one in drawn)]
    assert all(words.SEVERITY.index(other.verdict) >= least for other in others)
    note = omitted_text(MANY)
    assert note.startswith("not drawn: ")
    numbers = [int(word) for word in note.replace(",", "").split() if word.isdecimal()]
    assert sum(numbers) == len(MANY) - LINES_MAX
    assert note.removeprefix("not drawn: ") in forest_figure(MANY).texts[-1].get_text().replace(
        "\N{NO-BREAK SPACE}", " "
    ).replace("\n", " ")


def test_where_all_are_drawn_there_is_no_note():
    assert omitted_text([scaled(2)]) == ""
    assert "not drawn" not in forest_figure([scaled(2)]).texts[-1].get_text()


@pytest.mark.parametrize(
    "comparisons",
    [made_up()[:1], made_up()[:5], made_up(), MANY, [], made_up(trials=2), made_up(["a" * 150], trials=5)],
    ids=["one", "five", "three rows", "many", "none", "few trials", "long name"],
)
def test_nothing_that_is_written_overlaps(comparisons):
    figure = forest_figure(comparisons)
    assert overlapping(figure) == []
    assert outside(figure) == []


def test_the_figure_grows_with_what_it_shows_and_no_further():
    few, all_of_them, many = (
        forest_figure(comparisons).get_figheight() for comparisons in (made_up()[:5], made_up(), MANY * 2)
    )
    assert few < all_of_them < many < 30


@pytest.mark.parametrize("far", [1, 30, 900, 20_000, 2e5])
def test_labels_of_ticks_do_not_touch(far):
    comparisons = [scaled(1.01), scaled(1 + far, "retries_per_million", threshold=1000)]
    assert overlapping(forest_figure(comparisons), spare=0) == []


@pytest.mark.parametrize("limit", [3, 8, 40, 1000, 1e6])
def test_ticks_have_room(limit):
    ticks = axis_ticks(limit)
    assert ticks[0] <= 5
    places = [math.asinh(tick) / math.asinh(limit) for tick in (0, *ticks)]
    assert all(right - left > 0.1 for left, right in itertools.pairwise(places))
    assert axis_limit([]) == 3
