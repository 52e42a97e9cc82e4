# SPDX-License-Identifier: MIT
"""Mutated files for every reader, and what they make of them: a sentence, or what they would read. ``make fuzz``.

A reader may return, or raise an error of connstorm's own, within bounds of time and memory; anything else is a finding,
and its input is stored in results/fuzz/ for the corpus of the tests (tests/data/fuzz). The counts are stored in
results/fuzz.json by reader and commit, so that a run that was stopped or killed goes on, and says of which code each
count is.

Inputs are frozen files of the tests, with bytes changed, parts doubled, dropped and swapped, and other numbers. A
reader of which one input costs milliseconds gets a share of them; what it decodes with has a reader of its own.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from fuzz_mutation import mutate, pick
from fuzz_outcome import OUTCOMES, catch_slow, try_timed
from fuzz_readers import READERS

from stress.lab.pdeathsig import die_with_parent, with_parent
from stress.model import atomic

ROOT = Path(__file__).parents[1]
STATE, FINDINGS = ROOT / "results" / "fuzz.json", ROOT / "results" / "fuzz"
MEMORY = Path("/dev/shm")  # noqa: S108  # a disk would take ten times as long as the readers
INPUTS = 1_000_000  # of each reader
BATCH, BATCH_S = 50_000, 3.0  # of one reader at a time: whichever is reached first
MEMORY_MAX_BYTES = 2 << 30  # of a process
SAVE_S = 10.0  # between two writes of the counts
COUNTS = ("inputs", "read", "refused", "findings")
prepared = {}  # of this process: the function of each reader that has had its turn, and its seeds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of each reader that gets all of them")
    parser.add_argument("--budget", type=float, metavar="MIN", help="stop after so many minutes; run again to go on")
    parser.add_argument("--reader", action="append", choices=sorted(READERS), help="only this one; repeatable")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--state", type=Path, default=STATE, metavar="FILE", help="where the counts are stored")
    parser.add_argument("--again", action="store_true", help="forget earlier counts of these readers")
    given = parser.parse_args()
    left = {name: given.inputs // READERS[name].share for name in given.reader or READERS}
    state = json.loads(given.state.read_text()) if given.state.exists() else {}
    if given.again:
        state = {name: counts for name, counts in state.items() if name not in left}
    end_s = time.monotonic() + 60 * given.budget if given.budget else float("inf")
    print(f"commit {commit()}", file=sys.stderr)
    is_alive = fuzz(state, left, end_s, given.jobs, given.state)
    print(table(state))
    return 1 if not is_alive or any(counts["findings"] for of in state.values() for counts in of.values()) else 0


def fuzz(state, wanted, end_s, jobs, file):
    """Give readers their inputs, the one with the smallest part of its own first; return False if a process died."""
    code, saved_s, running = commit(), time.monotonic(), {}
    os.environ.update(with_parent())
    with (
        tempfile.TemporaryDirectory(prefix="connstorm-fuzz-", dir=MEMORY if MEMORY.is_dir() else None) as folder,
        ProcessPoolExecutor(jobs, initializer=begin_process, initargs=(folder,)) as pool,
    ):
        try:
            while True:
                left = {name: wanted[name] - done(state, name) for name in wanted.keys() - set(running.values())}
                for name in sorted(left, key=lambda one: left[one] / wanted[one], reverse=True):
                    if left[name] > 0 and len(running) < jobs and time.monotonic() < end_s:
                        batch = pool.submit(fuzz_batch, name, done(state, name), min(left[name], BATCH))
                        running[batch] = name
                if not running:
                    break
                for batch in wait(running, return_when=FIRST_COMPLETED).done:
                    counts, findings = batch.result()
                    name = running.pop(batch)
                    add(state.setdefault(name, {}).setdefault(code, {}), counts)
                    store_findings(name, findings)
                if time.monotonic() > saved_s + SAVE_S:
                    save(state, file)
                    show_progress(state, wanted)
                    saved_s = time.monotonic()
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
        except BrokenProcessPool:
            batches = [f"{name} from {done(state, name)} on" for name in running.values()]
            print(f"A process died, by one of these inputs: {', '.join(batches)}", file=sys.stderr)
            return False
        finally:
            save(state, file)
    return True


def begin_process(folder):
    """Prepare a process: it ends with its parent, a Ctrl-C is for the parent, and its memory is bounded."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, resource.RLIM_INFINITY))
    catch_slow()
    tempfile.tempdir = tempfile.mkdtemp(dir=folder)


