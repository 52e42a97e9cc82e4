# SPDX-License-Identifier: MIT
"""Can the marks of a suite be trusted? Simulated suites of which nothing changes, and bursts that few trials miss.

``python benchmarks/surveys.py [--suites 2000]`` prints the tables; ``validate.py`` writes them into its page.
"""

import argparse
import sys
import textwrap
from multiprocessing import Pool
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests")]

import numpy as np  # noqa: E402  # the path comes first
from scipy.stats import binomtest  # noqa: E402
from suite_builders import a_summary, alike, trials_of  # noqa: E402  # tests are no package

from stress.analysis.comparison.compare import decide  # noqa: E402
from stress.analysis.comparison.suite_comparison import compare_cell, compare_cells  # noqa: E402
from stress.analysis.comparison.verdict import ALPHA, Verdict  # noqa: E402
from stress.analysis.metric import find_metric  # noqa: E402

PROCESSES = 2
TRIALS = (5, 7, 14, 20)
BURST_TRIALS = (5, 8, 14, 20)
BURST_SHARES = (0.2, 0.05)  # of the trials that have a burst
BURST = 0.1  # of a trial's attempts, which fail
ATTEMPTS = 28_000


def count_marks(seed: int, blocks: int) -> int:
    """Return how many comparisons of one suite of which nothing changes are marked."""
    effects = compare_cells(alike(np.random.default_rng([blocks, seed]), blocks)).effects
    return sum(effect.changes for effect in effects.values())


def is_called_equivalent(seed: int, trials: int, share: float) -> bool:
    """Return whether an arm with bursts in a share of its trials is called equivalent to one without."""
    rng = np.random.default_rng([trials, int(100 * share), seed])
    bursts = [{"timed_out": int(BURST * ATTEMPTS)} if rng.random() < share else {} for _ in range(trials)]
    arms = [trials_of_errors(bursts), trials_of_errors([{}] * trials)]
    (comparison,) = decide([compare_cell(*arms, find_metric("errors_per_million"))])
    return comparison.verdict is Verdict.EQUIVALENT


def trials_of_errors(ends: list[dict[str, int]]):  # type: ignore[no-untyped-def]  # builders of tests have no types
    """Return a cell whose trials failed so often."""
    return trials_of([a_summary(attempts=ATTEMPTS, **end) for end in ends])


def share_text(count: int, total: int) -> str:
    """Return a share with its 95 % interval (Wilson 1927)."""
    interval = binomtest(count, total).proportion_ci(method="wilson")
    return f"{100 * count / total:.1f} % ({100 * interval.low:.1f}–{100 * interval.high:.1f})"


def survey_tables(suites: int) -> tuple[list[str], bool]:
    """Return the tables, and whether every figure is as wanted: the lower end of its interval is at most 5 %."""
    about = (
        f"Suites of a baseline and ten cells in seven metrics, {suites:,} for each number of trials. Blocks differ by "
        "5 %, trials by 3 % (p99: 10 %), counts are overdispersed, and errors come in bursts."
    )
    lines = [
        *textwrap.wrap(about, 120),
        "",
        "| trials | suites with a mark, though nothing changes | comparisons that are marked |",
        "| ---: | ---: | ---: |",
    ]
    fine = True
    with Pool(PROCESSES) as pool:
        for blocks in TRIALS:
            marks = pool.starmap(count_marks, ((seed, blocks) for seed in range(suites)), chunksize=20)
            wrong = sum(map(bool, marks))
            fine &= binomtest(wrong, suites).proportion_ci(method="wilson").low <= ALPHA
            lines.append(f"| {blocks} | {share_text(wrong, suites)} | {share_text(sum(marks), 70 * suites)} |")
        lines += [
            "",
            f"An arm in which a share of the trials has {BURST:.0%} errors, and one without any:".replace("%", " %"),
            "",
            "| trials | called equivalent, bursts in one trial of 5 | in one trial of 20 |",
            "| ---: | ---: | ---: |",
        ]
        for trials in BURST_TRIALS:
            texts = []
            for share in BURST_SHARES:
                jobs = ((seed, trials, share) for seed in range(suites))
                called = sum(pool.starmap(is_called_equivalent, jobs, chunksize=50))
                low = binomtest(called, suites).proportion_ci(method="wilson").low
                fine &= share < max(BURST_SHARES) or low <= ALPHA
                texts.append(share_text(called, suites))
            lines.append(f"| {trials} | {' | '.join(texts)} |")
    return lines, fine


def main() -> None:
    """Print the tables; end with 1 when a figure is not as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--suites", type=int, default=2000)
    lines, fine = survey_tables(parser.parse_args().suites)
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(not fine)


if __name__ == "__main__":
    main()
