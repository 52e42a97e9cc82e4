# SPDX-License-Identifier: MIT
"""The demo's table: four storms next to the kernel's counters."""

import errno
from collections.abc import Iterable

import numpy as np
from rich.table import Table

from stress.analysis.attribution.findings import Findings
from stress.model.plan import Close
from stress.model.summary import Band
from stress.model.units import duration_text, range_text
from stress.view.text.plain_table import plain_table

COUNTERS = ("TCPSYNChallenge", "TCPChallengeACK", "TCPSynRetrans")


def clean_level_rsts(findings: Findings) -> int:
    """Return the RSTs that this storm sends without any mine: one per reset close, one per EmbryonicRsts."""
    connected = int((findings.run.attempts["error"] == 0).sum())
    closes = connected if findings.run.record.plan.close is Close.RST else 0
    return closes + findings.run.record.acts[0].counters.get("EmbryonicRsts", 0)


def band_text(findings: Findings, band: Band) -> str:
    """Return the number of collisions that connected within a band, and their latencies: ``600 × 8.14–16 ms``."""
    latency_ns = findings.run.attempts["latency_ns"]
    inside = findings.collided & (findings.run.attempts["error"] == 0)
    inside &= (latency_ns >= band.from_ns) & (latency_ns <= band.to_ns)
    if not inside.any():
        return "–"
    return f"{inside.sum():,} × {range_text(np.min(latency_ns[inside]), np.max(latency_ns[inside]))}"


def connected_at_once_text(findings: Findings) -> int:
    """Return the number of collisions with exactly one SYN retransmit."""
    return int((findings.run.attempts["retransmits"][findings.collided] == 1).sum())


def timed_out_counts(findings: Findings) -> tuple[int, int]:
    """Return the numbers of attempts that ended with ETIMEDOUT: on mined ports, on others."""
    expired = findings.run.attempts["error"] == errno.ETIMEDOUT
    return int((expired & findings.collided).sum()), int((expired & ~findings.collided).sum())


def cells(findings: Findings, occupied: Iterable[Band]) -> dict[str, str]:
    """Return the cells of one storm by the name of their row."""
    summary, counters = findings.summary, findings.run.record.acts[0].counters
    expired_mined, expired_others = timed_out_counts(findings)
    balanced = all(claim.balanced for claim in summary.books)
    return {
        "attempts": f"{summary.attempts:,}",
        "attempts a second": f"{summary.rate_per_s:,.0f}",
        "connected at once, p50": "–" if summary.body.p50_ns is None else duration_text(summary.body.p50_ns),
        "mines laid / left": f"{summary.mines.laid:,} / {summary.mines.left:,}",
        "collisions": f"{summary.collisions:,}",
        "  with one retransmit": f"{connected_at_once_text(findings):,}",
        **{f"  connected after {band.label}": band_text(findings, band) for band in occupied},
        "  ETIMEDOUT": f"{expired_mined:,}",
        "ETIMEDOUT on other ports": f"{expired_others:,}",
        **{f"Δ{name}": f"{counters[name]:,}" for name in COUNTERS},
        "ΔOutRsts over clean level": f"{counters['OutRsts'] - clean_level_rsts(findings):,}",
        "CPU time stolen from this VM": f"{findings.run.record.acts[0].stolen_ms} ms",
        "books": "[green]balanced[/]" if balanced else "[red]NOT balanced[/]",
    }


def demo_table(panels: Iterable[tuple[str, Findings]]) -> Table:
    """Return the table of (letter, findings), one column per storm."""
    columns = dict(panels)
    occupied = {band.label: band for findings in columns.values() for band in findings.summary.bands if band.count}
    filled = [cells(findings, occupied.values()) for findings in columns.values()]
    headings = (f"({letter}) {findings.run.record.plan.scenario}" for letter, findings in columns.items())
    table = plain_table("", *headings)
    for row in filled[0]:
        table.add_row(row, *(column[row] for column in filled))
    return table
