# SPDX-License-Identifier: MIT
"""Hold what ``compare --profile`` names against changes whose function is known, and against none: 12 minutes, as root.

In each repeat the trials of all arms alternate. A name is right where it is one of those that are expected, where the
one that must be there is, and where its share of the loop's change is at most 10 points from the whole of it, for the
change is all that differs. Without a change there must be no name. The books are held against 3 % in longer storms: in
one of 0.1 s a single sample is 2 % of it.
"""

import contextlib
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cgroup_program import slow_connects

from stress.compare.arms import Question, compare_arms
from stress.compare.profiles import compare_profiles
from stress.model.plan import Close, Plan, Ports
from stress.model.world import FilterRule, Hook, World
from stress.profile.costs import run_costs
from stress.run import process
from stress.store import profile_file, run_folder
from stress.storm.catalogue import find_scenario
from stress.view.text.profile_wording import percent_text

CHANGED, UNCHANGED = 10, 20  # repeats with and without a change
TRIALS, ATTEMPTS = 4, 5000
RULES_OF_NFT, MULTIPLICATIONS = 1000, 60_000  # some 50 µs each: of 10 the chance of sampling leaves 10 points
POINTS_MAX = 0.10  # between the share of a function and the whole of the loop's change
BOOK_ATTEMPTS, BOOK_MAX = 28_000, 0.03  # of the loop's time, without a sample


@dataclass(frozen=True)
class Case:
    """A change whose function is known.

    Attributes:
        base: the arm that it is compared with.
        plan: of its storms.
        functions: those that may be named, by how they begin; the first one must be.
        has_program: whether a program of BPF runs in each connect().
    """

    base: str
    plan: Plan
    functions: tuple[str, ...] = ()
    has_program: bool = False


def cases() -> dict[str, Case]:
    """Return each arm by its name."""
    clean = find_scenario("clean").plan
    fast = msgspec.structs.replace(clean, attempts=ATTEMPTS)
    rules = [
        FilterRule(name=f"r{port}", hook=Hook.OUTPUT, match=f"tcp dport {port}", action="")
        for port in range(1, RULES_OF_NFT + 1)
    ]
    # Each connection keeps its port, in TIME_WAIT. connect() takes even ports first: of 6,000 there are too few.
    wide = msgspec.structs.replace(
        fast, ports=Ports.KERNEL, close=Close.FIN, port_range=(32768, 60999), sysctls={"net.ipv4.tcp_tw_reuse": "0"}
    )
    return {
        "fast": Case("fast", fast),
        "again": Case("fast", fast),
        "rules": Case("fast", msgspec.structs.replace(fast, world=World(rules=rules)), ("nft_do_chain",)),
        "program": Case("fast", fast, ("bpf_prog_",), has_program=True),
        "wide": Case("wide", wide),
        "half-full": Case(
            "wide",
            msgspec.structs.replace(wide, port_range=(40000, 45999)),
            # What the search itself calls more often may be named too.
            ("__inet_hash_connect", "__inet_check_established", "_raw_spin_", "__raw_callee_save___pv_queued_spin_"),
        ),
    }


def main() -> None:
    """Make the repeats, and print a line for each comparison and the sums."""
    right = Counter[str]()
    arms = cases()
    for repeat in range(UNCHANGED):
        names = list(arms) if repeat < CHANGED else ["fast", "again"]
        with tempfile.TemporaryDirectory() as home:
            for name in names:
                Path(home, name).mkdir()
            for _ in range(TRIALS):
                for name in names:
                    with slow_connects(MULTIPLICATIONS) if arms[name].has_program else contextlib.nullcontext():
                        process.run(
                            arms[name].plan, Path(home, name), lambda _: None, ("--profile", "499", "--no-draw")
                        )
            for name in (name for name in names if arms[name].base != name):
                is_right, text = compared(Path(home, arms[name].base), Path(home, name), arms[name].functions)
                right[name] += is_right
                print(f"{repeat + 1:>3} {name:<9} {text}{'' if is_right else '   WRONG'}", flush=True)
    for name in (name for name in arms if arms[name].functions):
        print(f"{name}: {right[name]} of {CHANGED} named, within {100 * POINTS_MAX:.0f} points of the loop's change")
    print(f"nothing named where nothing changed: {right['again']} of {UNCHANGED}")
    books = unsampled_shares(msgspec.structs.replace(arms["fast"].plan, attempts=BOOK_ATTEMPTS))
    print(f"without a sample: {100 * min(books):+.1f} to {100 * max(books):+.1f} % of the loop, {len(books)} profiles")
    enough = [right[name] >= CHANGED - 1 for name in arms if arms[name].functions]
    sys.exit(not all(enough) or right["again"] < UNCHANGED - 1 or max(map(abs, books)) > BOOK_MAX)


def unsampled_shares(plan: Plan) -> list[float]:
    """Return the part of the loop's time without a sample in each of some storms."""
    shares = []
    with tempfile.TemporaryDirectory() as home:
        for _ in range(CHANGED):
            process.run(plan, Path(home), lambda _: None, ("--profile", "499", "--no-draw"))
        for run in Path(home).iterdir():
            costs = run_costs(run_folder.read_document(run), profile_file.read(run))
            shares += [act.unsampled_ns / act.measured_ns for act in costs]
    return shares


def compared(base: Path, new: Path, functions: tuple[str, ...]) -> tuple[bool, str]:
    """Return whether the names between two folders of runs are right, and a line that says them."""
    question = Question(arms=(str(base), str(new)), allowed=("plan", "settings"), allow_busy=True)
    (pair,), _ = compare_profiles(compare_arms(question).pairs)
    (act,) = pair.acts
    named = {one.name: one.share for one in act.functions if one.named}
    parts = [f"{name} {'of no sure change' if share is None else percent_text(share)}" for name, share in named.items()]
    text = f"{', '.join(parts) or 'no name'} of {act.measured.ns:+,.0f} ns"
    if not functions:
        return not named, text
    due = [share for name, share in named.items() if name.startswith(functions[0])]
    is_right = (
        all(name.startswith(functions) for name in named)
        and len(due) == 1
        and due[0] is not None
        and abs(due[0].value - 1) <= POINTS_MAX
    )
    return is_right, text


if __name__ == "__main__":
    main()
