# SPDX-License-Identifier: MIT
"""The staircase: how many attempts have connected by when, next to what random loss would let through."""

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.loss_figures import LIMIT, passed_by_syn
from stress.model.text import plural
from stress.model.units import SECOND_NS
from stress.view.figure import style
from stress.view.figure.caption import caption, caption_rise
from stress.view.figure.series_style import series_colour
from stress.view.figure.sheet import new_sheet
from stress.view.text.run_headline import run_headline
from stress.view.text.verdict_lines import run_heading

FOOT, LEFT_EDGE, RIGHT_EDGE = 0.185, 0.1, 0.96
HEADROOM = 1.06
WIDTH_PT, WIDTH_GUESS_PT = 2.6, 1.6
SHOWN = 4  # numbers of SYNs in the detail


def connected_by(act: ActFindings) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return when attempts of an act connected, in s since its first start, and how many had by then.

    Both have the shape (connected + 1,), from nobody at 0 s on.
    """
    attempts = act.storm.attempts
    connected = attempts[attempts["error"] == 0]
    ends_ns = np.sort(connected["start_ns"] + connected["latency_ns"]) - attempts["start_ns"].min(initial=1 << 62)
    return np.concatenate([[0.0], ends_ns / SECOND_NS]), np.arange(len(connected) + 1)


def random_loss(act: ActFindings) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
    """Return the same for random loss that lets the same share of first SYNs through; None without any loss."""
    (passed, sent), *more = passed_by_syn(act.storm.attempts)
    if not more or not sent:
        return None
    times_s = np.array([0.0, *(rung.from_ns / SECOND_NS for rung in act.ladder.rungs[: len(more)])])
    connected = np.array([sent * (1 - (1 - passed / sent) ** (number + 1)) for number in range(len(times_s))])
    return times_s, connected


def headline(findings: Findings) -> str:
    """Return how many SYNs were sent again, and whether a limit let a fixed number through."""
    again = findings.summary.retransmits
    if (findings.summary.verdict or "").startswith(LIMIT):
        return f"{again:,} SYNs sent again, a fixed number let through each time"
    return f"{plural(again, 'SYN')} sent again" if again else "no SYN sent again"


def detail(act: ActFindings) -> str:
    """Return how many of the first, second, third … SYNs of an act got through."""
    steps = passed_by_syn(act.storm.attempts)
    texts = [f"{passed:,} of {sent:,}" for passed, sent in steps[:SHOWN]]
    return f"{act.storm.act.name}: of the first, second, third … SYNs got through " + ", ".join(texts)


def draw_staircase(axes: Axes, findings: Findings) -> list[Line2D]:
    """Draw each act, and what random loss would do; return the entries of the legend."""
    entries = []
    most_s = 0.0
    for number, act in enumerate(findings.acts):
        times_s, counts = connected_by(act)
        colour = series_colour(number)
        (line,) = axes.plot(times_s, counts, drawstyle="steps-post", color=colour, linewidth=WIDTH_PT, zorder=3)
        line.set_label(f" {act.storm.act.name}")
        entries.append(line)
        most_s = max(most_s, float(times_s[-1]))
        guess = random_loss(act)
        if guess:
            dashed = axes.plot(
                *guess, drawstyle="steps-post", color=style.QUIET, linewidth=WIDTH_GUESS_PT, linestyle="--", zorder=2
            )[0]
            dashed.set_label(" random loss that lets the same share of first SYNs through")
            entries.append(dashed)
            for due_s in guess[0][1:]:
                axes.axvline(due_s, color=style.FAINT, linewidth=0.8, zorder=1)
    attempts = max((len(act.storm.attempts) for act in findings.acts), default=1)
    axes.set_ylim(0, attempts * HEADROOM)
    axes.set_xlim(0, max(most_s, 0.001) * HEADROOM)
    return entries


def staircase_figure(findings: Findings) -> Figure:
    """Return how many attempts have connected by when, on a sheet of 1600 x 900 pixels."""
    with matplotlib.style.context(["default", style.RC]):
        entries = draw_staircase(Figure().add_subplot(), findings)
        about = f"{run_heading(findings.run.record.plan)}: {headline(findings)}; {detail(findings.acts[0])}"
        figure, top = new_sheet(run_headline(findings), about, entries, caption(findings))
        foot = FOOT + caption_rise(figure)
        axes = figure.add_axes((LEFT_EDGE, foot, RIGHT_EDGE - LEFT_EDGE, top - 0.045 - foot))
        draw_staircase(axes, findings)
        axes.set_xlabel("seconds since the first attempt of the act")
        axes.set_ylabel("attempts that have connected")
        return figure
