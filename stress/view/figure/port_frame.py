# SPDX-License-Identifier: MIT
"""The frame of a port map: its place on the sheet, and the scales that several maps may share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import LogNorm

from stress.analysis.attribution.findings import Findings
from stress.model.chunk import count_values

LEFT_EDGE, RIGHT_EDGE = 0.08, 0.9


@dataclass(frozen=True)
class Frame:
    """The place of a run on its sheet, and its scales, which several runs may share.

    Attributes:
        ports: the lowest and the highest.
        norm: of the densities.
        portless: whether there is a strip of attempts without a port.
        spans_s: the least length of the axis of each act (s), by name.
        headed: whether there is room above the maps for the names of acts.
        left: edge of the maps, as a share of the figure's width.
        right: their other edge.
        prefix: of the names of the axes.
    """

    ports: tuple[int, int]
    norm: LogNorm
    portless: bool
    spans_s: Mapping[str, float]
    headed: bool
    left: float = LEFT_EDGE
    right: float = RIGHT_EDGE
    prefix: str = ""


def frame_of(runs: Sequence[Findings]) -> Frame:
    """Return a frame that has room for all of these runs."""
    limits = [port_limits(findings) for findings in runs]
    spans_s: dict[str, float] = {}
    for findings in runs:
        for act in findings.acts:
            span_s = float(np.ptp(act.storm.attempts["start_ns"])) / 1e9 if act.storm.attempts.size else 0.0
            spans_s[act.storm.act.name] = max(span_s, spans_s.get(act.storm.act.name, 0.0))
    portless = any(np.any(findings.run.attempts["local_port"] == 0) for findings in runs)
    ports = min(low for low, _ in limits), max(high for _, high in limits)
    return Frame(ports, LogNorm(1, 10), portless, spans_s, headed=any(len(findings.acts) > 1 for findings in runs))


def port_limits(findings: Findings) -> tuple[int, int]:
    """Return the lowest and the highest port of the run: of its ranges, attempts and mines."""
    ranges = [port for act in findings.run.record.acts for port in act.port_range]
    used = np.flatnonzero(count_values(findings.run.attempts["local_port"]))
    ports = np.concatenate([ranges, used, findings.run.mines["local_port"]])
    ports = ports[ports > 0]
    return int(ports.min()), int(ports.max())
