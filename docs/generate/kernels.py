# SPDX-License-Identifier: MIT
"""Write docs/kernels.md and docs/kernels.png from a folder of the suite kernels.

``python docs/generate/kernels.py results/<the suite's folder>``; docs/generate/kernels_head.md, written by hand, says
what the suite shows.
"""

import sys
from pathlib import Path

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.model.suite import Status
from stress.store import run_folder, suite_folder
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.view.figure.save import save_figure
from stress.view.figure.suite.kernel_grid import kernel_grid_figure
from stress.view.text.suite_caption import caption

HERE = Path(__file__).parent
DOCS = HERE.parent
HEAD = ("scenario", "kernel", "attempts", "how they ended", "retries, by when", "why", "books")


def main(path: Path) -> None:
    manifest = suite_folder.read(path)
    if count_missing(read_cell_trials(path, manifest)):
        sys.exit(f"{path} is not complete; resume it first: connstorm suite {path} --resume")
    heads = kernel_heads(manifest)
    kernels = sorted(heads, key=lambda name: [int(part) for part in release(heads[name]).split(".")[:2]])
    runs = first_runs(path, manifest)
    rows = list(dict.fromkeys(entry.label for entry in manifest.suite.entries))
    grid = {(row, name): runs[row, name] for row in rows for name in kernels}
    figure = kernel_grid_figure(grid, heads, "What became of connect(), from kernel to kernel", caption(manifest))
    save_figure(figure, DOCS / "kernels.png")
    head = (HERE / "kernels_head.md").read_text().rstrip()
    names = "; ".join(heads[name].replace("\n", ", ") for name in kernels)
    trials = "the only trial" if manifest.suite.trials == 1 else f"the first of {manifest.suite.trials} trials"
    measured = f"Measured {manifest.started_utc[:10]}, {trials} of each cell: {names}."
    table = [row_text(row, heads[name], grid[row, name]) for row, name in grid]
    text = "\n".join([f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}", *table])
    (DOCS / "kernels.md").write_text(f"{head}\n\n## All of it\n\n{measured}\n\n{text}\n")


def kernel_heads(manifest: suite_folder.Manifest) -> dict[str, str]:
    """Return the head of each kernel's column: its release, and whether its CPU was emulated."""
    (host_name,) = manifest.hosts
    fingerprints = {cell.kernel: manifest.fingerprint(cell, host_name) for cell in manifest.cells}
    return {
        name: f"Linux {known.host.kernel}\n{'emulated' if known.host.emulated else 'as it runs here'}"
        if known
        else name
        for name, known in fingerprints.items()
    }


def first_runs(path: Path, manifest: suite_folder.Manifest) -> dict[tuple[str, str], Findings | str]:
    """Return the run of the first trial of each cell, by scenario and kernel, or its status where it has none."""
    records = {
        record.trial.cell: record for record in suite_folder.read_records(path).values() if not record.trial.block
    }
    runs: dict[tuple[str, str], Findings | str] = {}
    for cell in manifest.cells:
        record = records[cell.name]
        if record.status is Status.DONE:
            run, _ = run_folder.read(suite_folder.trial_run_folder(path, record))
            runs[cell.scenario, cell.kernel] = analyse(run)
        else:
            runs[cell.scenario, cell.kernel] = str(record.status)
    return runs


def row_text(row: str, head: str, run: Findings | str) -> str:
    """Return a row of the table: one scenario on one kernel."""
    kernel = head.split("\n", maxsplit=1)[0].removeprefix("Linux ")
    if isinstance(run, str):
        return f"| {row} | {kernel} | {run} |{' |' * (len(HEAD) - 3)}"
    summary = run.summary
    ends = {name: count for name, count in summary.outcomes.items() if count}
    bands = ", ".join(f"{band.label}: {band.count:,}" for band in summary.bands if band.count)
    causes = {name: count for name, count in summary.causes.items() if count and name != "none"}
    unbalanced = sum(not claim.balanced for claim in summary.books)
    parts = [row, kernel, f"{summary.attempts:,}", counts_text(ends), bands, counts_text(causes)]
    return f"| {' | '.join(parts)} | {'balanced' if not unbalanced else f'{unbalanced} not'} |"


def counts_text(counts: dict[str, int]) -> str:
    """Return counts with their names: ``'3 refused, 12 reset'``."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def release(head: str) -> str:
    """Return the release of a kernel, without what a distribution adds: ``'6.12.8'``."""
    return head.removeprefix("Linux ").split("-")[0].split("+")[0].split("\n")[0]


main(Path(sys.argv[1]))
