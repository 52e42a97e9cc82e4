# SPDX-License-Identifier: MIT
"""The choice of source ports: the ports that clients got, how soon each came again, and the mines they met."""

from collections.abc import Sequence

import matplotlib.style
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.port_reuse import expected_hits, reuse_distances
from stress.model.text import plural
from stress.view.figure import style
from stress.view.figure.caption import caption
from stress.view.figure.sheet import new_sheet

EVEN, ODD = "#0072B2", "#E69F00"
BODY = "#5f7fa6"
FIRST = 80  # attempts in the close-up
RISING = 0.9  # share of upward steps in a rising sequence, which wraps around to the low end now and then
BINS_PER_DECADE = 10
LEFT, RIGHT, GAP = 0.085, 0.985, 0.048  # of the columns, as shares of the sheet's width
# Foot and height of each row, as shares of the sheet's height.
MINES_ROW, ALL_ROW, FIRST_ROW, AGAIN_ROW = (0.712, 0.014), (0.5, 0.17), (0.33, 0.098), (0.135, 0.095)
ROWS = (MINES_ROW, ALL_ROW, FIRST_ROW, AGAIN_ROW)
FONT_PT, TICK_PT = 8.0, 7.5


def shortest_distances(acts: Sequence[ActFindings]) -> dict[str, int]:
    """Return, by act, the least number of attempts after which a port came again; acts without one are left out."""
    distances = {act.storm.act.name: reuse_distances(act.storm.attempts) for act in acts}
    return {name: int(distance.min()) for name, distance in distances.items() if len(distance)}


def headline(acts: Sequence[ActFindings]) -> str:
    """Return how soon ports came again."""
    earliest = sorted(shortest_distances(acts).values())
    if not earliest:
        return "No source port came again"
    if earliest[0] == earliest[-1]:
        return f"A port came again after {_attempts_text(earliest[0])} at the earliest"
    return f"A port came again after {earliest[0]:,} to {earliest[-1]:,} attempts at the earliest, by who chose it"


def detail(acts: Sequence[ActFindings]) -> str:
    """Return in which act ports came again soonest and latest, and how many mines the acts met."""
    earliest, met = shortest_distances(acts), [act.mines().hit for act in acts]
    phrases = []
    if len(set(earliest.values())) > 1:
        first, last = min(earliest, key=lambda name: earliest[name]), max(earliest, key=lambda name: earliest[name])
        phrases.append(f"soonest with {first}, latest with {last}")
    if mines := max((len(act.storm.mines) for act in acts), default=0):
        span = f"{min(met):,}" if min(met) == max(met) else f"{min(met):,} to {max(met):,}"
        phrases.append(f"{span} of {mines:,} mines met")
    return "; ".join(phrases)


def _attempts_text(count: int) -> str:
    return plural(count, "attempt")


def parity_text(ports: npt.NDArray[np.uint16]) -> str:
    """Return how many of the ports are odd."""
    if not len(ports):
        return "no port"
    odd = np.count_nonzero(ports % 2) / len(ports)
    return {0.0: "even ports only", 1.0: "odd ports only"}.get(odd, f"{odd:.0%} odd ports".replace("%", " %"))


def step_text(ports: npt.NDArray[np.uint16]) -> str:
    """Return the typical distance from one port to the next."""
    if len(ports) < 2:
        return ""
    steps = np.diff(ports.astype(np.int64))
    up = np.count_nonzero(steps > 0) / len(steps)
    way = "up" if up > RISING else "up or down"
    return f"{way} by ≈ {np.median(np.abs(steps)):,.0f}"


def hits_by_chance(act: ActFindings) -> float:
    """Return how many mines this act would have met if its ports had been drawn at random."""
    return expected_hits(len(act.storm.attempts), len(act.storm.mines), act.storm.act.ports)


def draw_mines(axes: Axes, act: ActFindings) -> None:
    """Draw the mines that were met as a bar within all mines, with a stroke at the number expected by chance."""
    mines, met, by_chance = len(act.storm.mines), act.mines().hit, hits_by_chance(act)
    axes.set_axis_off()
    axes.set_ylim(0, 1)
    text = "no mines"
    if mines:
        axes.set_xlim(0, mines)
        axes.barh(0.5, mines, 1, color=style.FAINT, alpha=0.55)
        axes.barh(0.5, met, 1, color=style.INK)
        axes.plot([by_chance, by_chance], [-0.35, 1.35], color=style.GIVE_UP, linewidth=2, clip_on=False, zorder=3)
        text = f"{met:,} mines met, by chance {by_chance:,.0f}"
    axes.annotate(text, xy=(0, 1), xytext=(0, 5.5), textcoords="offset points", fontsize=FONT_PT, annotation_clip=False)


