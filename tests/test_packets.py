# SPDX-License-Identifier: MIT
"""The packet ladder: every packet is drawn or counted, at its side and in its order; without evidence there is none."""

import io
import itertools
import struct

import pytest
from builders import COUNTERS, MS, SECOND, US, a_run, settings, the_attempts, the_mines
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from rich.console import Console

from stress.analysis.attribution.summary import analyse
from stress.model.outcome import Cause
from stress.model.plan import Plan, Ports
from stress.model.summary import Evidence, Fate, Packet
from stress.view.figure import style
from stress.view.figure.run.packet_arrow import LOST_AFTER
from stress.view.figure.run.packets import (
    CLIENT,
    ROWS_MAX,
    SERVER,
    draw_packets,
    example_to_show,
    ladder_rows,
    time_labels,
)
from stress.view.figure.run.timeline import draw_evidence, draw_timeline, latency_limits, timeline_figure
from stress.view.figure.save import save_figure
from stress.view.text.packet_ladder import packet_ladder

COLLISION = [
    Packet(0, True, "S"),
    Packet(3_180, False, "."),
    Packet(8_770, True, "R"),
    Packet(9_270_000, True, "S"),
    Packet(9_274_000, False, "S."),
    Packet(9_279_000, True, "."),
]
TRAIN = [  # a SYN at every rung, each answered by a challenge ACK, each answered by an RST
    Packet(rung_s * SECOND + after_ns, flags != ".", flags)
    for rung_s in (0, 1, 2, 3, 4, 5, 7, 11, 19, 35)
    for after_ns, flags in ((0, "S"), (3_000, "."), (9_000, "R"))
]
LONELY = [Packet(0, True, "S")]


def evidence_of(packets, cause=Cause.CLOSEWAIT, port=40000, start_ns=0):
    return Evidence("act 0", cause.value, port, start_ns, packets)


def found_of(*evidence, latency_ns=9 * MS, error=0):
    """One attempt that met a mine, two that connected at once, and the evidence."""
    attempts = the_attempts((40000, error, 1), (40001, 0, 0), (40002, 0, 0), latency_ns=[latency_ns, 10 * US, 10 * US])
    sysctls = settings(tcp_syn_retries=6, tcp_syn_linear_timeouts=4, tcp_challenge_ack_limit=2**31 - 1)
    plan = Plan(scenario="closewait", ports=Ports.SHUFFLE)
    counters = dict.fromkeys(COUNTERS, 0) | {"TCPSYNChallenge": 2}
    return analyse(a_run(attempts, the_mines(40000), plan, sysctls=sysctls, counters=counters), evidence)


def sheet():
    figure = Figure(figsize=(10, 5.625), dpi=style.DPI)
    FigureCanvasAgg(figure)
    return figure


def drawn(evidence, **options):
    """The axes that a ladder was drawn into, as large as next to a timeline."""
    axes = sheet().add_axes((0.735, 0.185, 0.25, 0.56))
    draw_packets(axes, evidence, **options)
    return axes


def arrows(axes):
    """(from the client, height of the middle) of each arrow, from the top."""
    annotations = [text for text in axes.texts if isinstance(text, Annotation)]
    assert all({text.xy[0], text.xyann[0]} == {CLIENT, SERVER} for text in annotations)
    assert all(text.xyann[1] < text.xy[1] for text in annotations)  # it arrives after it has left
    return [(text.xyann[0] == CLIENT, (text.xy[1] + text.xyann[1]) / 2) for text in annotations]


def words(axes):
    return [text.get_text() for text in axes.texts if text.get_text()]


def flags(axes):
    return [word[1:-1] for word in words(axes) if word.startswith("[")]


def breaks(axes):
    return [word.strip("· ") for word in words(axes) if word.startswith("·")]


def lifelines(axes, *, broken):
    lines = [line for line in axes.lines if len(line.get_xdata()) == 2]
    return [line for line in lines if (line.get_linestyle() != "-") == broken]


def assert_nothing_overlaps(axes):
    axes.figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in axes.texts if text.get_text()]
    for one, other in itertools.combinations(boxes, 2):
        # The height of a box is that of the font, not of the letters in it.
        assert not one.padded(-2).overlaps(other.padded(-2))
    for box in boxes:
        assert box.x0 >= 0
        assert box.x1 <= axes.figure.bbox.x1
        assert box.y0 >= axes.bbox.y0


@pytest.mark.parametrize("packets", [COLLISION, LONELY, COLLISION[:2], TRAIN[:6]])
def test_every_packet_is_an_arrow_from_its_sender_with_its_flags(packets):
    axes = drawn(evidence_of(packets))
    assert [from_client for from_client, _ in arrows(axes)] == [packet.from_client for packet in packets]
    assert flags(axes) == [packet.flags for packet in packets]


def test_packets_lie_at_equal_distances_whatever_the_time_between_them():
    heights = [height for _, height in arrows(drawn(evidence_of(COLLISION)))]
    steps = [below - above for above, below in itertools.pairwise(heights)]
    assert min(steps) > 0
    row = steps[0]
    assert steps == pytest.approx([row, row, 2 * row, row, row])  # a break takes a row of its own


