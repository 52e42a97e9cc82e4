# SPDX-License-Identifier: MIT
"""The port maps of a base run and a new run side by side, on the same scales."""

import dataclasses
from collections.abc import Sequence

import matplotlib.style
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.analysis.comparison.arm import Arm, common_blocks
from stress.view.figure import style
from stress.view.figure.axes import draw_colour_scale
from stress.view.figure.caption import caption_rise
from stress.view.figure.cause_style import cause_marker
from stress.view.figure.comparison.arm_style import caption_of, title_of
from stress.view.figure.points import GROUND, NONE, causes_by_count
from stress.view.figure.port_frame import LEFT_EDGE, RIGHT_EDGE, frame_of
from stress.view.figure.port_map_panel import FOOT, MINE_LANES, draw_port_map, headline, mine_marker
from stress.view.figure.sheet import ROOM_PT, new_sheet

MARGIN = 0.075  # between the two maps, for the ticks of the mines
HEAD = 0.034  # height of the line above a map


def comparable_runs(base: Arm, new: Arm) -> tuple[int, int]:
    """Return the indices of the runs to draw: those of the first common block, or the first of each arm."""
    return next(iter(common_blocks(base, new)), (0, 0))


def legend_entries(runs: Sequence[Findings]) -> list[Line2D]:
    """Return a sample for each cause that occurs in either run and for the mines, with the count in each."""
    counts = np.array([np.bincount(findings.causes, minlength=len(CAUSES)) for findings in runs])
    every = np.concatenate([findings.causes for findings in runs])
    samples = []
    for code in (NONE, *causes_by_count(every)):
        if counts[:, code].any():
            sample = cause_marker(CAUSES[code], size=7)
            sample.set_label(f"{sample.get_label()}  {counts_text(counts[:, code].tolist())}")
            if code == NONE:
                sample.set_markerfacecolor(GROUND(0.5))
            samples.append(sample)
    for lane in MINE_LANES:
        mines = [int(((findings.run.mines["left"] > 0) == lane.standing).sum()) for findings in runs]
        if any(mines):
            samples.append(mine_marker(lane, counts_text(mines)))
    return samples


def counts_text(counts: Sequence[int]) -> str:
    """Return the count in each run: ``'300 | 1,500'``."""
    return " | ".join(f"{count:,}" for count in counts)


def port_maps_figure(base: Arm, new: Arm) -> Figure:
    """Return the port maps of a run of either arm, on a sheet of 1600 x 900 pixels.

    Raises:
        ValueError: an arm has no run.
    """
    if not base.runs or not new.runs:
        raise ValueError("A port map needs a run of both arms.")
    arms = (base, new)
    places = comparable_runs(base, new)
    runs = [analyse(arm.runs[place]) for arm, place in zip(arms, places, strict=True)]
    names = [f"{arm.label}: {headline(findings)}" for arm, findings in zip(arms, runs, strict=True)]
    with matplotlib.style.context(["default", style.RC]):
        which = [
            f"run {findings.run.record.id}, seed {findings.run.record.plan.seed} ({arm.label})"
            for arm, findings in zip(arms, runs, strict=True)
        ]
        figure, top = new_sheet(
            "; ".join(names),
            f"{title_of(arms)}; one trial of each, on the same scales",
            legend_entries(runs),
            [*which, *caption_of(arms)],
        )
        frame = frame_of(runs)
        half = (RIGHT_EDGE - LEFT_EDGE - MARGIN) / 2
        lefts = (LEFT_EDGE, LEFT_EDGE + half + MARGIN)
        size = min(10.0, ROOM_PT / 2.3 / 0.6 / max(map(len, names)))
        for place, (left, findings, name) in enumerate(zip(lefts, runs, names, strict=True)):
            own = dataclasses.replace(frame, left=left, right=left + half, prefix=("base, ", "new, ")[place])
            draw_port_map(figure, findings, top - HEAD, own)
            figure.text(
                left, top - HEAD + 0.014 + (0.03 if frame.headed else 0), name, fontsize=size, fontweight="bold"
            )
        if any(np.any(findings.causes == NONE) for findings in runs):
            draw_colour_scale(
                figure.add_axes((0.94, FOOT + caption_rise(figure), 0.01, 0.17), label="scale"),
                ScalarMappable(frame.norm, GROUND),
            )
    return figure