def fuzz_batch(name, first, most):
    """Give a reader inputs for BATCH_S; return the counts, and of each finding its number, its bytes and its text.

    The inputs follow from the name, the number of the first, and the code.
    """
    if name not in prepared:
        reader = READERS[name]
        prepared[name] = reader.prepare(Path(tempfile.mkdtemp())), reader.change or mutate, reader.seeds()
    read, change, seeds = prepared[name]
    chance = random.Random(f"{name} {first}")
    counts = dict.fromkeys(COUNTS, 0) | {"slowest_s": 0.0, "cpu_s": 0.0}
    findings, begun_s, end_s = [], time.process_time(), time.monotonic() + BATCH_S
    for number in range(first, first + most):
        data = change(pick(seeds, chance.random), chance)
        before_s = time.process_time()
        outcome = try_timed(read, data)
        after_s = time.process_time()
        counts["slowest_s"] = max(counts["slowest_s"], after_s - before_s)
        counts["inputs"] += 1
        if outcome in OUTCOMES:
            counts[outcome] += 1
        else:
            counts["findings"] += 1
            findings.append((number, data, outcome))
        if time.monotonic() > end_s:
            break
    counts["cpu_s"] = time.process_time() - begun_s
    return counts, findings


def commit():
    """Return the commit of the code, with a mark where it is changed."""
    described = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() or "unknown"


def add(counts, more):
    """Add the counts of a batch to those of a reader."""
    for name in (*COUNTS, "cpu_s"):
        counts[name] = round(counts.get(name, 0) + more[name], 3)
    counts["slowest_s"] = round(max(counts.get("slowest_s", 0.0), more["slowest_s"]), 3)


def done(state, name):
    """Return how many inputs a reader has had, of all code."""
    return sum(counts["inputs"] for counts in state.get(name, {}).values())


def store_findings(name, findings):
    """Store inputs, and what became of each."""
    for number, data, outcome in findings:
        FINDINGS.mkdir(parents=True, exist_ok=True)
        (FINDINGS / f"{name}-{number}").write_bytes(data)
        (FINDINGS / f"{name}-{number}.txt").write_text(outcome)
        print(f"{name} {number}: {outcome.strip().splitlines()[-1][:300]}", file=sys.stderr)


def save(state, file):
    """Write the counts, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(file, json.dumps(state, indent=1).encode())


def show_progress(state, wanted):
    """Print how much is done, and how much time of a processor the rest takes, as far as that is known."""
    left = {name: max(count - done(state, name), 0) for name, count in wanted.items()}
    known = {name: sum(counts["cpu_s"] for counts in state[name].values()) / done(state, name) for name in state}
    rest_s = sum(left[name] * known.get(name, 0.0) for name in left)
    whole = sum(not count for count in left.values())
    share = 1 - sum(left.values()) / sum(wanted.values())
    print(
        f"{share:.1%} of the inputs, {whole} of {len(left)} readers whole, {rest_s:,.0f} s of CPU to go",
        file=sys.stderr,
    )


def table(state):
    """Return the counts as Markdown, with how many of the inputs each commit got."""
    lines = [
        "| reader | inputs | read | refused | findings | CPU of one | slowest | commits |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in (name for name in READERS if name in state):
        of = state[name].values()
        inputs, read, refused, findings = (sum(counts[count] for counts in of) for count in COUNTS)
        each_us = 1e6 * sum(counts["cpu_s"] for counts in of) / max(inputs, 1)
        slowest_s = max(counts["slowest_s"] for counts in of)
        commits = ", ".join(f"{code}: {counts['inputs']:,}" for code, counts in state[name].items())
        lines.append(
            f"| {name} | {inputs:,} | {read:,} | {refused:,} | {findings:,} | {each_us:,.0f} µs | {slowest_s:.2f} s | "
            f"{commits} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
