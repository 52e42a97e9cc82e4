# SPDX-License-Identifier: MIT
"""The port map: every attempt of a run by the moment it started and its source port, coloured by cause."""

import matplotlib.style
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.model.chunk import count_values
from stress.view.figure import style
from stress.view.figure.axes import draw_colour_scale
from stress.view.figure.caption import caption, caption_rise
from stress.view.figure.cause_style import cause_marker
from stress.view.figure.points import GROUND, NONE, causes_by_count
from stress.view.figure.port_frame import port_limits
from stress.view.figure.port_map_panel import FOOT, MINE_LANES, draw_port_map, headline, mine_marker
from stress.view.figure.sheet import new_sheet
from stress.view.text.mine_wording import mines_text
from stress.view.text.run_headline import run_headline
from stress.view.text.verdict_lines import run_heading


def detail(findings: Findings) -> str:
    """Return how much of the port range was used, and how many mines were laid, met and left standing."""
    used = count_values(findings.run.attempts["local_port"], 1 << 16)[1:]
    mines = findings.summary.mines
    low, high = port_limits(findings)
    parts = [f"{np.count_nonzero(used):,} of {high - low + 1:,} ports used"]
    if used.any():
        most = int(used.max())
        parts[0] += f", up to {most:,} times each" if most > 1 else ", once each"
    if mines.laid or mines.left:
        became = f"{mines.hit:,} met, {mines.left:,} left standing"
        parts.append(mines_text(findings.run.record, f"mines: {mines.laid:,} laid", became))
    return "; ".join(parts)


def legend_entries(findings: Findings) -> list[Line2D]:
    """Return a labelled and counted sample for each cause that occurs and for the mines."""
    counts = count_values(findings.drawn_causes, len(CAUSES))
    samples = []
    for code in (NONE, *causes_by_count(findings.drawn_causes)):
        if counts[code]:
            sample = cause_marker(CAUSES[code], size=7)
            sample.set_label(f"{sample.get_label()}  {counts[code]:,}")
            samples.append(sample)
            if code == NONE:
                sample.set_markerfacecolor(GROUND(0.5))
    cleared = int((findings.run.mines["left"] == 0).sum())
    for lane, count in zip(MINE_LANES, (cleared, findings.summary.mines.left), strict=True):
        if count:
            samples.append(mine_marker(lane, f"{count:,}"))
    return samples


def port_map_figure(findings: Findings) -> Figure:
    """Return the port map of a run on a sheet of 1600 x 900 pixels."""
    with matplotlib.style.context(["default", style.RC]):
        about = f"{run_heading(findings.run.record.plan)}: {headline(findings)}; {detail(findings)}"
        figure, top = new_sheet(run_headline(findings), about, legend_entries(findings), caption(findings))
        norm = draw_port_map(figure, findings, top)
        if np.any(findings.drawn_causes == NONE):
            draw_colour_scale(
                figure.add_axes((0.94, FOOT + caption_rise(figure), 0.01, 0.17)), ScalarMappable(norm, GROUND)
            )
        return figure
