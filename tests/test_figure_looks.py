# SPDX-License-Identifier: MIT
"""What figures of all kinds have in common: looks that a deuteranope can tell apart, SVG next to PNG, screens."""

import itertools
import re

import numpy as np
import pytest
from arm_builders import an_arm
from boxes import outside, overlapping
from builders import MS, US, the_attempts
from comparison_builders import made_up
from findings_builders import findings
from matplotlib.colors import to_rgb

from stress.model.outcome import Cause, Outcome
from stress.view.figure import style
from stress.view.figure.cause_style import CAUSE_LOOKS
from stress.view.figure.comparison.forest import forest_figure
from stress.view.figure.comparison.nines import nines_figure
from stress.view.figure.comparison.port_maps import port_maps_figure
from stress.view.figure.comparison.shift import shift_figure
from stress.view.figure.history.history_panel import COLOURS, MARKERS
from stress.view.figure.run.timeline import timeline_figure
from stress.view.figure.save import save_figure
from stress.view.figure.series_style import series_looks
from stress.view.figure.suite.kernel_grid import kernel_grid_figure, kernels_headline
from stress.view.figure.verdict_style import VERDICT_LOOKS

# Full deuteranopia on linear RGB: Machado, Oliveira and Fernandes 2009, table 1, severity 1.
DEUTERANOPE = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
APART = 18.0  # CIE 1976 colour difference of small marks that everybody tells apart


def seen_colour(colour):
    """Return a colour in CIELAB as a deuteranope sees it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(DEUTERANOPE @ linear, 0, 1) / [0.9505, 1.0, 1.089]
    root = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def is_told_apart(one, other):
    """Return whether two looks differ in shape, or in colour for a deuteranope."""
    return one.marker != other.marker or np.linalg.norm(seen_colour(one.colour) - seen_colour(other.colour)) >= APART


@pytest.mark.parametrize(
    "looks",
    [CAUSE_LOOKS, style.LOOKS, VERDICT_LOOKS, series_looks([str(number) for number in range(8)])],
    ids=["causes", "outcomes", "verdicts", "series"],
)
def test_a_deuteranope_tells_all_looks_apart(looks):
    alike = [
        (one, other) for one, other in itertools.combinations(looks, 2) if not is_told_apart(looks[one], looks[other])
    ]
    assert alike == []


def test_steps_of_a_history_differ_in_shape():
    assert len(set(MARKERS.values())) == len(MARKERS) == len(COLOURS)


@pytest.mark.parametrize("attempts", [100, 30_000])
def test_an_svg_stands_next_to_the_png_and_is_small_and_the_same_each_time(attempts, tmp_path):
    rng = np.random.default_rng(1)
    rows = the_attempts(*[(40000 + number % 100, 0, 1) for number in range(attempts)], latency_ns=12 * MS)
    rows["latency_ns"] = rng.integers(8 * MS, 16 * MS, attempts)
    rows["start_ns"] = np.arange(attempts) * US
    run = findings(rows)
    for name in ("one.png", "two.png"):
        save_figure(timeline_figure(run), tmp_path / name, with_svg=True)
    one, two = (tmp_path / f"{name}.svg" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_size < 700_000
    assert b"<svg" in one.read_bytes()
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_no_svg_is_written_unless_asked_for(tmp_path):
    save_figure(timeline_figure(findings(the_attempts((40000, 0, 0)))), tmp_path / "one.png")
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


LONG = "a kernel with many patches"
FIGURES = {
    "timeline": lambda: timeline_figure(findings(the_attempts((40000, 0, 0)))),
    "nines": lambda: nines_figure([an_arm(trials=3), an_arm(LONG, trials=3, first=20)]),
    "shift": lambda: shift_figure([an_arm(trials=6), an_arm(LONG, trials=6, first=20, median=14 * US)]),
    "port maps": lambda: port_maps_figure(an_arm(trials=1), an_arm(LONG, trials=1, first=20)),
    "forest": lambda: forest_figure(made_up(["closewait"])),
}


@pytest.mark.parametrize("build", FIGURES.values(), ids=FIGURES)
def test_a_figure_fits_a_laptop_screen_and_nothing_written_in_it_meets(build):
    figure = build()
    width, height = figure.get_size_inches()
    assert height <= width * 768 / 1366 * 1.15
    assert overlapping(figure) == []
    assert outside(figure) == []


@pytest.mark.parametrize("build", list(FIGURES.values())[:3], ids=list(FIGURES)[:3])
def test_an_axis_of_latencies_or_ratios_says_that_it_is_logarithmic(build):
    for axes in build().axes:
        for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
            if scale == "log" and axis.get_label_text():
                assert axis.get_label_text().endswith("log scale")


def test_port_maps_next_to_each_other_do_not_touch():
    left, right = sorted(
        (
            axes.get_tightbbox()
            for axes in port_maps_figure(an_arm(trials=1), an_arm("new", trials=1, first=20)).axes
            if axes.get_label().startswith(("base, ", "new, "))
        ),
        key=lambda box: box.x0,
    )
    assert right.x0 - left.x1 > 10


def a_grid():
    met = findings(the_attempts((40001, 0, 1), latency_ns=12 * MS), causes=[Cause.CLOSEWAIT])
    at_once = findings(the_attempts((40001, 0, 0), latency_ns=12 * US))
    rows = {"closewait": (met, met), "translator": (met, at_once), "port-choice": ("not applicable", at_once)}
    return {(row, str(column)): cell for row, cells in rows.items() for column, cell in enumerate(cells)}


def test_kernels_are_told_apart_by_shape_too_and_the_title_says_what_differs():
    grid = a_grid()
    assert kernels_headline(grid) == "1 of 3 scenarios met other causes from kernel to kernel, translator"
    heads = {"0": "Linux 6.12.117+deb13-amd64\nemulated", "1": "Linux 6.18.44\nas it runs here"}
    figure = kernel_grid_figure(grid, heads, "Kernels", ["a caption"])
    shapes = {line.get_marker() for axes in figure.axes for line in axes.lines if line.get_label()[0] != "_"}
    assert shapes == {CAUSE_LOOKS[Cause.CLOSEWAIT].marker, CAUSE_LOOKS[Cause.NONE].marker}
    assert overlapping(figure, spare=3) == []
    assert outside(figure) == []
    many = {(f"{row} {number}", column): cell for number in range(3) for (row, column), cell in grid.items()}
    width, height = kernel_grid_figure(many, heads, "Kernels", ["a caption"]).get_size_inches()
    assert height <= width * 768 / 1366 * 1.15


def test_the_legend_of_many_causes_and_a_long_name_have_room():
    causes = list(CAUSE_LOOKS)
    rows = {
        f"conntrack-invalid {place}": findings(the_attempts((40001, 0, 1), latency_ns=12 * MS), causes=[cause])
        for place, cause in enumerate(causes)
    }
    grid = {(row, "kernel"): cell for row, cell in rows.items()}
    figure = kernel_grid_figure(grid, {"kernel": "Linux 6.18.44"}, "Kernels", ["a caption"])
    (legend,) = figure.legends
    box = legend.get_window_extent(figure.canvas.get_renderer())
    assert len(legend.get_texts()) == len(causes)
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert overlapping(figure, spare=3) == []


def test_no_figure_speaks_of_one_trials():
    texts = [text.get_text() for text in nines_figure([an_arm(trials=1), an_arm("new", trials=1)]).texts]
    assert not any(re.search(r"\b1 (trials|attempts|cells|points)\b", text) for text in texts)
    assert Outcome.CONNECTED in style.LOOKS
