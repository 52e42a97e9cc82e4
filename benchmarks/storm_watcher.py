# SPDX-License-Identifier: MIT
"""A process that watches storms of its parent as connstorm run does, from the line "begin" to the line "end".

To "rest" it answers alone, so that a storm that nobody watches begins after the same wait.
"""

import sys
import time
from contextlib import ExitStack

import msgspec

from stress.model.progress import StormUnderway
from stress.run import storm_watch


def main(pid: int, interval_s: float, storm: StormUnderway) -> None:
    """Watch storms of a process; answer the end of each with how many looks there were, and their CPU time in ms."""
    storm_watch.INTERVAL_S, storm_watch.LONG_S = interval_s, 0.0
    looks: list[str] = []
    with ExitStack() as watching:
        for line in sys.stdin:
            if line == "begin\n":
                begun_s = time.process_time()
                watching.enter_context(storm_watch.watch_storm(pid, storm, looks.append))
                print("watching", flush=True)
            elif line == "rest\n":
                print("resting", flush=True)
            else:
                watching.close()
                took_ms = (time.process_time() - begun_s) * 1e3
                print(len([text for text in looks if text]), took_ms, flush=True)
                looks.clear()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=StormUnderway))
