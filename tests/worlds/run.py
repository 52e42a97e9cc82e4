# SPDX-License-Identifier: MIT
"""Show what connstorm says of worlds: ``python tests/worlds/run.py [-v] [-j N] [--way host] [--nobody] [NAME…]``.

A name is that of a world or a part of it; without names all are shown.
"""

import argparse
import json
import os
import sys
import sysconfig
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
os.environ["OPENBLAS_NUM_THREADS"] = "1"

from stress.analysis.attribution import summary as _loaded_before_forks  # noqa: E402, F401  # 0.5 s for all, not each
from worlds.catalogue import WORLDS  # noqa: E402
from worlds.forks import Job, carry_out  # noqa: E402
from worlds.world import WAYS  # noqa: E402

HEAD = ("world", "attempts", "troubled", "named", "unknown", "WRONG", "bounds", "s")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("-v", action="store_true", dest="verbose", help="show causes, counters and proofs")
    parser.add_argument("-j", type=int, default=6, dest="at_once", metavar="N", help="how many at a time")
    parser.add_argument("--way", choices=WAYS, help="by default the first of each world")
    parser.add_argument("--nobody", action="store_true", help="as nobody, by the system's Python; needs root")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each world")
    options = parser.parse_args()
    if options.nobody:
        become_nobody([argument for argument in sys.argv[1:] if argument != "--nobody"])
    chosen = [
        world
        for name, world in WORLDS.items()
        if options.way in (None, *world.ways) and (not options.names or any(part in name for part in options.names))
    ]
    jobs = [Job(world, options.way or world.ways[0]) for world in chosen]
    if not options.json:
        print(row(HEAD))
    wrong = 0
    for result in carry_out(jobs, options.at_once):
        if options.json:
            print(json.dumps(result.as_object()), flush=True)
        else:
            show(result, verbose=options.verbose)
        wrong += bool(result.faults)
    if not options.json:
        print(f"{len(jobs)} worlds, {wrong} with faults")
    sys.exit(bool(wrong))


def become_nobody(arguments):
    """Start this program again as nobody, who may not run a Python in root's home."""
    python = f"/usr/bin/python{sysconfig.get_python_version()}"
    path = {"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"}
    os.execvpe(NOBODY[0], [*NOBODY, python, __file__, *arguments], os.environ | path)  # noqa: S606  # a program from PATH


def row(values):
    return "{:38} {:>8} {:>8} {:>6} {:>7} {:>6} {:>6} {:>5}".format(*map(str, values))


def show(result, *, verbose):
    name, verdict = result.job.name, result.verdict
    if verdict is None:
        print(f"{name:38} {'skipped: ' + result.skipped if result.skipped else 'FAILED: ' + result.failed}")
        return
    counts = (verdict.attempts, verdict.troubled, verdict.named, verdict.unknown, verdict.wrong.total())
    print(row((name, *counts, len(verdict.bounds), f"{result.took_s:.1f}")))
    if result.by_kernel:
        spoken = result.by_kernel
        counts = (spoken.attempts, spoken.troubled, spoken.named, spoken.unknown, spoken.wrong.total())
        print(row(("    with the kernel's word", *counts, len(spoken.bounds), "")))
    for fault in result.faults:
        print(f"    WRONG: {fault}")
    if verbose:
        print(f"    truth: {result.job.world.truth}")
        print("".join(f"    bound: {text}\n" for text in verdict.bounds), end="")
        for storm, told in verdict.told.items():
            print(f"    {storm}")
            for key, value in told.items() if isinstance(told, dict) else [("", told)]:
                print(f"        {key}: {value}")


if __name__ == "__main__":
    main()
