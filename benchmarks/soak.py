# SPDX-License-Identifier: MIT
"""Many small storms by one process, and what they leave behind: nothing may grow. ``make soak`` runs this.

Before and after each storm the process counts its descriptors, its memory, its children, and the network namespaces and
sockets with abstract names of the machine. Rows are appended to results/soak.jsonl, so that a soak that is interrupted,
or that has used up its budget, goes on where it stopped. The last lines say whether anything grew: by the slope of a
line through the second half of the rows, and by the storms whose books do not balance.
"""

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from stress.model.plan import Plan
from stress.run import process
from stress.store import run_folder
from stress.storm.catalogue import find_scenario

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "results" / "soak.jsonl"
PICTURE = ROOT / "docs" / "soak.png"
STORMS = 2000
SCENARIOS = ("clean", "closewait", "accept-queue", "rejected")  # in turn
ATTEMPTS = 200
PORTS = (40_000, 40_255)
# What may grow by itself within the last half of a soak: pages that the allocator has not given back.
GROWTH_MAX = {"descriptors": 0.0, "children": 0.0, "namespaces": 0.5, "sockets": 0.5, "memory_kib": 512.0}
LABELS = {
    "descriptors": "open descriptors",
    "memory_kib": "resident memory, KiB",
    "children": "child processes",
    "namespaces": "network namespaces of the machine",
    "sockets": "abstract sockets of the machine",
    "records": "attempts stored",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storms", type=int, default=STORMS)
    parser.add_argument("--budget", type=float, metavar="MIN", help="stop after so many minutes; run again to go on")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--again", action="store_true", help="forget earlier rows")
    given = parser.parse_args()
    if given.again:
        given.rows.unlink(missing_ok=True)
    rows = read_rows(given.rows)
    end_s = time.monotonic() + 60 * given.budget if given.budget else float("inf")
    begun_s, done = time.monotonic(), len(rows)
    given.rows.parent.mkdir(parents=True, exist_ok=True)
    with given.rows.open("a") as stream:
        for number in range(len(rows), given.storms):
            if time.monotonic() > end_s:
                break
            row = storm_once(number)
            rows.append(row)
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            if sys.stderr.isatty() or number % 100 == 99:
                left_s = (time.monotonic() - begun_s) / (number + 1 - done) * (given.storms - number - 1)
                text = f"\r{number + 1:,} of {given.storms:,} storms, about {left_s / 60:.0f} min left"
                print(text, end="", file=sys.stderr)
    print(file=sys.stderr)
    return conclude(rows, given.storms, given.picture)


def storm_once(number):
    """Storm, read what was stored, remove it; return what there is afterwards."""
    name = SCENARIOS[number % len(SCENARIOS)]
    plan = find_scenario(name).plan
    changes = {"port_range": PORTS, "seed": number}
    if plan.acts:
        changes["acts"] = {}
    if plan.mines:
        changes["mines"] = 8
    plan = Plan(**{field: getattr(plan, field) for field in Plan.__struct_fields__} | changes | {"attempts": ATTEMPTS})
    with tempfile.TemporaryDirectory(prefix="connstorm-soak-") as folder:
        path = process.run(plan, Path(folder), lambda _: None, ("--no-draw",))
        run, summary = run_folder.read(path)
        records, balanced = len(run.attempts), all(claim.balanced for claim in summary.books)
        del run, summary
        shutil.rmtree(path)
        left = [entry.name for entry in Path(folder).iterdir()]
    gc.collect()
    return {
        "storm": number,
        "scenario": name,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "memory_kib": resident_kib(),
        "children": len(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()),
        "namespaces": len(network_namespaces()),
        "sockets": sum("@connstorm" in line for line in Path("/proc/net/unix").read_text().splitlines()),
        "records": records,
        "balanced": balanced,
        "left": left,
        "load": os.getloadavg()[0],
    }


def resident_kib():
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def network_namespaces():
    """Return the network namespaces that some process of the machine is in."""
    names = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            names.add(str((folder / "ns" / "net").readlink()))
        except OSError:
            continue  # it has ended, or is somebody else's
    return names


def read_rows(path):
    """Return the rows of a soak so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def growth(values):
    """Return by how much a line through the second half of some values rises over that half."""
    half = np.asarray(values[len(values) // 2 :], float)
    if len(half) < 2:
        return 0.0
    slope, _ = np.polyfit(np.arange(len(half)), half, 1)
    return float(slope * len(half))


def conclude(rows, wanted, picture):
    """Print what grew, draw the picture; return the exit code."""
    wrong = []
    for name, most in GROWTH_MAX.items():
        grown = growth([row[name] for row in rows])
        first, last = rows[0][name], rows[-1][name]
        print(f"{LABELS[name]}: {first:,} at first, {last:,} at last, {grown:+.1f} over the second half")
        if grown > most:
            wrong.append(f"{LABELS[name]} grew by {grown:.1f}")
    short = [row for row in rows if row["scenario"] == "clean" and row["records"] != ATTEMPTS]
    unbalanced = [row["storm"] for row in rows if not row["balanced"]]
    left = [row["storm"] for row in rows if row["left"]]
    wrong += [f"{len(short)} clean storms without all records"] if short else []
    wrong += [f"{len(left)} storms left files"] if left else []
    print(f"{len(rows):,} of {wanted:,} storms, books out of balance in {len(unbalanced)}: {unbalanced[:10]}")
    draw(rows, picture)
    for text in wrong:
        print(f"WRONG: {text}")
    return 1 if wrong or len(rows) < wanted else 0


def draw(rows, path):
    """Draw what there was after each storm."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    panels = figure.subplots(len(LABELS), 1, sharex=True)
    for axes, (name, label) in zip(panels, LABELS.items(), strict=True):
        axes.plot([row["storm"] for row in rows], [row[name] for row in rows], linewidth=0.8, color="#2c4a73")
        axes.set_title(label, loc="left", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.set_ylim(0, max(row[name] for row in rows) * 1.15 or 1)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("storm", fontsize=8)
    figure.suptitle(f"After each of {len(rows):,} storms by one process", x=0.01, ha="left", fontsize=10)
    figure.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
