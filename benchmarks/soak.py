# SPDX-License-Identifier: MIT
"""Many small storms by one process, and what they leave behind: nothing may grow. ``make soak`` runs this.

The process runs in PID, network and mount namespaces of its own, where all that there is comes from it: what other
programs of the machine do is not counted, and a process that a storm left behind becomes a child of it, since it is the
first one there. After each storm it counts its descriptors, threads and memory, the other processes, sockets with
abstract names, and files. Namespaces that no process is in are visible nowhere, so the kernel is told to let it have 64
at most: a soak that leaks them ends with an error. Rows are appended to results/soak.jsonl, each with its sitting and
commit, so that a soak that is interrupted, or that has used up its budget, goes on where it stopped. The last lines say
whether anything grew: by the slope of a line through the second half of each sitting, and by the storms whose books do
not balance.
"""

import argparse
import gc
import itertools
import json
import operator
import os
import shutil
import subprocess
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
STORMS_OF = {"listener-reload": 2}  # its act storms a second time
NAMESPACES_MAX = 64  # that the kernel lets it have at once, of each kind: the rest of a soak fails when it leaks more
SCENARIOS = ("clean", "closewait", "rst-dropped", "conntrack-invalid", "translator", "listener-reload")  # in turn
ATTEMPTS = 200
PORTS = (40_000, 40_255)
OWN_NAMESPACES = ("--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc", "--net", "--ipc")
INSIDE = "CONNSTORM_SOAK"
SITTING_MIN = 20  # storms of a sitting whose slopes mean something
# By how much each may rise within the second half of a sitting. Memory: pages that the allocator has not given back.
GROWTH_MAX = {
    "descriptors": 0.5,
    "threads": 0.5,
    "memory_kib": 512.0,
    "processes": 0.5,
    "sockets": 0.5,
    "files": 0.5,
}
LABELS = {
    "descriptors": "open descriptors",
    "threads": "threads",
    "memory_kib": "resident memory, KiB",
    "processes": "other processes",
    "sockets": "sockets with abstract names",
    "files": "files left in the folder for temporary files",
    "missing": "attempts not stored",
}


