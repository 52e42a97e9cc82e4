# SPDX-License-Identifier: MIT
"""A suite of many settings: the cells that changed something, one line each, and the rest in a sentence."""

import math
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from stress.analysis.comparison.suite_changes import CellChanges, MetricChange
from stress.analysis.comparison.verdict import Verdict
from stress.analysis.metric import Metric
from stress.analysis.statistics.trials import better_or_worse
from stress.view.figure import style
from stress.view.figure.caption import draw_caption
from stress.view.figure.metric_axis import Scale, scale_of
from stress.view.figure.sheet import draw_head
from stress.view.figure.verdict_style import VERDICT_LOOKS
from stress.view.text import metric_wording as words
from stress.view.text.change_wording import levels_text, unchanged_text, untold_text
from stress.view.text.survey_wording import discovery_text, few_blocks_text

LINES_MAX = 24  # cells; of more, those with the largest changes
# All lengths in inches.
WIDTH, LEFT, RIGHT, GAP = 12.0, 3.55, 0.2, 0.14
TITLE, ALARM, LEGEND, HEAD, LINE, AXIS, NOTE, FOOT = 0.56, 0.24, 0.3, 0.34, 0.2, 0.3, 0.19, 0.62
NUMBER = 0.52  # right of each column, for the change
FONT_PT, TICK_PT, MARK_PT, HEAD_PT = 8.5, 7.0, 5.5, 9.0
HEAD_LINE = 0.15
NAME_LETTERS, NOTE_LETTERS = 32, 150
TICK_LETTER = 0.66  # the width of one, as a share of the font's size
LOOKS = {
    "worse": VERDICT_LOOKS[Verdict.REGRESSED],
    "better": VERDICT_LOOKS[Verdict.IMPROVED],
    None: style.Look(style.INK, "o", "changed"),
}


@dataclass(frozen=True)
class _Column:
    metric: Metric
    scale: Scale
    left: float  # inches
    width: float

    @property
    def head_lines(self) -> list[str]:
        """The metric's name, in as many lines as the column is narrow for."""
        return textwrap.wrap(words.name_text(self.metric), max(8, int(self.width * 72 / (HEAD_PT * TICK_LETTER))))


def changes_figure(cells: Sequence[CellChanges], title: str, caption: Sequence[str], alarm: str = "") -> Figure:
    """Return the changed cells of a suite, 1920 pixels wide and no higher than a laptop screen of that width.

    Args:
        cells: all but the baselines.
        title: of the sheet.
        caption: phrases for its foot.
        alarm: what makes the numbers doubtful.
    """
    lines = lines_to_draw(cells)
    count = sum(bool(cell.changed) for cell in cells)
    tests = sum(len(cell.compared) for cell in cells)
    blocks = max((change.effect.trials for cell in cells for change in cell.compared), default=0)
    few = few_blocks_text(blocks, tests) if lines else ""  # else the title says it
    texts = (few, unchanged_text(cells), untold_text(cells))
    notes = [text for text in texts if text]
    if count > len(lines):
        notes.insert(0, f"{count - len(lines):,} more cells with smaller changes are not drawn")
    wrapped = [line for note in notes for line in textwrap.wrap(note, NOTE_LETTERS)]
    columns = _columns(lines)
    more_lines = max((len(column.head_lines) for column in columns), default=1) - 1
    top = TITLE + (ALARM if alarm else 0) + LEGEND + HEAD + more_lines * HEAD_LINE
    if not lines:  # then there is neither a legend nor a head
        top = TITLE + (ALARM if alarm else 0)
    height = top + (len(lines) * LINE + AXIS if lines else 0) + len(wrapped) * NOTE + FOOT
    with matplotlib.style.context(["default", style.RC]):
        figure = Figure(figsize=(WIDTH, height), dpi=style.DPI)
        FigureCanvasAgg(figure)
        _draw_title(figure, title, alarm, {kind_of(change) for cell in lines for change in cell.changed})
        for column in columns:
            _draw_column(figure, column, lines, top)
        _draw_names(figure, lines, top)
        for number, text in enumerate(reversed(wrapped)):
            figure.text(0.018, (FOOT + number * NOTE) / height, text, fontsize=FONT_PT)
        draw_caption(figure, [*reading_phrases(lines, tests), *caption], font_size=7.5)
        figure.texts[-1].set_y(0.1 / height)
        return figure


def lines_to_draw(cells: Sequence[CellChanges]) -> list[CellChanges]:
    """Return the cells that changed something, in their order; of very many those with the largest changes."""
    changed = [cell for cell in cells if cell.changed]
    largest = sorted(changed, key=lambda cell: -cell.changed[0].size)[:LINES_MAX]
    return [cell for cell in changed if any(cell is one for one in largest)]


def reading_phrases(lines: Sequence[CellChanges], tests: int) -> list[str]:
    """Return how to read the picture, as phrases.

    Args:
        lines: those that are drawn.
        tests: how many comparisons were made.
    """
    if not lines:
        return []
    trials = sorted({change.effect.trials for cell in lines for change in cell.changed})
    spans = words.span_text([f"{count:,}" for count in trials])
    return [
        f"median over {spans} trials of the same blocks; bar: interval of the new median",
        "axes: log scale, of counts linear below the first tick",
        "without a mark: no sure change",
        discovery_text(tests),
    ]


def kind_of(change: MetricChange) -> str:
    """Return what the legend calls a change."""
    return better_or_worse(change.effect, change.metric) or "changed"


