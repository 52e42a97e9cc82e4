# SPDX-License-Identifier: MIT
"""The complementary CDF: exact shares of those who waited, and nobody else."""

import errno
import itertools

import numpy as np
import pytest
from builders import MS, SECOND, US, a_ladder, the_attempts
from findings_builders import ALL_TIMED_OUT, DEGENERATE, EMPTY, NO_PORT, ONE, findings, storms
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from stress.analysis.attribution.outcome import has_sent_syn
from stress.model.latency_counts import count_latencies
from stress.model.outcome import Cause
from stress.view.figure import style
from stress.view.figure.ccdf_panel import draw_ccdf, share_text
from stress.view.figure.curve import GRID, TAIL, Curve
from stress.view.figure.run.ccdf import (
    attempts_without_syn,
    ccdf_curves,
    ccdf_figure,
    detail,
    headline,
    legend_entries,
)
from stress.view.figure.save import save_figure


def curve(latency_ns, whole=None):
    latency_ns = np.sort(np.asarray(latency_ns, np.int64))
    return Curve("curve", count_latencies([latency_ns]), whole or latency_ns.size, "black")


def values(one):
    """Return the latencies of a curve, ascending."""
    return np.repeat(one.latencies.latency_ns, one.latencies.counts).tolist()


def drawn(run, ladder=None):
    figure = Figure(figsize=(10, 5.625), dpi=160)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.15, 0.2, 0.78, 0.5))
    draw_ccdf(axes, ccdf_curves(run), ladder or run.ladder)
    return axes


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def names(axes):
    return [text for text in axes.texts if isinstance(text, Annotation)]


def collisions():
    """A hundred attempts at once and ten that met a mine."""
    rows = [(40000 + n % 100, 0, int(n < 10)) for n in range(110)]
    latency_ns = np.where(np.arange(110) < 10, 10 * MS, 12 * US) + np.arange(110)
    return findings(the_attempts(*rows, latency_ns=latency_ns), mines=tuple(range(40000, 40010)))


@given(arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 10**11)))
def test_few_latencies_make_every_step_exactly(latency_ns):
    at_ns, share = curve(latency_ns).steps(1.0)
    assert share[0] == 1
    assert at_ns[1:].tolist() == np.unique(latency_ns).tolist()
    assert share[1:].tolist() == [np.count_nonzero(latency_ns > ns) / latency_ns.size for ns in at_ns[1:]]


@pytest.mark.parametrize("spread", [0.01, 0.3, 3])
def test_many_latencies_are_thinned_to_exact_steps_and_the_whole_tail(spread):
    rng = np.random.default_rng(7)
    latency_ns = np.sort((12_000 * np.exp(rng.normal(0, spread, 500_000))).astype(np.int64) + 1)
    at_ns, share = curve(latency_ns).steps(latency_ns[0] / 1.5)
    longer = latency_ns.size - np.searchsorted(latency_ns, at_ns[1:], side="right")
    assert share[1:] == pytest.approx(longer / latency_ns.size, rel=0, abs=0)
    assert at_ns.size <= 4 * GRID + TAIL + 1
    assert set(latency_ns[-TAIL:]) <= set(at_ns)

    every = np.unique(latency_ns[:-1])  # where the curve itself still lies above 0
    truth = (latency_ns.size - np.searchsorted(latency_ns, every, side="right")) / latency_ns.size
    picture = share[np.searchsorted(at_ns, every, side="right") - 1]
    cell = np.log(latency_ns.size * 2) / GRID
    above = truth > 0
    assert np.abs(np.log(picture[above] / truth[above])).max() <= cell


@settings(max_examples=30)
@given(storms)
def test_the_curves_of_the_causes_add_up_to_that_of_all(attempts):
    run = findings(attempts)
    latency_ns = attempts["latency_ns"][has_sent_syn(attempts)]
    every, *parts = [*ccdf_curves(run), *[None] * (not latency_ns.size)]
    parts = parts or [every]
    assert attempts_without_syn(run) + latency_ns.size == attempts.size
    if every:
        assert values(every) == sorted(latency_ns)
        assert sorted(np.concatenate([values(part) for part in parts])) == sorted(latency_ns)
        assert {part.whole for part in parts} == {latency_ns.size}


@settings(max_examples=30)
@given(st.lists(storms, min_size=2, max_size=4))
def test_each_act_has_a_curve_of_those_that_sent_a_syn(acts):
    run = findings(*acts)
    waits = [sorted(attempts["latency_ns"][has_sent_syn(attempts)]) for attempts in acts]
    assert [values(one) for one in ccdf_curves(run)] == [wait for wait in waits if wait]
    assert all(one.whole == len(one.latencies) for one in ccdf_curves(run))
    assert [one.label for one in ccdf_curves(run)] == [f"act {n}" for n, wait in enumerate(waits) if wait]


def test_lines_hold_the_steps_and_say_whose_they_are():
    run = collisions()
    by_label = lines(drawn(run))
    assert list(by_label) == ["all attempts", "connected at once", "met CLOSE-WAIT"]
    assert {line.get_drawstyle() for line in by_label.values()} == {"steps-post"}
    met = by_label["met CLOSE-WAIT"]
    assert met.get_ydata()[0] == 10 / 110
    assert met.get_xdata()[1:].tolist() == (10 * MS + np.arange(10)).tolist()
    labels = [sample.get_label().strip() for sample in legend_entries(ccdf_curves(run))]
    assert labels == ["all attempts  110", "connected at once  100", "met CLOSE-WAIT  10"]
    assert list(lines(drawn(findings(ONE)))) == ["connected at once"]


