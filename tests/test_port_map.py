# SPDX-License-Identifier: MIT
"""The port map: every attempt is on it, at its port or in the strip of those without one, and so is every mine."""

import errno
import itertools

import numpy as np
import pytest
from builders import MS, US, the_attempts
from findings_builders import ALL_TIMED_OUT, DEGENERATE, EMPTY, NO_PORT, ONE, findings, storms
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from stress.model.outcome import Cause
from stress.view.figure.cause_style import CAUSE_LOOKS
from stress.view.figure.density import assign_cells
from stress.view.figure.points import MARKS_MAX
from stress.view.figure.port_frame import port_limits
from stress.view.figure.port_map_panel import draw_port_map, headline
from stress.view.figure.run.port_map import (
    detail,
    legend_entries,
    port_map_figure,
)
from stress.view.figure.save import save_figure

FAST = 10 * MS  # after two jiffies at HZ 250


def drawn(run):
    """The axes that a run was drawn into, by name."""
    figure = Figure(figsize=(10, 5.625), dpi=160)
    FigureCanvasAgg(figure)
    draw_port_map(figure, run, 0.75)
    return {axes.get_label(): axes for axes in figure.axes}


def density(axes):
    (mesh,) = (artist for artist in axes.collections if isinstance(artist, QuadMesh))
    return np.ma.filled(mesh.get_array(), 0)


def marks(axes):
    return {line.get_label(): line for line in axes.lines}


def ticks(axes):
    """The mines in the margin: heights by label."""
    lines = (artist for artist in axes.collections if isinstance(artist, LineCollection))
    return {line.get_label(): line.get_paths()[0].vertices[::3, 1].tolist() for line in lines}


def count(axes):
    return density(axes).sum() + sum(line.get_xdata().size for line in axes.lines)


def labels(run):
    return [sample.get_label() for sample in legend_entries(run)]


def collisions():
    """Twenty attempts, each from a port of its own; the first three meet the mines there are."""
    rows = [(40000 + n, 0, int(n < 3)) for n in range(20)]
    attempts = the_attempts(*rows, latency_ns=np.where(np.arange(20) < 3, FAST, 12 * US))
    return findings(attempts, mines=(40000, 40001, 40002, 40050, 40051), left=(40050, 40051))


@settings(max_examples=30)
@given(st.lists(storms, min_size=1, max_size=3))
def test_every_attempt_is_drawn_once_in_its_act(acts):
    run = findings(*acts)
    axes = drawn(run)
    for number, attempts in enumerate(acts):
        with_port = np.count_nonzero(attempts["local_port"])
        assert count(axes[f"act {number}"]) == with_port
        strip = axes.get(f"act {number}, no port")
        assert (count(strip) if strip else 0) == attempts.size - with_port


@settings(max_examples=30)
@given(st.lists(storms, min_size=1, max_size=3))
def test_the_key_counts_every_attempt_once(acts):
    run = findings(*acts)
    counts = [int(label.split("  ")[1].replace(",", "")) for label in labels(run)]
    assert sum(counts) == len(run.run.attempts)


def test_a_mark_stands_at_its_start_and_port():
    run = collisions()
    line = marks(drawn(run)["act 0"])["met CLOSE-WAIT"]
    assert line.get_xdata() == pytest.approx(run.run.attempts["start_ns"][:3] / 1e9)
    assert line.get_ydata().tolist() == [40000, 40001, 40002]


def test_the_density_lies_at_its_ports():
    axes = drawn(findings(the_attempts(*[(40010, 0, 0)] * 7)))["act 0"]
    counts = density(axes)
    rows_px = axes.bbox.height / counts.shape[0]
    (row,) = np.flatnonzero(counts.sum(axis=1))
    below = axes.transData.transform((0, 40010))[1] - axes.bbox.y0
    assert row * rows_px == pytest.approx(below, abs=2 * rows_px)


def test_rows_of_the_density_hold_as_many_odd_ports_as_even_ones():
    attempts = the_attempts(*[(port, 0, 0) for port in range(2**15, 2**16)])
    by_row = density(drawn(findings(attempts))["act 0"]).sum(axis=1)
    assert len(set(by_row[1:-1])) == 1
    assert by_row[1] % 2 == 0


def test_mines_left_standing_are_ticked_apart_from_those_cleared():
    axes = drawn(collisions())["act 0"]
    assert ticks(axes) == {"mine cleared": [40000, 40001, 40002], "mine left standing": [40050, 40051]}
    colours = {tuple(artist.get_colors()[0]) for artist in axes.collections if isinstance(artist, LineCollection)}
    assert len(colours) == 2


