# SPDX-License-Identifier: MIT
"""Hold what ``compare --profile`` names against changes whose function is known, and against none: 15 minutes.

In each repeat the trials of three arms alternate: a storm, the same storm behind 1,000 rules of nftables that match
nothing, and the first storm again. Names are right where they are those of RULES alone; the third arm must have none.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from stress.compare.arms import Question, compare_arms
from stress.compare.profiles import compare_profiles
from stress.model.world import FilterRule, Hook, World
from stress.run import process
from stress.storm.catalogue import find_scenario

RULES = {"nft_do_chain"}
CHANGED, UNCHANGED = 10, 20  # repeats with and without a change
TRIALS, ATTEMPTS, RULES_OF_NFT = 4, 5000, 1000


def main() -> None:
    """Make the repeats, and print a line for each and the sums."""
    fast = msgspec.structs.replace(find_scenario("clean").plan, attempts=ATTEMPTS)
    rules = [
        FilterRule(name=f"r{port}", hook=Hook.OUTPUT, match=f"tcp dport {port}", action="")
        for port in range(1, RULES_OF_NFT + 1)
    ]
    slow = msgspec.structs.replace(fast, world=World(rules=rules))
    right = Counter[str]()
    for repeat in range(UNCHANGED):
        arms = {"fast": fast, "again": fast} | ({"slow": slow} if repeat < CHANGED else {})
        with tempfile.TemporaryDirectory() as name:
            for arm in arms:
                Path(name, arm).mkdir()
            for _ in range(TRIALS):
                for arm, plan in arms.items():
                    process.run(plan, Path(name, arm), lambda _: None, ("--profile", "499", "--no-draw"))
            for arm, expected in (("again", set[str]()), ("slow", RULES)):
                if arm in arms:
                    names, text = named(Path(name, "fast"), Path(name, arm))
                    right[arm] += names == expected
                    print(f"{repeat + 1:>3} {arm:<6} {text}", flush=True)
    print(f"rules named by their function alone: {right['slow']} of {CHANGED}")
    print(f"nothing named where nothing changed: {right['again']} of {UNCHANGED}")
    sys.exit(right["slow"] < CHANGED - 1 or right["again"] < UNCHANGED - 1)


def named(base: Path, new: Path) -> tuple[set[str], str]:
    """Return which functions are named between two folders of runs, and a line that says how much."""
    pairs = compare_arms(Question(arms=(str(base), str(new)), allowed=("plan",), allow_busy=True)).pairs
    (pair,), _ = compare_profiles(pairs)
    (act,) = pair.acts
    functions = [function for function in act.functions if function.named]
    parts = [f"{one.change.ns:+,.0f} ns in {one.name}" for one in functions] or ["no name"]
    ends = "" if act.whole.low_ns is None else f" ({act.whole.low_ns:+,.0f} to {act.whole.high_ns:+,.0f})"
    return {one.name for one in functions}, f"{', '.join(parts)} of {act.whole.ns:+,.0f} ns{ends}"


if __name__ == "__main__":
    main()
