# SPDX-License-Identifier: MIT
"""The demo's table: four storms beside the kernel's counters."""

import errno
from collections.abc import Callable, Iterable

import numpy as np
from rich.table import Table
from rich.text import Text

from stress.analysis.summary import Findings
from stress.model.plan import Close
from stress.model.summary import Band
from stress.model.units import duration_text, range_text
from stress.view.report import plain_table

COUNTERS = ("TCPSYNChallenge", "TCPChallengeACK", "TCPSynRetrans")


def clean_level_rsts(found: Findings) -> int:
    """Return the RSTs that this storm sends without any mine: one a reset close, one an EmbryonicRsts."""
    connected = int((found.run.attempts["error"] == 0).sum())
    closes = connected if found.run.record.plan.close is Close.RST else 0
    return closes + found.run.record.counters.get("EmbryonicRsts", 0)


def retried(found: Findings, band: Band) -> str:
    """Return how many attempts that met a mine came back in a band, and when: ``600 × 8.14–16 ms``."""
    latency_ns = found.run.attempts["latency_ns"]
    inside = found.collided & (found.run.attempts["error"] == 0)
    inside &= (latency_ns >= band.from_ns) & (latency_ns <= band.to_ns)
    if not inside.any():
        return "–"
    return f"{inside.sum():,} × {range_text(np.min(latency_ns[inside]), np.max(latency_ns[inside]))}"


def once(found: Findings) -> int:
    """Return how many of the collisions cost exactly one SYN retransmit."""
    return int((found.run.attempts["retransmits"][found.collided] == 1).sum())


def timed_out(found: Findings) -> tuple[int, int]:
    """Return how many attempts ended with ETIMEDOUT: on mined ports, on the others."""
    expired = found.run.attempts["error"] == errno.ETIMEDOUT
    return int((expired & found.collided).sum()), int((expired & ~found.collided).sum())


def demo_table(panels: Iterable[tuple[str, str, Findings]]) -> Table:
    """Return the table of (letter, heading, findings): one column a storm."""
    panels = list(panels)
    table = plain_table("", *(f"({letter}) {found.run.record.plan.scenario}" for letter, _, found in panels))
    occupied = {
        band.label: band for _, _, found in panels for band in found.summary.bands if band.count
    }.values()
    rows: dict[str, Callable[[Findings], str | Text]] = {
        "attempts": lambda found: f"{found.summary.attempts:,}",
        "attempts a second": lambda found: f"{found.summary.rate_per_s:,.0f}",
        "connected at once, p50": lambda found: duration_text(found.summary.body.p50_ns or 0),
        "mines laid / left": lambda found: f"{found.summary.mines.laid:,} / {found.summary.mines.left:,}",
        "collisions": lambda found: f"{found.summary.collisions:,}",
        "  with one retransmit": lambda found: f"{once(found):,}",
        **{f"  connected after {band.label}": lambda found, band=band: retried(found, band) for band in occupied},
        "  ETIMEDOUT": lambda found: f"{timed_out(found)[0]:,}",
        "ETIMEDOUT on other ports": lambda found: f"{timed_out(found)[1]:,}",
        **{f"Δ{name}": lambda found, name=name: f"{found.run.record.counters[name]:,}" for name in COUNTERS},
        "ΔOutRsts over clean level": lambda found: (
            f"{found.run.record.counters['OutRsts'] - clean_level_rsts(found):,}"),
        "books": lambda found: Text("balanced", "green") if all(claim.balanced for claim in found.summary.books)
        else Text("NOT balanced", "red"),
    }
    for name, cell in rows.items():
        table.add_row(name, *(cell(found) for _, _, found in panels))
    return table
