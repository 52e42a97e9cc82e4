# SPDX-License-Identifier: MIT
"""The packets of one attempt as a ladder: client on the left, server on the right, time going down.

With several hosts there is a lifeline for each, and a packet goes from one to the next, to a cross where it was lost.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes

from stress.analysis.attribution.findings import Findings
from stress.model.outcome import Cause
from stress.model.summary import Evidence, Packet
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.run.packet_arrow import CLIENT, SERVER, draw_packet, draw_text, lifeline_places
from stress.view.text.packet_wording import BOTH_ENDS, NOTHING_SENT

LONG = 100.0  # a gap is drawn as a break if it is this many times the shortest one
SHORTEST_NS = 1_000  # resolution of the timestamps, some of which are equal
ROWS_MAX = 16  # packets and breaks; of more, the middle is left out and counted
ROW_PT = 21.0  # at most, so that a few packets do not spread over the whole height
TITLE_LETTERS = 31  # in a line
UNITS_NS = {"s": 1e9, "ms": 1e6, "µs": 1e3, "ns": 1.0}
DIGITS = range(3, 10)
# Drawn around the attempt in its timeline, and next to the title.
RING: dict[str, Any] = {
    "markersize": 11,
    "markerfacecolor": "none",
    "markeredgecolor": style.INK,
    "markeredgewidth": 1.6,
}


def example_to_show(findings: Findings) -> Evidence | None:
    """Return the first evidence of the most frequent cause that has any, of a known cause if there is one; or None."""
    shown = [evidence for evidence in findings.summary.evidence if evidence.cause != Cause.NONE]

    def importance(evidence: Evidence) -> tuple[bool, int]:
        return evidence.cause != Cause.UNKNOWN, findings.summary.causes.get(evidence.cause, 0)

    return max(shown, key=importance, default=None)


def time_labels(packets: Sequence[Packet]) -> list[str]:
    """Return each packet's time with its unit, and enough digits to tell it from those just before it."""
    times_ns = [packet.time_ns for packet in packets]
    blocks: list[list[int]] = []  # times within a hundredth of one another have the same number of digits
    for time_ns in times_ns:
        if not blocks or time_ns - blocks[-1][-1] >= time_ns / 100:
            blocks.append([])
        blocks[-1].append(time_ns)
    texts: list[str] = []
    for block in blocks:
        digits = max((_digits(before_ns, after_ns) for before_ns, after_ns in pairwise(block)), default=DIGITS[0])
        texts.extend(_time_label(time_ns, digits) for time_ns in block)
    return texts


def _digits(before_ns: int, after_ns: int) -> int:
    apart = (digits for digits in DIGITS if _time_label(before_ns, digits) != _time_label(after_ns, digits))
    return next(apart, DIGITS[-1]) if before_ns != after_ns else DIGITS[0]


def _time_label(time_ns: int, digits: int) -> str:
    if not time_ns:
        return "0"
    unit = duration_text(time_ns).rpartition(" ")[2]
    value = time_ns / UNITS_NS[unit]
    return f"{value:.{max(digits - len(str(int(value))), 0)}f} {unit}"


def ladder_rows(evidence: Evidence, latency_ns: int | None = None) -> list[Packet | str]:
    """Return the packets from top to bottom, with a line of text for each break between them.

    Args:
        evidence: of one attempt.
        latency_ns: of that attempt; if it ended long after its last packet, the last row is a break.
    """
    times_ns = [packet.time_ns for packet in evidence.packets]
    gaps_ns = [after_ns - before_ns for before_ns, after_ns in pairwise(times_ns)]
    gaps_ns.append(latency_ns - times_ns[-1] if latency_ns is not None and times_ns else 0)
    long_ns = LONG * max(min((gap_ns for gap_ns in gaps_ns[:-1]), default=gaps_ns[-1]), SHORTEST_NS)
    lines: list[Packet | str] = []
    for packet, gap_ns in zip(evidence.packets, gaps_ns, strict=False):
        lines.append(packet)
        if gap_ns > long_ns:
            lines.append(duration_text(gap_ns))
    return lines if len(lines) <= ROWS_MAX else _leave_out_middle(lines)


