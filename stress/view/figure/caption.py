# SPDX-License-Identifier: MIT
"""The words of a figure, made from the data alone: its detail and its caption."""

import textwrap
from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.outcome import Outcome
from stress.model.record import Record
from stress.model.text import one_line, rate_text
from stress.model.units import duration_text, kernel_phrases
from stress.view.figure import style
from stress.view.text.mine_wording import mines_text

BANDS_MAX = 5  # named one by one in the detail
CAPTION = "caption"  # the gid of its text
LINES, LINE_SPACING = 2, 1.5


def detail(findings: Findings) -> str:
    """Return how the attempts ended that did not connect at once; if all did, how long they took."""
    body = findings.summary.body
    counts = Counter(
        {outcome: findings.summary.outcomes.get(outcome, 0) for outcome in OUTCOMES if outcome is not Outcome.CONNECTED}
    )
    late = [(outcome, count) for outcome, count in counts.most_common() if count]
    if late:
        parts = [
            f"{count:,} {style.LOOKS[outcome].label} after {_times(findings, outcome)}" for outcome, count in late[:2]
        ]
        if late[2:]:
            parts.append(f"{sum(count for _, count in late[2:]):,} ended otherwise")
        return "; ".join(parts)
    if body.p50_ns is None or body.p99_ns is None or body.max_ns is None:
        return ""
    p50, p99, most = (duration_text(latency_ns) for latency_ns in (body.p50_ns, body.p99_ns, body.max_ns))
    return f"connected within {p50} (p50), {p99} (p99), {most} (max)"


def _times(findings: Findings, outcome: Outcome) -> str:
    bands = [(band.label, band.count) for band in findings.summary.bands if band.count]
    if outcome is Outcome.RETRIED and len(bands) > 1:
        if len(bands) > BANDS_MAX:
            last = bands[BANDS_MAX - 1 :]
            bands[BANDS_MAX - 1 :] = [(f"{last[0][0]} to {last[-1][0]}", sum(count for _, count in last))]
        elsewhere = findings.summary.outcomes[outcome] - sum(count for _, count in bands)
        if elsewhere:
            bands.append(("other times", elsewhere))
        return ", ".join(f"{label} ({count:,})" for label, count in bands)
    latency_ns = findings.run.attempts["latency_ns"][findings.outcomes == OUTCOMES.index(outcome)]
    low, p50, high = (duration_text(ns) for ns in np.quantile(latency_ns, (0, 0.5, 1), method="inverted_cdf"))
    return low if low == high else f"{low} to {high} (p50 {p50})"


def caption(findings: Findings) -> list[str]:
    """Return what a reader needs to assess or repeat the run, as phrases for the foot of the figure."""
    record, summary, plan = findings.run.record, findings.summary, findings.run.record.plan
    sysctls = [f"{name}={value}" for name, value in sorted(plan.sysctls.items())]
    storm = [
        mines_text(record, f"{summary.mines.laid:,} mines laid", f"{summary.mines.left:,} left"),
        f"{summary.collisions:,} collisions",
        *sysctls,
    ]
    return [
        *kernel_phrases(record.host.kernel, record.host.jiffy_ns),
        *peer_phrases(record),
        f"{summary.attempts:,} attempts",
        f"{rate_text(summary.rate_per_s)}/s",
        *([] if record.is_capture else storm),
        *(["interrupted"] if record.interrupted else []),
        *([f"warnings: {len(summary.warnings)}"] if summary.warnings else []),
        *([] if record.is_capture else [f"seed {plan.seed}"]),
        f"run {record.id}",
        record.program,
    ]


def peer_phrases(record: Record) -> list[str]:
    """Return the host across the link that served, with its kernel where that is another one; none on one host."""
    peer = next((act.peer for act in record.acts if act.peer is not None), None)
    if peer is None:
        return []
    own, other = (kernel_phrases(host.kernel, host.jiffy_ns) for host in (record.host, peer.host))
    return [one_line(f"served by {peer.name}" + (f" ({', '.join(other)})" if other != own else ""))]


def draw_caption(figure: Figure, phrases: Sequence[str], font_size: float) -> None:
    """Write phrases at the foot of the figure; lines are broken between phrases only."""
    letters = round(figure.get_figwidth() * 72 * 0.96 / (0.57 * font_size))
    unbroken = " ".join(f"{phrase} ·".replace(" ", "\N{NO-BREAK SPACE}") for phrase in phrases)
    lines = textwrap.wrap(unbroken, letters, break_long_words=False, break_on_hyphens=False)
    text = "\n".join(line.rstrip("\N{NO-BREAK SPACE}·") for line in lines)
    figure.text(0.02, 0.024, text, fontsize=font_size, color=style.QUIET, linespacing=LINE_SPACING, gid=CAPTION)


def caption_rise(figure: Figure) -> float:
    """Return how far what stands above the caption of a figure must move up, as a share of the figure's height.

    There is room for ``LINES`` lines.
    """
    rise_pt = 0.0
    for text in figure.texts:
        if text.get_gid() == CAPTION:
            lines = text.get_text().count("\n") + 1
            rise_pt = max(0, lines - LINES) * LINE_SPACING * float(text.get_fontsize())
    return rise_pt / 72 / figure.get_figheight()
