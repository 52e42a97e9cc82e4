# SPDX-License-Identifier: MIT
"""A sheet: a figure with title, detail, legend and caption, and room for one picture."""

import textwrap
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stress.model.text import shown_text
from stress.view.figure import style
from stress.view.figure.caption import draw_caption

LEGEND_COLUMNS = 5
ROW = 0.042  # of the legend, as a share of the sheet's height

ROOM_PT = 690  # for title and detail, whose font is smaller where they would not fit
TITLE_PT, TWO_LINES_PT, LETTER = 15.5, 11.0, 0.6  # of titles; a bold letter as a share of the font's size


def new_sheet(title: str, detail: str, entries: Sequence[Artist], caption: Sequence[str]) -> tuple[Figure, float]:
    """Return a figure of 1600 x 900 pixels without its picture, and the upper edge of the room for that (0 to 1)."""
    figure = Figure(figsize=(10, 5.625), dpi=style.DPI)
    FigureCanvasAgg(figure)
    title, title_pt = fit_title(title)
    detail_pt = min(11, ROOM_PT / 0.56 / max(1, len(detail)))
    figure.text(0.02, 0.972, title, fontsize=title_pt, fontweight="bold", verticalalignment="top")
    figure.text(0.02, 0.893, detail, fontsize=detail_pt, color=style.QUIET, verticalalignment="top")
    columns = draw_legend(figure, entries)
    draw_caption(figure, caption, font_size=7.5)
    return figure, 0.787 - ROW * max(1, -(-len(entries) // columns))


def fit_title(title: str, room_pt: float = ROOM_PT) -> tuple[str, float]:
    """Return a title, on two lines if it is too long for one in a large font, and the size of its font in points.

    ``room_pt`` is the width that it may take.
    """
    one_pt = min(TITLE_PT, room_pt / LETTER / max(1, len(title)))
    if one_pt >= TWO_LINES_PT:
        return title, one_pt
    lines = textwrap.wrap(title, -(-len(title) // 2) + 8, break_on_hyphens=False)
    return "\n".join(lines), min(TWO_LINES_PT, room_pt / LETTER / max(map(len, lines)), 2 * TWO_LINES_PT / len(lines))


def draw_legend(figure: Figure, entries: Sequence[Artist]) -> int:
    """Draw the legend in as many columns as the sheet has room for; return their number."""
    labels = [shown_text(str(entry.get_label())) for entry in entries]
    for columns in range(LEGEND_COLUMNS, 0, -1):
        legend = figure.legend(
            entries, labels, loc="upper left", bbox_to_anchor=(0.013, 0.853), ncols=columns, fontsize=9.5
        )
        if columns == 1 or legend.get_window_extent().x1 <= figure.bbox.width:
            break
        legend.remove()
    return columns


def draw_head(figure: Figure, title: str, alarm: str = "") -> None:
    """Write the title of a sheet of another size, and in red what makes it doubtful, in 0.8 inches at the top."""
    width, height = figure.get_size_inches()
    text, size = fit_title(title, (width - 0.5) * 72)
    figure.text(0.018, 1 - 0.12 / height, text, fontsize=size, fontweight="bold", verticalalignment="top")
    if alarm:
        place = 0.018, 1 - 0.56 / height
        figure.text(*place, alarm, fontsize=10, fontweight="bold", color=style.GIVE_UP, verticalalignment="top")
