# SPDX-License-Identifier: MIT
"""The data behind the pictures: every attempt is drawn, and nothing else."""

import dataclasses
import itertools
import struct

import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from boxes import outside, overlapping
from builders import a_host, a_record, an_act, settings
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from stress.analysis.attribution.cause import CAUSES, NO_PROOF
from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.ladder import build_ladder
from stress.analysis.attribution.syns import Syns
from stress.model.attempt import ATTEMPT
from stress.model.outcome import Cause, Outcome
from stress.model.plan import Plan
from stress.model.record import Phase
from stress.model.run import MINE, Run
from stress.model.summary import Band, Body, Evidence, Mines, Packet, Summary
from stress.view.figure import axes as around
from stress.view.figure import style
from stress.view.figure.caption import caption, detail
from stress.view.figure.cause_style import cause_marker
from stress.view.figure.run.panels import Case, panels_figure
from stress.view.figure.run.timeline import (
    MARKS_MAX,
    attempt_kinds,
    draw_timeline,
    latency_limits,
    legend_entries,
    timeline_figure,
)
from stress.view.figure.save import save_figure
from stress.view.figure.sheet import new_sheet
from stress.view.text.run_headline import run_headline

OUTCOMES = list(Outcome)
RETRIED, TIMED_OUT, NO_PORT = (OUTCOMES.index(o) for o in (Outcome.RETRIED, Outcome.TIMED_OUT, Outcome.NO_PORT))
US, MS, SECOND = 10**3, 10**6, 10**9
RATE_PER_S = 22_000


DEFAULTS = settings(tcp_syn_retries=6, tcp_syn_linear_timeouts=4)


def record_of(scenario, sysctls, mines, attempts, *, storm_ns, end_ns):
    before = [Phase("laying mines", -3 * SECOND, -2 * SECOND), Phase("waiting", -2 * SECOND, 0)]
    warm_ns = storm_ns // 10
    plan = Plan(scenario=scenario, mines=mines, sysctls=sysctls)
    phases = [
        *(before if mines else []),
        Phase("warm-up", 0, warm_ns),
        Phase("storm", warm_ns, storm_ns),
        Phase("drain", storm_ns, end_ns),
    ]
    act = an_act(
        plan,
        sysctls=DEFAULTS | sysctls,
        port_range=(32768, 60999),
        ports=28_232,
        phases=phases,
        attempts=attempts,
    )
    host = a_host(kernel="6.18.44-amd64")
    return a_record(plan, acts=[act], id="20260131T120000Z-test-1a2b", program="connstorm 0.1.0", host=host)


def summary_of(latency_ns, outcomes, rungs, collisions, mines):
    retried_ns, body_ns = latency_ns[outcomes == RETRIED], latency_ns[outcomes == 0]
    points = (0.5, 0.9, 0.99, 0.999, 1)
    percentiles = np.quantile(body_ns, points, method="inverted_cdf").tolist() if body_ns.size else [None] * 5
    within = [(rung, (retried_ns >= rung.from_ns) & (retried_ns <= rung.to_ns)) for rung in (rungs.fast, *rungs.rungs)]
    return Summary(
        attempts=latency_ns.size,
        duration_s=1.0,
        rate_per_s=RATE_PER_S,
        outcomes={outcome.value: int((outcomes == index).sum()) for index, outcome in enumerate(OUTCOMES)},
        causes={},
        body=Body(*percentiles),
        intended=None,
        bands=[Band(rung.label, rung.from_ns, rung.to_ns, int(inside.sum())) for rung, inside in within],
        retransmits=0,
        collisions=collisions,
        mines=Mines(mines, collisions, mines - collisions),
        acts=[],
        verdict=None,
        figures=[],
        evidence=[],
        books=[],
        warnings=[],
    )