def main():
    if INSIDE not in os.environ:
        return soak_apart()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storms", type=int, default=STORMS)
    parser.add_argument("--budget", type=float, metavar="MIN", help="stop after so many minutes; run again to go on")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--again", action="store_true", help="forget earlier rows")
    given = parser.parse_args()
    for kind in ("net", "user", "mnt", "pid"):
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text(str(NAMESPACES_MAX))
    if given.again:
        given.rows.unlink(missing_ok=True)
    rows = read_rows(given.rows)
    end_s = time.monotonic() + 60 * given.budget if given.budget else float("inf")
    begun_s, done = time.monotonic(), len(rows)
    del rows  # a row that stays in memory would be growth
    sitting = {"sitting": time.strftime("%Y-%m-%dT%H:%M:%S"), "commit": commit()}
    given.rows.parent.mkdir(parents=True, exist_ok=True)
    with given.rows.open("a") as stream, tempfile.TemporaryDirectory(prefix="connstorm-soak-") as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        (Path(folder) / "results").mkdir()
        for number in range(done, given.storms):
            if time.monotonic() > end_s:
                break
            row = sitting | storm_once(number, Path(folder))
            stream.write(json.dumps(row) + "\n")
            stream.flush()
            if sys.stderr.isatty() or number % 100 == 99:
                left_s = (time.monotonic() - begun_s) / (number + 1 - done) * (given.storms - number - 1)
                text = f"\r{number + 1:,} of {given.storms:,} storms, about {left_s / 60:.0f} min left"
                print(text, end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return conclude(read_rows(given.rows), given.storms, given.picture)


def soak_apart():
    """Run this program in namespaces of its own; return its exit code."""
    command = ["unshare", *OWN_NAMESPACES, sys.executable, *sys.argv]
    return subprocess.run(command, env=os.environ | {INSIDE: "1"}, check=False).returncode


def commit():
    """Return the commit of this checkout; where something was changed since, with a plus sign."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def storm_once(number, folder):
    """Storm, read what was stored, remove it; return what there is afterwards."""
    name = SCENARIOS[number % len(SCENARIOS)]
    plan = find_scenario(name).plan
    changes = {"port_range": PORTS, "seed": number, "attempts": ATTEMPTS}
    if plan.mines:
        changes["mines"] = 8
    plan = Plan(**{field: getattr(plan, field) for field in Plan.__struct_fields__} | changes)
    begun_s = time.monotonic()
    path = process.run(plan, folder / "results", lambda _: None, ("--no-draw",))
    run, summary = run_folder.read(path)
    missing = ATTEMPTS * STORMS_OF.get(name, 1) - len(run.attempts)
    balanced = all(claim.balanced for claim in summary.books)
    del run, summary
    shutil.rmtree(path)
    gc.collect()
    return {
        "storm": number,
        "scenario": name,
        "took_s": round(time.monotonic() - begun_s, 3),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "memory_kib": resident_kib(),
        "processes": other_processes(),
        "sockets": sum(" @" in line for line in Path("/proc/net/unix").read_text().splitlines()),
        "files": sum(path.name != "results" for path in folder.rglob("*")),
        "missing": missing,
        "balanced": balanced,
        "load": round(os.getloadavg()[0], 2),
    }


def resident_kib():
    """Return the resident memory of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def other_processes():
    """Return how many processes there are that this process started, or that what it started left behind."""
    return sum(path.name != str(os.getpid()) for path in Path("/proc").glob("[0-9]*"))


def read_rows(path):
    """Return the rows of a soak so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def growth(rows, name):
    """Return by how much something rises, along a line, within the second half of the sitting where it rises most."""
    rises = [0.0]
    for _, sitting in itertools.groupby(rows, key=operator.itemgetter("sitting")):
        values = [row[name] for row in sitting]
        half = np.asarray(values[len(values) // 2 :], float)
        if len(values) >= SITTING_MIN:
            slope, _ = np.polyfit(np.arange(len(half)), half, 1)
            rises.append(float(slope * len(half)))
    return max(rises)


def conclude(rows, wanted, picture):
    """Print what grew, draw the picture; return the exit code."""
    wrong = []
    for name, most in GROWTH_MAX.items():
        grown = growth(rows, name)
        lowest, highest = min(row[name] for row in rows), max(row[name] for row in rows)
        print(f"{LABELS[name]}: {lowest:,} to {highest:,}, at most {grown:+.1f} over the second half of a sitting")
        if grown > most:
            wrong.append(f"{LABELS[name]} grew by {grown:.1f}")
    short = [row for row in rows if row["missing"]]
    unbalanced = [row["storm"] for row in rows if not row["balanced"]]
    wrong += [f"{len(short)} storms without all records"] if short else []
    wrong += [f"{len(unbalanced)} storms whose books do not balance: {unbalanced[:10]}"] if unbalanced else []
    sittings = len({row["sitting"] for row in rows})
    print(
        f"{len(rows):,} of {wanted:,} storms in {sittings} sittings, commits {sorted({row['commit'] for row in rows})}"
    )
    draw(rows, picture)
    for text in wrong:
        print(f"WRONG: {text}")
    return 1 if wrong or len(rows) < wanted else 0


def draw(rows, path):
    """Draw what there was after each storm."""
    heights = [3 if name == "memory_kib" else 1 for name in LABELS]
    figure = Figure(figsize=(8, 7), layout="constrained")
    panels = figure.subplots(len(LABELS), 1, sharex=True, height_ratios=heights)
    numbers = [row["storm"] for row in rows]
    begins = [row["storm"] for row, before in zip(rows[1:], rows, strict=False) if row["sitting"] != before["sitting"]]
    for axes, (name, label) in zip(panels, LABELS.items(), strict=True):
        values = [row[name] for row in rows]
        for begin in begins:
            axes.axvline(begin - 0.5, color="#999999", linewidth=0.6, linestyle=":")
        axes.plot(numbers, values, linewidth=1.2, color="#2c4a73", clip_on=False)
        lowest, highest = min(values), max(values)
        span = f"{lowest:,}" if lowest == highest else f"{lowest:,} to {highest:,}"
        axes.set_title(f"{label}: {span}", loc="left", fontsize=8)
        axes.tick_params(labelsize=7)
        if name == "memory_kib":  # where a page more is seen
            axes.set_ylim(lowest - GROWTH_MAX[name] / 4, highest + GROWTH_MAX[name] / 4)
            axes.set_yticks([lowest, highest], [f"{lowest:,}", f"{highest:,}"])
        else:
            axes.set_ylim(0, highest * 1.3 or 1)
            axes.set_yticks(sorted({0, highest}))
        axes.set_xlim(0, max(numbers))
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("storm" + ("; dotted: a new sitting, a new process" if begins else ""), fontsize=8)
    figure.suptitle(f"What there is after each of {len(rows):,} storms", x=0.01, ha="left", fontsize=10)
    figure.savefig(path, dpi=120, metadata={"Software": None})


if __name__ == "__main__":
    sys.exit(main())