def test_a_long_gap_breaks_both_lifelines_and_says_how_long_it_is():
    axes = drawn(evidence_of(COLLISION))
    assert breaks(axes) == ["9.26 ms"]
    assert sorted(line.get_xdata()[0] for line in lifelines(axes, broken=True)) == [CLIENT, SERVER]
    assert len(lifelines(axes, broken=False)) == 2 * len(COLLISION)


def test_gaps_that_are_all_alike_do_not_break():
    packets = [Packet(second * SECOND, True, "S") for second in range(5)]
    assert breaks(drawn(evidence_of(packets))) == []
    assert breaks(drawn(evidence_of(LONELY), latency_ns=3 * SECOND)) == []


def test_an_end_long_after_the_last_packet_is_a_break_too():
    packets = COLLISION[:4]
    axes = drawn(evidence_of(packets), latency_ns=2 * SECOND, end="timed out after 2 s")
    assert breaks(axes) == ["9.26 ms", "1.99 s"]
    assert words(axes)[-1] == "timed out after 2 s"


def test_times_are_told_apart_by_as_many_digits_as_that_takes():
    assert time_labels(COLLISION) == ["0", "3.18 µs", "8.77 µs", "9.270 ms", "9.274 ms", "9.279 ms"]
    assert time_labels(TRAIN[-3:]) == ["35.000000 s", "35.000003 s", "35.000009 s"]
    assert time_labels([Packet(0, True, "S"), Packet(1234 * SECOND, True, "S")]) == ["0", "1234 s"]
    assert time_labels([]) == []


@given(st.lists(st.integers(1, 200 * SECOND), max_size=30).map(sorted))
def test_every_packet_has_a_stamp_and_later_ones_never_read_as_earlier(times_ns):
    texts = time_labels([Packet(time_ns, True, "S") for time_ns in times_ns])
    units = {"ns": 1, "µs": US, "ms": MS, "s": SECOND}
    read = [float(text.split()[0]) * units[text.split()[1]] for text in texts]
    assert read == pytest.approx(times_ns, rel=0.006)
    assert read == sorted(read)


def test_of_a_long_train_the_middle_is_counted():
    axes = drawn(evidence_of(TRAIN), latency_ns=40 * SECOND, end="timed out after 40 s")
    (elided,) = [word for word in breaks(axes) if word.endswith(" more")]
    assert len(arrows(axes)) + int(elided.split()[0]) == len(TRAIN)
    assert flags(axes)[:3] == ["S", ".", "R"]
    assert flags(axes)[-3:] == ["S", ".", "R"]
    assert len(ladder_rows(evidence_of(TRAIN))) <= ROWS_MAX


@given(st.lists(st.integers(0, 100 * SECOND), max_size=60).map(sorted), st.integers(0, 200 * SECOND))
def test_no_packet_is_lost_whatever_the_gaps(times_ns, latency_ns):
    packets = [Packet(time_ns, bool(number % 2), str(number)) for number, time_ns in enumerate(times_ns)]
    lines = ladder_rows(evidence_of(packets), latency_ns)
    shown = [line for line in lines if isinstance(line, Packet)]
    omitted = sum(int(line.split()[0]) for line in lines if isinstance(line, str) and line.endswith(" more"))
    assert len(lines) <= ROWS_MAX
    assert len(shown) + omitted == len(packets)
    assert shown == [packet for packet in packets if packet in shown]
    assert not packets or (lines[0] == packets[0] and packets[-1] in shown)


HOSTS = ["client", "router", "server"]
LOSSES = [  # SYN lost at the router, SYN unanswered, SYN-ACK lost at the router, then on a link; at last an answer
    Packet(0, True, "S", HOSTS[:2], Fate.LOST_IN_HOST),
    Packet(1 * SECOND, True, "S", HOSTS, Fate.UNANSWERED),
    Packet(2 * SECOND, True, "S", HOSTS, Fate.ARRIVED),
    Packet(2 * SECOND + 50 * US, False, "S.", HOSTS[:0:-1], Fate.LOST_IN_HOST),
    Packet(3 * SECOND, False, "S.", HOSTS[:1:-1], Fate.LOST_ON_LINK),
    Packet(4 * SECOND, False, "S.", HOSTS[::-1], Fate.ARRIVED),
]


def hop_evidence(packets, hosts=HOSTS):
    return Evidence("act 0", Cause.LOST_ON_THE_WAY.value, 40000, 0, packets, hosts)


def test_a_packet_goes_from_host_to_host_until_a_cross_where_it_was_lost():
    axes = drawn(hop_evidence(LOSSES))
    router = (CLIENT + SERVER) / 2
    arrows = [(text.xyann[0], text.xy[0]) for text in axes.texts if isinstance(text, Annotation)]
    link_end = SERVER + LOST_AFTER * (router - SERVER)
    there = [(CLIENT, router), (router, SERVER)]
    back = [(SERVER, router), (router, CLIENT)]
    wanted = [there[0], *there, *there, back[0], (SERVER, link_end), *back]
    assert arrows == [pytest.approx(pair) for pair in wanted]
    crosses = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "x"]
    assert crosses == pytest.approx([router, SERVER, router, link_end])
    assert [word.replace("\n", " ") for word in words(axes) if "lost" in word or "answer" in word][1:] == [
        "lost at router",
        "no answer",
        "lost at router",
        "lost on link",
    ]
    assert words(axes)[1:4] == HOSTS


