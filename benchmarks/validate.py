# SPDX-License-Identifier: MIT
"""Can verdicts be trusted? Real storms, compared with themselves, and with storms that really are worse.

``python benchmarks/validate.py [--aa 200] [--ba 60] [--gates 2000] [--suites 2000] [--table docs/validation.md]``.
Every trial has a fresh network namespace; all trials of this program run in one process, which makes thousands of them
affordable. Arms are interleaved in blocks, as the cells of a suite are, and compared with the functions of
``connstorm compare``. Gates over sessions are simulated (``sessions.py``), and so are suites (``surveys.py``). A number
of 0 leaves its part of the page as it is.
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
from sessions import simulation_tables  # noqa: E402  # as above
from surveys import survey_tables  # noqa: E402  # as above

from stress.analysis.attribution.summary import analyse  # noqa: E402
from stress.analysis.comparison.compare import compare_values, decide, default_threshold  # noqa: E402
from stress.analysis.comparison.metric_family import GATING_METRICS  # noqa: E402
from stress.analysis.comparison.verdict import Unit, Verdict  # noqa: E402
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
    """An arm, and one that really is worse.

    Attributes:
        name: what is worse.
        base: plan of the base arm.
        worse: plan of the worse arm.
        shows: name of the metric that must regress.
    """

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


def run_trial(plan: Plan, seed: int) -> Summary:
    """Run a plan in a fresh namespace; return its summary."""
    namespace.enter_new_network()
    run, _, _ = carry_out(msgspec.structs.replace(plan, seed=seed))
    return analyse(run).summary


def run_blocks(plans: list[Plan], generator: random.Random) -> Iterator[list[Summary]]:
    """Yield the summaries of the plans of one block after another; each block runs them in a random order."""
    while True:
        seed = generator.randrange(1 << 31)
        order = list(range(len(plans)))
        generator.shuffle(order)
        summaries = {index: run_trial(plans[index], seed) for index in order}
        yield [summaries[index] for index in range(len(plans))]


def compare_blocks(base: list[Summary], new: list[Summary]) -> dict[str, Verdict]:
    """Return the verdict of each gating metric, as ``connstorm compare`` does."""
    comparisons = []
    for name in GATING_METRICS:
        metric = find_metric(name)
        old, fresh = ({block: metric.value(summary) for block, summary in enumerate(arm)} for arm in (base, new))
        old, fresh = ({block: value for block, value in arm.items() if value is not None} for arm in (old, fresh))
        estimate = median_interval(list(old.values()))
        threshold = default_threshold(metric, estimate, attempts=ATTEMPTS)
        comparisons.append(
            compare_values("cell", "base", "new", metric, old, fresh, unit=Unit.BLOCK, threshold=threshold, gating=True)
        )
    return {comparison.metric: comparison.verdict for comparison in decide(comparisons)}


def share_text(count: int, total: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{count} of {total}: {100 * count / total:.1f} % ({100 * interval.low:.1f}–{100 * interval.high:.1f} %)"


def report_progress(text: str) -> None:
    """Write a line on the progress to standard error."""
    sys.stderr.write(f"{text}\n")


def compare_with_themselves(count: int, generator: random.Random) -> list[str]:
    """Compare arms with themselves; return table rows."""
    rows, alarmed, made = [], 0, 0
    for index, pair in enumerate(PAIRS):
        source = run_blocks([pair.base, pair.base], generator)
        alarms = 0
        comparisons = count // len(PAIRS) + (index < count % len(PAIRS))
        seen: Counter[Verdict] = Counter()
        for number in range(comparisons):
            base, new = zip(*itertools.islice(source, BLOCKS), strict=True)
            verdicts = compare_blocks(list(base), list(new))
            seen.update(verdicts.values())
            alarms += any(verdict in (Verdict.REGRESSED, Verdict.IMPROVED) for verdict in verdicts.values())
            if number % 10 == 9:
                report_progress(f"A/A {index + 1}: {number + 1} of {comparisons}, {alarms} alarms")
        alarmed, made = alarmed + alarms, made + comparisons
        counts = ", ".join(f"{verdict} {seen[verdict]}" for verdict in Verdict if seen[verdict])
        rows.append(f"| {pair.name.split(':')[0]}: its base arm | {share_text(alarms, comparisons)} | {counts} |")
    rows.append(f"| **all** | **{share_text(alarmed, made)}** | |")
    return rows


def compare_with_worse(count: int, generator: random.Random) -> list[str]:
    """Compare arms with worse ones; return table rows."""
    rows = []
    for index, pair in enumerate(PAIRS):
        source = run_blocks([pair.base, pair.worse], generator)
        hits = 0
        seen: Counter[str] = Counter()
        for number in range(count):
            base, new = zip(*itertools.islice(source, BLOCKS), strict=True)
            verdicts = compare_blocks(list(base), list(new))
            hits += verdicts[pair.shows] is Verdict.REGRESSED
            seen.update(name for name, verdict in verdicts.items() if verdict is Verdict.REGRESSED)
            if number % 10 == 9:
                report_progress(f"B/A {index + 1}: {number + 1} of {count}, {hits} found")
        regressed = ", ".join(f"`{name}` {seen[name]}" for name in GATING_METRICS if seen[name])
        rows.append(f"| {pair.name} | `{pair.shows}` | {share_text(hits, count)} | {regressed} |")
    return rows


def storm_tables(options: argparse.Namespace) -> list[str]:
    """Run the storms that the options ask for; return their tables."""
    facts = host.read_host()
    return [
        (
            f"Linux {facts.kernel}, {facts.cpu}, {facts.cpus} virtual CPUs. A comparison is {BLOCKS} blocks of two "
            f"trials, each of {ATTEMPTS:,} attempts in a network namespace of its own, over the gating family: "
            f"{', '.join(f'`{name}`' for name in GATING_METRICS)} (Holm, 5 %). Seed {options.seed}. "
            "Intervals of shares: Wilson, 95 %."
        ),
        "",
        "### The same arm, twice",
        "",
        "| arm | false alarms, any metric | verdicts |",
        "| --- | --- | --- |",
        *compare_with_themselves(options.aa, random.Random(options.seed)),
        "",
        "### A real regression",
        "",
        "| what is worse | must show in | detected | regressed |",
        "| --- | --- | --- | --- |",
        *compare_with_worse(options.ba, random.Random(options.seed + 1)),
    ]


def write_part(page: Path | None, name: str, lines: list[str]) -> None:
    """Print a part of the page, and write it where its marks are."""
    text = "\n".join(lines).strip("\n") + "\n"
    sys.stdout.write(text)
    if page is not None:
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
        head, _, rest = page.read_text().partition(begin)
        _, _, tail = rest.partition(end)
        page.write_text(f"{head}{begin}{text}{end}{tail}")


def main() -> None:
    """Run the comparisons that the options ask for, and write their parts of the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aa", type=int, default=200)
    parser.add_argument("--ba", type=int, default=60)
    parser.add_argument("--gates", type=int, default=2000)
    parser.add_argument("--suites", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path)
    options = parser.parse_args()
    fine = True
    if options.gates:
        tables, fine = simulation_tables(options.gates)
        write_part(options.table, "sessions", tables)
    if options.suites:
        tables, is_fine = survey_tables(options.suites)
        write_part(options.table, "surveys", tables)
        fine = fine and is_fine
    if options.aa and options.ba:
        write_part(options.table, "storms", storm_tables(options))
    sys.exit(not fine)


main()
