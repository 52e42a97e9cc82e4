# SPDX-License-Identifier: MIT
"""Small multiples of a suite: the data behind the picture, and that nothing in it covers anything else."""

import itertools
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from boxes import outside, overlapping
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from suite_builders import AXES, ENTRIES, a_cell, a_summary, made_up, trials_of

from stress.analysis.comparison.axis_points import axes_of, cells_by_entry, values_of
from stress.analysis.comparison.suite_changes import cell_changes
from stress.analysis.comparison.suite_comparison import compare_cells
from stress.analysis.metric import METRICS
from stress.view.figure import style
from stress.view.figure.metric_axis import TICKS_MAX, scale_of
from stress.view.figure.save import save_figure
from stress.view.figure.series_style import series_looks
from stress.view.figure.suite import level_panel
from stress.view.figure.suite.grid import interval_ends, points_by_metric, reading_notes
from stress.view.figure.suite.level_panel import (
    draw_panel,
    draw_value_names,
    fit_value_names,
    series_offsets,
    value_names,
)
from stress.view.figure.suite.multiples import fit_axis_names, multiples_figure
from stress.view.figure.suite.suite_figure import suite_figure
from stress.view.text.busy_wording import busy_text
from stress.view.text.change_wording import levels_text, settings_of, unchanged_text, untold_text
from stress.view.text.metric_wording import PICTURED
from stress.view.text.suite_headline import suite_headline

P99, RETRIES = METRICS["body.p99"], METRICS["retries_per_million"]
SOMAXCONN = "net.core.somaxconn"


def drawn(cells, axis, metric):
    """The axes of one panel, with the names of its values."""
    grid, values = points_by_metric(cells), values_of(cells, axis)
    figure = Figure(figsize=(4, 2), dpi=style.DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.2, 0.3, 0.7, 0.6))
    points = grid[metric.name][axis]
    draw_panel(
        axes,
        points,
        values,
        scale_of(metric, interval_ends(grid[metric.name])),
        series_looks(list(cells_by_entry(cells))),
    )
    draw_value_names(axes, values, [False] * len(values), 0, 8)
    return axes, points, values


def marks(axes, *, filled=None):
    """Where marks stand, by series."""
    by_series = {}
    for line in axes.lines:
        if line.get_marker() != "None" and filled in (None, to_rgba(line.get_markerfacecolor()) != (1, 1, 1, 1)):
            by_series.setdefault(line.get_label(), []).extend(zip(*line.get_data(), strict=True))
    return by_series


@pytest.mark.parametrize("metric", [P99, RETRIES])
@pytest.mark.parametrize("axis", [SOMAXCONN, "net.ipv4.tcp_syn_linear_timeouts"])
def test_every_cell_with_a_trial_has_a_mark_at_its_median(axis, metric):
    axes, drawn_points, values = drawn(made_up(), axis, metric)
    expected = {}
    for point in drawn_points:
        if point.estimate:
            expected.setdefault(point.scenario, []).append((values.index(point.level), point.estimate.median))
    shown = {label: sorted((round(place), height) for place, height in points) for label, points in marks(axes).items()}
    assert shown == {label: sorted(points) for label, points in expected.items()}


def test_marks_are_filled_where_it_changes():
    axes, drawn_points, values = drawn(made_up(), SOMAXCONN, RETRIES)
    changed = {
        (point.scenario, values.index(point.level)) for point in drawn_points if point.effect and point.effect.changes
    }
    filled = marks(axes, filled=True)
    assert {(label, round(place)) for label, points in filled.items() for place, _ in points} == changed
    assert {values[place] for _, place in changed} == {"8", "16"}


def test_bars_are_the_intervals():
    axes, drawn_points, _ = drawn(made_up(), SOMAXCONN, P99)
    # The line of a baseline spans the axes; a bar stands at one place.
    bars = [line.get_ydata() for line in axes.lines if line.get_marker() == "None" and np.ptp(line.get_xdata()) == 0]
    assert sorted(map(tuple, bars)) == sorted((point.estimate.low, point.estimate.high) for point in drawn_points)


