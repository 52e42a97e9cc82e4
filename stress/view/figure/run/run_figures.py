# SPDX-License-Identifier: MIT
"""The figures of a run by file name: those of every run, and those of a scenario."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from stress.analysis.attribution.findings import Findings
from stress.view.figure.run.ccdf import ccdf_figure
from stress.view.figure.run.port_choice import port_choice_figure
from stress.view.figure.run.port_cost import port_cost_figure
from stress.view.figure.run.port_map import port_map_figure
from stress.view.figure.run.staircase import staircase_figure
from stress.view.figure.run.timeline import timeline_figure
from stress.view.figure.save import save_figure

FigureFunction = Callable[[Findings], Figure]

COMMON: dict[str, FigureFunction] = {
    "timeline.png": timeline_figure,
    "ports.png": port_map_figure,
    "ccdf.png": ccdf_figure,
}
OWN: dict[str, dict[str, FigureFunction]] = {
    "reuseport-stuck": {"ports.png": port_map_figure},
    "port-cost": {"cost.png": port_cost_figure},
    "port-choice": {"choice.png": port_choice_figure},
    "syn-rate-limit": {"staircase.png": staircase_figure},
}


def main_figure_name(scenario: str) -> str:
    """Return the file name of the figure that illustrates a scenario in the catalogue."""
    return next(iter(OWN.get(scenario, COMMON)))


def figure_writers(findings: Findings, *, with_svg: bool = False) -> dict[str, Callable[[Path], None]]:
    """Return the figures of a run: for each file name the function that draws it and writes it to a path.

    ``with_svg`` writes each as SVG too, which takes as long again.
    """
    functions = COMMON | OWN.get(findings.run.record.plan.scenario, {})
    return {name: partial(_write, draw, findings, with_svg) for name, draw in functions.items()}


def _write(draw: FigureFunction, findings: Findings, with_svg: bool, path: Path) -> None:  # noqa: FBT001  # for partial
    save_figure(draw(findings), path, with_svg=with_svg)
