# SPDX-License-Identifier: MIT
"""The complementary CDF: which share of a run's attempts took longer than any given time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.ladder import Ladder
from stress.analysis.attribution.outcome import has_sent_syn
from stress.analysis.attribution.summary import Findings
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.axes import spread_labels
from stress.view.figure.caption import caption
from stress.view.figure.cause_style import CAUSE_LOOKS
from stress.view.figure.curve import Curve, Dashes
from stress.view.figure.sheet import new_sheet

HEADROOM = 1.5  # of the latency axis, beyond all data
WAY_MAX_PT = 55  # from a name to its rung
NAME_PT = 8.5
MARGIN_PT = 36  # to the right of the axes, into which names may reach
QUANTILES = ((0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"))
ACT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
ACT_DASHES: tuple[Dashes, ...] = ("-", (0, (6, 1.5)), (0, (3, 1.2)), (0, (1.2, 1.2)))
FOOT, LEFT_EDGE, RIGHT_EDGE = 0.185, 0.145, 0.94


def ccdf_curves(findings: Findings) -> list[Curve]:
    """Return one curve an act where a run has several, else one of all attempts and one for each cause among them.

    An attempt that ended before it sent a SYN waited for nothing, and is in none of them.
    """
    if len(findings.acts) > 1:
        waits = [np.sort(act.storm.attempts["latency_ns"][has_sent_syn(act.storm.attempts)]) for act in findings.acts]
        return [
            Curve(
                act.storm.act.name,
                latency_ns,
                latency_ns.size,
                ACT_COLOURS[number % len(ACT_COLOURS)],
                ACT_DASHES[number % len(ACT_DASHES)],
                max(3.4 - 0.7 * number, 1.4),  # a curve that covers another leaves its rim
            )
            for number, (act, latency_ns) in enumerate(zip(findings.acts, waits, strict=True))
            if latency_ns.size
        ]
    sent = has_sent_syn(findings.run.attempts)
    latency_ns, causes = findings.run.attempts["latency_ns"][sent], findings.causes[sent]
    present = np.flatnonzero(np.bincount(causes))
    if not present.size:
        return []
    every = np.sort(latency_ns)
    everything = Curve("all attempts", every, every.size, style.FAINT, width_pt=5)
    parts = []
    for code in present:
        look = CAUSE_LOOKS[CAUSES[code]]
        part = every if present.size == 1 else np.sort(latency_ns[causes == code])
        parts.append(Curve(look.label, part, every.size, look.colour, marker=look.marker))
    return [everything, *parts] if len(parts) > 1 else parts


def attempts_without_syn(findings: Findings) -> int:
    """Return how many attempts ended before they sent a SYN."""
    return int(np.count_nonzero(~has_sent_syn(findings.run.attempts)))


def headline(findings: Findings) -> str:
    """Return in words how large the part is that waited for the SYN timer."""
    sent = has_sent_syn(findings.run.attempts)
    attempts = int(np.count_nonzero(sent))
    if not attempts:
        return "no attempt sent a SYN"
    again = int(np.count_nonzero(sent & (findings.run.attempts["retransmits"] > 0)))
    if not again:
        return f"none of {attempts:,} attempts sent its SYN again"
    return f"{again:,} of {attempts:,} attempts ({100 * again / attempts:.2g} %) sent their SYN again"


def detail(drawn: Sequence[Curve]) -> str:
    """Return in words how long attempts took: median, p99 and longest; for several acts p99 alone."""
    whole = [curve for curve in drawn if curve.latency_ns.size == curve.whole]
    if not whole:
        return ""
    if len(whole) > 1:
        parts = [f"{duration_text(curve.quantile_ns(0.99))} ({curve.label})" for curve in whole]
        return "99 in 100 took no longer than " + ", ".join(parts)
    p50, p99, most = (duration_text(whole[0].quantile_ns(share)) for share in (0.5, 0.99, 1))
    return f"half of all attempts took no longer than {p50}, 99 in 100 no longer than {p99}, the slowest {most}"


def share_text(share: float) -> str:
    """Return a power of ten as people say it: ``'1 in 1,000'``."""
    return "all" if share >= 1 else f"1 in {round(1 / share):,}"


def draw_ccdf(axes: Axes, drawn: Sequence[Curve], ladder: Ladder) -> None:
    """Draw curves, and the ladder behind them, into axes that have their final place in the figure."""
    ends_ns = [(max(int(curve.latency_ns[0]), 1), int(curve.latency_ns[-1])) for curve in drawn]
    high_ns = HEADROOM * max([ladder.fast.to_ns if ladder.fast else 0, *(end_ns for _, end_ns in ends_ns), 10_000])
    low_ns = min(min([start_ns for start_ns, _ in ends_ns], default=1000) / HEADROOM, high_ns / 30)
    floor = 0.5 / max([curve.whole for curve in drawn], default=10)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low_ns, high_ns)
    axes.set_ylim(min(floor, 0.05), 1.25)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=30))
        axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=30))
        axis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration_text(value)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: share_text(value)))
    axes.tick_params(which="minor", length=2, width=0.5)
    axes.grid(visible=True)
    for quantile, name in QUANTILES:
        if 1 - quantile > axes.get_ylim()[0]:
            axes.text(
                1.008, 1 - quantile, name, transform=axes.get_yaxis_transform(),
                fontsize=8.5, color=style.QUIET, verticalalignment="center",
            )  # fmt: skip
    for curve in drawn:
        at_ns, longer = curve.steps(low_ns)
        line = Line2D(
            at_ns,
            longer, drawstyle="steps-post", color=curve.colour, linestyle=curve.dashes,
            linewidth=curve.width_pt, label=curve.label, solid_joinstyle="miter",
        )  # fmt: skip
        if curve.marker != "None":
            line.set(marker=curve.marker, markersize=6, markeredgecolor="white", markeredgewidth=0.4)
            line.set_markevery([0, max(0, at_ns.size - 2)])  # where the cause begins, and its slowest but one
        axes.add_line(line)
    _draw_ladder(axes, ladder)


def _draw_ladder(axes: Axes, ladder: Ladder) -> None:
    """Draw the rungs within the axes as bands and name them on top."""
    low_ns, high_ns = axes.get_xlim()
    rungs = [rung for rung in ((ladder.fast,) if ladder.fast else ()) + ladder.rungs if low_ns < rung.from_ns < high_ns]
    for rung in rungs:
        axes.axvspan(rung.from_ns, rung.to_ns, facecolor=style.LADDER_TINT, alpha=0.28, linewidth=0, zorder=0.6)
        axes.axvline(rung.from_ns, color=style.RUNG, linewidth=0.7, zorder=0.7)
    ends = [("ETIMEDOUT", ladder.give_up_ns), ("challenged", ladder.challenged_give_up_ns or 0)]
    ends = [(what, at_ns) for what, at_ns in ends if low_ns < at_ns < high_ns]
    for _, give_up_ns in ends:
        axes.axvline(give_up_ns, color=style.GIVE_UP, linewidth=0.9, linestyle=(0, (5, 3)), zorder=0.7)
    names = [_LatencyName(rung.label, rung.from_ns, style.QUIET) for rung in rungs]
    names += [_LatencyName(f"{what}\n{at_ns / 1e9:.0f} s", at_ns, style.GIVE_UP) for what, at_ns in ends]
    _write_names(axes, sorted(names, key=lambda name: name.at_ns))


@dataclass(frozen=True)
class _LatencyName:
    text: str
    at_ns: int
    colour: str


def _name_places(axes: Axes, names: Sequence[_LatencyName]) -> tuple[npt.NDArray[np.float64], float]:
    """Return where names (ascending) have room, as shares of the width of axes, and the longest way to a rung (pt)."""
    low_ns, high_ns = axes.get_xlim()
    width_pt = axes.bbox.width * 72 / style.DPI
    targets = np.array([math.log(name.at_ns / low_ns) / math.log(high_ns / low_ns) for name in names])
    widths = np.array([0.62 * NAME_PT * (max(map(len, name.text.split("\n"))) + 1.2) / width_pt for name in names])
    # Less what stands to the left of it, a name is a label without width.
    before = np.cumsum(widths) - widths / 2
    places = spread_labels((targets - before).tolist(), 0, 1 + MARGIN_PT / width_pt - widths.sum()) + before
    return places, float(np.abs(places - targets).max(initial=0) * width_pt)


def _write_names(axes: Axes, names: list[_LatencyName]) -> None:
    """Write names of latencies (ascending) above axes; where they crowd, those next to others are left out."""
    places, way_pt = _name_places(axes, names)
    while way_pt > WAY_MAX_PT and len(names) > 2:
        closest = min(range(1, len(names) - 1), key=lambda number: names[number].at_ns / names[number - 1].at_ns)
        names = names[:closest] + names[closest + 1 :]
        places, way_pt = _name_places(axes, names)
    height_pt = axes.bbox.height * 72 / style.DPI
    for name, place in zip(names, places, strict=True):
        axes.annotate(
            name.text,
            xy=(name.at_ns, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(place, 1 + 10 / height_pt),
            textcoords="axes fraction",
            horizontalalignment="center",
            fontsize=NAME_PT,
            color=name.colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": style.QUIET,
                "linewidth": 0.6,
                "relpos": (0.5, 0),
                "shrinkA": 1,
                "shrinkB": 0,
            },
        )


def legend_entries(drawn: Sequence[Curve]) -> list[Line2D]:
    """Return a labelled and counted sample of each curve, for ``Figure.legend``."""
    return [
        Line2D(
            [], [], color=curve.colour, linestyle=curve.dashes, linewidth=curve.width_pt, marker=curve.marker,
            markersize=7, markeredgecolor="white", markeredgewidth=0.4,
            label=f" {curve.label}  {curve.latency_ns.size:,}",
        )
        for curve in drawn
    ]  # fmt: skip


def ccdf_figure(findings: Findings) -> Figure:
    """Draw the complementary CDF of a run on a sheet of its own, as a PNG of 1600 x 900 pixels."""
    with matplotlib.style.context(["default", style.RC]):
        drawn = ccdf_curves(findings)
        out = attempts_without_syn(findings)
        omitted = [f"{out:,} left out that ended before a SYN was sent"] if out else []
        title = f"{findings.run.record.plan.scenario}: {headline(findings)}"
        figure, top = new_sheet(title, detail(drawn), legend_entries(drawn), [*omitted, *caption(findings)])
        axes = figure.add_axes((LEFT_EDGE, FOOT, RIGHT_EDGE - LEFT_EDGE, top - 0.045 - FOOT))
        draw_ccdf(axes, drawn, findings.ladder)
        axes.set_xlabel("latency of connect()")
        axes.set_ylabel("share of attempts that took longer")
        axes.yaxis.set_label_coords(-0.142, 0.5)
        if not drawn:
            nothing = "no attempt sent a SYN: no latency to draw"
            axes.text(0.5, 0.5, nothing, transform=axes.transAxes, horizontalalignment="center", color=style.QUIET)
        return figure