def test_each_series_has_the_line_of_its_baseline():
    axes, drawn_points, _ = drawn(made_up(), SOMAXCONN, P99)
    lines = [
        line.get_ydata()[0] for line in axes.lines if line.get_marker() == "None" and list(line.get_xdata()) == [0, 1]
    ]
    assert sorted(lines) == sorted(point.estimate.median for point in drawn_points if point.baseline)


@pytest.mark.parametrize("series", [1, 2, 3, 7, 16])
def test_series_stand_beside_each_other_within_the_room_of_their_value(series):
    places = list(series_offsets([str(number) for number in range(series)]).values())
    assert max(map(abs, places)) <= 0.5 * level_panel.REACH + 1e-9
    assert sum(places) == pytest.approx(0)
    assert all(right - left > 0.04 for left, right in itertools.pairwise(places))


def test_series_differ_in_colour_and_shape_together():
    drawn_points = series_looks([str(number) for number in range(56)])
    assert len({(look.colour, look.marker) for look in drawn_points.values()}) == 56
    first = list(drawn_points.values())[:7]
    assert len({look.colour for look in first}) == len({look.marker for look in first}) == 7


def test_rows_without_anything_but_zero_are_left_out():
    cells = [trials_of([a_summary()], levels={"x": 1}, baseline=True)]
    assert list(points_by_metric(cells)) == ["rate", "body.p50", "body.p99", "duration"]
    assert list(points_by_metric([trials_of([a_summary(timed_out=1)], measures=False)])) == ["errors_per_million"]
    assert list(points_by_metric(made_up())) == [name for name in PICTURED if name != "late_per_million"]


@given(
    st.lists(st.just(0.0) | st.floats(1e-4, 1e11), max_size=8),
    st.sampled_from(["rate", "body.p50", "errors", "retries_per_million"]),
)
def test_scales_have_room_for_all_values_and_few_ticks(values, name):
    scale = scale_of(METRICS[name], values)
    assert scale.low < scale.high
    assert all(scale.low <= scale.clip(value) < scale.high for value in values)
    assert 1 < len(scale.ticks) <= TICKS_MAX + 1
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
    if METRICS[name].unit in ("", "per million"):
        assert scale.ticks[0] == 0
        assert scale.linear_to is not None


def test_noise_of_a_per_cent_does_not_fill_a_panel():
    scale = scale_of(P99, [10_000, 10_100])
    assert scale.high / scale.low > 1.5


def test_values_are_named_and_so_is_what_is_missing():
    cells = [
        trials_of([a_summary()], levels={"x": 1}, baseline=True),
        trials_of(failed={0: "boom"}, levels={"x": 2}),
        trials_of(not_applicable="no x", levels={"x": 3}),
        trials_of([a_summary()], scenario="clean", levels={"x": 3}),
    ]
    assert value_names(points_by_metric(cells)["rate"]["x"], values_of(cells, "x")) == ["1", "2\n(failed)", "3"]


def test_long_names_are_broken_or_turned():
    names = ["1024 65535", "32768 60999"]
    assert fit_value_names(names, 100, 8)[:2] == (names, 0)
    assert fit_value_names(names, 50, 8)[:2] == (["1024\n65535", "32768\n60999"], 0)
    assert fit_value_names(names, 20, 8)[:2] == (names, level_panel.SLANT)
    assert fit_value_names(["1", "2"], 20, 8)[:2] == (["1", "2"], 0)
    assert fit_value_names(names, 20, 8)[2] > fit_value_names(names, 50, 8)[2] > fit_value_names(names, 100, 8)[2]


