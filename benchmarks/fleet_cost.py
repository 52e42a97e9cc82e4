# SPDX-License-Identifier: MIT
"""What does it cost a host to be one of a fleet? Storms next to an idle dask worker, and without one, in turn.

``python benchmarks/fleet_cost.py [--rounds 40] [--table docs/fleet_cost.md]``. Everything is in a private network. The
workers are there all the time; those that are not to be measured are stopped (SIGSTOP), and so do nothing at all. A
round has each arm once, in an order of its own, and an arm is compared with the bare one of the same round.

The scheduler is on the same machine here, as it would not be in a fleet: it runs in all arms alike, but what it does
for a worker's heartbeats comes on top. So costs are overstated rather than understated.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from stress.lab import namespace

namespace.enter_namespace()

from stress.analysis.statistics.trials import median_interval  # noqa: E402  # numpy comes with these, and its threads
from stress.lab import host, idle, wait  # noqa: E402
from stress.model.plan import Close  # noqa: E402
from stress.run import process  # noqa: E402
from stress.store import run_folder  # noqa: E402
from stress.storm.catalogue import find_scenario  # noqa: E402
from stress.suite import estimate  # noqa: E402

SCHEDULER = "tcp://127.0.0.1:8786"
PYTHON = [sys.executable, "-m"]
PLAN = msgspec.structs.replace(find_scenario("clean").plan, close=Close.RST)
SETTLE_S = 10.0
READY_S = 30.0
REST_S = 1.0  # after a worker was let go on: it has to say much to its scheduler at first

NONE, OURS, PLAIN = "none", "`connstorm worker`", "`dask worker --nthreads 1 --no-nanny`, otherwise dask's defaults"
WORKERS = {
    OURS: ["stress", "worker", SCHEDULER, "--name", "ours"],
    PLAIN: ["distributed.cli.dask_worker", SCHEDULER, "--name", "plain", "--nthreads", "1", "--no-nanny"],
}
HEADING = """\
# What a fleet costs its hosts

Made by `benchmarks/fleet_cost.py`: storms of `clean` with reset closes, {attempts:,} attempts each, next to an idle
worker and without one, in {rounds} rounds on Linux {kernel}, {cpus} CPUs. Ratios are to the storm without a worker in
the same round: the median over rounds, and its 95 % confidence interval. The scheduler ran on the same machine, which
it does not in a fleet, so costs are overstated rather than understated.

| next to the storm | attempts per second, ratio | body p99, ratio | storms |
| --- | --- | --- | --- |
"""


@contextmanager
def started(command, log, registered):
    """Run a program while the block runs, from when its log says that it is ready."""
    with log.open("wb") as stream, subprocess.Popen([*PYTHON, *command], stdout=stream, stderr=stream) as program:
        try:
            assert wait.wait_until(lambda: registered in log.read_text(), READY_S), log.read_text()
            yield program
        finally:
            program.send_signal(signal.SIGCONT)
            program.terminate()


def storm(results):
    """Return rate and body p99 of one storm in a fresh process."""
    options = process.trial_options(SETTLE_S)
    ended = process.CellProcess(PLAN, results, options).wait(lambda _: None)
    assert ended.path is not None, ended.failure
    summary = run_folder.read_summary(ended.path)
    return summary.rate_per_s, summary.body.p99_ns


def storm_next_to(worker, results):
    """Return the result of a storm next to a worker that keeps running, or without one."""
    if worker is None:
        return storm(results)
    worker.send_signal(signal.SIGCONT)
    wait.wait_until(lambda: False, REST_S)
    try:
        return storm(results)
    finally:
        worker.send_signal(signal.SIGSTOP)


def measure(rounds, room):
    """Return what each arm came to in each round."""
    storms = {arm: [] for arm in (NONE, *WORKERS)}
    with ExitStack() as stack:
        scheduler = ["distributed.cli.dask_scheduler", "--host", SCHEDULER, "--no-dashboard"]
        stack.enter_context(started(scheduler, room / "scheduler.log", "Scheduler at"))
        workers = {NONE: None}
        for number, (arm, command) in enumerate(WORKERS.items()):
            workers[arm] = stack.enter_context(started(command, room / f"worker-{number}.log", "Registered to"))
            workers[arm].send_signal(signal.SIGSTOP)
        for done in range(rounds):
            for arm in random.sample(list(workers), len(workers)):
                storms[arm].append(storm_next_to(workers[arm], room / "runs"))
            print(f"\rround {done + 1} of {rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return storms


def ratio(mine, bare):
    """Return the median of ratios with its interval, as text."""
    middle = median_interval([one / other for one, other in zip(mine, bare, strict=True)])
    return f"{middle.median:.3f} ({middle.low:.3f}–{middle.high:.3f})"


def table(storms, rounds):
    """Return the page."""
    facts = host.read_host()
    lines = [
        HEADING.format(attempts=estimate.trial_attempts(PLAN), rounds=rounds, kernel=facts.kernel, cpus=facts.cpus)
    ]
    rates, tails = zip(*storms[NONE], strict=True)
    middle = median_interval(rates), median_interval(tails)
    lines.append(f"| nothing | 1 ({middle[0].median:,.0f}/s) | 1 ({middle[1].median / 1000:.1f} µs) | {rounds} |\n")
    for arm in WORKERS:
        mine_rates, mine_tails = zip(*storms[arm], strict=True)
        lines.append(f"| {arm} | {ratio(mine_rates, rates)} | {ratio(mine_tails, tails)} | {rounds} |\n")
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--table", type=Path)
    arguments = parser.parse_args()
    target = arguments.table and arguments.table.absolute()
    idle.wait_until_idle(SETTLE_S)
    with tempfile.TemporaryDirectory() as room:
        os.chdir(room)
        storms = measure(arguments.rounds, Path(room))
    page = table(storms, arguments.rounds)
    print(page)
    if target:
        target.write_text(page)


if __name__ == "__main__":
    main()
