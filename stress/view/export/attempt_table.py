# SPDX-License-Identifier: MIT
"""The attempts of a run as a table of named columns with units, a piece at a time."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.attempt import STORM
from stress.model.observation import Observation
from stress.model.text import one_line

ROWS = 1 << 16  # attempts that are turned into text together
PHASES = np.array(["warm-up", "storm"], object)
OUTCOME_NAMES = np.array([outcome.value for outcome in OUTCOMES], object)
CAUSE_NAMES = np.array([cause.value for cause in CAUSES], object)
ERROR_NAMES = np.array([errno.errorcode.get(number, "") for number in range(256)], object)  # "": connected

# What a table has, in this order; names carry units.
COLUMNS = (
    "run",
    "act",
    "attempt",
    "start_ns",
    "latency_ns",
    "close_ns",
    "lag_us",
    "source",
    "local_port",
    "target",
    "target_port",
    "errno",
    "error",
    "retransmits",
    "outcome",
    "cause",
    "met_mine",
    "phase",
    "worker",
)


@dataclass(frozen=True)
class Attempts:
    """A run whose attempts are exported.

    Attributes:
        observation: the run without its arrays.
        row: what it is a trial of.
        findings: what is known of each attempt.
    """

    observation: Observation
    row: str
    findings: Findings


Table = dict[str, npt.NDArray[Any]]


def tables(attempts: Attempts, rows: int = ROWS) -> Iterator[Table]:
    """Yield the attempts of a run in the order of their starts, act by act, ``rows`` at most at a time."""
    number = 0
    for act in attempts.findings.acts:
        for first in range(0, len(act.outcomes), rows):
            part = slice(first, first + rows)
            columns = table(act, part, attempts.observation.path.name, number)
            number += len(columns["attempt"])
            yield columns


def table(act: ActFindings, part: slice, run: str, number: int) -> Table:
    """Return some attempts of an act as columns; ``number`` is that of the first."""
    records = np.asarray(act.storm.attempts[part])
    count = len(records)
    pairs = records["address"].astype(np.int64) - act.storm.act.address.first
    sources, targets, target_ports = addresses(act)
    return {
        "run": np.full(count, one_line(run), object),
        "act": np.full(count, one_line(act.storm.act.name), object),
        "attempt": np.arange(number, number + count),
        "start_ns": records["start_ns"],
        "latency_ns": records["latency_ns"],
        "close_ns": records["close_ns"],
        "lag_us": records["lag_us"],
        "source": sources[pairs],
        "local_port": records["local_port"],
        "target": targets[pairs],
        "target_port": target_ports[pairs],
        "errno": records["error"],
        "error": ERROR_NAMES[records["error"]],
        "retransmits": records["retransmits"],
        "outcome": OUTCOME_NAMES[act.outcomes[part]],
        "cause": CAUSE_NAMES[act.causes[part]],
        "met_mine": act.syns.met_mine[part],
        "phase": PHASES[(records["phase"] == STORM).astype(np.intp)],
        "worker": records["worker"],
    }


def addresses(act: ActFindings) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.uint16]]:
    """Return source address, target address and target port of each pair of an act, each of shape (pairs,)."""
    address = act.storm.act.address
    if address.endpoints:
        sources, targets, ports = zip(*address.endpoints, strict=True)
        shown_sources, shown_targets = (np.array([*map(one_line, names)], object) for names in (sources, targets))
        return shown_sources, shown_targets, np.array(ports, np.uint16)
    first = ip_address(address.source)
    counted = np.array([str(first + number) for number in range(address.sources)], object)
    in_turn = np.arange(address.target_port, address.target_port + address.target_ports, dtype=np.uint16)
    targets_of_pairs = np.full(address.pairs, one_line(address.target), object)
    return np.repeat(counted, address.target_ports), targets_of_pairs, np.tile(in_turn, address.sources)