@pytest.mark.parametrize("room_pt", [40, 60, 90])
def test_names_below_a_panel_do_not_meet(room_pt):
    names = ["2147483647", "1024 65535", "100", "32768 60999"]
    figure = Figure(figsize=(4 * room_pt / 72, 2), dpi=style.DPI)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0.5, 1, 0.5), xlim=(-0.5, 3.5))
    fitted, turned, height_pt = fit_value_names(names, room_pt, 8)
    draw_value_names(axes, fitted, [True] * 4, turned, 8)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert max(box.height for box in boxes) <= height_pt / 72 * style.DPI * 1.05
    if not turned:
        assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_heads_of_columns_are_short_and_of_one_size():
    heads, size = fit_axis_names(list(AXES), 190)
    assert heads[0] == "tcp_challenge_ack_limit"
    assert heads[6] == SOMAXCONN
    assert size == 10
    heads, size = fit_axis_names(["x", "net.netfilter.nf_conntrack_tcp_timeout_close_wait"], 119)
    assert heads == ["x", "net.netfilter.nf_conntrack_\ntcp_timeout_close_wait"]
    assert 6.5 < size < 8


def test_the_caption_says_how_to_read_it_and_what_is_missing():
    cells = made_up()
    assert reading_notes(cells, points_by_metric(cells)) == [
        "mark: median over 12 to 14 trials",
        "bar: its interval, 96 % to 99 % confidence",
        "filled: changes by 5 % and an attempt or more against trials of the same blocks",
        "of all marks 5 % are wrong on average, at most (Benjamini-Hochberg, 308 comparisons)",
        "log scale; of counts and shares linear below the first tick",
        "no trial done: rst-dropped tcp_syn_linear_timeouts=0 (n/a)",
    ]


def crossed():
    return [
        trials_of([a_summary(p50=100 + x + y)] * 3, levels={"x": x, "y": y}, baseline=x == y == 0)
        for x, y in itertools.product(range(3), range(2))
    ]


def test_the_caption_says_what_is_pooled():
    assert "several axes vary at once, so trials of all cells with a value are pooled: closewait" in reading_notes(
        crossed(), points_by_metric(crossed())
    )
    assert not any("pooled" in phrase for phrase in reading_notes(made_up(), points_by_metric(made_up())))


def failing(count):
    return [trials_of(failed={0: "boom"}, levels={"x": x}, baseline=x == 0) for x in range(count)]


def test_the_caption_counts_cells_without_a_trial_where_they_are_many():
    assert reading_notes(failing(5), {}) == ["no trial done in 5 of 5 cells"]
    assert reading_notes(failing(2), {}) == ["no trial done: closewait baseline (failed), closewait x=1 (failed)"]


SUITES = {
    "many settings": made_up,
    "one trial": lambda: made_up(1),
    "one cell": lambda: [trials_of([a_summary()], baseline=True)],
    "nothing": list,
    "all failed": lambda: failing(3),
    "all zero": lambda: [trials_of([a_summary()], measures=False)],
    "nothing connected": lambda: [trials_of([a_summary(p50=None, p99=None, rate=0.0, timed_out=28_232)])],
    "axes together": crossed,
    "ten entries": lambda: made_up(
        3, entries={f"scenario {number}": ENTRIES["closewait"] for number in range(10)}, axes=dict([*AXES.items()][:2])
    ),
    "twenty axes": lambda: made_up(2, axes={f"net.ipv4.tcp_{number}": [1, 2] for number in range(20)}),
    "many changes": lambda: made_up(12, axes={f"net.ipv4.tcp_{n}_tcp_challenge_ack_limit": [2, 1] for n in range(9)}),
}


@pytest.mark.parametrize("build", SUITES.values(), ids=SUITES)
def test_a_figure_fits_a_laptop_screen_and_nothing_in_it_meets(build):
    alarm = "the machine was busy before 3 of 15 trials (load up to 9.3)"
    figure = suite_figure(build(), "title", ["Linux 6.18", "seed 1"] * 6, alarm)
    width, height = figure.get_size_inches()
    assert width == 12
    assert height <= width * 768 / 1366 * 1.15
    assert overlapping(figure, spare=3) == []
    assert outside(figure) == []
    assert alarm in {text.get_text() for text in figure.texts}