def draw_ports(axes: Axes, ports: npt.NDArray[np.uint16], size_pt: float) -> None:
    """Draw ports in the order of the attempts, even and odd in two colours; attempts without a port are left out."""
    places = np.flatnonzero(ports)
    # One collection for both parities: of two, the later would hide the earlier where they alternate. No blending where
    # they crowd, or the two colours would mix into a third.
    crowd, mixed = len(places) > FIRST, len(np.unique(ports[places] % 2)) > 1
    axes.scatter(
        places + 1, ports[places], s=size_pt**2, c=np.where(ports[places] % 2, ODD, EVEN), linewidths=0,
        antialiased=not (crowd and mixed), alpha=0.5 if crowd and not mixed else 1,
    )  # fmt: skip
    axes.annotate(
        "attempt", xy=(1, 0), xycoords="axes fraction", xytext=(0, -6), textcoords="offset points", fontsize=TICK_PT,
        color=style.QUIET, horizontalalignment="right", verticalalignment="top", annotation_clip=False,
    )  # fmt: skip


def draw_reuse_distances(axes: Axes, distances: npt.NDArray[np.int64], most: int) -> None:
    """Draw how many attempts later ports came again, as a histogram over a logarithmic axis from 1 to ``most``."""
    edges = np.geomspace(1, max(most, 10), 1 + round(BINS_PER_DECADE * np.log10(max(most, 10))))
    edges[-1] *= 1 + 1e-9  # rounding must not exclude the last one
    edges[0] = 1
    counts, _ = np.histogram(distances, edges)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.stairs(counts, edges, fill=True, color=BODY)
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    text = "no port came again"
    if len(distances):
        text = f"again after {_attempts_text(int(distances.min()))}\nor more, median {np.median(distances):,.0f}"
    axes.set_title(text, fontsize=FONT_PT, loc="left", pad=3)


def draw_act(figure: Figure, act: ActFindings, rows: Sequence[Axes], attempts: int) -> None:
    """Draw one act from top to bottom.

    Args:
        figure: of the axes.
        act: the act.
        rows: axes for the mines, for all ports, for the first ports, and for the distances.
        attempts: of the longest act.
    """
    mines, all_ports, first_ports, again = rows
    ports = act.storm.attempts["local_port"]
    given = ports[ports != 0]
    left = mines.get_position().x0
    figure.text(left, 0.793, act.storm.act.name, fontsize=11, fontweight="bold", verticalalignment="top")
    draw_mines(mines, act)
    draw_ports(all_ports, ports, 1.1)
    all_ports.set_xlim(0, max(attempts, 1))
    all_ports.xaxis.set_major_locator(MaxNLocator(2, integer=True, prune="upper"))
    all_ports.set_title(parity_text(given), fontsize=FONT_PT, loc="left", pad=3)
    draw_ports(first_ports, ports[:FIRST], 2.6)
    first_ports.set_xlim(0, FIRST)
    first_ports.xaxis.set_major_locator(MaxNLocator(2, integer=True, prune="upper"))
    first_ports.set_title(
        f"first {FIRST}: {step_text(given[:FIRST])}".removesuffix(": "), fontsize=FONT_PT, loc="left", pad=3
    )
    draw_reuse_distances(again, reuse_distances(act.storm.attempts), attempts)


def legend_entries() -> list[Line2D]:
    """Return sample marks for even and odd ports and for the mines, for ``Figure.legend``."""
    return [
        *(
            Line2D([], [], linestyle="none", marker="o", markersize=5, color=colour, label=label)
            for label, colour in (("even port", EVEN), ("odd port", ODD))
        ),
        Line2D([], [], linestyle="none", marker="s", markersize=7, color=style.INK, label="mines met"),
        Line2D(
            [], [], linestyle="none", marker="|", markersize=10, markeredgewidth=2, color=style.GIVE_UP,
            label="mines that ports drawn at random would meet",
        ),
    ]  # fmt: skip


def port_choice_figure(findings: Findings) -> Figure:
    """Return the source ports that clients got, one column per act, on a sheet of 1600 x 900 pixels.

    Args:
        findings: a run of port-choice.
    """
    attempts = max((len(act.storm.attempts) for act in findings.acts), default=0)
    width = (RIGHT - LEFT - GAP * (len(findings.acts) - 1)) / len(findings.acts)
    low = min(act.storm.act.port_range[0] for act in findings.acts)
    high = max(act.storm.act.port_range[1] for act in findings.acts)
    with matplotlib.style.context(["default", style.RC]):
        figure, _ = new_sheet(headline(findings.acts), detail(findings.acts), legend_entries(), caption(findings))
        columns = []
        for number, act in enumerate(findings.acts):
            left = LEFT + number * (width + GAP)
            rows = [figure.add_axes((left, foot, width, height)) for foot, height in ROWS]
            draw_act(figure, act, rows, attempts)
            columns.append(rows)
        tallest = max(rows[3].get_ylim()[1] for rows in columns)
        for number, (_, all_ports, first_ports, again) in enumerate(columns):
            all_ports.set_ylim(low, high)
            if not np.any(findings.acts[number].storm.attempts["local_port"][:FIRST]):
                first_ports.set_ylim(low, high)
            again.set_ylim(0, tallest)
            for axes in (all_ports, first_ports, again):
                axes.tick_params(labelsize=TICK_PT, length=2.5, labelleft=axes is first_ports or not number)
                axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
                axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
                if axes is not again:
                    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        for axes, text in zip(columns[0][1:], ("port", "port", "ports again"), strict=True):
            axes.set_ylabel(text, fontsize=FONT_PT)
            axes.yaxis.set_label_coords(-0.053 / width, 0.5)
        return figure
