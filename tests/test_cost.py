# SPDX-License-Identifier: MIT
"""What the figure of port-cost draws and says: every connection, its running median, the step."""

import dataclasses

import numpy as np
import pytest
from builders import MS, US, a_run
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from test_view import png_size

from stress.analysis.attribution.summary import analyse
from stress.model.attempt import ATTEMPT, STORM, WARM_UP
from stress.model.plan import Plan
from stress.view.figure.run.port_cost import (
    cost_ratio_text,
    detail,
    draw_cost,
    headline,
    knees_text,
    legend_entries,
    measure_costs,
    port_cost_figure,
    running_median,
)
from stress.view.figure.save import save_figure

LOW, PORTS = 40_000, 2_000
PARITIES = ("even", "odd")


def an_act(name, *, taken=PORTS, below_ns=10 * US, above_ns=MS, step=PORTS // 2, probes=4, low=LOW):
    """Findings of one act that takes one port after the other: all below the step are measured, few above it."""
    number = np.arange(taken)
    dear = number >= step
    attempts = np.zeros(taken, ATTEMPT)
    attempts["start_ns"] = number * 20 * US
    attempts["latency_ns"] = np.where(dear, above_ns, below_ns) + number % 7
    half = PORTS // 2
    attempts["local_port"] = low + np.where(number < half, 2 * number, 2 * (number - half) + 1)
    attempts["phase"] = np.where(~dear | (number % 20 < probes), STORM, WARM_UP)
    plan = Plan(scenario="port-cost", probes=probes)
    return analyse(a_run(attempts, plan=plan, name=name, ports=PORTS, port_range=(low, low + PORTS - 1)))


def together(*parts):
    """One run of several acts."""
    return dataclasses.replace(parts[0], acts=[act for part in parts for act in part.acts])


def three_acts(**options):
    return together(
        an_act("ESTABLISHED", above_ns=MS, **options),
        an_act("FIN_WAIT_2", above_ns=3 * MS, **options),
        an_act("TIME_WAIT", above_ns=3 * MS + 50 * US, **options),
    )


def three_acts_alike():
    return together(*(an_act(name, above_ns=11 * US) for name in ("ESTABLISHED", "FIN_WAIT_2", "TIME_WAIT")))


def nothing_measured():
    act = an_act("ESTABLISHED")
    act.run.attempts["phase"] = WARM_UP
    return analyse(act.run)


DEGENERATE = {
    "no attempt": lambda: an_act("ESTABLISHED", taken=0),
    "one attempt": lambda: an_act("ESTABLISHED", taken=1),
    "only the upper half": lambda: an_act("ESTABLISHED", step=0),
    "interrupted before the step": lambda: an_act("ESTABLISHED", taken=700),
    "interrupted in the second act": lambda: together(an_act("ESTABLISHED"), an_act("FIN_WAIT_2", taken=90)),
    "one act": lambda: an_act("ESTABLISHED"),
    "no step": three_acts_alike,
    "no time at all": lambda: an_act("ESTABLISHED", below_ns=0, above_ns=0),
    "nothing measured": nothing_measured,
    "steps apart": lambda: together(an_act("ESTABLISHED", step=800), an_act("TIME_WAIT")),
    "five acts": lambda: together(*(an_act(f"act {number}") for number in range(5))),
}


def drawn(run):
    figure = Figure(figsize=(10, 5.625), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.09, 0.185, 0.745, 0.56))
    draw_cost(axes, measure_costs(run), PARITIES)
    figure.canvas.draw()
    return axes


def points(axes):
    return [line for line in axes.lines if line.get_marker() == "o"]


def texts(axes):
    return [text.get_text().strip() for text in axes.texts]


@pytest.mark.parametrize("build", [three_acts, *DEGENERATE.values()], ids=["three acts", *DEGENERATE])
def test_every_measured_connection_is_drawn_once(build):
    run = build()
    expected = sorted(
        (name, place * 100, latency_ns)
        for name, cost in measure_costs(run).items()
        for place, latency_ns in zip(cost.occupancy, cost.latency_ns, strict=True)
    )
    axes = drawn(run)
    low_ns, high_ns = axes.get_ylim()
    given = sorted((line.get_label(), *point) for line in points(axes) for point in line.get_xydata())
    assert [row[:2] for row in given] == [pytest.approx(row[:2]) for row in expected]
    assert [row[2] for row in given] == pytest.approx([max(latency_ns, low_ns) for _, _, latency_ns in expected])
    assert all(low_ns <= row[2] <= high_ns for row in given)


def test_marks_of_the_parity_that_is_taken_first_are_filled_and_others_hollow():
    lines = points(drawn(three_acts()))
    assert len(lines) == 6
    for line in lines:
        hollow = line.get_markerfacecolor() == "none"
        assert np.all(line.get_xdata() >= 50) if hollow else np.all(line.get_xdata() < 50)


def test_each_act_has_a_colour_of_its_own_for_marks_line_and_labels():
    axes = drawn(three_acts())
    colours = {line.get_label(): line.get_markeredgecolor() for line in points(axes)}
    assert len(set(colours.values())) == 3
    for name, colour in colours.items():
        (median,) = [line for line in axes.lines if line.get_label() == f"{name}, median"]
        assert median.get_color() == colour
        labels = [text for text in axes.texts if text.get_text() == name or text.get_text() == f"{name}\n"]
        assert [label.get_color() for label in labels] == [colour] * 2