def test_an_attempt_of_which_no_packet_left_the_client_says_so():
    axes = drawn(hop_evidence([]), latency_ns=3 * SECOND, end="timed out after 3 s")
    assert breaks(axes) == ["no packet left the client"]
    assert not [text for text in axes.texts if isinstance(text, Annotation)]


@pytest.mark.parametrize("packets", [LOSSES, LOSSES[:1], LOSSES[3:4], LOSSES * 3], ids=len)
def test_nothing_in_a_ladder_of_three_hosts_overlaps_or_leaves_the_sheet(packets):
    assert_nothing_overlaps(drawn(hop_evidence(packets), latency_ns=5 * SECOND, end="timed out after 5 s"))


def test_the_report_says_at_which_hop_a_packet_was_lost():
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(packet_ladder(hop_evidence(LOSSES)))
    console.print(packet_ladder(hop_evidence([])))
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert lines == [
        "captured: lost on the way, port 40000",
        "0 client ──── S ───▶ router lost at router",
        "1 s client ──── S ───▶ router ──── S ───▶ server no answer from server",
        "2 s client ──── S ───▶ router ──── S ───▶ server",
        "2 s router ◀─── S. ──── server lost at router",
        "3 s ✗─── S. ──── server lost between server and router",
        "4 s client ◀─── S. ──── router ◀─── S. ──── server",
        "captured: lost on the way, port 40000: no packet left the client",
    ]


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.NONE])
@pytest.mark.parametrize("packets", [COLLISION, LONELY, TRAIN, TRAIN[:6]], ids=len)
def test_nothing_in_a_ladder_overlaps_or_leaves_the_sheet(cause, packets):
    axes = drawn(evidence_of(packets, cause), latency_ns=140 * SECOND, end="connected after 8.39 ms")
    assert_nothing_overlaps(axes)
    title = words(axes)[0].replace("\n", " ")
    assert title == f"captured: {cause.value.replace('_', ' ')}, port 40000"


def test_the_most_frequent_cause_that_was_captured_is_shown():
    none, one, other = (
        evidence_of(LONELY, cause, port) for cause, port in
        ((Cause.NONE, 40001), (Cause.RST_DROPPED, 40002), (Cause.CLOSEWAIT, 40000))
    )  # fmt: skip
    assert example_to_show(found_of(none, one, other, evidence_of(LONELY, port=40003))) == other
    assert example_to_show(found_of(none, one)) == one
    assert example_to_show(found_of(none)) is None
    assert example_to_show(found_of()) is None


def beside(run, evidence):
    """The axes of a run and those of the ladder next to it."""
    figure = sheet()
    axes = figure.add_axes((0.09, 0.185, 0.5, 0.56))
    draw_timeline(axes, run, latency_limits([run]))
    draw_evidence(figure, axes, run, evidence)
    return figure.axes


def rings(axes):
    return [line for line in axes.lines if line.get_label() == "_captured"]


def test_a_ring_is_around_the_attempt_whose_packets_are_shown():
    evidence = evidence_of(COLLISION)
    axes, ladder = beside(found_of(evidence, latency_ns=9_300_000), evidence)
    assert rings(axes)
    assert all((line.get_xdata()[0], line.get_ydata()[0]) == (0, 9_300_000) for line in rings(axes))
    assert words(ladder)[-1] == "connected after 9.3 ms"
    assert not axes.bbox.overlaps(ladder.bbox)


def test_packets_of_an_attempt_that_the_run_has_not_get_no_ring_and_no_end():
    evidence = evidence_of(COLLISION, port=41234)
    axes, ladder = beside(found_of(evidence), evidence)
    assert rings(axes) == []
    assert flags(ladder) == [packet.flags for packet in COLLISION]
    assert not any(word.startswith("connected") for word in words(ladder))


def test_evidence_of_attempts_without_trouble_leaves_the_timeline_as_it_is(tmp_path):
    untroubled = evidence_of(LONELY, Cause.NONE, port=40001)
    for name, run in (("bare", found_of()), ("untroubled", found_of(untroubled)),
                        ("shown", found_of(evidence_of(COLLISION)))):  # fmt: skip
        save_figure(timeline_figure(run), tmp_path / f"{name}.png")
    pictures = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert pictures["bare"] == pictures["untroubled"] != pictures["shown"]


@pytest.mark.parametrize("packets", [COLLISION, LONELY, TRAIN, []], ids=len)
def test_a_timeline_with_packets_is_a_png_of_1600_by_900(packets, tmp_path):
    save_figure(timeline_figure(found_of(evidence_of(packets))), tmp_path / "timeline.png")
    head = (tmp_path / "timeline.png").read_bytes()[:24]
    assert struct.unpack(">II", head[16:]) == (1600, 900)
