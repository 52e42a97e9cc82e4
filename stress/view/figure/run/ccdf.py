# SPDX-License-Identifier: MIT
"""The complementary CDF: which share of a run's attempts took longer than any given time."""

from collections.abc import Sequence

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.outcome import has_sent_syn
from stress.model.units import duration_text
from stress.view.figure import style
from stress.view.figure.caption import caption, caption_rise
from stress.view.figure.cause_style import CAUSE_LOOKS
from stress.view.figure.ccdf_panel import draw_ccdf
from stress.view.figure.curve import Curve
from stress.view.figure.series_style import series_colour, series_dashes
from stress.view.figure.sheet import new_sheet
from stress.view.text.inspection_rows import percent_text
from stress.view.text.run_headline import run_headline
from stress.view.text.verdict_lines import run_heading

FOOT, LEFT_EDGE, RIGHT_EDGE = 0.185, 0.145, 0.94


def ccdf_curves(findings: Findings) -> list[Curve]:
    """Return one curve per act if a run has several, else one of all attempts and one per cause among them.

    Attempts that ended before they sent a SYN waited for nothing; no curve contains them.
    """
    if len(findings.acts) > 1:
        waits = [np.sort(act.storm.attempts["latency_ns"][has_sent_syn(act.storm.attempts)]) for act in findings.acts]
        return [
            Curve(
                act.storm.act.name,
                latency_ns,
                latency_ns.size,
                series_colour(number),
                series_dashes(number),
                max(3.4 - 0.7 * number, 1.4),  # the rim of a covered curve is visible
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
    """Return how many attempts waited for the SYN timer."""
    sent = has_sent_syn(findings.run.attempts)
    attempts = int(np.count_nonzero(sent))
    if not attempts:
        return "no attempt sent a SYN"
    again = int(np.count_nonzero(sent & (findings.run.attempts["retransmits"] > 0)))
    if not again:
        return f"none of {attempts:,} attempts sent its SYN again"
    if again == attempts:
        return "the only attempt sent its SYN again" if again == 1 else f"all {again:,} attempts sent their SYN again"
    return f"{again:,} of {attempts:,} attempts ({percent_text(again / attempts)}) sent their SYN again"


def detail(drawn: Sequence[Curve]) -> str:
    """Return how long attempts took: median, p99 and longest; for several acts p99 alone."""
    whole = [curve for curve in drawn if curve.latency_ns.size == curve.whole]
    if not whole:
        return ""
    if len(whole) > 1:
        parts = [f"{duration_text(curve.quantile_ns(0.99))} ({curve.label})" for curve in whole]
        return "99 in 100 took no longer than " + ", ".join(parts)
    p50, p99, most = (duration_text(whole[0].quantile_ns(share)) for share in (0.5, 0.99, 1))
    return f"half of all attempts took no longer than {p50}, 99 in 100 no longer than {p99}, the slowest {most}"


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
    """Return the complementary CDF of a run on a sheet of 1600 x 900 pixels."""
    with matplotlib.style.context(["default", style.RC]):
        drawn = ccdf_curves(findings)
        out = attempts_without_syn(findings)
        omitted = [f"{out:,} left out that ended before a SYN was sent"] if out else []
        waits = "; ".join(text for text in (headline(findings), detail(drawn)) if text)
        about = f"{run_heading(findings.run.record.plan)}: {waits}"
        figure, top = new_sheet(run_headline(findings), about, legend_entries(drawn), [*omitted, *caption(findings)])
        foot = FOOT + caption_rise(figure)
        axes = figure.add_axes((LEFT_EDGE, foot, RIGHT_EDGE - LEFT_EDGE, top - 0.045 - foot))
        draw_ccdf(axes, drawn, findings.ladder)
        axes.set_xlabel("latency of connect(), log scale")
        axes.set_ylabel("share of attempts that took longer, log scale")
        axes.yaxis.set_label_coords(-0.142, 0.5)
        if not drawn:
            nothing = "no attempt sent a SYN: no latency to draw"
            axes.text(0.5, 0.5, nothing, transform=axes.transAxes, horizontalalignment="center", color=style.QUIET)
        return figure
