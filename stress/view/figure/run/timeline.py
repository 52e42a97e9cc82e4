# SPDX-License-Identifier: MIT
"""The timeline: every attempt of a run by the moment it started and the time it took."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.chunk import chunks
from stress.model.outcome import Outcome
from stress.model.record import Act, Phase
from stress.model.summary import Evidence
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.axes import apply_latency_axis, draw_colour_scale, draw_ladder, draw_phases
from stress.view.figure.caption import caption, caption_rise, detail
from stress.view.figure.density import Shares, assign_cells, count_cells
from stress.view.figure.run.packets import RING, draw_packets, example_to_show
from stress.view.figure.run.use_marks import draw_uses, use_entries
from stress.view.figure.sheet import new_sheet
from stress.view.text.run_headline import run_headline
from stress.view.text.verdict_lines import run_heading

CONNECTED = OUTCOMES.index(Outcome.CONNECTED)
HEADROOM = 1.5  # of the latency axis, above all data
CELL_PX = 4  # side of a density cell: a single attempt is visible on a projector, and the body has a shape
LADDER_LEFT = 0.735  # of the packets, as a share of the sheet's width
MARKS_MAX = 20_000  # of one kind; of more, marks in the same pixel are drawn once


@dataclass(frozen=True)
class Kind:
    """Attempts with the same outcome, other than connected at once, that all met a mine or all met none.

    ``rows`` has the shape (attempts of this kind,) and indexes the run's attempts.
    """

    outcome: Outcome
    mined: bool
    rows: npt.NDArray[np.intp]

    @property
    def label(self) -> str:
        """The name of the kind in the legend."""
        return style.LOOKS[self.outcome].label + (", met a mine" if self.mined else "")


def attempt_kinds(findings: Findings) -> list[Kind]:
    """Return the kinds of attempts that occur, the most frequent first."""
    rows = np.flatnonzero(findings.outcomes != CONNECTED)
    keys = findings.outcomes[rows].astype(np.intp) * 2 + findings.collided[rows]
    present = [Kind(OUTCOMES[key // 2], bool(key % 2), rows[keys == key]) for key in np.flatnonzero(np.bincount(keys))]
    return sorted(present, key=lambda kind: -kind.rows.size)


def latency_limits(runs: Sequence[Findings]) -> tuple[float, float]:
    """Return the ends (ns) of a latency axis that has room for all of these runs."""
    lows, highs = [], [10_000.0]
    for findings in runs:
        latency_ns = findings.run.attempts["latency_ns"]
        for part in chunks(len(latency_ns)):
            positive_ns = latency_ns[part][latency_ns[part] > 0]
            if positive_ns.size:
                lows.append(float(positive_ns.min()))
                highs.append(float(positive_ns.max()))
        highs.append(float(findings.run.uses["use_ns"].max(initial=0)))
        if findings.ladder.fast:
            highs.append(findings.ladder.fast.to_ns)
    high_ns = HEADROOM * max(highs)
    return min(min(lows, default=1000) / HEADROOM, high_ns / 30), high_ns


def _shares(axes: Axes, start_s: npt.NDArray[np.float64], latency_ns: npt.NDArray[np.int64]) -> Shares:
    """Return the height and the width at which each attempt lies in the axes, 0 to 1."""
    low_ns, high_ns = axes.get_ylim()
    height = np.log2(np.maximum(latency_ns, low_ns) / low_ns) / math.log2(high_ns / low_ns)
    return height, start_s / axes.get_xlim()[1]


def _draw_body(axes: Axes, attempts: npt.NDArray[Any], connected: npt.NDArray[np.bool_]) -> QuadMesh:
    rows, columns = (max(1, round(side / CELL_PX)) for side in (axes.bbox.height, axes.bbox.width))

    def shares(part: slice) -> Shares:
        own = attempts[part][connected[part]]
        return _shares(axes, own["start_ns"] / 1e9, own["latency_ns"])

    counts = count_cells(len(attempts), shares, rows, columns)
    return axes.pcolormesh(
        np.linspace(0, axes.get_xlim()[1], columns + 1),
        np.geomspace(*axes.get_ylim(), rows + 1),
        np.ma.masked_equal(counts, 0),
        norm=LogNorm(1, max(10, counts.max())),
        cmap=style.BODY,
        rasterized=True,
    )


def _draw_marks(axes: Axes, kind: Kind, start_s: npt.NDArray[np.float64], latency_ns: npt.NDArray[np.int64]) -> None:
    magnitude = math.log10(start_s.size)
    if start_s.size > MARKS_MAX:
        pixels = round(axes.bbox.height), round(axes.bbox.width)
        drawn = assign_cells(*_shares(axes, start_s, latency_ns), *pixels).topmost()
        start_s, latency_ns = start_s[drawn], latency_ns[drawn]
    mark = style.outcome_marker(
        kind.outcome,
        filled=kind.mined,
        size=min(max(8.5 - 1.8 * magnitude, 1.5), 7),
        alpha=min(max(1.25 - 0.17 * magnitude, 0.3), 0.95),
    )
    mark.set_data(start_s, np.maximum(latency_ns, axes.get_ylim()[0]))
    mark.set_label(kind.label)
    axes.add_line(mark)


def strip_phases(acts: Sequence[Act]) -> list[Phase]:
    """Return what the strip on top names: the phases of a run of one act, or else its acts, each until the next."""
    if len(acts) == 1:
        return acts[0].phases
    starts_ns = [act.phases[0].start_ns for act in acts]
    ends_ns = [*starts_ns[1:], acts[-1].phases[-1].end_ns]
    return [Phase(act.name, *span_ns) for act, *span_ns in zip(acts, starts_ns, ends_ns, strict=True)]


def draw_timeline(axes: Axes, findings: Findings, limits_ns: tuple[float, float], font_size: float = 9) -> QuadMesh:
    """Draw a run into axes at their final place in the figure.

    Args:
        axes: empty.
        findings: the run.
        limits_ns: of the latency axis.
        font_size: of the names of rungs and phases, in points.

    Returns:
        The body: the number of attempts that connected at once in each cell, masked where it is 0.
    """
    attempts = findings.run.attempts
    apply_latency_axis(axes, *limits_ns)
    axes.set_xlim(0, max(attempts["start_ns"].max(initial=0) / 1e9, 1e-3))
    attempts_by_rung = {band.label: band.count for band in findings.summary.bands}
    draw_ladder(axes, findings.ladder, attempts_by_rung, latency_limits([findings])[1], font_size)
    draw_phases(axes, strip_phases(findings.run.record.acts), font_size)
    connected = findings.outcomes == CONNECTED
    body = _draw_body(axes, attempts, connected)
    for kind in attempt_kinds(findings):
        own = attempts[kind.rows]
        _draw_marks(axes, kind, own["start_ns"] / 1e9, own["latency_ns"])
    draw_uses(axes, findings)
    return body


def legend_entries(runs: Sequence[Findings], *, counted: bool) -> list[Line2D]:
    """Return a labelled sample mark for the body and for each kind in these runs, for ``Figure.legend``.

    ``counted`` adds the number of attempts to each label.
    """
    totals: Counter[tuple[Outcome, bool, str]] = Counter()
    for findings in runs:
        connected = int(np.count_nonzero(findings.outcomes == CONNECTED))
        totals[Outcome.CONNECTED, True, style.LOOKS[Outcome.CONNECTED].label] += connected
        for kind in attempt_kinds(findings):
            totals[kind.outcome, kind.mined, kind.label] += int(kind.rows.size)
    samples = []
    for (outcome, filled, label), count in totals.items():
        if count:
            samples.append(style.outcome_marker(outcome, filled=filled, size=7, alpha=1))
            samples[-1].set_label(f"{label}  {count:,}" if counted else label)
    return samples


def draw_evidence(figure: Figure, axes: Axes, findings: Findings, evidence: Evidence) -> None:
    """Draw the packets of one attempt to the right of a run, and a ring around that attempt in the run's axes.

    Args:
        figure: of the run.
        axes: into which the run was drawn.
        findings: the run.
        evidence: of one of its attempts.
    """
    attempts = findings.run.attempts
    ladder = figure.add_axes((LADDER_LEFT, axes.get_position().y0, 0.985 - LADDER_LEFT, axes.get_position().height))
    of_evidence = (attempts["start_ns"] == evidence.start_ns) & (attempts["local_port"] == evidence.local_port)
    (rows,) = np.nonzero(of_evidence)
    if not rows.size:
        draw_packets(ladder, evidence)
        return
    latency_ns = int(attempts["latency_ns"][rows[0]])
    outcome = OUTCOMES[findings.outcomes[rows[0]]]
    word = "connected" if outcome in (Outcome.CONNECTED, Outcome.RETRIED) else style.LOOKS[outcome].label
    draw_packets(ladder, evidence, latency_ns=latency_ns, end=f"{word} after {duration_text(latency_ns)}")
    moment_s = evidence.start_ns / 1e9
    place_ns = max(latency_ns, axes.get_ylim()[0])
    halo = RING | {"markeredgecolor": "white", "markeredgewidth": 3.6}
    for look in (halo, RING):
        axes.plot(
            [moment_s], [place_ns], label="_captured", linestyle="none", marker="o", zorder=4, clip_on=False, **look
        )


def timeline_figure(findings: Findings) -> Figure:
    """Return the timeline of a run on a sheet of 1600 x 900 pixels.

    If packets were captured, those of one slow or failed attempt are drawn next to it.
    """
    with matplotlib.style.context(["default", style.RC]):
        evidence = example_to_show(findings)
        about = f"{run_heading(findings.run.record.plan)}: {detail(findings)}".removesuffix(": ")
        entries = [*legend_entries([findings], counted=True), *use_entries(findings)]
        figure, top = new_sheet(run_headline(findings), about, entries, caption(findings))
        foot = 0.185 + caption_rise(figure)
        axes = figure.add_axes((0.09, foot, 0.5 if evidence else 0.763, top - foot))
        body = draw_timeline(axes, findings, latency_limits([findings]), font_size=9)
        since = "the first SYN" if findings.run.record.is_capture else "the storm began"
        axes.set_xlabel(f"start of the attempt, in seconds since {since}")
        axes.set_ylabel(
            "latency of connect() and first use, log scale"
            if len(findings.run.uses)
            else "latency of connect(), log scale"
        )
        axes.yaxis.set_label_coords(-0.088 * 0.763 / axes.get_position().width, 0.5)
        if np.any(findings.outcomes == CONNECTED):
            draw_colour_scale(axes.inset_axes((1.024, 0.01, 0.012, 0.24)), body)
        if evidence:
            draw_evidence(figure, axes, findings, evidence)
        return figure
