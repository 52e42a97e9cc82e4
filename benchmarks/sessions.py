# SPDX-License-Identifier: MIT
"""Can gates over sessions be trusted? Whole gates over simulated sessions, evaluated as real ones are.

``python benchmarks/sessions.py [--gates 2000]`` prints the tables; ``validate.py`` writes them into its page. Ends with
1 when a figure is not as wanted: an upper limit is missed when the lower end of the share's 95 % interval (Wilson 1927)
is above it, a lower limit when the upper end is below.
"""

import argparse
import sys
import zlib
from dataclasses import dataclass, field
from multiprocessing import Pool
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from scipy.stats import binomtest  # noqa: E402  # the path comes first
from session_gates import Design, Tally, simulate_blocks, simulate_gates, simulate_more  # noqa: E402  # tests are no package

CALIBRATED = 10
PROCESSES = 2
LAWS = {
    "t3": "heavy tails (t with 3 degrees of freedom)",
    "busy": "20 % busy: slower by a factor of 1.3 to 3, half of them marked",
    "shared": "normal, metrics correlated (0.8)",
    "drift": "slow drift (AR 1, 0.6)",
}
ARMS = ((1, 1, CALIBRATED), (3, 1, 0), (10, 1, 0), (20, 1, 0), (10, 2, 0), (20, 4, 0))
CHANGES = ((5, 5.0, 20, 1, 95), (5, 5.0, 10, 1, 85), (5, 3.0, 10, 4, 90), (40, 5.0, 10, 2, 90), (40, 3.0, 20, 4, 90))


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes:
        cells: its first cells.
        design: what is simulated.
        counts: which number of the tally is the result.
        most: the share in percent that it must not exceed; None where it is told only.
        least: the share that it must reach.
        blocks: number of blocks, where the arms are interleaved.
        options: of the blocks.
    """

    cells: tuple[str, ...]
    design: Design = field(default_factory=lambda: Design(1))
    counts: str = "alarms"
    most: float | None = None
    least: float | None = None
    blocks: int = 0
    options: tuple[tuple[str, float], ...] = ()

    def simulate(self, gates: int) -> Tally:
        """Return what as many gates said."""
        seed = zlib.crc32(" ".join(self.cells).encode())
        if self.blocks:
            return simulate_blocks(self.blocks, gates, seed, **dict(self.options))
        return simulate_gates(self.design, gates, seed)


def sessions_text(design: Design) -> str:
    """Return the sessions of a design: ``'1 + 1, calibrated by 10'``."""
    return f"{design.base} + {design.new}" + (f", calibrated by {design.calibrated}" if design.calibrated else "")


def unchanged_lines() -> list[Line]:
    """Return the gates over normal sessions in which nothing changed."""
    lines = []
    for comparisons in (5, 40):
        for spread in (0.05, 0.15):
            for base, calibrated in ((1, CALIBRATED), (3, 0), (20, 0)):
                design = Design(base, 1, comparisons, calibrated, spread)
                lines.append(Line((sessions_text(design), f"{100 * spread:.0f} %", str(comparisons)), design, most=5))
            design = Design(1, 1, comparisons, 0, spread)
            lines.append(
                Line(("1 + 1, not calibrated: inconclusive", f"{100 * spread:.0f} %", str(comparisons)), design,
                     counts="undecided", least=100)
            )  # fmt: skip
    return lines


def changed_lines() -> list[Line]:
    """Return the gates in which one metric became worse."""
    lines = []
    for comparisons, worse, base, new, least in CHANGES:
        for spread, law in ((0.05, "normal"), (0.15, "normal"), (0.05, "t3"), (0.05, "shared")):
            if law == "shared" and comparisons > 5:
                continue
            design = Design(base, new, comparisons, 0, spread, law, worse)
            cells = (law, f"{base} + {new}", f"{100 * spread:.0f} %", str(comparisons), f"{worse:.0f}")
            lines.append(Line(cells, design, "hits", least=least if law == "normal" else None))
    return lines


def other_lines() -> list[Line]:
    """Return the gates over sessions of other kinds, in which nothing changed."""
    lines = []
    for law, text in LAWS.items():
        most = {"t3": 15, "busy": 15, "shared": 5}.get(law)
        for comparisons in (5, 40):
            for base, new, calibrated in ARMS if law in {"t3", "drift"} else ARMS[:4]:
                design = Design(base, new, comparisons, calibrated, law=law)
                lines.append(Line((text, sessions_text(design), str(comparisons)), design, most=most))
    return lines


def old_lines() -> list[Line]:
    """Return the gates over two sessions whose trials are compared as if they were independent."""
    return [Line((f"{trials}",), Design(1, 1, 5, trials=trials, trials_apart=True)) for trials in (5, 8, 14, 20)]


def block_lines() -> list[Line]:
    """Return the gates over interleaved arms."""
    return [
        Line(("nothing, independent trials",), blocks=14, most=5),
        Line(("nothing, slow drift, one arm after the other (as it was before)",), blocks=14,
             options=(("drift", 0.6), ("interleaved", False))),
        Line(("nothing, slow drift of trials (AR 1, 0.6)",), blocks=14, options=(("drift", 0.6),), most=5),
        Line(("one metric by 10 %",), blocks=14, options=(("change", 0.1),), counts="hits", least=95),
        Line(("one metric by 10 %, slow drift",), blocks=14, options=(("change", 0.1), ("drift", 0.6)),
             counts="hits", least=95),
    ]  # fmt: skip


def run_line(job: tuple[Line, int]) -> tuple[str, bool]:
    """Return a line of the table, and whether its share is as wanted."""
    line, gates = job
    count = getattr(line.simulate(gates), line.counts)
    return table_line(line.cells, count, gates, line.most, line.least)


def table_line(
    cells: tuple[str, ...], count: int, gates: int, most: float | None, least: float | None
) -> tuple[str, bool]:
    """Return a line of a table with a share, and whether it is as wanted."""
    interval = binomtest(count, gates).proportion_ci(method="wilson")
    fits = bool((most is None or 100 * interval.low <= most) and (least is None or 100 * interval.high >= least))
    wanted = f"at most {most:g} %" if most is not None else f"at least {least:g} %" if least is not None else ""
    share = f"{100 * count / gates:.1f} % ({100 * interval.low:.1f}–{100 * interval.high:.1f})"
    sys.stderr.write(f"{' | '.join(cells)}: {share} {wanted}{'' if fits else ' MISSED'}\n")
    return f"| {' | '.join(cells)} | {share if fits else f'**{share}**'} | {wanted} |", fits


def run_more(job: tuple[tuple[int, int, float, bool], int]) -> tuple[str, bool]:
    """Return a line of the table of how often the number of sessions decides that a verdict names."""
    (base, new, worse, known), gates = job
    named, decided, never = simulate_more(base, new, worse, gates, known=known)
    cells = (f"{base} + {new}", f"{worse:g}", "true" if known else "estimated", named, str(never))
    return table_line(cells, decided, gates - never, None, 75 if known else None)


TABLES = (
    (
        "Normal sessions, nothing changed",
        ("base + new sessions", "spread", "comparisons", "false alarms", "wanted"),
        unchanged_lines(),
    ),
    (
        "One metric worse",
        ("sessions", "base + new sessions", "spread", "comparisons", "worse by (spreads)", "detected", "wanted"),
        changed_lines(),
    ),
    (
        "Sessions of other kinds, nothing changed",
        ("sessions", "base + new sessions", "comparisons", "false alarms", "wanted"),
        other_lines(),
    ),
    (
        "Trials of two sessions compared as if they were independent, as they were before; nothing changed",
        ("trials of each", "false alarms", "wanted"),
        old_lines(),
    ),
    (
        "Arms interleaved in 14 blocks, five metrics, trials that differ by 5 %",
        ("what changed", "reported", "wanted"),
        block_lines(),
    ),
)
MORE = ((20, 1, 2.5), (20, 1, 1.5), (10, 1, 2.5), (3, 1, 3.0), (3, 3, 2.0))
MORE_HEAD = (
    "base + new sessions", "worse by (spreads)", "change and spread", "further sessions named", "none named", "decided",
    "wanted",
)  # fmt: skip


def simulation_tables(gates: int) -> tuple[list[str], bool]:
    """Return the tables as Markdown lines, and whether all shares are as wanted."""
    lines: list[str] = []
    fine = True
    with Pool(PROCESSES) as pool:
        for title, head, rows in TABLES:
            texts = pool.map(run_line, [(row, gates) for row in rows], chunksize=1)
            lines += table_text(title, head, [text for text, _ in texts])
            fine = fine and all(fits for _, fits in texts)
        jobs = [((*case, known), gates) for case in MORE for known in (True, False)]
        texts = pool.map(run_more, jobs, chunksize=1)
    lines += table_text("The number of sessions that a verdict names", MORE_HEAD, [text for text, _ in texts])
    return lines, fine and all(fits for _, fits in texts)


def table_text(title: str, head: tuple[str, ...], rows: list[str]) -> list[str]:
    """Return a table with its title as lines."""
    return ["", f"### {title}", "", f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *rows]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gates", type=int, default=2000)
    lines, fine = simulation_tables(parser.parse_args().gates)
    print("\n".join(lines))
    sys.exit(not fine)


if __name__ == "__main__":
    main()
