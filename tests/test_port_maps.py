# SPDX-License-Identifier: MIT
"""Two port maps next to each other: same scales and colours, every attempt of both runs; and the files of figures."""

import numpy as np
import pytest
from arm_builders import a_trial, an_arm, empty, no_syn
from boxes import outside, overlapping
from builders import MS, SECOND, US, a_run, in_acts, the_mines
from command import connstorm
from comparison_builders import made_up
from matplotlib.collections import QuadMesh

from stress.analysis.comparison.arm import Arm
from stress.store import run_folder
from stress.view.figure.comparison.comparison_figures import save_arm_figures, save_forest
from stress.view.figure.comparison.port_maps import comparable_runs, counts_text, port_maps_figure

NAMES = ["forest.png", "latency.png", "shift.png", "ports.png"]


def maps(figure, side):
    """The axes of one side, by the name of their act."""
    by_label = {axes.get_label(): axes for axes in figure.axes}
    return {name.removeprefix(f"{side}, "): axes for name, axes in by_label.items() if name.startswith(f"{side}, ")}


def mesh(axes):
    (meshes,) = (artist for artist in axes.collections if isinstance(artist, QuadMesh))
    return meshes


def count(axes):
    return int(np.ma.filled(mesh(axes).get_array(), 0).sum()) + sum(line.get_xdata().size for line in axes.lines)


def mined(label, mines, *, seed=1, span_s=1.0):
    run = a_trial(seed, retried=mines, mines=the_mines(*range(40000, 40000 + mines)))
    run.attempts["start_ns"] = (run.attempts["start_ns"] * span_s).astype(np.int64)
    return Arm(label, [run])


def in_two_acts(label):
    rows = [(40000 + place, 0, 0) for place in range(40)]
    attempts = in_acts(*rows, address=np.arange(40) // 20, latency_ns=12 * US)
    return Arm(label, [a_run(attempts, acts=2, port_range=(40000, 40099), ports=100)])


def test_both_maps_have_all_attempts_of_their_run():
    base, new = mined("base", 3), mined("new", 9, seed=2)
    figure = port_maps_figure(base, new)
    for side, arm in (("base", base), ("new", new)):
        (axes,) = maps(figure, side).values()
        assert count(axes) == len(arm.runs[0].attempts)


def test_both_maps_have_the_same_scales_and_colours():
    figure = port_maps_figure(mined("base", 3, span_s=0.1), mined("new", 9, seed=2, span_s=3))
    (one,), (other,) = (maps(figure, side).values() for side in ("base", "new"))
    assert one.get_ylim() == other.get_ylim()
    assert one.get_xlim() == other.get_xlim()
    assert one.get_position().width == pytest.approx(other.get_position().width)
    assert mesh(one).norm is mesh(other).norm
    assert mesh(one).cmap == mesh(other).cmap
    densest = max(np.ma.max(mesh(axes).get_array()) for axes in (one, other))
    assert mesh(one).norm.vmax == max(10, densest)
    looks = {line.get_label(): line.get_markerfacecolor() for line in one.lines}
    assert {line.get_label(): line.get_markerfacecolor() for line in other.lines} == looks
    assert looks


def test_the_ports_of_either_run_have_room_in_both():
    high = mined("new", 3)
    high.runs[0].attempts["local_port"] += 5000
    figure = port_maps_figure(mined("base", 3), high)
    (one,), (other,) = (maps(figure, side).values() for side in ("base", "new"))
    assert one.get_ylim() == other.get_ylim() == (39_999.5, 45_099.5)


def test_the_key_counts_both():
    figure = port_maps_figure(mined("base", 3), mined("new", 9, seed=2))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0] == "connected at once  2,997 | 2,991"
    assert any(text.endswith("  3 | 9") for text in texts[1:])
    assert counts_text([0, 1500]) == "0 | 1,500"


