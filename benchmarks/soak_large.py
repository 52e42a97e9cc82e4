# SPDX-License-Identifier: MIT
"""One storm of a hundred million attempts: what memory it takes, and how long its analysis. ``make soak-large``.

Half an hour, and 3.2 GB of disk twice. The memory is RssAnon of each process, what it has of its own and not in files
(proc_pid_status(5)), looked at ten times a second. The records are read once before they are analysed, so that they are
in the page cache. Then the pictures are drawn again, the page is written, and the storm is begun once more and
interrupted. The last lines are a table, and what is not as it should be; nothing of the runs is left.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from stress.store import run_folder

ATTEMPTS = 100_000_000
MEMORY_MAX_BYTES = 2 << 30
ANALYSIS_MAX_S = 60.0
LOOK_S = 0.1
INTERRUPT_AFTER_S = 20.0  # of a look at a storm that has begun
MARK = "CONNSTORM_SOAK_LARGE"
PROGRAM = (sys.executable, "-m", "stress")
ANALYSE = """
import sys, time
from pathlib import Path
from stress.analysis.attribution.summary import analyse
from stress.store import run_folder
run, summary = run_folder.read(Path(sys.argv[1]))
int(run.attempts["error"].sum())
begun_s, cpu_s = time.monotonic(), time.process_time()
findings = analyse(run, summary.evidence)
print(time.monotonic() - begun_s, time.process_time() - cpu_s)
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attempts", type=int, default=ATTEMPTS)
    parser.add_argument("--folder", type=Path, help="on a disk with room for the records twice")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="connstorm-large-", dir=given.folder) as folder:
        rows = [*soak(given.attempts, Path(folder))]
    wrong = [f"{what}: {fault}" for what, _, _, fault in rows if fault]
    print(f"\n{given.attempts:,} attempts, commit {commit()}, load {os.getloadavg()[0]:.1f} at the end\n")
    print("| what | time | most memory of a process (RssAnon) |\n| --- | ---: | ---: |")
    for what, took_s, most, _ in rows:
        print(f"| {what} | {took_s:,.1f} s | {max(most.values(), default=0) / 2**20:,.0f} MiB |")
    print("\nMemory by process:", json.dumps({what: most for what, _, most, _ in rows}))
    print("\n".join(wrong) or "Everything is as it should be.")
    return int(bool(wrong))


def soak(attempts, folder):
    """Storm, analyse, draw, write the page, and interrupt; yield what, how long (s), memory by process, and a fault."""
    results = folder / "results"
    storm = (*PROGRAM, "run", "clean", "--attempts", str(attempts), "--no-draw", "-o", str(results))
    yield measure("storm, analysis and storing", storm, folder)
    (path,) = results.glob("2*-clean-*")
    took = (sys.executable, "-c", ANALYSE, str(path))
    what, took_s, most, fault = measure("reading, hashing and analysis", took, folder)
    yield what, took_s, most, fault
    analysis_s = float((folder / "said").read_text().split()[0])
    too_long = f"it took {analysis_s:.0f} s" if analysis_s > ANALYSIS_MAX_S else ""
    yield "analysis alone, records in the page cache", analysis_s, most, too_long
    yield measure("all figures", (*PROGRAM, "plot", str(path), "-o", str(folder)), folder)
    page = folder / "page.html"
    yield measure("page", (*PROGRAM, "report", str(path), "-o", str(page)), folder)
    print(f"the page has {page.stat().st_size:,} bytes", file=sys.stderr)
    remove(path)
    what, took_s, most, fault = measure("storm that is interrupted", storm, folder, interrupted=True)
    kept = [run_folder.read(run) for run in results.glob("2*-clean-*")]
    if len(kept) != 1 or not kept[0][0].record.interrupted or not len(kept[0][0].attempts):
        fault = fault or f"{len(kept)} runs were kept"
    elif not all(claim.balanced for claim in kept[0][1].books):
        fault = fault or "its books do not balance"
    else:
        print(f"the interrupted storm kept {len(kept[0][0].attempts):,} attempts", file=sys.stderr)
    yield what, took_s, most, fault


def measure(what, command, folder, *, interrupted=False):
    """Run a command; return what it is, how long it took, the most memory of each of its processes, and a fault."""
    print(f"{what} …", file=sys.stderr, flush=True)
    mark = f"{os.getpid()}-{what}"
    begun_s = time.monotonic()
    with (folder / "said").open("wb") as said, watched(mark) as most:
        process = subprocess.Popen(command, stdout=said, env=os.environ | {MARK: mark})
        if interrupted:
            time.sleep(INTERRUPT_AFTER_S)
            process.send_signal(signal.SIGINT)
        code = process.wait()
    took_s = time.monotonic() - begun_s
    fault = "" if code in ((0, 130) if interrupted else (0,)) else f"it ended with {code}"
    large = [f"{name} had {size:,} bytes" for name, size in most.items() if size > MEMORY_MAX_BYTES]
    return what, took_s, most, fault or ", ".join(large)


@contextmanager
def watched(mark):
    """Look at the memory of all processes with a mark meanwhile; the value is the most of each, in bytes, by name."""
    most, over = {}, threading.Event()

    def look():
        while not over.wait(LOOK_S):
            for pid in marked(mark):
                with suppress(OSError, StopIteration):
                    name, size = name_of(pid), anonymous_bytes(pid)
                    most[name] = max(most.get(name, 0), size)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


def marked(mark):
    """Return the processes whose environment has a mark."""
    wanted, pids = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
    return pids


def name_of(pid):
    """Return the module or verb that a process runs."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    module = words[words.index("-m") + 1 :] if "-m" in words else ["analysis"]
    return module[1] if module[0] == "stress" else module[0]


def anonymous_bytes(pid):
    """Return the memory of a process that is in no file."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])


def remove(path):
    """Remove a run folder, so that there is room for the next."""
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


def commit():
    """Return the commit of this checkout; where something was changed since, with a plus sign."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
