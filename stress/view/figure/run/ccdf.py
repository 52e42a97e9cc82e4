# SPDX-License-Identifier: MIT
"""The complementary CDF: which share of a run's attempts took longer than any given time."""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.outcome import has_sent_syn
from stress.model.chunk import chunks, count_values
from stress.model.latency_counts import count_latencies, merge_counts
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
        waits = [count_latencies(latencies_of(act.storm.attempts)) for act in findings.acts]
        return [
            Curve(
                act.storm.act.name,
                latencies,
                len(latencies),
                series_colour(number),
                series_dashes(number),
                max(3.4 - 0.7 * number, 1.4),  # the rim of a covered curve is visible
            )
            for number, (act, latencies) in enumerate(zip(findings.acts, waits, strict=True))
            if len(latencies)
        ]
    by_cause = {
        code: count_latencies(latencies_of(findings.run.attempts, findings.causes, code))
        for code in np.flatnonzero(count_values(findings.causes)).tolist()
    }
    by_cause = {code: latencies for code, latencies in by_cause.items() if len(latencies)}
    every = merge_counts(by_cause.values())
    parts = []
    for code, latencies in by_cause.items():
        look = CAUSE_LOOKS[CAUSES[code]]
        parts.append(Curve(look.label, latencies, len(every), look.colour, marker=look.marker))
    return [Curve("all attempts", every, len(every), style.FAINT, width_pt=5), *parts] if len(parts) > 1 else parts


def latencies_of(
    attempts: npt.NDArray[Any], causes: npt.NDArray[np.uint8] | None = None, code: int = 0
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the latencies of the attempts that sent a SYN, part by part; of all, or of those with one of the causes."""
    for rows in chunks(len(attempts)):
        chosen = slice(None) if causes is None else causes[rows] == code
        part = attempts[rows][chosen]
        yield part["latency_ns"][has_sent_syn(part)]


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
    whole = [curve for curve in drawn if len(curve.latencies) == curve.whole]
    if not whole:
        return ""
    if len(whole) > 1:
        parts = [f"{duration_text(*curve.latencies.quantiles_ns(990))} ({curve.label})" for curve in whole]
        return "99 in 100 took no longer than " + ", ".join(parts)
    p50, p99, most = map(duration_text, whole[0].latencies.quantiles_ns(500, 990, 1000))
    return f"half of all attempts took no longer than {p50}, 99 in 100 no longer than {p99}, the slowest {most}"


def legend_entries(drawn: Sequence[Curve]) -> list[Line2D]:
    """Return a labelled and counted sample of each curve, for ``Figure.legend``."""
    return [
        Line2D(
            [], [], color=curve.colour, linestyle=curve.dashes, linewidth=curve.width_pt, marker=curve.marker,
            markersize=7, markeredgecolor="white", markeredgewidth=0.4,
            label=f" {curve.label}  {len(curve.latencies):,}",
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