def test_the_running_median_is_that_of_each_hundredth():
    (cost,) = measure_costs(an_act("ESTABLISHED")).values()
    places, medians_ns = running_median(cost)
    assert len(places) == 100
    for place, median_ns in zip(places, medians_ns, strict=True):
        within = (cost.occupancy * 100 >= int(place)) & (cost.occupancy * 100 < int(place) + 1)
        assert median_ns == np.median(cost.latency_ns[within])


def test_the_step_is_marked_where_it_was_measured():
    axes = drawn(three_acts())
    (line,) = [line for line in axes.lines if line.get_label() == "step"]
    assert line.get_xdata()[0] == pytest.approx(50, abs=0.2)
    assert "the step: 50.0 %" in texts(axes)
    apart = drawn(DEGENERATE["steps apart"]())
    assert len([line for line in apart.lines if line.get_label() == "step"]) == 2
    assert not [line for line in drawn(DEGENERATE["no step"]()).lines if line.get_label() == "step"]


def test_medians_stand_beside_the_lines():
    written = texts(drawn(three_acts()))
    assert {"10 µs", "1 ms  ×\N{THIN SPACE}100", "3 ms  ×\N{THIN SPACE}300"} <= set(written)
    assert all(written.count(name) == 2 for name in ("ESTABLISHED", "FIN_WAIT_2", "TIME_WAIT"))


def test_an_act_without_an_upper_half_has_one_label():
    written = texts(drawn(DEGENERATE["interrupted in the second act"]()))
    assert (written.count("ESTABLISHED"), written.count("FIN_WAIT_2")) == (2, 1)


@pytest.mark.parametrize("build", [three_acts, three_acts_alike, DEGENERATE["five acts"], DEGENERATE["steps apart"]])
def test_labels_do_not_overlap(build):
    axes = drawn(build())
    # A name and its number share a place on purpose: each leaves the other's line empty.
    boxes = [Text.get_window_extent(text) for text in axes.texts if not text.get_text().startswith("\n")]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(box.x1 <= axes.figure.bbox.x1 for box in boxes)


def test_the_reason_is_given_only_where_the_ports_show_it():
    reason = "all even ports are taken here"
    assert any(reason in text for text in texts(drawn(three_acts())))
    for name in ("no step", "interrupted before the step", "steps apart", "no attempt"):
        assert not any(reason in text for text in texts(drawn(DEGENERATE[name]())))


def test_the_headline_is_what_was_measured():
    def said(run):
        return headline(measure_costs(run))

    assert said(three_acts()) == "connect() costs 100 to 300 times as much once half of the port range is taken"
    assert said(an_act("TIME_WAIT")) == "connect() costs 100 times as much once half of the port range is taken"
    assert said(an_act("TIME_WAIT", step=840)).endswith("once 42.0 % of the port range is taken")
    assert said(three_acts_alike()) == "No clear step in what connect() costs, up to 99 % of the port range"
    assert said(DEGENERATE["interrupted before the step"]()).endswith("up to 35 % of the port range")
    assert said(nothing_measured()) == "No connection was measured"


def test_the_detail_has_the_medians_and_the_resent_syns():
    run = three_acts()
    assert detail(run, measure_costs(run)) == "median 10 µs below half of the range, 1–3.05 ms above; no SYN sent again"
    run.run.attempts["retransmits"][3] = 2
    resent = dataclasses.replace(analyse(run.run), acts=run.acts)
    assert detail(resent, measure_costs(resent)).endswith("; 2 SYN sent again")
    assert detail(nothing_measured(), {}) == ""


@pytest.mark.parametrize(
    ("knees", "text"), [([49.97], "50.0 %"), ([49.9, 50.1, 50.0], "50.0 %"), ([40.0, 50.0], "40.0 to 50.0 %")]
)
def test_steps_close_together_are_one(knees, text):
    assert knees_text(knees) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.04, "1"), (3.14, "3.1"), (62.2, "62"), (182, "180"), (12_345, "12,000")]
)
def test_ratios_have_two_digits(ratio, text):
    assert cost_ratio_text(ratio) == text


def test_the_key_names_the_parity_that_is_taken_first_first():
    assert [sample.get_label() for sample in legend_entries(("odd", "even"))][:2] == ["odd port", "even port"]


@pytest.mark.parametrize("build", [three_acts, *DEGENERATE.values()], ids=["three acts", *DEGENERATE])
def test_the_figure_is_a_png_of_1600_by_900(build, tmp_path):
    save_figure(port_cost_figure(build()), tmp_path / "cost.png")
    assert png_size(tmp_path / "cost.png") == (1600, 900)


def test_the_figure_is_the_same_every_time(tmp_path):
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(port_cost_figure(three_acts()), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()


def test_a_range_with_an_odd_low_end_takes_odd_ports_first():
    axes = drawn(an_act("TIME_WAIT", low=LOW + 1))
    assert all(np.all(line.get_xdata() < 50) for line in points(axes) if line.get_markerfacecolor() != "none")


def test_the_title_fits_the_sheet(tmp_path, monkeypatch):
    sheets = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: sheets.append(figure))
    figure = port_cost_figure(together(an_act("ESTABLISHED", step=800), an_act("TIME_WAIT", above_ns=15 * MS)))
    save_figure(figure, tmp_path / "cost.png")
    (title,) = [text for text in sheets[0].texts if text.get_text().startswith("connect() costs")]
    assert title.get_text().endswith("100 to 1,500 times as much once 40.0 to 50.0 % of the port range is taken")
    assert title.get_window_extent().x1 < sheets[0].bbox.x1