def scene_of(latency_ns, outcomes, collided=None, *, scenario="test", sysctls=None, mines=0):
    """A scene of given latencies (ns) and outcomes (index into OUTCOMES), started at an even rate."""
    latency_ns, outcomes = np.asarray(latency_ns, np.int64), np.asarray(outcomes, np.uint8)
    collided = np.zeros(outcomes.size, bool) if collided is None else np.asarray(collided, bool)
    attempts = np.zeros(latency_ns.size, ATTEMPT)
    attempts["start_ns"] = np.arange(latency_ns.size) * (SECOND // RATE_PER_S)
    attempts["latency_ns"] = latency_ns
    storm_ns = max(1, latency_ns.size * (SECOND // RATE_PER_S))
    end_ns = max(storm_ns, int((attempts["start_ns"] + latency_ns).max(initial=0)))
    record = record_of(scenario, sysctls or {}, mines, latency_ns.size, storm_ns=storm_ns, end_ns=end_ns)
    rungs = build_ladder(record.host, record.acts[0].sysctls)
    summary = summary_of(latency_ns, outcomes, rungs, int(collided.sum()), mines)
    run = Run(record, attempts, np.zeros(mines, MINE))
    none = np.zeros_like(outcomes)
    no, zero = none.astype(bool), none.astype(np.uint16)
    syns = Syns(none, collided, no, mine_state=none, challenged=zero, unanswered=zero, unresolved=no)
    causes = np.select(
        [collided, outcomes != 0],
        [CAUSES.index(Cause.CLOSEWAIT), CAUSES.index(Cause.UNKNOWN)],
        CAUSES.index(Cause.NONE),
    ).astype(np.uint8)
    proof_codes = np.full(len(outcomes), NO_PROOF, np.uint8)
    act = ActFindings(run.storms()[0], rungs, outcomes, syns, causes, [], [], proof_codes, [], [])
    return Findings(run, [act], summary)


def storm(count=28_232, mines=600, *, seed=1, resolve=None, outcome=Outcome.RETRIED, **options):
    """A storm with a log-normal body around 12 µs and a tail to 1 ms; ``resolve`` times its collisions."""
    rng = np.random.default_rng(seed)
    latency_ns = 12_000 * np.exp(rng.normal(0, 0.22, count))
    tail = rng.random(count) < 0.004
    latency_ns[tail] *= np.exp(rng.uniform(0, np.log(80), tail.sum()))
    outcomes = np.zeros(count, np.uint8)
    collided = np.zeros(count, bool)
    met = rng.permutation(count)[:mines]
    collided[met] = True
    outcomes[met] = OUTCOMES.index(outcome)
    latency_ns[met] = resolve(rng, mines) if resolve else rng.uniform(8 * MS, 16 * MS, mines)
    return scene_of(latency_ns, outcomes, collided, mines=mines, **options)


def limited(rng, count):
    """Retries under a challenge-ACK limit: at once for some, then on the ladder from 2 s."""
    rung_s = rng.choice([0.008, 2, 3, 4, 5, 7], count, p=[0.16, 0.34, 0.2, 0.15, 0.1, 0.05])
    return rung_s * SECOND + rng.uniform(1 * MS, 8 * MS, count) + np.where(rung_s > 1, rung_s * 15 * MS, 0)


def dropped(rng, count):
    return 2 * SECOND + rng.uniform(12 * MS, 44 * MS, count)


LIMITED = {"net.ipv4.tcp_challenge_ack_limit": "100"}
ONE_RETRY = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"}


def clean_scene():
    return storm(mines=0, scenario="clean")


def collision_scene():
    return storm(scenario="closewait")


def limited_scene():
    return storm(resolve=limited, scenario="closewait", sysctls=LIMITED)


def dropped_scene():
    return storm(resolve=dropped, outcome=Outcome.TIMED_OUT, scenario="rst-dropped", sysctls=ONE_RETRY)


def every_kind_scene():
    """Each outcome with a mine and without, from microseconds to the end of the ladder."""
    outcomes = np.concatenate([[index] * (10 + 3 * index) for index in range(len(OUTCOMES))])
    collided = np.arange(outcomes.size) % 3 == 0
    latency_ns = np.geomspace(2 * US, 131 * SECOND, outcomes.size)
    return scene_of(latency_ns, outcomes, collided, mines=100)


DEGENERATE = {
    "empty": lambda: scene_of([], []),
    "one": lambda: scene_of([12 * US], [0]),
    "one timeout": lambda: scene_of([131 * SECOND], [TIMED_OUT]),
    "all timed out": lambda: scene_of([131 * SECOND] * 300, [TIMED_OUT] * 300),
    "all alike": lambda: scene_of([12 * US] * 300, [0] * 300),
    "no time at all": lambda: scene_of([0] * 300, [0] * 299 + [NO_PORT]),
    "some take no time": lambda: scene_of([0, 12 * US, 0, 9 * MS], [0, 0, NO_PORT, RETRIED]),
    "every kind": every_kind_scene,
}


def drawn(scene):
    """The axes that a scene was drawn into, and the body in them."""
    figure = Figure(figsize=(10, 5), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.1, 0.75, 0.75))
    return axes, draw_timeline(axes, scene, latency_limits([scene]))


def marks(axes):
    """The marks in axes by label; rungs and phases are lines too, but have no marker."""
    return {line.get_label(): line for line in axes.lines if line.get_marker() != "None"}


def png_size(path):
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert head[12:16] == b"IHDR"
    return struct.unpack(">II", head[16:])


@pytest.mark.parametrize("build", [clean_scene, collision_scene, limited_scene, dropped_scene, *DEGENERATE.values()])
def test_every_attempt_is_drawn_once(build):
    scene = build()
    axes, body = drawn(scene)
    assert np.ma.filled(body.get_array(), 0).sum() == np.count_nonzero(scene.outcomes == 0)
    in_data = {}
    for index, outcome in enumerate(OUTCOMES[1:], start=1):
        for mined in (False, True):
            count = np.count_nonzero((scene.outcomes == index) & (scene.collided == mined))
            if count:
                in_data[style.LOOKS[outcome].label + (", met a mine" if mined else "")] = count
    assert {label: line.get_xdata().size for label, line in marks(axes).items()} == in_data


def test_a_mark_stands_where_its_attempt_started():
    scene = limited_scene()
    line = marks(drawn(scene)[0])["retried, met a mine"]
    attempts = scene.run.attempts[scene.outcomes == RETRIED]
    assert line.get_xdata() == pytest.approx(attempts["start_ns"] / 1e9)
    assert line.get_ydata() == pytest.approx(attempts["latency_ns"])


def test_the_body_lies_at_its_latencies():
    scene = collision_scene()
    axes, body = drawn(scene)
    by_row = np.ma.filled(body.get_array(), 0).sum(axis=1)
    edges_ns = np.geomspace(*axes.get_ylim(), by_row.size + 1)
    expected, _ = np.histogram(scene.run.attempts["latency_ns"][scene.outcomes == 0], edges_ns)
    # An attempt within rounding of an edge may go to either side.
    assert np.abs(np.cumsum(by_row) - np.cumsum(expected)).max() <= 2


def test_everything_lies_within_the_axes():
    for build in (collision_scene, limited_scene, every_kind_scene):
        axes, _ = drawn(build())
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in marks(axes).values():
            assert np.all((line.get_xdata() >= left) & (line.get_xdata() <= right))
            assert np.all((line.get_ydata() >= low) & (line.get_ydata() <= high))


def test_a_crowd_of_marks_is_thinned_but_leaves_no_attempt_without_a_mark():
    rng = np.random.default_rng(4)
    count = 5 * MARKS_MAX
    scene = scene_of(3 * US * np.exp(rng.normal(0, 0.3, count)), [NO_PORT] * count)
    axes, _ = drawn(scene)
    line = marks(axes)["no port"]
    assert line.get_xdata().size < count

    def pixels(moment_s, latency_ns):
        return axes.transData.transform(np.column_stack([moment_s, latency_ns]))

    attempts = scene.run.attempts
    wanted = pixels((attempts["start_ns"] + attempts["latency_ns"]) / 1e9, attempts["latency_ns"]) // 2
    given = pixels(line.get_xdata(), line.get_ydata()) // 2
    neighbours = {(x + dx, y + dy) for x, y in given for dx, dy in itertools.product((-1, 0, 1), repeat=2)}
    assert set(map(tuple, wanted)) <= neighbours


def test_marks_that_met_a_mine_are_filled_and_others_hollow():
    for label, line in marks(drawn(every_kind_scene())[0]).items():
        assert (line.get_markerfacecolor() == "none") == ("met a mine" not in label)


def test_outcomes_differ_in_colour_and_in_shape():
    looks = [look for outcome, look in style.LOOKS.items() if outcome is not Outcome.CONNECTED]
    assert set(style.LOOKS) == set(Outcome)
    assert len({to_rgba(look.colour) for look in looks}) == len({look.marker for look in looks}) == len(looks)


def test_rare_kinds_lie_on_top():
    sizes = [line.get_xdata().size for line in marks(drawn(every_kind_scene())[0]).values()]
    assert sizes == sorted(sizes, reverse=True)


def test_the_key_names_only_what_occurs_and_counts_it():
    labels = [sample.get_label() for sample in legend_entries([collision_scene()], counted=True)]
    assert labels == ["connected at once  27,632", "retried, met a mine  600"]
    several = legend_entries([clean_scene(), collision_scene(), dropped_scene()], counted=False)
    assert [sample.get_label() for sample in several] == [
        "connected at once",
        "retried, met a mine",
        "timed out, met a mine",
    ]


def test_kinds_divide_the_attempts_that_did_not_connect_at_once():
    scene = every_kind_scene()
    rows = np.concatenate([kind.rows for kind in attempt_kinds(scene)])
    assert sorted(rows) == np.flatnonzero(scene.outcomes).tolist()


@pytest.mark.parametrize("build", [clean_scene, collision_scene, limited_scene, dropped_scene, every_kind_scene])
def test_names_of_rungs_do_not_overlap(build):
    axes, _ = drawn(build())
    axes.figure.canvas.draw()
    names = [text for text in axes.texts if isinstance(text, Annotation)]
    boxes = sorted((Text.get_window_extent(name) for name in names), key=lambda box: box.y0)
    assert names
    assert all(box.x0 > axes.bbox.x1 for box in boxes)
    assert all(below.y1 <= above.y0 for below, above in itertools.pairwise(boxes))


def test_only_rungs_near_the_data_are_named():
    def names(scene):
        return {text.get_text() for text in drawn(scene)[0].texts if isinstance(text, Annotation)}

    assert names(clean_scene()) == {"2 jiffies"}
    assert names(dropped_scene()) == {"2 jiffies", "1 s · 1 retransmit", "2 s if challenged", "ETIMEDOUT 3 s"}
    assert {"2 jiffies", "2 s · 2", "7 s · 6"} <= names(limited_scene())
    assert "ETIMEDOUT 131 s" in names(every_kind_scene())


@given(st.lists(st.floats(0, 1), max_size=12).map(sorted), st.floats(0.01, 0.2))
def test_spread_labels_keep_their_distance_and_order(targets, height):
    places = around.spread_labels(targets, height, 1 + height)
    assert len(places) == len(targets)
    assert all(above - below >= height - 1e-9 for below, above in itertools.pairwise(places))
    assert all(place <= 1 + height + 1e-9 for place in places)
    if all(above - below >= height for below, above in itertools.pairwise(targets)):
        assert places == pytest.approx(targets)


def test_phases_are_named_above_the_axes_when_there_are_several():
    def names(scene):
        return [text.get_text() for text in drawn(scene)[0].texts if not isinstance(text, Annotation)]

    assert names(collision_scene()) == ["warm-up", "storm"]  # what lies before or after the starts is not on the axis
    single = collision_scene()
    del single.run.record.acts[0].phases[:-2]
    assert names(single) == []


def test_words_say_what_the_data_say():
    assert run_headline(clean_scene()) == "All 28,232 attempts connected at once"
    assert detail(clean_scene()).startswith("connected within 12 µs (p50), ")
    waited = "600 of 28,232 attempts waited two jiffies (12.1 ms): leaked sockets in CLOSE-WAIT"
    assert run_headline(collision_scene()) == waited
    assert detail(collision_scene()) == "600 retried after 8 ms to 16 ms (p50 12.1 ms)"
    assert detail(dropped_scene()).startswith("600 timed out after 2.01 s to 2.04 s (p50 ")
    lost = scene_of([3 * US] * 5, [0, 0, NO_PORT, NO_PORT, 0])
    assert run_headline(lost) == "2 of 5 attempts got no port: cause unknown"
    assert detail(scene_of([], [])) == ""


def test_retries_in_several_bands_are_counted_by_band():
    seconds = [0.012, 0.012, 1.01, 2.01, 3.01, 5.01, 11.02, 0.5]
    scene = scene_of(np.array(seconds) * SECOND, [RETRIED] * len(seconds))
    expected = "8 retried after 2 jiffies (2), 1 s (1), 2 s (1), 3 s (1), 5 s to 11 s (2), other times (1)"
    assert detail(scene) == expected


def test_the_caption_holds_what_a_reader_needs_to_repeat_the_run():
    phrases = caption(limited_scene())
    assert phrases == [
        "Linux 6.18.44-amd64",
        "HZ 250",
        "28,232 attempts",
        "22,000/s",
        "600 mines laid, 0 left",
        "600 collisions",
        "net.ipv4.tcp_challenge_ack_limit=100",
        "seed 1",
        "run 20260131T120000Z-test-1a2b",
        "connstorm 0.1.0",
    ]


@pytest.mark.parametrize("build", [collision_scene, *DEGENERATE.values()], ids=["collisions", *DEGENERATE])
def test_a_timeline_is_a_png_of_1600_by_900(build, tmp_path):
    save_figure(timeline_figure(build()), tmp_path / "timeline.png")
    assert png_size(tmp_path / "timeline.png") == (1600, 900)


def test_a_timeline_is_the_same_every_time_and_leaves_no_settings_behind(tmp_path):
    before = dict(mpl.rcParams)
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(timeline_figure(limited_scene()), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("count", [1, 4, 5])
def test_panels_make_a_png_of_1920_pixels_in_width(count, tmp_path):
    scenes = [clean_scene(), collision_scene(), limited_scene(), dropped_scene(), collision_scene()][:count]
    cases = [Case("abcde"[number], "a title", "how " * 12, scene) for number, scene in enumerate(scenes)]
    save_figure(panels_figure(cases, "title"), tmp_path / "panels.png")
    width, height = png_size(tmp_path / "panels.png")
    assert width == 1920
    assert 600 < height <= 1200


def overlap(one, other):
    """Return whether two boxes have more than an edge in common."""
    return one.x0 < other.x1 - 1 and other.x0 < one.x1 - 1 and one.y0 < other.y1 - 1 and other.y0 < one.y1 - 1


def test_no_text_of_a_panel_covers_another_or_leaves_the_sheet():
    scenes = [clean_scene(), collision_scene(), limited_scene(), dropped_scene(), collision_scene()]
    how = "mines, and a firewall answers the challenge ACK in the client's place"
    cases = [
        Case("abcde"[number], "one second, as before Linux 5.6", how, scene) for number, scene in enumerate(scenes)
    ]
    figure = panels_figure(cases, "The same storm, five times: what leaked sockets do to connect()")
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in figure.texts]
    labels = [axes.xaxis.label.get_window_extent(renderer) for axes in figure.axes if axes.get_xlabel()]
    assert all(not overlap(one, other) for one, other in itertools.combinations([*boxes, *labels], 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)


def test_a_cell_left_over_shows_the_packets_of_a_run_that_was_captured():
    scenes = [clean_scene(), collision_scene(), limited_scene(), dropped_scene(), collision_scene()]
    plain = len(panels_figure([Case("abcde"[n], "t", "h", scene) for n, scene in enumerate(scenes)], "title").axes)
    packets = [Packet(0, True, "S"), Packet(3 * US, False, "."), Packet(SECOND, True, "S")]
    evidence = [Evidence("storm", "closewait", 40000, 0, packets)]
    summary = msgspec.structs.replace(scenes[1].summary, evidence=evidence)
    scenes[1] = dataclasses.replace(scenes[1], summary=summary)
    figure = panels_figure([Case("abcde"[n], "t", "h", scene, "what") for n, scene in enumerate(scenes)], "title")
    assert len(figure.axes) == plain + 1
    assert {"packet by packet", "what"} <= {text.get_text() for text in figure.texts}


def test_one_latency_axis_has_room_for_all_scenes():
    scenes = [clean_scene(), limited_scene()]
    low_ns, high_ns = latency_limits(scenes)
    for scene in scenes:
        assert low_ns < scene.run.attempts["latency_ns"].min()
        assert high_ns > scene.run.attempts["latency_ns"].max()


def test_the_two_jiffies_are_a_band_only_where_attempts_are():
    def bands(scene):
        return [patch for patch in drawn(scene)[0].patches if to_rgba(patch.get_facecolor())[:3] != (1, 1, 1)]

    tint = to_rgba(style.LADDER_TINT)[:3]
    assert not any(patch.get_facecolor()[:3] == tint for patch in bands(clean_scene()))
    assert any(patch.get_facecolor()[:3] == tint for patch in bands(collision_scene()))


@pytest.mark.parametrize("letters", [20, 90, 104, 105, 140, 220])
def test_a_title_is_large_enough_and_fits_the_sheet(letters):
    figure, _ = new_sheet(("closewait of six " * 20)[:letters].strip(), "detail", [], ["caption"])
    title, below = figure.texts[:2]
    assert title.get_fontsize() >= 9
    assert title.get_window_extent().x1 <= figure.bbox.x1
    assert title.get_window_extent().y0 >= below.get_window_extent().y1


@pytest.mark.parametrize("phrases", [1, 20, 40, 60])
def test_a_long_caption_does_not_cover_the_axes(phrases):
    scene = collision_scene()
    scene.run.record.plan.sysctls.update({f"net.ipv4.tcp_{number}": "1" for number in range(phrases)})
    figure = timeline_figure(scene)
    assert overlapping(figure) == []
    assert outside(figure) == []


def test_the_mark_of_every_cause_can_be_seen():
    for cause in Cause:
        mark = cause_marker(cause, size=3)
        is_edged = mark.get_markeredgewidth() > 0 and to_rgba(mark.get_markeredgecolor()) != (1, 1, 1, 1)
        assert is_edged or mark.get_marker() in Line2D.filled_markers, cause
