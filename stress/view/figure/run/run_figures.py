# SPDX-License-Identifier: MIT
"""The figures of a run: which there are, by file name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from stress.analysis.attribution.summary import Findings
from stress.view.figure.run.ccdf import ccdf
from stress.view.figure.run.port_choice import choice
from stress.view.figure.run.port_cost import cost
from stress.view.figure.run.port_map import port_map
from stress.view.figure.run.timeline import timeline

Draw = Callable[[Findings, Path], None]

EVERY: dict[str, Draw] = {"timeline.png": timeline, "ports.png": port_map, "ccdf.png": ccdf}
OWN: dict[str, dict[str, Draw]] = {"port-cost": {"cost.png": cost}, "port-choice": {"choice.png": choice}}


def figures(findings: Findings) -> dict[str, Callable[[Path], None]]:
    """Return for each figure of a run its file name and the function that draws it to a path."""
    drawn = EVERY | OWN.get(findings.run.record.plan.scenario, {})
    return {name: partial(draw, findings) for name, draw in drawn.items()}
