# SPDX-License-Identifier: MIT
"""Mutated files for every reader, and what they make of them: a sentence, or what they would read. ``make fuzz``.

A reader may return, or raise an error of connstorm's own, within bounds of time and memory; anything else is a finding,
and its input is stored in results/fuzz/ for the corpus of the tests (tests/data/fuzz). The counts are stored in
results/fuzz.json, so that a run that has used up its budget goes on where it stopped.

Inputs are frozen files of the tests, with bytes changed, parts doubled, dropped and swapped, and other numbers.
"""

import argparse
import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from fuzz_readers import READERS

from stress.model.errors import ConnstormError

ROOT = Path(__file__).parents[1]
STATE, FINDINGS = ROOT / "results" / "fuzz.json", ROOT / "results" / "fuzz"
INPUTS = 1_000_000  # of each reader
BATCH = 500
SECONDS_MAX = 5.0  # of one input
MEMORY_MAX_BYTES = 2 << 30  # of this process
TOKENS = (
    b"\xff", b"\x00", b"\x1b[2J", b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"9" * 30, b"-9223372036854775809",
    b"[" * 5000, b'{"a":' * 2000, b'"' * 3, b"\\u0000", b"\\ud800", b"$\\frac{", b"..", b"/", b"=", b"\n", b"#", b"'",
)  # fmt: skip


class TooSlowError(Exception):
    """A reader took longer than it may."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=INPUTS, help="of each reader")
    parser.add_argument("--budget", type=float, metavar="MIN", help="stop after so many minutes; run again to go on")
    parser.add_argument("--reader", action="append", choices=sorted(READERS), help="only this one; repeatable")
    parser.add_argument("--again", action="store_true", help="forget earlier counts")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, raise_slow)
    names = given.reader or sorted(READERS)
    state = {} if given.again or not STATE.exists() else json.loads(STATE.read_text())
    end_s = time.monotonic() + 60 * given.budget if given.budget else float("inf")
    while time.monotonic() < end_s:
        left = [name for name in names if state.get(name, {}).get("inputs", 0) < given.inputs]
        if not left:
            break
        name = min(left, key=lambda one: state.get(one, {}).get("inputs", 0))
        counts = state.setdefault(name, {"inputs": 0, "read": 0, "refused": 0, "findings": 0, "slowest_s": 0.0})
        fuzz_batch(name, counts, min(BATCH, given.inputs - counts["inputs"]))
        STATE.parent.mkdir(exist_ok=True)
        STATE.write_text(json.dumps(state, indent=1))
    print(table(state))
    return 1 if any(counts["findings"] for counts in state.values()) else 0


def fuzz_batch(name, counts, inputs):
    """Give a reader some inputs, and count what it made of them."""
    reader = READERS[name]
    seeds = reader.seeds()
    with tempfile.TemporaryDirectory(prefix="connstorm-fuzz-") as folder:
        read = reader.prepare(Path(folder))
        for number in range(counts["inputs"], counts["inputs"] + inputs):
            chance = random.Random(f"{name} {number}")
            data = mutate(chance.choice(seeds), chance)
            begun_s = time.monotonic()
            outcome = try_timed(read, data)
            counts["slowest_s"] = round(max(counts["slowest_s"], time.monotonic() - begun_s), 3)
            counts["inputs"] += 1
            if outcome in ("read", "refused"):
                counts[outcome] += 1
            else:
                counts["findings"] += 1
                FINDINGS.mkdir(parents=True, exist_ok=True)
                (FINDINGS / f"{name}-{number}").write_bytes(data)
                (FINDINGS / f"{name}-{number}.txt").write_text(outcome)
                print(f"{name} {number}: {outcome.splitlines()[-1]}", file=sys.stderr)


def try_timed(read, data):
    """Return what ``try_input`` does, within SECONDS_MAX."""
    signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
    try:
        return try_input(read, data)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def try_input(read, data):
    """Return ``'read'``, ``'refused'``, or the trace of what else happened."""
    try:
        read(data)
    except ConnstormError as error:
        is_shown = str(error).replace("\n", " ").isprintable()
        return "refused" if is_shown else f"a message with control characters: {str(error)!r}"
    except BaseException:  # noqa: BLE001  # that is what is looked for
        return traceback.format_exc()
    return "read"


def raise_slow(_number, _frame):
    raise TooSlowError(f"more than {SECONDS_MAX:g} s")


def mutate(data, chance):
    """Return some bytes with one to six changes."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0:
                data[place:place] = chance.choice(TOKENS)
            case 1 if data:
                data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
            case 2:
                del data[place : place + chance.choice((1, 4, 64, 1024))]
            case 3:
                size = chance.choice((1, 16, 256))
                data[place:place] = data[place : place + size] * chance.choice((1, 2, 20))
            case 4:
                other = chance.randrange(len(data) + 1)
                size = chance.choice((1, 8, 64))
                here, there = slice(place, place + size), slice(other, other + size)
                data[here], data[there] = data[there], data[here]
            case 5:
                data[place : place + 8] = chance.randbytes(8)
            case 6:
                del data[place:]
            case _:
                replace_number(data, chance)
    return bytes(data)


def replace_number(data, chance):
    """Replace one of the numbers that are written in decimal."""
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(data[:200_000])))
    if numbers:
        start, end = chance.choice(numbers).span()
        data[start:end] = chance.choice(
            (
                b"0",
                b"-1",
                b"1",
                b"65536",
                b"4294967296",
                b"9223372036854775807",
                b"18446744073709551616",
                b"1e308",
                b"0.5",
            )
        )


def table(state):
    """Return the counts as Markdown."""
    lines = ["| reader | inputs | read | refused | findings | slowest |", "| --- | --- | --- | --- | --- | --- |"]
    for name, counts in sorted(state.items()):
        lines.append(
            f"| {name} | {counts['inputs']:,} | {counts['read']:,} | {counts['refused']:,} | {counts['findings']:,} | "
            f"{counts['slowest_s']:.2f} s |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