def test_every_end_of_a_wait_counts_and_no_error_before_it():
    errnos = (errno.ETIMEDOUT, errno.EINPROGRESS, errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EADDRINUSE)
    attempts = the_attempts(*[(40000, number, 0) for number in errnos], latency_ns=[5, 4, 3, 2, 1])
    run = findings(attempts)
    assert attempts_without_syn(run) == 2
    assert values(ccdf_curves(run)[0]) == [3, 4, 5]


def test_everything_lies_within_the_axes():
    for acts in DEGENERATE.values():
        axes = drawn(findings(*acts))
        (left_ns, right_ns), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in lines(axes).values():
            positive = line.get_xdata()[1:] > 0
            assert np.all(line.get_xdata()[1:][positive] >= left_ns)
            assert np.all(line.get_xdata() <= right_ns)
            assert np.all((line.get_ydata() == 0) | ((line.get_ydata() > low) & (line.get_ydata() < high)))


@pytest.mark.parametrize("acts", [[ONE], [ALL_TIMED_OUT], [ONE, ALL_TIMED_OUT], [np.concatenate([ONE, ALL_TIMED_OUT])]])
def test_names_of_rungs_do_not_overlap_and_stay_on_the_sheet(acts):
    axes = drawn(findings(*acts))
    axes.figure.canvas.draw()
    boxes = sorted((Text.get_window_extent(name) for name in names(axes)), key=lambda box: box.x0)
    assert boxes
    assert all(before.x1 <= after.x0 for before, after in itertools.pairwise(boxes))
    assert all(box.y0 > axes.bbox.y1 for box in boxes)
    assert boxes[-1].x1 <= axes.figure.bbox.x1


def test_only_rungs_near_the_data_are_named():
    assert [name.get_text() for name in names(drawn(findings(ONE)))] == ["2 jiffies"]
    far = [name.get_text() for name in names(drawn(findings(ALL_TIMED_OUT)))]
    assert far == ["7 s", "15 s", "31 s", "63 s", "challenged\n126 s", "ETIMEDOUT\n127 s"]


def test_in_a_crowd_of_rungs_some_stay_without_a_name_but_none_without_a_line():
    ladder = a_ladder(tcp_syn_retries=6, tcp_syn_linear_timeouts=4)
    axes = drawn(findings(np.concatenate([ONE, ALL_TIMED_OUT])), ladder)
    named = [name.get_text() for name in names(axes)]
    assert named[0] == "2 jiffies"
    assert named[-1] == "ETIMEDOUT\n131 s"
    assert 0 < len({rung.label for rung in ladder.rungs}.intersection(named)) < len(ladder.rungs)
    assert sum(line.get_color() == style.RUNG for line in axes.lines) == 1 + len(ladder.rungs)


def test_words_say_how_much_waited():
    assert headline(collisions()) == "10 of 110 attempts (9.1 %) sent their SYN again"
    assert detail(ccdf_curves(collisions())).startswith("half of all attempts took no longer than 12.1 µs, ")
    assert headline(findings(ONE)) == "none of 1 attempts sent its SYN again"
    assert headline(findings(NO_PORT)) == headline(findings(EMPTY)) == "no attempt sent a SYN"
    assert detail([]) == ""
    both = detail(ccdf_curves(findings(ONE, ALL_TIMED_OUT)))
    assert both == "99 in 100 took no longer than 12 µs (act 0), 131 s (act 1)"


def test_shares_are_named_as_people_say_them():
    assert [share_text(10.0**-n) for n in range(4)] == ["all", "1 in 10", "1 in 100", "1 in 1,000"]


def test_the_caption_counts_whom_the_curve_leaves_out(tmp_path, monkeypatch):
    texts = []
    monkeypatch.setattr(Figure, "savefig", lambda self, *_, **__: texts.extend(text.get_text() for text in self.texts))
    save_figure(ccdf_figure(findings(ONE, NO_PORT)), tmp_path / "ccdf.png")
    assert any("50 left out that ended before a SYN was sent" in text.replace("\xa0", " ") for text in texts)


def test_causes_without_a_wait_have_no_curve():
    attempts = the_attempts((40000, 0, 0), (0, errno.EADDRNOTAVAIL, 0), latency_ns=[12 * US, SECOND])
    run = findings(attempts, causes=[Cause.NONE, Cause.PORT_EXHAUSTED])
    assert run.summary.causes[Cause.PORT_EXHAUSTED] == 1
    assert [one.label for one in ccdf_curves(run)] == ["connected at once"]


@pytest.mark.parametrize("acts", DEGENERATE.values(), ids=DEGENERATE)
def test_a_ccdf_is_drawn_of_any_run_and_the_same_every_time(acts, tmp_path):
    pictures = [tmp_path / "first.png", tmp_path / "second.png"]
    for picture in pictures:
        save_figure(ccdf_figure(findings(*acts)), picture)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert np.frombuffer(pictures[0].read_bytes()[16:24], ">u4").tolist() == [1600, 900]
