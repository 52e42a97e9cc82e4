# SPDX-License-Identifier: MIT
"""What the figure of port-choice draws and says: every port in its order, every return to it, the mines."""

import dataclasses

import numpy as np
import pytest
from builders import US, a_run, the_mines
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from test_view import png_size

from stress.analysis.attribution.port_reuse import expected_hits, reuse_distances
from stress.analysis.attribution.summary import analyse
from stress.model.attempt import ATTEMPT, STORM
from stress.model.plan import Plan
from stress.view.figure.run.port_choice import (
    EVEN,
    FIRST,
    ODD,
    detail,
    draw_mines,
    draw_ports,
    draw_reuse_distances,
    headline,
    legend_entries,
    parity_text,
    port_choice_figure,
    shortest_distances,
    step_text,
)
from stress.view.figure.save import save_figure

LOW, PORTS = 40_000, 1_000


def an_act(name, ports, mines=()):
    """Findings of one act whose attempts came from these ports; those that meet a mine were sent twice."""
    ports = np.asarray(ports, np.uint16)
    attempts = np.zeros(len(ports), ATTEMPT)
    attempts["start_ns"] = np.arange(len(ports)) * 20 * US
    attempts["latency_ns"] = 12 * US
    attempts["local_port"] = ports
    attempts["phase"] = STORM
    _, first = np.unique(ports, return_index=True)
    met = first[np.isin(ports[first], mines)]
    attempts["retransmits"][met] = 1
    attempts["latency_ns"][met] = 10_000 * US
    plan = Plan(scenario="port-choice", mines=len(mines))
    span = (LOW, LOW + PORTS - 1)
    return analyse(a_run(attempts, the_mines(*mines), plan, name=name, ports=PORTS, port_range=span))


def together(*parts):
    """One run of several acts."""
    return dataclasses.replace(parts[0], acts=[act for part in parts for act in part.acts])


def rising(count, stride=2):
    """Ports from the low end up, again and again."""
    return LOW + np.arange(count) * stride % PORTS


