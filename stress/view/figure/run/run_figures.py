# SPDX-License-Identifier: MIT
"""The figures of a run: which there are, by file name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from stress.analysis.attribution.summary import Findings
from stress.view.figure.run.ccdf import ccdf
from stress.view.figure.run.port_choice import choice
from stress.view.figure.run.port_cost import cost
from stress.view.figure.run.port_map import port_map
from stress.view.figure.run.timeline import timeline
from stress.view.figure.save import save

Draw = Callable[[Findings], Figure]

EVERY: dict[str, Draw] = {"timeline.png": timeline, "ports.png": port_map, "ccdf.png": ccdf}
OWN: dict[str, dict[str, Draw]] = {"port-cost": {"cost.png": cost}, "port-choice": {"choice.png": choice}}


def figure_writers(findings: Findings) -> dict[str, Callable[[Path], None]]:
    """Return for each figure of a run its file name and the function that draws it and writes it to a path."""
    drawn = EVERY | OWN.get(findings.run.record.plan.scenario, {})
    return {name: partial(_write, draw, findings) for name, draw in drawn.items()}


def _write(draw: Draw, findings: Findings, path: Path) -> None:
    save(draw(findings), path)
