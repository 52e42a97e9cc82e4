# SPDX-License-Identifier: MIT
"""Can verdicts be believed? Real storms, compared with themselves, and with storms that really are worse.

``python benchmarks/validate.py [--aa 200] [--ba 60] [--table docs/validation.md]``. Every trial has a fresh network
namespace; all trials of this program run in one process, which makes thousands of them affordable. Arms are
interleaved in blocks, as a suite's cells are, and compared by what ``connstorm compare`` uses.
"""

import argparse
import itertools
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.lab import namespace

namespace.enter_namespace()

from scipy.stats import binomtest  # noqa: E402  # threads come with numpy

from stress.analysis.attribution.summary import analyse  # noqa: E402
from stress.analysis.comparison.compare import compare_values, decide, default_threshold  # noqa: E402
from stress.analysis.comparison.metric_family import GATING_METRICS  # noqa: E402
from stress.analysis.comparison.verdict import Verdict  # noqa: E402
from stress.analysis.metric import find_metric  # noqa: E402
from stress.analysis.statistics.trials import median_interval  # noqa: E402
from stress.lab import host  # noqa: E402
from stress.model.plan import Close, Plan, Ports, Serve  # noqa: E402
from stress.model.summary import Summary  # noqa: E402
from stress.storm.run_plan import carry_out  # noqa: E402

BLOCKS = 9
ATTEMPTS = 2000
HELD = Plan(
    scenario="clean", ports=Ports.KERNEL, attempts=ATTEMPTS, close=Close.HOLD, serve=Serve.LEAK,
    port_range=(40000, 44999),
)  # fmt: skip
SWEPT = Plan(scenario="clean", ports=Ports.SHUFFLE, attempts=ATTEMPTS, port_range=(40000, 41999))
QUEUED = msgspec.structs.replace(SWEPT, deadline_s=0.05)


@dataclass(frozen=True)
class Pair:
    """An arm, another that is really worse, and in what."""

    name: str
    base: Plan
    worse: Plan
    shows: str


PAIRS = (
    Pair(
        "a fuller port range: 2,000 connections held in 2,500 ports, not in 5,000",
        HELD,
        msgspec.structs.replace(HELD, port_range=(40000, 42499)),
        "body.p50",
    ),
    Pair(
        "a minefield of density 1 %",
        SWEPT,
        msgspec.structs.replace(SWEPT, mines=20),
        "retries_per_million",
    ),
    Pair(
        "a backlog of 4 in place of 65,535",
        QUEUED,
        msgspec.structs.replace(QUEUED, backlog=4),
        "errors_per_million",
    ),
)


def trial(plan: Plan, seed: int) -> Summary:
    """Carry out a plan in a fresh namespace."""
    namespace.enter_new_network()
    run, _, _ = carry_out(msgspec.structs.replace(plan, seed=seed))
    return analyse(run).summary


def blocks(plans: list[Plan], generator: random.Random) -> Iterator[list[Summary]]:
    """Yield block after block: a summary of each plan, run in an order drawn anew."""
    while True:
        seed = generator.randrange(1 << 31)
        order = list(range(len(plans)))
        generator.shuffle(order)
        found: dict[int, Summary] = {}
        for place in order:
            found[place] = trial(plans[place], seed)
        yield [found[place] for place in range(len(plans))]


def verdicts(base: list[Summary], new: list[Summary]) -> dict[str, Verdict]:
    """Return the verdict of each gating metric, as ``connstorm compare`` gives it."""
    comparisons = []
    for name in GATING_METRICS:
        each = find_metric(name)
        old, fresh = ({block: each.value(summary) for block, summary in enumerate(arm)} for arm in (base, new))
        old, fresh = ({block: value for block, value in arm.items() if value is not None} for arm in (old, fresh))
        estimate = median_interval(list(old.values()))
        threshold = default_threshold(each, estimate, attempts=ATTEMPTS)
        comparisons.append(
            compare_values("cell", "base", "new", each, old, fresh, paired=True, threshold=threshold, gating=True)
        )
    return {found.metric: found.verdict for found in decide(comparisons)}


