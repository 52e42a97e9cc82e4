# SPDX-License-Identifier: MIT
"""Signals at random moments to random processes of a command, and what is left of it. ``make kill`` runs this.

At each point a command is started with results of its own, one of its processes gets a signal at a random moment, and
the command must end. Then no process of it may be left, every run folder must be whole, a suite must go on to exactly
what was planned, and after a following run nothing may be half-written. Rows are appended to results/kill.jsonl, so
that what was interrupted, or has used up its budget, goes on where it stopped.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from stress.model.errors import UsageError
from stress.model.suite import Status
from stress.store import run_folder, suite_folder

ROOT = Path(__file__).parents[1]
ROWS = ROOT / "results" / "kill.jsonl"
POINTS = 1000
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSTOP)
MARK = "CONNSTORM_KILL_POINT"  # in the environment of all processes of a point
CONNSTORM = (sys.executable, "-m", "stress")
ALONE = ("unshare", "-Urn")  # a lock of suites of its own
END_LIMIT_S, LEFT_LIMIT_S, STOPPED_S = 60.0, 10.0, 0.5
PORTS = ("--port-range", "40000-40255")
SUITE = """
trials = 2
warmup = 0
settle_s = 0
[defaults]
port_range = [40000, 40063]
[[scenario]]
name = "clean"
[[scenario]]
name = "closewait"
mines = 8
"""


KINDS = {  # the commands that are killed, by what the rows call them
    "run": ("run", "closewait", "--mines", "8", *PORTS),
    "run, held by others": ("run", "clean", "--close", "hold", "--attempts", "4000", "--window", "64"),
    "run, two workers": ("run", "clean", "--workers", "2", *PORTS),
    "run, several hosts": ("run", "one-second", "--mines", "4"),
    "run --capture": ("run", "closewait", "--mines", "8", "--capture", *PORTS),
    "suite": ("suite", "suite.toml"),
    "suite, parallel": ("suite", "parallel.toml"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=POINTS)
    parser.add_argument("--budget", type=float, metavar="MIN", help="stop after so many minutes; run again to go on")
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="points at once")
    parser.add_argument("--again", action="store_true", help="forget earlier rows")
    given = parser.parse_args()
    if given.again:
        given.rows.unlink(missing_ok=True)
    rows = [json.loads(line) for line in given.rows.read_text().splitlines()] if given.rows.exists() else []
    done = {row["point"] for row in rows}
    left = [number for number in range(given.points) if number not in done]
    begun_s = time.monotonic()
    end_s = begun_s + 60 * given.budget if given.budget else float("inf")
    commit = current_commit()
    takes_s = {name: measure_time(arguments) for name, arguments in KINDS.items()} if left else {}
    given.rows.parent.mkdir(parents=True, exist_ok=True)

    def kill_in_time(number):
        if time.monotonic() > end_s:
            return None
        return kill_once(number, random.Random(f"{given.seed} {number}"), takes_s)

    with given.rows.open("a") as stream, ThreadPoolExecutor(given.jobs) as pool:
        try:
            for count, row in enumerate(filter(None, pool.map(kill_in_time, left)), 1):
                row["commit"] = commit
                rows.append(row)
                stream.write(json.dumps(row) + "\n")
                stream.flush()
                if row["wrong"]:
                    print(f"\npoint {row['point']}: {row}", file=sys.stderr)
                if sys.stderr.isatty() or count % 50 == 0:
                    left_s = (time.monotonic() - begun_s) / count * (len(left) - count)
                    text = f"\r{len(rows):,} of {given.points:,} points, about {left_s / 60:.0f} min left"
                    print(text, end="", file=sys.stderr)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)  # those under way end first
    print(file=sys.stderr)
    print(table(rows))
    wrong = sum(bool(row["wrong"]) for row in rows)
    print(f"\n{len(rows):,} of {given.points:,} points, {wrong} of them wrong")
    return 1 if wrong or len(rows) < given.points else 0


def current_commit():
    """Return the commit of this checkout, with a + where files differ from it."""
    told = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "none"


def measure_time(arguments):
    """Return how long a command takes here and now when it is left alone (s)."""
    with tempfile.TemporaryDirectory(prefix="connstorm-kill-") as folder:
        prepare(Path(folder))
        begun_s = time.monotonic()
        subprocess.run(
            [*ALONE, *CONNSTORM, *arguments, "-o", "results"],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=True,
        )  # fmt: skip
        return time.monotonic() - begun_s


def prepare(home):
    """Fill a folder with what the commands need."""
    (home / "suite.toml").write_text(SUITE)
    (home / "parallel.toml").write_text(SUITE.replace("]\nname", "]\nmeasures = false\nname"))
    (home / "tmp").mkdir()


def kill_once(number, chance, takes_s):
    """Carry out one point; return what was done and what was wrong."""
    name = chance.choice(list(KINDS))
    what = chance.choice(SIGNALS)
    delay_s = chance.uniform(0, takes_s[name])
    with tempfile.TemporaryDirectory(prefix="connstorm-kill-") as folder:
        home = Path(folder)
        prepare(home)
        mark = f"{os.getpid()}-{number}"
        environment = os.environ | {MARK: mark, "TMPDIR": str(home / "tmp"), "PYTHONPATH": str(ROOT)}
        command = [*ALONE, *CONNSTORM, *KINDS[name], "-o", str(home / "results")]
        with (home / "stderr").open("wb") as errors:
            started = subprocess.Popen(
                command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
            time.sleep(delay_s)
            target, of_root = hit(started.pid, mark, what, chance)
            wrong = wait_for_end(started, mark)
        text = (home / "stderr").read_text(errors="replace")
        code = started.returncode
        is_python_own = "KeyboardInterrupt" in text and str(ROOT / "stress") not in text  # not one line of ours had run
        if (code == 1 or "Traceback" in text) and not is_python_own:
            wrong.append(f"code {code}: {text[-300:]}")
        if not of_root and not is_python_own and code not in (0, 2, 3, 130, 143):
            wrong.append(f"code {code} after {what.name} to {target}")
        wrong += look_at_results(home, environment)
    return {
        "point": number,
        "kind": name,
        "signal": what.name,
        "target": target,
        "delay_s": round(delay_s, 3),
        "code": code,
        "in_python_start": is_python_own,
        "wrong": wrong,
    }


def hit(root, mark, what, chance):
    """Send a signal to one of the processes there are; return what it is, and whether it is the command itself."""
    there = processes_of(mark)
    if not there:
        return "none", False
    by_name = defaultdict(list)
    for pid in sorted(there):
        by_name[program_name(pid)].append(pid)
    name = chance.choice(sorted(by_name))  # each kind of process as often as any other, of however many there are
    chosen = chance.choice(by_name[name])
    with suppress(ProcessLookupError):
        os.kill(chosen, what)
        if what == signal.SIGSTOP:
            time.sleep(STOPPED_S)
            os.kill(chosen, signal.SIGCONT)
    return name, chosen == root


def processes_of(mark):
    """Return the processes whose environment has a mark."""
    wanted = f"{MARK}={mark}".encode()
    marked = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (
                wanted in (folder / "environ").read_bytes().split(b"\0")
                and b") Z " not in (folder / "stat").read_bytes()
            ):
                marked.add(int(folder.name))
    return marked


def program_name(pid):
    """Return the module or verb that a process runs."""
    with suppress(OSError):
        words = command_line(pid).decode(errors="replace").split("\0")
        if "-m" in words:
            place = words.index("-m")
            if words[place + 1] != "stress":
                return words[place + 1].removeprefix("stress.")
            is_copy = words[place + 2] == "run-cells" and b"run-cells" in command_line(parent_of(pid))  # of a template
            return "run-cell" if is_copy else words[place + 2]
        return Path(words[0]).name
    return "ended"


def command_line(pid):
    """Return the command line of a process, with zeros between its words."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def parent_of(pid):
    """Return the process ID of a process's parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def wait_for_end(started, mark):
    """Wait until the command and all its processes have ended; return what was wrong, and end what is left."""
    wrong = []
    try:
        started.wait(END_LIMIT_S)
    except subprocess.TimeoutExpired:
        wrong.append(f"hangs: {[program_name(pid) for pid in processes_of(mark)]}")
        started.kill()
        started.wait()
    end_s = time.monotonic() + LEFT_LIMIT_S
    while processes_of(mark) and time.monotonic() < end_s:
        time.sleep(0.02)
    left = processes_of(mark)
    if left:
        wrong.append(f"left: {[program_name(pid) for pid in left]}")
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return wrong


def look_at_results(home, environment):
    """Return what is wrong with what was stored, after the suite has gone on, or another run has been stored."""
    results = home / "results"
    suites = list(results.glob("[0-9]*-suite-*")) if results.exists() else []
    if suites:
        more = ("suite", str(suites[0]), "--resume", "--retry-failed")
    else:
        more = ("run", "clean", "--attempts", "16", "--port-range", "40000-40015", "-o", str(results))
    ended = subprocess.run(
        [*ALONE, *CONNSTORM, *more], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    wrong = []
    if ended.returncode:
        wrong.append(f"then {more[0]} ended with {ended.returncode}: {ended.stderr[-300:]}")
    hidden = [str(path.relative_to(home)) for path in home.rglob(".*")]
    if hidden:
        wrong.append(f"half-written: {hidden}")
    wrong += [f"temporary: {path.name}: {end_of(path)}" for path in (home / "tmp").iterdir()]
    for path in results.rglob("run.json"):
        try:
            run_folder.read(path.parent)
        except UsageError as error:
            wrong.append(str(error))
    for suite in suites:
        records = suite_folder.read_records(suite).values()
        statuses = Counter(record.status for record in records)
        if statuses != {Status.DONE: 4}:
            wrong.append(f"the suite has {dict(statuses)}")
        runs = list(suite.glob("trials/*/*/run.json"))
        if len(runs) != 4:
            wrong.append(f"the suite has {len(runs)} runs of 4 trials")
    return wrong


def end_of(path):
    """Return the end of a file, as of the trace of a crash; of a folder nothing."""
    return path.read_text(errors="replace")[-3000:] if path.is_file() else ""


def table(rows):
    """Return how many points there were, and how many were wrong, by process and signal, as Markdown."""
    targets = sorted({row["target"] for row in rows})
    lines = ["| process | " + " | ".join(what.name for what in SIGNALS) + " |", "| --- " * (len(SIGNALS) + 1) + "|"]
    for target in targets:
        cells = []
        for what in SIGNALS:
            here = [row for row in rows if row["target"] == target and row["signal"] == what.name]
            wrong = sum(bool(row["wrong"]) for row in here)
            cells.append(f"{len(here)}, {wrong} wrong" if wrong else f"{len(here)}")
        lines.append(f"| {target} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