def drawn_at_random(count, seed=1):
    return LOW + 1 + 2 * np.random.default_rng(seed).integers(0, PORTS // 2, count)


def four_acts():
    mines = range(LOW, LOW + PORTS, 5)
    return together(
        an_act("connect()", rising(2000), mines),
        an_act("bind(), no port", np.roll(rising(2000), 100), mines),
        an_act("IP_LOCAL_PORT_RANGE", rising(2000, 3), mines),
        an_act("bind() to port 0", drawn_at_random(2000), mines),
    )


DEGENERATE = {
    "no attempt": lambda: an_act("connect()", []),
    "one attempt": lambda: an_act("connect()", [LOW]),
    "no port came again": lambda: an_act("connect()", rising(400)),
    "one port only": lambda: an_act("connect()", [LOW] * 300),
    "no port given": lambda: an_act("connect()", [0] * 300),
    "some without a port": lambda: an_act("connect()", [0, LOW, 0, LOW + 1, LOW, 0]),
    "one act": lambda: an_act("connect()", rising(2000), range(LOW, LOW + 50)),
    "interrupted": lambda: together(an_act("connect()", rising(2000)), an_act("bind() to port 0", [])),
    "every mine met": lambda: an_act("connect()", rising(2000), [LOW, LOW + 2]),
}


def empty_axes():
    figure = Figure(figsize=(3, 2), dpi=100)
    FigureCanvasAgg(figure)
    return figure.add_axes((0.2, 0.2, 0.7, 0.6))


@pytest.mark.parametrize("build", DEGENERATE.values(), ids=DEGENERATE)
def test_every_port_is_drawn_at_its_attempt_in_the_colour_of_its_parity(build):
    ports = build().acts[0].storm.attempts["local_port"]
    axes = empty_axes()
    draw_ports(axes, ports, 1)
    (crowd,) = axes.collections
    given = [(x, y) for x, y in np.ma.filled(crowd.get_offsets(), -1).tolist()]
    assert given == [(number, port) for number, port in enumerate(ports.tolist(), start=1) if port]
    colours = [to_hex(colour) for colour in crowd.get_facecolors()]
    assert not given or colours == [to_hex(ODD if port % 2 else EVEN) for _, port in given]


def test_colours_of_alternating_ports_do_not_blend():
    mixed, alike = empty_axes(), empty_axes()
    draw_ports(mixed, rising(400, 3).astype(np.uint16), 1)
    draw_ports(alike, rising(400, 2).astype(np.uint16), 1)
    assert not any(mixed.collections[0].get_antialiased())
    assert all(alike.collections[0].get_antialiased())


@pytest.mark.parametrize("build", [four_acts, *DEGENERATE.values()], ids=["four acts", *DEGENERATE])
def test_every_return_to_a_port_is_in_the_histogram(build):
    for act in build().acts:
        distances = reuse_distances(act.storm.attempts)
        axes = empty_axes()
        draw_reuse_distances(axes, distances, len(act.storm.attempts))
        (stairs,) = axes.patches
        counts, edges, _ = stairs.get_data()
        assert counts.sum() == len(distances)
        assert (edges[0], edges[-1]) == pytest.approx(axes.get_xlim())
        for distance in np.unique(distances)[:5]:
            (inside,) = np.flatnonzero((edges[:-1] <= distance) & (distance < edges[1:]))
            assert counts[inside] >= np.count_nonzero(distances == distance)


def test_a_distance_as_long_as_the_axis_is_not_lost():
    for most in (10, 999, 1000, 20_000):
        axes = empty_axes()
        draw_reuse_distances(axes, np.array([1, most]), most)
        assert axes.patches[0].get_data()[0].sum() == 2


def test_the_words_about_returns_say_the_earliest_and_the_median():
    axes = empty_axes()
    draw_reuse_distances(axes, np.array([1, 4000, 5000]), 20_000)
    assert axes.get_title(loc="left") == "again after 1 attempt\nor more, median 4,000"
    axes = empty_axes()
    draw_reuse_distances(axes, np.zeros(0, np.int64), 20_000)
    assert axes.get_title(loc="left") == "no port came again"


def test_mines_met_are_a_bar_beside_what_chance_would_meet():
    (act,) = an_act("connect()", rising(250), range(LOW, LOW + 100)).acts
    axes = empty_axes()
    draw_mines(axes, act)
    whole, met = (patch.get_width() for patch in axes.patches)
    (stroke,) = axes.lines
    assert (whole, met) == (100, 50)
    assert stroke.get_xdata()[0] == pytest.approx(expected_hits(250, 100, PORTS))
    assert [text.get_text() for text in axes.texts] == ["50 mines met, by chance 22"]


def test_a_run_without_mines_says_so():
    axes = empty_axes()
    draw_mines(axes, an_act("connect()", rising(250)).acts[0])
    assert not axes.patches
    assert not axes.lines
    assert [text.get_text() for text in axes.texts] == ["no mines"]


def test_the_headline_is_what_the_ports_did():
    run = four_acts()
    assert shortest_distances(run.acts)["connect()"] == PORTS // 2
    first = min(reuse_distances(run.acts[3].storm.attempts))
    assert headline(run.acts) == f"A port came again after {first} to 1,000 attempts at the earliest, by who chose it"
    assert headline(DEGENERATE["one act"]().acts) == "A port came again after 500 attempts at the earliest"
    assert headline(DEGENERATE["one port only"]().acts) == "A port came again after 1 attempt at the earliest"
    assert headline(DEGENERATE["no port came again"]().acts) == "No source port came again"


def test_the_detail_names_the_soonest_and_the_latest_and_counts_mines():
    run = four_acts()
    met = [act.mines().hit for act in run.acts]
    assert detail(run.acts) == (
        f"soonest with bind() to port 0, latest with IP_LOCAL_PORT_RANGE; {min(met)} to {max(met)} of 200 mines met"
    )
    assert detail(DEGENERATE["every mine met"]().acts) == "2 of 2 mines met"
    assert detail(DEGENERATE["no attempt"]().acts) == ""


def test_parities_and_steps_in_words():
    assert parity_text(rising(10).astype(np.uint16)) == "even ports only"
    assert parity_text(drawn_at_random(10).astype(np.uint16)) == "odd ports only"
    assert parity_text(rising(10, 3).astype(np.uint16)) == "50 % odd ports"
    assert parity_text(np.zeros(0, np.uint16)) == "no port"
    assert step_text(rising(FIRST, 8).astype(np.uint16)) == "up by ≈ 8"
    assert step_text(np.array([60_000, 40_000] * 9, np.uint16)) == "up or down by ≈ 20,000"
    assert step_text(np.array([60_000], np.uint16)) == ""


def test_the_key_tells_parities_apart():
    samples = {sample.get_label(): sample.get_color() for sample in legend_entries()}
    assert samples["even port"] != samples["odd port"]


@pytest.mark.parametrize("build", [four_acts, *DEGENERATE.values()], ids=["four acts", *DEGENERATE])
def test_the_figure_is_a_png_of_1600_by_900(build, tmp_path):
    save_figure(port_choice_figure(build()), tmp_path / "choice.png")
    assert png_size(tmp_path / "choice.png") == (1600, 900)


def test_the_figure_is_the_same_every_time(tmp_path):
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(port_choice_figure(four_acts()), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
