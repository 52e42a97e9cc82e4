# SPDX-License-Identifier: MIT
"""The maps of a run's acts within a frame: attempts by start and source port, mines in the margin."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.summary import is_last_in_environment
from stress.model.run import Run
from stress.view.figure import style
from stress.view.figure.caption import caption_rise
from stress.view.figure.density import Shares
from stress.view.figure.points import CELL_PX, NONE, Part, Points, draw_points
from stress.view.figure.port_frame import LEFT_EDGE, Frame, frame_of

GOLDEN = (math.sqrt(5) - 1) / 2
GAP = 0.034  # between acts, for the ticks of their mines
STRIP = 0.052  # height of the strip of attempts without a port
FOOT = 0.185


@dataclass(frozen=True)
class MineLane:
    """Where mines have their ticks, those left standing or those cleared: points to the right of the map."""

    standing: bool
    label: str
    colour: str
    from_pt: float
    to_pt: float


MINE_LANES = (
    MineLane(standing=False, label="mine cleared", colour="#a3adb8", from_pt=3, to_pt=8),
    MineLane(standing=True, label="mine left standing", colour=style.INK, from_pt=10, to_pt=18),
)


@dataclass(frozen=True)
class _ActMap:
    """What the map shows of an act: its attempts from ``begin_ns``, when the first began, for ``span_s``."""

    name: str
    begin_ns: int
    span_s: float
    attempts: npt.NDArray[Any]
    causes: npt.NDArray[np.uint8]
    mines: npt.NDArray[Any]

    def start_s(self, part: Part) -> npt.NDArray[np.float64]:
        """Return when some of the attempts began."""
        return np.asarray((self.attempts["start_ns"][part] - self.begin_ns) / 1e9)


def _map_of_act(run: Run, findings: ActFindings) -> _ActMap:
    attempts, mines = findings.storm.attempts, findings.storm.mines
    if not is_last_in_environment(run, findings.storm.act.name):
        mines = mines[mines["left"] == 0]  # those left are the next act's
    begin_ns, end_ns = (int(attempts["start_ns"].min()), int(attempts["start_ns"].max())) if attempts.size else (0, 0)
    span_s = max((end_ns - begin_ns) / 1e9, 1e-3)
    return _ActMap(findings.storm.act.name, begin_ns, span_s, attempts, findings.drawn_causes, mines)


def headline(findings: Findings) -> str:
    """Return which attempts were slow or failed, and whether at mines, without a port or on how many ports."""
    attempts = findings.run.attempts
    trouble = findings.drawn_causes != NONE
    count, mined = int(trouble.sum()), int((trouble & findings.collided).sum())
    portless = int((trouble & (attempts["local_port"] == 0)).sum())
    if not attempts.size:
        return "no attempts"
    if not count:
        return f"all {attempts.size:,} attempts connected at once"
    if mined == count:
        return f"{'all ' if count > 1 else ''}{_trouble_text(count)} met a mine"
    if mined or portless:
        rest = count - mined - portless
        parts = [(mined, "met a mine"), (portless, "had no port"), (rest, "had other trouble")]
        return f"of {attempts.size:,} attempts, " + ", ".join(f"{part:,} {what}" for part, what in parts if part)
    ports = np.unique(attempts["local_port"][trouble]).size
    return f"{_trouble_text(count)} on {ports:,} port{'s' if ports > 1 else ''}"


def _trouble_text(count: int) -> str:
    return f"{count:,} slow or failed attempts" if count > 1 else "one slow or failed attempt"


def mine_marker(lane: MineLane, text: str) -> Line2D:
    """Return a labelled sample of the ticks of mines, for ``Figure.legend``; ``text`` is their count."""
    label = f"{lane.label}  {text}"
    return Line2D(
        [], [], linestyle="none", marker="_", markersize=8, markeredgewidth=1.6, color=lane.colour, label=label
    )


def _draw_mines(axes: Axes, mines: npt.NDArray[Any]) -> None:
    """Draw the ticks of mines in the margin to the right, those left standing apart from those cleared."""
    width_pt = axes.bbox.width * 72 / style.DPI
    for lane in MINE_LANES:
        ports = mines["local_port"][(mines["left"] > 0) == lane.standing]
        if ports.size:
            ends = (1 + lane.from_pt / width_pt, 1 + lane.to_pt / width_pt, np.nan)
            gapped = np.column_stack([np.tile(ends, ports.size), np.repeat(ports, len(ends))])
            ticks = LineCollection(
                [gapped],  # one path with gaps: a path for each of 20,000 mines takes 0.2 s
                colors=lane.colour,
                linewidth=0.5 if ports.size > 100 else 1.2,
                transform=axes.get_yaxis_transform(),
                clip_on=False,
                label=lane.label,
            )
            axes.add_collection(ticks, autolim=False)


def _draw_map(axes: Axes, act: _ActMap, norm: LogNorm) -> None:
    ports_of = act.attempts["local_port"]
    foot, top = axes.get_ylim()
    # Rows of equally many ports, odd and even alike: others would make stripes of their own.
    ports = math.ceil((top - foot) / (axes.bbox.height / CELL_PX))
    ports += ports % 2 if ports > 1 else 0
    rows = math.ceil((top - foot) / ports)
    points = Points(
        act.causes, lambda part: (ports_of[part].astype(np.float64), act.start_s(part)), lambda part: ports_of[part] > 0
    )
    draw_points(axes, points, rows, foot + rows * ports, norm)
    _draw_mines(axes, act.mines)
    axes.yaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def _draw_strip(axes: Axes, act: _ActMap, norm: LogNorm) -> None:
    """Draw the attempts without a port; their height has no meaning but spreads them, so that a crowd shows."""
    lost = np.flatnonzero(act.attempts["local_port"] == 0)
    height = np.asarray(np.arange(lost.size) * GOLDEN % 1, np.float64)

    def places(part: Part) -> Shares:
        return height[part], act.start_s(lost[part])

    points = Points(act.causes[lost], places, lambda part: np.ones(lost[part].size, np.bool_))
    draw_points(axes, points, 1, 1, norm)
    axes.set_yticks([0.5], ["no port"], color=style.INK)
    axes.tick_params(axis="y", length=0)


def draw_port_map(figure: Figure, findings: Findings, top: float, frame: Frame | None = None) -> LogNorm:
    """Draw a run into a figure: a map for each act, side by side, and below it a strip of attempts without a port.

    Args:
        figure: to draw into.
        findings: the run.
        top: upper edge of the room for the maps, as a share of the figure's height.
        frame: place and scales; by default those of a run alone on its sheet.

    Returns:
        The scale of the densities.
    """
    frame = frame or frame_of([findings])
    acts = [_map_of_act(findings.run, act) for act in findings.acts]
    several = len(acts) > 1
    lowest_foot = FOOT + caption_rise(figure)
    foot = lowest_foot + (STRIP + 0.012 if frame.portless else 0)
    top -= 0.03 if frame.headed else 0
    spans_s = [max(act.span_s, frame.spans_s.get(act.name, 0)) for act in acts]
    shares = np.array(spans_s) / sum(spans_s)
    shares = np.maximum(shares, 0.75 / len(acts))  # a short act must be visible
    widths = shares / shares.sum() * (frame.right - frame.left - GAP * (len(acts) - 1))
    sheet_pt = 72 * figure.get_figwidth()
    name_pt = min(width * sheet_pt / (0.6 * max(len(act.name), 1)) for act, width in zip(acts, widths, strict=True))
    left = frame.left
    first: Axes | None = None
    for act, span_s, width in zip(acts, spans_s, widths, strict=True):
        above = lowest = figure.add_axes((left, foot, width, top - foot), label=frame.prefix + act.name)
        above.set_ylim(frame.ports[0] - 0.5, frame.ports[1] + 0.5)
        both = [above]
        if frame.portless:
            lowest = figure.add_axes((left, lowest_foot, width, STRIP), label=f"{frame.prefix}{act.name}, no port")
            above.tick_params(axis="x", labelbottom=False)
            both.append(lowest)
        for axes in both:
            axes.set_xlim(-0.012 * span_s, span_s)
            locator = MaxNLocator(
                max(1, int(width * sheet_pt / 40)), steps=[1, 2, 5, 10], prune="upper" if several else None
            )
            axes.xaxis.set_major_locator(locator)
        _draw_map(above, act, frame.norm)
        if frame.portless:
            _draw_strip(lowest, act, frame.norm)
        if several:
            above.set_title(act.name, fontsize=min(10, name_pt), pad=6)
        for axes in both:
            axes.tick_params(axis="y", labelleft=first is None and frame.left == LEFT_EDGE)
        first = first or above
        left += width + GAP
    if frame.left == LEFT_EDGE and first is not None:
        first.set_ylabel("source port")
        first.yaxis.set_label_coords(-0.056 / widths[0], 0.5)
    figure.text(
        (frame.left + frame.right) / 2,
        lowest_foot - 0.062,
        f"start of the attempt, in seconds since {'its act' if several else 'the storm'} began",
        horizontalalignment="center",
        verticalalignment="top",
        color=style.QUIET,
    )
    return frame.norm