def test_a_figure_is_the_same_every_time_and_leaves_no_settings_behind(tmp_path):
    before = dict(mpl.rcParams)
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(multiples_figure(made_up(3, axes=dict([*AXES.items()][:2])), "title", ["seed 1"]), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert dict(mpl.rcParams) == before


def test_every_axis_has_a_column_and_every_metric_a_row():
    cells = made_up(axes=dict([*AXES.items()][:5]))
    figure = multiples_figure(cells, "title", [])
    assert len(figure.axes) == len(axes_of(cells)) * len(points_by_metric(cells))
    limits = [axes.get_ylim() for axes in figure.axes if axes.get_yscale() == "symlog"]
    assert len(limits) == 2 * 5  # two rows of counts, each with one scale
    assert len(set(limits)) <= 2


def words_of(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def test_of_many_settings_what_changed_is_drawn_and_the_rest_is_a_line():
    cells = made_up()
    changes = cell_changes(cells, [METRICS[name] for name in PICTURED], compare_cells(cells))
    figure = suite_figure(cells, "settings", [])
    names = words_of(figure)
    for cell in changes:
        assert (levels_text(cell) in names) == bool(cell.changed)
    drawn_changes = sum(line.get_label() == "new" for axes in figure.axes for line in axes.lines)
    assert drawn_changes == sum(len(cell.changed) for cell in changes) > 0
    calm = unchanged_text(changes)
    assert "no sure change of 5 % or more: " in calm
    assert calm.replace(" ", "") in "".join(names).replace("\n", "").replace(" ", "")
    assert not {name for cell in changes if cell.changed for name in settings_of([cell])} & set(
        calm.partition(": ")[2].partition(": ")[2].split(", ")
    )


def test_too_few_trials_are_no_finding():
    cells = made_up(3)
    changes = cell_changes(cells, [METRICS[name] for name in PICTURED], compare_cells(cells))
    assert unchanged_text(changes) == ""
    assert untold_text(changes).endswith("cells with fewer than 6 trials: nothing can be said")
    assert suite_headline(cells).startswith("Too few trials")


def test_without_a_baseline_the_headline_says_where_the_causes_differ():
    met, withheld, unknown = {"closewait": 5}, {"closewait": 4, "challenge_limited": 1}, {"closewait": 4, "unknown": 1}

    def cells_of(*causes):
        entries = ("dense, emulated", "dense", "dense", "alone")
        return [
            trials_of([a_summary(causes=counts)], scenario=entry, baseline=False)
            for entry, counts in zip(entries, [*causes, met], strict=True)
        ]

    assert suite_headline(cells_of(met, met, withheld)) == (
        "4 trials of 4 cells; 1 of 1 scenario met other causes in some cells than in others, dense; nothing is "
        "compared with a baseline"
    )
    assert suite_headline(cells_of(met, met, unknown)) == (
        "4 trials of 4 cells; each scenario met the same causes in all its cells; nothing is compared with a baseline"
    )
    assert suite_headline([trials_of([a_summary(causes=met)])]) == (
        "1 trial of 1 cell; nothing is compared with a baseline"
    )


def test_the_headline_names_the_largest_change():
    x = trials_of([a_summary(p50=100)] * 10, levels={"x": 1}, baseline=True)
    worse, better = (trials_of([a_summary(p50=p50)] * 10, levels={"x": n}) for n, p50 in ((2, 150), (3, 20)))
    assert suite_headline([x, worse, better]) == "x changed something; most body p50 ×0.20 (better) by x=3 of closewait"
    assert suite_headline([x, trials_of([a_summary(p50=101)] * 10, levels={"x": 2})]).startswith(
        "No cell changed anything surely"
    )


def test_a_busy_machine_is_said():
    quiet = trials_of([a_summary()] * 3)
    busy = replace(quiet, busy={0: ("stalls in 43 % of the storm",), 2: ("stalls in 9 % of the storm",)})
    assert busy_text([quiet]) == ""
    assert busy_text([quiet, busy]) == (
        "the machine was busy in 2 of 6 trials (stalls in 43 % of the storm, and 1 more)"
    )
    parallel = replace(busy, cell=a_cell(measures=False))
    assert busy_text([parallel]) == "", "its times are not used"