def _draw_title(figure: Figure, title: str, alarm: str, kinds: Collection[str]) -> None:
    height = figure.get_figheight()
    draw_head(figure, title, alarm)
    if not kinds:
        return
    samples = [
        Line2D([], [], linestyle="none", marker="o", color=style.QUIET, markerfacecolor="white", label="baseline"),
        *(
            Line2D([], [], linestyle="none", marker=look.marker, color=look.colour, label=label)
            for label, look in ((key or "changed", look) for key, look in LOOKS.items())
            if label in kinds
        ),
    ]
    place = (0.013, 1 - (TITLE + (ALARM if alarm else 0)) / height)
    figure.legend(handles=samples, loc="upper left", bbox_to_anchor=place, ncols=4, fontsize=9)


def _columns(lines: Sequence[CellChanges]) -> list[_Column]:
    by_metric: dict[str, list[MetricChange]] = {}
    for name in words.PICTURED:
        changes = [change for cell in lines for change in cell.changed if change.metric.name == name]
        if changes:
            by_metric[name] = changes
    width = min(3.0, (WIDTH - LEFT - RIGHT - GAP * (len(by_metric) - 1)) / max(1, len(by_metric)))
    columns = []
    for number, changes in enumerate(by_metric.values()):
        ends = [end for change in changes for end in (change.base, change.new.low, change.new.high)]
        place = LEFT + number * (width + GAP)
        columns.append(_Column(changes[0].metric, scale_of(changes[0].metric, ends), place, width))
    return columns


def _draw_column(figure: Figure, column: _Column, lines: Sequence[CellChanges], top: float) -> None:
    height = figure.get_figheight()
    size = len(lines) * LINE
    place = (column.left / WIDTH, 1 - (top + size) / height, (column.width - NUMBER) / WIDTH, size / height)
    axes = figure.add_axes(place, label=column.metric.name)
    head = "\n".join(column.head_lines)
    x, y = column.left / WIDTH, 1 - (top - 0.08) / height
    figure.text(x, y, head, fontsize=HEAD_PT, fontweight="bold", verticalalignment="bottom", linespacing=1.1)
    scale = column.scale
    if scale.linear_to is None:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=scale.linear_to)
    axes.set_xlim(scale.low, scale.high)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.xaxis.set_major_locator(FixedLocator(roomy_ticks(axes, column.metric, scale.ticks)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: words.value_text(column.metric, value)))
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=TICK_PT, length=2)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    for number, cell in enumerate(lines):
        axes.axhline(number, color=style.FAINT, linewidth=0.4, zorder=0.4)
        for change in cell.changed:
            if change.metric.name == column.metric.name:
                _draw_change(axes, change, number, scale)


def roomy_ticks(axes: Axes, metric: Metric, ticks: Sequence[float]) -> list[float]:
    """Return the ticks whose labels do not touch that of the one before; ``axes`` are at their place."""
    roomy: list[float] = []
    end_pt = -math.inf
    for tick in ticks:
        half_pt = TICK_LETTER * TICK_PT * (len(words.value_text(metric, tick)) + 1) / 2
        place_pt = float(axes.transData.transform((tick, 0))[0]) * 72 / style.DPI
        if place_pt - half_pt > end_pt:
            roomy.append(tick)
            end_pt = place_pt + half_pt
    return roomy


def _draw_change(axes: Axes, change: MetricChange, place: int, scale: Scale) -> None:
    """Draw a baseline, the way to the new median with its interval, and the change as a number."""
    look = LOOKS[better_or_worse(change.effect, change.metric)]
    base, new = scale.clip(change.base), scale.clip(change.new.median)
    axes.plot([base, new], [place, place], color=look.colour, linewidth=0.8, zorder=2, label="_way")
    ends = [scale.clip(change.new.low), scale.clip(change.new.high)]
    axes.plot(ends, [place, place], color=look.colour, linewidth=2.6, alpha=0.45, zorder=2, label="interval")
    axes.plot(
        [base], [place], linestyle="none", marker="o", markersize=MARK_PT - 1, markerfacecolor="white",
        markeredgecolor=style.QUIET, zorder=3, clip_on=False, label="baseline",
    )  # fmt: skip
    axes.plot(
        [new], [place], linestyle="none", marker=look.marker, markersize=MARK_PT, color=look.colour,
        markeredgewidth=0, zorder=4, clip_on=False, label="new",
    )  # fmt: skip
    axes.text(
        1.03, place, words.change_text(change.effect, change.effect.value), transform=axes.get_yaxis_transform(),
        fontsize=FONT_PT, color=look.colour, verticalalignment="center",
    )  # fmt: skip


def _draw_names(figure: Figure, lines: Sequence[CellChanges], top: float) -> None:
    height = figure.get_figheight()
    before = ""
    for number, cell in enumerate(lines):
        y = 1 - (top + (number + 0.5) * LINE) / height
        if cell.entry != before:
            entry = textwrap.shorten(cell.entry, 15, placeholder="…") or cell.entry[:15]
            figure.text(0.018, y, entry, fontsize=FONT_PT, fontweight="bold", verticalalignment="center")
            before = cell.entry
        name = levels_text(cell)
        size = min(FONT_PT, FONT_PT * NAME_LETTERS / len(name))
        figure.text(1.25 / WIDTH, y, name, fontsize=size, verticalalignment="center")