def share(count: int, total: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count} of {total}: {100 * count / total:.1f} % ({100 * interval.low:.1f}–{100 * interval.high:.1f} %)"


def tell(text: str) -> None:
    """Say how it gets on."""
    sys.stderr.write(f"{text}\n")


def against_themselves(count: int, generator: random.Random) -> list[str]:
    """Compare arms with themselves; return table rows."""
    rows, alarmed, made = [], 0, 0
    for place, pair in enumerate(PAIRS):
        source = blocks([pair.base, pair.base], generator)
        alarms = 0
        mine = count // len(PAIRS) + (place < count % len(PAIRS))
        seen: Counter[Verdict] = Counter()
        for number in range(mine):
            base, new = zip(*itertools.islice(source, BLOCKS), strict=True)
            found = verdicts(list(base), list(new))
            seen.update(found.values())
            alarms += any(verdict in (Verdict.REGRESSED, Verdict.IMPROVED) for verdict in found.values())
            if number % 10 == 9:
                tell(f"A/A {place + 1}: {number + 1} of {mine}, {alarms} alarms")
        alarmed, made = alarmed + alarms, made + mine
        counts = ", ".join(f"{verdict} {seen[verdict]}" for verdict in Verdict if seen[verdict])
        rows.append(f"| {pair.name.split(':')[0]}: its base arm | {share(alarms, mine)} | {counts} |")
    rows.append(f"| **all** | **{share(alarmed, made)}** | |")
    return rows


def against_worse(count: int, generator: random.Random) -> list[str]:
    """Compare arms with worse ones; return table rows."""
    rows = []
    for place, pair in enumerate(PAIRS):
        source = blocks([pair.base, pair.worse], generator)
        hits = 0
        seen: Counter[str] = Counter()
        for number in range(count):
            base, new = zip(*itertools.islice(source, BLOCKS), strict=True)
            found = verdicts(list(base), list(new))
            hits += found[pair.shows] is Verdict.REGRESSED
            seen.update(name for name, verdict in found.items() if verdict is Verdict.REGRESSED)
            if number % 10 == 9:
                tell(f"B/A {place + 1}: {number + 1} of {count}, {hits} found")
        named = ", ".join(f"`{name}` {seen[name]}" for name in GATING_METRICS if seen[name])
        rows.append(f"| {pair.name} | `{pair.shows}` | {share(hits, count)} | {named} |")
    return rows


def main() -> None:
    """Run what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aa", type=int, default=200)
    parser.add_argument("--ba", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    facts = host.read_host()
    lines = [
        "# Can verdicts be believed?",
        "",
        "`make validate` compares real storms with themselves, and with storms that really are worse; what it found:",
        "",
        (
            f"Linux {facts.kernel}, {facts.cpu}, {facts.cpus} virtual CPUs. A comparison is {BLOCKS} blocks of two "
            f"trials, each of {ATTEMPTS:,} attempts in a network namespace of its own, over the gating family: "
            f"{', '.join(f'`{name}`' for name in GATING_METRICS)} (Holm, 5 %). Seed {options.seed}. "
            "Intervals of shares: Wilson, 95 %."
        ),
    ]
    if options.aa:
        lines += [
            "",
            "## The same arm, twice",
            "",
            "| arm | false alarms, any metric | verdicts |",
            "| --- | --- | --- |",
        ]
        lines += against_themselves(options.aa, random.Random(options.seed))
    if options.ba:
        lines += [
            "",
            "## A real regression",
            "",
            "| what is worse | must show in | found | regressed |",
            "| --- | --- | --- | --- |",
        ]
        lines += against_worse(options.ba, random.Random(options.seed + 1))
    text = "\n".join(lines) + "\n"
    sys.stdout.write(text)
    if options.table:
        options.table.write_text(text)


main()
