# SPDX-License-Identifier: MIT
"""Write docs/kernels.md and docs/kernels.png from a folder of suites/kernels.toml.

``python docs/make_kernels.py results/<the suite's folder>``; what it found is told in docs/kernels_head.md, by hand.
"""

import sys
from pathlib import Path

from stress.analysis.attribution.summary import Findings, analyse
from stress.cli.suite import caption
from stress.model.suite import Status
from stress.store import run_folder, suite_folder
from stress.suite.cell_results import count_missing, read_cell_trials
from stress.view.figure.save import save_figure
from stress.view.figure.suite.kernel_grid import kernel_grid_figure

HERE = Path(__file__).parent
HEAD = ("scenario", "kernel", "attempts", "how they ended", "retries, by when", "why", "books")


def main(path: Path) -> None:
    file = suite_folder.read(path)
    found = read_cell_trials(path, file)
    if count_missing(file, found):
        sys.exit(f"{path} is not complete; go on with it first: connstorm suite {path} --resume")
    (here,) = file.hosts
    known = {cell.kernel: file.fingerprint(cell, here) for cell in file.cells}
    heads = {
        name: f"Linux {each.host.kernel}\n{'emulated' if each.host.emulated else 'as it runs here'}" if each else name
        for name, each in known.items()
    }
    kernels = sorted(known, key=lambda name: [int(part) for part in release(heads[name]).split(".")[:2]])
    grid = {}
    records = {
        record.trial.cell: record for record in suite_folder.read_records(path).values() if not record.trial.block
    }
    for cell in sorted(file.cells, key=lambda cell: kernels.index(cell.kernel)):
        record = records[cell.name]
        done = record.status is Status.DONE
        run = analyse(run_folder.read(suite_folder.trial_run_folder(path, record))[0]) if done else str(record.status)
        grid[cell.scenario, cell.kernel] = run
    rows = list(dict.fromkeys(entry.label for entry in file.suite.entries))
    grid = {(row, name): grid[row, name] for row in rows for name in kernels}
    figure = kernel_grid_figure(grid, heads, "What became of connect(), from kernel to kernel", caption(file))
    save_figure(figure, HERE / "kernels.png")
    head = (HERE / "kernels_head.md").read_text().rstrip()
    names = "; ".join(heads[name].replace("\n", ", ") for name in kernels)
    which = "the only trial" if file.suite.trials == 1 else f"the first of {file.suite.trials} trials"
    measured = f"Measured {file.started_utc[:10]}, {which} of each cell: {names}."
    table = [row_text(row, heads[name], grid[row, name]) for row, name in grid]
    text = "\n".join([f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}", *table])
    (HERE / "kernels.md").write_text(f"{head}\n\n## All of it\n\n{measured}\n\n{text}\n")


def row_text(row: str, head: str, found: Findings | str) -> str:
    kernel = head.split("\n", maxsplit=1)[0].removeprefix("Linux ")
    if isinstance(found, str):
        return f"| {row} | {kernel} | {found} |{' |' * (len(HEAD) - 3)}"
    summary = found.summary
    ends = {name: count for name, count in summary.outcomes.items() if count}
    bands = ", ".join(f"{band.label}: {band.count:,}" for band in summary.bands if band.count)
    causes = {name: count for name, count in summary.causes.items() if count and name != "none"}
    unbalanced = sum(not claim.balanced for claim in summary.books)
    parts = [row, kernel, f"{summary.attempts:,}", listed(ends), bands, listed(causes)]
    return f"| {' | '.join(parts)} | {'balanced' if not unbalanced else f'{unbalanced} not'} |"


def listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def release(head: str) -> str:
    return head.removeprefix("Linux ").split("-")[0].split("+")[0].split("\n")[0]


main(Path(sys.argv[1]))
