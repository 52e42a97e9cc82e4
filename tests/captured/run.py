# SPDX-License-Identifier: MIT
"""Hold causes by packets against those by counters: ``python tests/captured/run.py [-v] [-j N] [--worlds] [NAME…]``.

Runs are those of ``scenario_runs`` and ``captured.plans``; with ``--worlds`` the worlds of known truth. A name is one
of them or a part of it; without names all are carried out, which takes some ten minutes on two cores, and the worlds
some ten more. Ends with 1 when a name was another one.
"""

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ.setdefault("CONNSTORM_TEST_RUNS", tempfile.gettempdir())  # which scenario_runs wants, and nobody uses here

from scenario_runs import RUNS  # noqa: E402
from worlds.catalogue import WORLDS  # noqa: E402
from worlds.world import HERE, PRIVATE  # noqa: E402

from captured import storms, worlds  # noqa: E402
from captured.agreement import ENDS, hold_against  # noqa: E402
from captured.plans import PLANS  # noqa: E402

AT_ONCE = 3  # two CPUs, and most of the time somebody waits for a timeout
SKIPPED = ("needs IPv6, which it turns off", "cannot be captured")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-v", action="store_true", dest="verbose", help="show hints and examples")
    parser.add_argument("-j", type=int, default=AT_ONCE, dest="at_once", metavar="N", help="how many at a time")
    parser.add_argument("--worlds", action="store_true", help="the worlds of known truth instead of scenarios")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each run and end")
    options = parser.parse_args()
    names = [name for name, world in WORLDS.items() if is_made_here(world)] if options.worlds else [*RUNS, *PLANS]
    names = [name for name in names if not options.names or any(part in name for part in options.names)]
    function = world_result if options.worlds else run_result
    wrong = 0
    with ProcessPoolExecutor(options.at_once, mp_context=get_context("spawn")) as pool:
        for results in pool.map(function, names):
            for result in results:
                show(result, as_json=options.json, verbose=options.verbose)
                wrong += bool(result["wrong"] or result["failed"])
    sys.exit(bool(wrong))


def is_made_here(world):
    """Tell whether a world is made in the process that asks for it, and not by a command."""
    return HERE in world.ways or (PRIVATE in world.ways and not world.name.startswith("scenario-"))


def run_result(name):
    """Carry out a run; return what came of it at each end."""
    plan = PLANS[name] if name in PLANS else storms.plan_of(RUNS[name])
    with tempfile.TemporaryDirectory(prefix="captured-") as folder:
        captured = twice(lambda: storms.carry_out(name, plan, Path(folder)), lambda captured: captured.failed)
        if captured.failed:
            return [failed(name, captured.failed)]
        ends = ENDS if any(len(files) > 1 for files in captured.captures) else ["client"]
        return [as_result(name, end, hold_against(captured, end)) for end in ends]


def twice(function, is_failed):
    """Return what a function returns, the second time if the first one failed: on a busy machine books may not balance.

    A wrong name is no failure, and is not tried again.
    """
    result = function()
    return function() if is_failed(result) else result


def as_result(name, end, agreement):
    """Return an agreement as JSON takes it."""
    return {
        "name": name,
        "end": end,
        "joined": agreement.joined,
        "alone": agreement.alone,
        "causes": [[*pair, count] for pair, count in sorted(agreement.causes.items())],
        "wrong": [f"{known} by counters, {told} by packets" for known, told in agreement.wrong],
        "failed": "",
        "hints": [*agreement.hints, *map(str, agreement.examples.values())],
    }


def world_result(name):
    """Make a world; return what packets tell of it at each end, held against its truth."""
    with tempfile.TemporaryDirectory(prefix="captured-") as folder:
        verdicts, failure = twice(lambda: worlds.carry_out(WORLDS[name], Path(folder)), lambda result: result[1])
    if failure:
        return [failed(name, failure)]
    return [
        {
            "name": name,
            "end": end,
            "joined": verdict.attempts,
            "alone": 0,
            "causes": [["troubled", "named", verdict.named], ["troubled", "unknown", verdict.unknown]],
            "wrong": verdict.faults,
            "failed": "",
            "hints": verdict.hints,
        }
        for end, verdict in verdicts.items()
    ]


def failed(name, failure):
    """Return why there is no result."""
    skipped = any(text in failure for text in SKIPPED)
    said = {"wrong": [], "failed": "" if skipped else failure, "hints": [f"skipped: {failure}"] if skipped else []}
    return {"name": name, "end": "", "joined": 0, "alone": 0, "causes": []} | said


def show(result, *, as_json, verbose):
    """Print what came of a run at one end."""
    if as_json:
        print(json.dumps(result), flush=True)
        return
    causes = ", ".join(f"{known} → {told} {count:,}" for known, told, count in result["causes"])
    print(f"{result['name']:40} {result['end']:7} {causes or 'not carried out'}", flush=True)
    for text in [*(f"WRONG: {text}" for text in result["wrong"]), *filter(None, [result["failed"]])]:
        print(f"    {text}")
    if verbose:
        print("".join(f"    {text}\n" for text in result["hints"]), end="")


if __name__ == "__main__":
    main()