def test_where_either_run_has_attempts_without_a_port_both_have_the_strip():
    figure = port_maps_figure(mined("base", 3), no_syn())
    assert list(maps(figure, "base")) == ["act 0", "act 0, no port"]
    assert count(maps(figure, "new")["act 0, no port"]) == 40
    assert count(maps(figure, "base")["act 0, no port"]) == 0
    heights = {
        round(axes.get_position().height, 6) for side in ("base", "new") for axes in [maps(figure, side)["act 0"]]
    }
    assert len(heights) == 1


def test_acts_stand_beside_each_other_at_the_height_of_the_other_map():
    figure = port_maps_figure(mined("base", 3), in_two_acts("new"))
    assert list(maps(figure, "new")) == ["act 0", "act 1"]
    tops = {round(axes.get_position().y1, 6) for side in ("base", "new") for axes in maps(figure, side).values()}
    assert len(tops) == 1


def test_runs_of_the_same_block_are_drawn():
    base, new = an_arm(trials=3), an_arm("new", trials=3, first=20)
    assert comparable_runs(base, new) == (0, 0)
    later = Arm("new", new.runs, (2, 1, 0))
    assert comparable_runs(base, later) == (0, 2)
    assert comparable_runs(Arm("base", base.runs), later) == (0, 0)
    assert "run run0, seed" in port_maps_figure(base, later).texts[2].get_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "run run22, seed" in port_maps_figure(base, later).texts[2].get_text().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("base", "new"),
    [
        (mined("base", 3), mined("new", 90, seed=2)),
        (mined("a label that is rather long", 3), mined("another one, that is even longer than the first", 9)),
        (in_two_acts("base"), in_two_acts("new")),
        (mined("base", 3), no_syn()),
        (empty("base"), empty("new")),
    ],
    ids=["mines", "long names", "acts", "no port", "empty"],
)
def test_nothing_that_is_written_overlaps(base, new):
    figure = port_maps_figure(base, new)
    assert overlapping(figure, spare=6) == []  # the scale's own title is that close to its highest number
    assert outside(figure) == []


def test_an_arm_without_a_run_has_no_map():
    with pytest.raises(ValueError, match="run of both arms"):
        port_maps_figure(an_arm(trials=1), Arm("new", []))


# The files.


def draw(comparisons, arms, where):
    return [*save_forest(comparisons, where), *save_arm_figures(arms, where)]


def test_a_comparison_has_four_pictures_that_are_alike_each_time(tmp_path):
    arms = [an_arm(trials=2), an_arm("new", first=20, trials=2)]
    first = draw(made_up()[:3], arms, tmp_path / "a" / "b")
    again = draw(made_up()[:3], arms, tmp_path / "again")
    assert [path.name for path in first] == NAMES
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert one.read_bytes() == other.read_bytes()
        assert b"Software" not in one.read_bytes()


@pytest.mark.parametrize(
    ("arms", "names"),
    [
        ([], NAMES[:1]),
        ([empty()], NAMES[:1]),
        ([an_arm(trials=1), empty()], NAMES[:1]),
        ([an_arm(trials=1), no_syn()], NAMES),
    ],
)
def test_what_cannot_be_drawn_is_not(tmp_path, arms, names):
    assert [path.name for path in draw(made_up()[:3], arms, tmp_path)] == names


def test_real_runs_are_drawn(tmp_path):
    """Two runs of the command each, as ``connstorm compare`` reads them."""
    arms = []
    for label, mines in (("few", "5"), ("many", "60")):
        results = tmp_path / label
        storm = ["run", "closewait", "--attempts", 2000, "--mines", mines]
        done = connstorm(*storm, "-o", results, "--json")
        if done.returncode == 3:
            pytest.skip(f"no private namespace: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        runs = [run_folder.read(path)[0] for path in sorted(results.iterdir())]
        arms.append(Arm(label, runs, tuple(range(len(runs)))))
    assert [path.name for path in draw(made_up()[:3], arms, tmp_path / "figures")] == NAMES
    figure = port_maps_figure(*arms)
    assert sum(count(axes) for axes in maps(figure, "new").values()) == 2000
    assert max(arm.waits_ns()[0][-1] for arm in arms) < 140 * SECOND
    assert min(arm.bodies_ns()[0][0] for arm in arms) < 10 * MS
