# SPDX-License-Identifier: MIT
"""Storm over real leaked connections, and write what was said before and what came into docs/statistics.md.

``python docs/generate/chance.py``; some two minutes. Each of the 20 storms has a network namespace of its own. Ends
with 1 when fewer than 17 counts were within their intervals.
"""

import pickle
import platform
import random
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

from collision_storms import Collisions, CollisionStorm, collide  # noqa: E402  # tests are no package

from stress.lab import namespace, sysctl  # noqa: E402  # as above

PAGE = REPOSITORY / "docs" / "statistics.md"
BEGIN, END = "<!-- chance: begin -->\n", "<!-- chance: end -->\n"
LOW = 30_000
# Ports of the range, mines, rows of consecutive ports (0: drawn at random), connects.
STORMS = (
    *((28_232, mines, rows, connects) for mines, rows, connects in (
        (100, 0, 1_000), (100, 1, 5_000), (500, 0, 5_000), (500, 1, 2_000), (799, 3, 3_000), (1_000, 0, 2_000),
        (1_000, 5, 5_000), (1_500, 10, 1_000), (2_000, 0, 500), (2_000, 2, 4_000),
    )),
    *((4_000, mines, rows, connects) for mines, rows, connects in (
        (40, 0, 200), (200, 4, 300), (400, 0, 600), (400, 1, 1_000), (800, 8, 200),
    )),
    *((201, mines, rows, connects) for mines, rows, connects in ((5, 0, 200), (20, 2, 200), (40, 0, 300))),
    *((64, mines, rows, connects) for mines, rows, connects in ((6, 0, 200), (12, 1, 1_000))),
)  # fmt: skip
LEAST = 17


def main() -> None:
    """Make the storms, and write the table."""
    results = []
    for number, (ports, mines, rows, connects) in enumerate(STORMS):
        seed = random.SystemRandom().randrange(1 << 30)
        results.append(make_storm(CollisionStorm(ports, mines, rows, connects, seed)))
        sys.stderr.write(f"{number + 1} of {len(STORMS)}: {results[-1].met} met\n")
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{table(results)}{END}{tail}")
    sys.exit(sum(result.is_within for result in results) < LEAST)


def make_storm(storm: CollisionStorm) -> Collisions:
    """Return what came of a storm in a process, and a network namespace, of its own."""
    context = get_context("fork")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=make_storm_here, args=(storm, writer))
    process.start()
    writer.close()
    result: Collisions = pickle.loads(reader.recv_bytes())  # noqa: S301  # from our own child
    process.join()
    return result


def make_storm_here(storm: CollisionStorm, writer: Connection) -> None:
    """Send what came of a storm, from a new namespace."""
    namespace.enter_namespace()
    sysctl.write("net.ipv4.ip_local_port_range", f"{LOW} {LOW + storm.ports - 1}")
    (result,) = collide([storm])
    writer.send_bytes(pickle.dumps(result))


def table(results: list[Collisions]) -> str:
    """Return the table and a sentence that sums it up."""
    lines = [
        "| ports | mines | laid | connects | said | met | within |",
        "| ---: | ---: | --- | ---: | ---: | ---: | --- |",
    ]
    for result in results:
        storm, said = result.storm, result.chance.of_connects
        laid = f"in {storm.clusters} rows" if storm.clusters > 1 else "in one row" if storm.clusters else "at random"
        lines.append(
            f"| {storm.ports:,} | {result.chance.mines:,} | {laid} | {storm.connects:,} | {said.low:.0f} to "
            f"{said.high:.0f} | {result.met:,} | {'yes' if result.is_within else 'no'} |"
        )
    within = sum(result.is_within for result in results)
    release = platform.release().partition("-")[0]
    lines.append(f"\n{within} of {len(results)} counts were within their intervals (Linux {release}).")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
