# SPDX-License-Identifier: MIT
"""The demo's table: its storms next to the kernel's counters, in 80 columns."""

import errno
from collections.abc import Iterable

import numpy as np
from rich import box
from rich.table import Table

from stress.analysis.attribution.bands import OFF_LADDER
from stress.analysis.attribution.findings import Findings
from stress.model.plan import Close
from stress.model.summary import Band
from stress.model.units import duration_text
from stress.view.text.whole_table import WholeTable

COUNTERS = ("TCPSYNChallenge", "TCPChallengeACK", "TCPSynRetrans")
NOTHING = "–"


def clean_level_rsts(findings: Findings) -> int:
    """Return the RSTs that this storm sends without any mine: one per reset close, one per EmbryonicRsts."""
    connected = int((findings.run.attempts["error"] == 0).sum())
    closes = connected if findings.run.record.plan.close is Close.RST else 0
    return closes + findings.run.record.acts[0].counters.get("EmbryonicRsts", 0)


def rsts_by_firewall(findings: Findings) -> int:
    """Return how many RSTs the rules of the storm's firewall sent."""
    act = findings.run.record.acts[0]
    return sum(act.dropped.get(rule.name, 0) for rule in act.plan.world.rules if rule.sends_rst)


def band_name(band: Band) -> str:
    """Return the name of a band's row."""
    return f"  {band.label}" if band.label == OFF_LADDER else f"  after {band.label}"


def count_in_band(findings: Findings, band: Band) -> str:
    """Return the number of collisions that connected within a band."""
    latency_ns = findings.run.attempts["latency_ns"]
    inside = findings.collided & (findings.run.attempts["error"] == 0)
    inside &= (latency_ns >= band.from_ns) & (latency_ns <= band.to_ns)
    return f"{inside.sum():,}" if inside.any() else NOTHING


def retried_times(findings: Findings) -> tuple[str, str]:
    """Return when the first and the last of the collisions connected that did."""
    attempts = findings.run.attempts
    latency_ns = attempts["latency_ns"][findings.collided & (attempts["error"] == 0)]
    if not len(latency_ns):
        return NOTHING, NOTHING
    return duration_text(np.min(latency_ns)), duration_text(np.max(latency_ns))


def count_with_one_resend(findings: Findings) -> int:
    """Return the number of collisions with exactly one SYN sent again."""
    return int((findings.run.attempts["retransmits"][findings.collided] == 1).sum())


def timed_out_counts(findings: Findings) -> tuple[int, int]:
    """Return the numbers of attempts that ended with ETIMEDOUT: on mined ports, on others."""
    expired = findings.run.attempts["error"] == errno.ETIMEDOUT
    return int((expired & findings.collided).sum()), int((expired & ~findings.collided).sum())


def cells(findings: Findings, occupied: Iterable[Band]) -> dict[str, str]:
    """Return the cells of one storm by the name of their row."""
    summary, counters = findings.summary, findings.run.record.acts[0].counters
    expired_mined, expired_others = timed_out_counts(findings)
    earliest, latest = retried_times(findings)
    balanced = all(claim.balanced for claim in summary.books)
    return {
        "attempts": f"{summary.attempts:,}",
        "attempts a second": f"{summary.rate_per_s:,.0f}",
        "at once, p50": NOTHING if summary.body.p50_ns is None else duration_text(summary.body.p50_ns),
        "mines laid / left": f"{summary.mines.laid:,} / {summary.mines.left:,}",
        "collisions": f"{summary.collisions:,}",
        "  with one resend": f"{count_with_one_resend(findings):,}",
        **{band_name(band): count_in_band(findings, band) for band in occupied},
        "  earliest": earliest,
        "  latest": latest,
        "  ETIMEDOUT": f"{expired_mined:,}",
        "other ETIMEDOUT": f"{expired_others:,}",
        **{f"Δ{name}": f"{counters[name]:,}" for name in COUNTERS},
        "ΔOutRsts for mines": f"{counters['OutRsts'] - clean_level_rsts(findings):,}",
        "RSTs by firewall": f"{rsts_by_firewall(findings):,}",
        "CPU time stolen": f"{findings.run.record.acts[0].stolen_ms} ms",
        "books": "[green]balanced[/]" if balanced else "[red]NOT balanced[/]",
    }


def demo_table(panels: Iterable[tuple[str, Findings]]) -> Table:
    """Return the table of (letter, findings), one column per storm."""
    columns = dict(panels)
    occupied = {band.label: band for findings in columns.values() for band in findings.summary.bands if band.count}
    bands = sorted(occupied.values(), key=lambda band: band.from_ns)
    filled = [cells(findings, bands) for findings in columns.values()]
    # No space left of a cell and one right of it: five columns of ten characters, and the names of the rows.
    table = WholeTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("")
    for letter, findings in columns.items():
        table.add_column(f"({letter})\n{heading(findings.run.record.plan.scenario)}", justify="right")
    for row in filled[0]:
        table.add_row(row, *(column[row] for column in filled))
    return table


def heading(scenario: str) -> str:
    """Return the name of a scenario, in two lines if it is longer than a cell."""
    first, _, rest = scenario.partition("-")
    return scenario if len(scenario) <= 10 else f"{first}-\n{rest}"
