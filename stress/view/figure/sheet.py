# SPDX-License-Identifier: MIT
"""A sheet: the figure around one picture of a run, with its title, finding, key and caption."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stress.view.figure import style
from stress.view.figure.caption import draw_caption

KEY_COLUMNS = 5
ROW = 0.042  # of the key, as a share of the sheet's height

ROOM_PT = 690  # for title and finding, which are written smaller where they would not fit


def new_sheet(title: str, finding: str, key: Sequence[Artist], caption: Sequence[str]) -> tuple[Figure, float]:
    """Return a figure of 1600 x 900 pixels that still lacks its picture, and how far up (0 to 1) there is room."""
    figure = Figure(figsize=(10, 5.625), dpi=style.DPI)
    FigureCanvasAgg(figure)
    title_pt, finding_pt = min(15.5, ROOM_PT / 0.6 / len(title)), min(11, ROOM_PT / 0.53 / max(1, len(finding)))
    figure.text(0.02, 0.965, title, fontsize=title_pt, fontweight="bold", verticalalignment="top")
    figure.text(0.02, 0.893, finding, fontsize=finding_pt, color=style.QUIET, verticalalignment="top")
    columns = draw_legend(figure, key)
    draw_caption(figure, caption, font_size=7.5)
    return figure, 0.787 - ROW * max(1, -(-len(key) // columns))


def draw_legend(figure: Figure, key: Sequence[Artist]) -> int:
    """Draw the key in as many columns as the sheet has room for; return how many these are."""
    for columns in range(KEY_COLUMNS, 0, -1):
        legend = figure.legend(
            handles=key, loc="upper left", bbox_to_anchor=(0.013, 0.853), ncols=columns, fontsize=9.5
        )
        if columns == 1 or legend.get_window_extent().x1 <= figure.bbox.width:
            break
        legend.remove()
    return columns
