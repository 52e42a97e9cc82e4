# SPDX-License-Identifier: MIT
"""The timeline: every attempt of a run by the moment it ended and the time it took."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.ladder import Ladder
from stress.model.outcome import Outcome
from stress.model.run import Run
from stress.model.summary import Summary
from stress.model.units import duration_text
from stress.view import style

OUTCOMES = list(Outcome)
CONNECTED = OUTCOMES.index(Outcome.CONNECTED)
HEADROOM = 1.5  # of the latency axis, above all data
CELL_PX = 4  # side of a density cell: a lone attempt is still seen on a projector, the body still has a shape
BANDS_MAX = 5  # named one by one in the finding
KEY_COLUMNS = 5
MARKS_MAX = 20_000  # of one kind; of more than that, marks that lie on each other are drawn once


@dataclass(frozen=True)
class Scene:
    """All that a timeline shows.

    Attributes:
        run: the record and its attempts.
        summary: of the same run.
        ladder: of the same kernel and sysctls.
        outcomes: shape (attempts,), dtype uint8, index into ``list(Outcome)``.
        collided: shape (attempts,), dtype bool, whether the attempt met a mine.
    """

    run: Run
    summary: Summary
    ladder: Ladder
    outcomes: npt.NDArray[np.uint8]
    collided: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Kind:
    """Attempts that share an outcome, other than connected at once, and whether they met a mine.

    ``rows`` has the shape (attempts of this kind,) and indexes the run's attempts.
    """

    outcome: Outcome
    mined: bool
    rows: npt.NDArray[np.intp]

    @property
    def label(self) -> str:
        """The kind in words, for the key."""
        return style.LOOKS[self.outcome].label + (", met a mine" if self.mined else "")


def kinds(scene: Scene) -> list[Kind]:
    """Return the kinds of attempts that occur, the most numerous first."""
    rows = np.flatnonzero(scene.outcomes != CONNECTED)
    keys = scene.outcomes[rows].astype(np.intp) * 2 + scene.collided[rows]
    found = [Kind(OUTCOMES[key // 2], bool(key % 2), rows[keys == key]) for key in np.flatnonzero(np.bincount(keys))]
    return sorted(found, key=lambda kind: -kind.rows.size)


def latency_limits(scenes: Sequence[Scene]) -> tuple[float, float]:
    """Return the lowest and highest latency (ns) of an axis that has room for all of these scenes."""
    lows, highs = [], [10_000.0]
    for scene in scenes:
        latency_ns = scene.run.attempts["latency_ns"]
        positive_ns = latency_ns[latency_ns > 0]
        if positive_ns.size:
            lows.append(float(positive_ns.min()))
            highs.append(HEADROOM * float(positive_ns.max()))
        if scene.ladder.fast:
            highs.append(HEADROOM * scene.ladder.fast.to_ns)
    low_ns = min(lows, default=1000.0) / 1.6
    return low_ns, max(*highs, 30 * low_ns)


@dataclass(frozen=True)
class _Grid:
    """Cells of equal size on paper: ``columns`` over [0, end_s], ``rows`` over the log of [low_ns, high_ns]."""

    end_s: float
    low_ns: float
    high_ns: float
    columns: int
    rows: int

    def cells(self, moment_s: npt.NDArray[np.float64], latency_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """Return the cell of each attempt, shape (attempts,); what lies outside goes to the nearest cell."""
        column = (moment_s * (self.columns / self.end_s)).astype(np.intp)
        scale = self.rows / math.log2(self.high_ns / self.low_ns)
        row = ((np.log2(np.maximum(latency_ns, self.low_ns)) - math.log2(self.low_ns)) * scale).astype(np.intp)
        return row.clip(0, self.rows - 1) * self.columns + column.clip(0, self.columns - 1)


def _grid(axes: Axes, cell_px: int) -> _Grid:
    low_ns, high_ns = axes.get_ylim()
    columns, rows = (max(1, round(side / cell_px)) for side in (axes.bbox.width, axes.bbox.height))
    return _Grid(axes.get_xlim()[1], low_ns, high_ns, columns, rows)


def _draw_body(axes: Axes, moment_s: npt.NDArray[np.float64], latency_ns: npt.NDArray[np.int64]) -> QuadMesh:
    grid = _grid(axes, CELL_PX)
    counts = np.bincount(grid.cells(moment_s, latency_ns), minlength=grid.columns * grid.rows)
    return axes.pcolormesh(
        np.linspace(0, grid.end_s, grid.columns + 1),
        np.geomspace(grid.low_ns, grid.high_ns, grid.rows + 1),
        np.ma.masked_equal(counts.reshape(grid.rows, grid.columns), 0),
        norm=LogNorm(1, max(10, counts.max())),
        cmap=style.BODY,
        rasterized=True,
    )


def _draw_marks(axes: Axes, kind: Kind, moment_s: npt.NDArray[np.float64], latency_ns: npt.NDArray[np.int64]) -> None:
    if moment_s.size > MARKS_MAX:
        grid = _grid(axes, 1)
        topmost = np.full(grid.columns * grid.rows, -1)
        topmost[grid.cells(moment_s, latency_ns)] = np.arange(moment_s.size)
        drawn = topmost[topmost >= 0]
        moment_s, latency_ns = moment_s[drawn], latency_ns[drawn]
    magnitude = math.log10(moment_s.size)
    mark = style.mark(
        kind.outcome,
        filled=kind.mined,
        size=min(max(8.5 - 1.5 * magnitude, 1.5), 7),
        alpha=min(max(1.25 - 0.17 * magnitude, 0.3), 0.95),
    )
    mark.set_data(moment_s, np.maximum(latency_ns, axes.get_ylim()[0]))
    mark.set_label(kind.label)
    axes.add_line(mark)


def draw(axes: Axes, scene: Scene, limits_ns: tuple[float, float], font_size: float = 9) -> QuadMesh:
    """Draw a scene into axes that have their final place in the figure.

    Args:
        axes: empty.
        scene: what to draw.
        limits_ns: of the latency axis.
        font_size: of the names of rungs and phases, in points.

    Returns:
        The body: attempts connected at once by cell, as a masked array of shape (rows, columns).
    """
    attempts = scene.run.attempts
    latency_ns = attempts["latency_ns"]
    moment_s = (attempts["start_ns"] + latency_ns) / 1e9
    style.latency_axis(axes, *limits_ns)
    axes.set_xlim(0, 1.01 * max(moment_s.max(initial=0), 1e-6))
    attempts_by_rung = {band.label: band.count for band in scene.summary.bands}
    style.draw_ladder(axes, scene.ladder, attempts_by_rung, latency_limits([scene])[1], font_size)
    style.draw_phases(axes, scene.run.record.phases, font_size)
    connected = scene.outcomes == CONNECTED
    body = _draw_body(axes, moment_s[connected], latency_ns[connected])
    for kind in kinds(scene):
        _draw_marks(axes, kind, moment_s[kind.rows], latency_ns[kind.rows])
    return body


def key(scenes: Sequence[Scene], *, counted: bool) -> list[Line2D]:
    """Return a labelled sample mark for the body and for each kind in these scenes, for ``Figure.legend``.

    ``counted`` adds the number of attempts to each label.
    """
    totals: Counter[tuple[Outcome, bool, str]] = Counter()
    for scene in scenes:
        body = np.count_nonzero(scene.outcomes == CONNECTED)
        totals[Outcome.CONNECTED, True, style.LOOKS[Outcome.CONNECTED].label] += body
        for kind in kinds(scene):
            totals[kind.outcome, kind.mined, kind.label] += kind.rows.size
    samples = []
    for (outcome, filled, label), count in totals.items():
        samples.append(style.mark(outcome, filled=filled, size=7, alpha=1))
        samples[-1].set_label(f"{label}  {count:,}" if counted else label)
    return samples


def claim(scene: Scene) -> str:
    """Return in words what the scene shows: how many attempts met a mine or did not connect at once."""
    attempts, collisions = scene.outcomes.size, scene.summary.collisions
    late = attempts - scene.summary.outcomes.get(Outcome.CONNECTED, 0)
    if collisions:
        return f"{collisions:,} of {attempts:,} attempts met a mine"
    if late:
        return f"{late:,} of {attempts:,} attempts did not connect at once"
    return f"{attempts:,} attempts, no collision"


def finding(scene: Scene) -> str:
    """Return in words how the attempts ended that did not connect at once; if all did, how long it took."""
    body = scene.summary.body
    counts = {outcome: scene.summary.outcomes.get(outcome, 0) for outcome in OUTCOMES[1:]}
    occurring = sorted((outcome for outcome in counts if counts[outcome]), key=lambda outcome: -counts[outcome])
    if occurring:
        return "; ".join(f"{counts[outcome]:,} {style.LOOKS[outcome].label} {_when(scene, outcome)}" for outcome in occurring)
    if body.p50_ns is None or body.p99_ns is None or body.max_ns is None:
        return ""
    p50, p99, most = (duration_text(latency_ns) for latency_ns in (body.p50_ns, body.p99_ns, body.max_ns))
    return f"connected within {p50} (p50), {p99} (p99), {most} (max)"


def _when(scene: Scene, outcome: Outcome) -> str:
    bands = [(band.label, band.count) for band in scene.summary.bands if band.count]
    if outcome is Outcome.RETRIED and len(bands) > 1:
        if len(bands) > BANDS_MAX:
            last = bands[BANDS_MAX - 1 :]
            bands[BANDS_MAX - 1 :] = [(f"{last[0][0]} to {last[-1][0]}", sum(count for _, count in last))]
        elsewhere = scene.summary.outcomes[outcome] - sum(count for _, count in bands)
        if elsewhere:
            bands.append(("other times", elsewhere))
        return "after " + ", ".join(f"{label} ({count:,})" for label, count in bands)
    latency_ns = scene.run.attempts["latency_ns"][scene.outcomes == OUTCOMES.index(outcome)]
    low, p50, high = (duration_text(ns) for ns in np.quantile(latency_ns, (0, 0.5, 1), method="inverted_cdf"))
    return f"after {low}" if low == high else f"after {low} to {high} (p50 {p50})"


def caption(scene: Scene) -> list[str]:
    """Return what a reader needs to judge or repeat the run, as phrases for the foot of the figure."""
    record, summary, plan = scene.run.record, scene.summary, scene.run.record.plan
    sysctls = [f"{name}={value}" for name, value in sorted(plan.sysctls.items())]
    before = [f"{phase.name} {duration_text(phase.end_ns - phase.start_ns)}" for phase in record.phases if phase.end_ns <= 0]
    return [
        f"Linux {record.host.kernel}",
        f"HZ {1e9 / record.host.jiffy_ns:.0f}",
        f"{summary.attempts:,} attempts",
        f"{summary.rate_per_s:,.0f}/s",
        f"mines: {summary.mines.laid:,} laid, {summary.mines.found:,} met, {summary.mines.left:,} left",
        *(["before the storm: " + ", ".join(before)] if before else []),
        *sysctls,
        *(["interrupted"] if record.interrupted else []),
        *([f"warnings: {len(summary.warnings)}"] if summary.warnings else []),
        f"seed {plan.seed}",
        f"run {record.id}",
        record.program,
    ]


def timeline(
    run: Run,
    summary: Summary,
    ladder: Ladder,
    outcomes: npt.NDArray[np.uint8],
    collided: npt.NDArray[np.bool_],
    path: Path,
) -> None:
    """Draw a run as a PNG of 1600 x 900 pixels; the arguments are those of ``Scene``."""
    scene = Scene(run, summary, ladder, outcomes, collided)
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(10, 5.625), dpi=style.DPI)
        FigureCanvasAgg(figure)
        samples = key([scene], counted=True)
        top = 0.787 - 0.042 * -(-len(samples) // KEY_COLUMNS)
        axes = figure.add_axes((0.085, 0.185, 0.775, top - 0.185))
        body = draw(axes, scene, latency_limits([scene]), font_size=9)
        axes.set_xlabel("time since the storm began (s), at the end of the attempt")
        axes.set_ylabel("latency of the attempt")
        if body.get_array().count():
            style.draw_scale(axes, body)
        title = f"{run.record.plan.scenario}: {claim(scene)}"
        figure.text(0.02, 0.965, title, fontsize=17, fontweight="bold", verticalalignment="top")
        figure.text(0.02, 0.893, finding(scene), fontsize=11.5, color=style.QUIET, verticalalignment="top")
        figure.legend(handles=samples, loc="upper left", bbox_to_anchor=(0.013, 0.853), ncols=KEY_COLUMNS, fontsize=9.5)
        style.draw_caption(figure, caption(scene), font_size=7.5)
        figure.savefig(path, metadata={"Software": None})