def test_the_key_names_what_occurs_the_most_numerous_trouble_first():
    assert labels(collisions()) == [
        "connected at once  17",
        "met CLOSE-WAIT  3",
        "mine cleared  3",
        "mine left standing  2",
    ]
    refused = the_attempts((40000, errno.ECONNREFUSED, 0), *[(0, errno.EADDRNOTAVAIL, 0)] * 2)
    causes = [Cause.UNKNOWN, Cause.PORT_EXHAUSTED, Cause.PORT_EXHAUSTED]
    assert labels(findings(refused, causes=causes)) == ["no port free  2", "cause unknown  1"]


def test_no_two_causes_have_the_same_colour_and_shape():
    looks = [look for cause, look in CAUSE_LOOKS.items() if cause is not Cause.NONE]
    assert set(CAUSE_LOOKS) == set(Cause)
    assert len({(to_rgba(look.colour), look.marker) for look in looks}) == len({look.label for look in looks})
    assert len({look.label for look in looks}) == len(looks)


def test_rare_causes_lie_on_top():
    causes = [Cause.UNKNOWN] * 9 + [Cause.RST_DROPPED] * 2 + [Cause.ACCEPT_QUEUE] * 5
    run = findings(the_attempts(*[(40000 + n, 0, 0) for n in range(16)]), causes=causes)
    sizes = [line.get_xdata().size for line in drawn(run)["act 0"].lines]
    assert sizes == [9, 5, 2]


def test_attempts_without_a_port_have_a_strip_only_where_there_are_any():
    assert set(drawn(findings(ONE))) == {"act 0"}
    axes = drawn(findings(ONE, NO_PORT, causes=[Cause.NONE] * len(ONE) + [Cause.PORT_EXHAUSTED] * len(NO_PORT)))
    assert set(axes) == {"act 0", "act 0, no port", "act 1", "act 1, no port"}
    assert axes["act 0, no port"].get_yticklabels()[0].get_text() == "no port"
    heights = marks(axes["act 1, no port"])["no port free"].get_ydata()
    assert heights.min() >= 0
    assert heights.max() <= 1


def test_acts_are_named_in_their_order_and_share_the_port_axis():
    axes = drawn(findings(ONE, ALL_TIMED_OUT, EMPTY))
    assert [axis.get_title() for axis in axes.values()] == ["act 0", "act 1", "act 2"]
    assert len({axis.get_ylim() for axis in axes.values()}) == 1
    edges = [(axis.get_position().x0, axis.get_position().x1) for axis in axes.values()]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(edges))
    assert drawn(findings(ONE))["act 0"].get_title() == ""


def test_the_port_axis_has_room_for_ports_outside_the_range():
    assert port_limits(findings(EMPTY)) == (40000, 40099)
    assert port_limits(findings(the_attempts((39000, 0, 0), (0, 0, 0)), mines=(50000,))) == (39000, 50000)


def test_a_crowd_of_marks_is_thinned_but_covers_every_pixel_that_it_would():
    attempts = the_attempts(*[(40000, 0, 0)], latency_ns=1).repeat(3 * MARKS_MAX)
    attempts["start_ns"] = np.arange(attempts.size) * US
    attempts["local_port"] = 40000 + np.arange(attempts.size) % 2
    axes = drawn(findings(attempts, causes=[Cause.UNKNOWN] * attempts.size))["act 0"]
    line = marks(axes)["cause unknown"]
    assert line.get_xdata().size < attempts.size
    columns = axes.transData.transform(np.column_stack([line.get_xdata(), line.get_ydata()]))[:, 0]
    for port in (40000, 40001):
        assert np.diff(np.sort(columns[line.get_ydata() == port])).max() <= 2.01


@given(st.lists(st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))), st.integers(1, 9), st.integers(1, 9))
def test_cells_lose_no_point_and_the_topmost_is_one_of_each_cell(points, rows, columns):
    height, width = np.array(points, float).reshape(-1, 2).T
    assigned = assign_cells(height, width, rows, columns)
    assert assigned.counts().shape == (rows, columns)
    assert assigned.counts().sum() == len(points)
    assert sorted(assigned.index[assigned.topmost()]) == np.unique(assigned.index).tolist()


def test_words_say_where_trouble_lies():
    assert headline(collisions()) == "all 3 slow or failed attempts met a mine"
    assert detail(collisions()) == "20 of 100 ports used, once each; mines: 5 laid, 3 met, 2 left standing"
    assert headline(findings(ONE)) == "all 1 attempts connected at once"
    assert headline(findings(ONE, NO_PORT)) == "of 51 attempts, 50 had no port"
    assert headline(findings(ALL_TIMED_OUT)) == "50 slow or failed attempts on 50 ports"
    assert headline(findings(EMPTY)) == "no attempts"
    assert detail(findings(EMPTY)) == "0 of 100 ports used"


@pytest.mark.parametrize("acts", DEGENERATE.values(), ids=DEGENERATE)
def test_a_port_map_is_drawn_of_any_run_and_the_same_every_time(acts, tmp_path):
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(port_map_figure(findings(*acts)), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert np.frombuffer(pictures[0].read_bytes()[16:24], ">u4").tolist() == [1600, 900]
