# SPDX-License-Identifier: MIT
"""Boxes around what is written in a figure: none may lie on another, and none outside."""

import itertools

from matplotlib.axes import Axes
from matplotlib.text import Text


def texts(figure):
    """Return every text that is seen, with its box in pixels."""
    figure.canvas.draw()
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    ticks = {
        id(label): tick.get_visible() and low - 1e-9 <= tick.get_loc() <= high + 1e-9
        for axes in figure.findobj(Axes)  # insets too
        for axis in (axes.xaxis, axes.yaxis)
        for low, high in [sorted(axis.get_view_interval())]
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }  # an axis keeps ticks beyond its ends, which it does not draw
    return [(text.get_text(), Text.get_window_extent(text)) for text in shown if ticks.get(id(text), True)]


def overlapping(figure, spare=1.0):
    """Return the pairs of texts that share more than ``spare`` pixels in both directions."""
    return [
        (one, other)
        for (one, box), (other, beside) in itertools.combinations(texts(figure), 2)
        if min(box.x1, beside.x1) - max(box.x0, beside.x0) > spare
        and min(box.y1, beside.y1) - max(box.y0, beside.y0) > spare
    ]


def outside(figure):
    """Return the texts that the edge of the figure cuts."""
    page = figure.bbox
    return [
        text
        for text, box in texts(figure)
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]