def _leave_out_middle(lines: list[Packet | str]) -> list[Packet | str]:
    """Leave out the middle, from one break to another where there are breaks."""
    head, tail = lines[: ROWS_MAX // 2 + 1], lines[-(ROWS_MAX // 2 - 2) :]
    head = head[: max((place for place, row in enumerate(head) if isinstance(row, str)), default=len(head))]
    tail = tail[min((place + 1 for place, row in enumerate(tail[:-1]) if isinstance(row, str)), default=0) :]
    omitted = sum(isinstance(row, Packet) for row in lines[len(head) : -len(tail)])
    return [*head, f"{omitted} more", *tail]


def draw_packets(
    axes: Axes, evidence: Evidence, *, latency_ns: int | None = None, end: str = "", font_size: float = 8.5
) -> None:
    """Draw a packet ladder from the top of axes at their final place in the figure.

    Packets are one row apart whatever the time between them, so that 3 µs and 9 ms can both be read. Where a gap is
    more than a hundred times the shortest, the lifelines break, and the break states its length.

    Args:
        axes: empty.
        evidence: the attempt, with flags as tcpdump writes them.
        latency_ns: of the attempt, if it is known.
        end: how the attempt ended, written at the foot of the client's lifeline.
        font_size: of flags and times, in points.
    """
    lines = ladder_rows(evidence, latency_ns)
    title = f"captured: {evidence.cause.replace('_', ' ')}, port {evidence.local_port}"
    if len(title) > TITLE_LETTERS:
        title = title.replace(", ", ",\n")
    figure = axes.get_figure(root=True)
    assert figure is not None
    height_pt = float(axes.bbox.height) * 72 / figure.dpi
    top_pt = font_size * (1.6 + 1.6 * len(title.splitlines()))  # of the lifelines, below the top of the axes
    end_pt = 1.8 * font_size if end else 0.0  # below the lifelines
    row_pt = min(ROW_PT, (height_pt - top_pt - end_pt) / max(len(lines), 1))
    size = min(font_size, 0.8 * row_pt)
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(height_pt, 0)
    axes.plot([0.025], [0], marker="o", linestyle="none", clip_on=False, **RING)
    axes.text(
        0.075, -0.7 * font_size, title,
        fontsize=font_size + 0.5, fontweight="bold", linespacing=1.4, verticalalignment="top",
    )  # fmt: skip
    places = lifeline_places(evidence.hosts or BOTH_ENDS)
    for host, place in places.items():
        axes.text(
            place, top_pt - 0.5 * font_size, host,
            fontsize=font_size, color=style.QUIET, horizontalalignment="center", verticalalignment="bottom",
        )  # fmt: skip
    if not lines:
        lines = [NOTHING_SENT]
    times = iter(time_labels([row for row in lines if isinstance(row, Packet)]))
    for number, row in enumerate(lines):
        from_pt, to_pt = top_pt + number * row_pt, top_pt + (number + 1) * row_pt
        _draw_lifelines(axes, places.values(), from_pt, to_pt, broken=isinstance(row, str))
        if isinstance(row, Packet):
            draw_packet(axes, row, places, next(times), from_pt, to_pt, size=size)
        else:
            draw_text(axes, (CLIENT + SERVER) / 2, (from_pt + to_pt) / 2, f"· · ·  {row}  · · ·", size - 0.5)
    if end:
        foot_pt = top_pt + len(lines) * row_pt
        dot_pt = foot_pt + 0.6 * end_pt
        axes.plot([CLIENT, CLIENT], [foot_pt, dot_pt], color=style.FAINT, linewidth=1.4)
        axes.plot([CLIENT], [dot_pt], marker="o", markersize=4, color=style.INK, linestyle="none")
        axes.text(CLIENT + 0.035, dot_pt, end, fontsize=font_size, verticalalignment="center_baseline")


def _draw_lifelines(axes: Axes, places: Iterable[float], from_pt: float, to_pt: float, *, broken: bool) -> None:
    for place in places:
        axes.plot(
            [place, place],
            [from_pt, to_pt],
            color=style.FAINT,
            linewidth=1.4,
            linestyle=(0, (1, 2.5)) if broken else "-",
            solid_capstyle="butt",
        )
