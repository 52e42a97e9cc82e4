# SPDX-License-Identifier: MIT
"""The summary of a run."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.books import books
from stress.analysis.cause import CAUSES, cause_codes
from stress.analysis.collision import collided, tuple_keys
from stress.analysis.ladder import Ladder, ladder
from stress.analysis.outcome import OUTCOMES, outcome_codes
from stress.model.attempt import STORM
from stress.model.outcome import Outcome
from stress.model.record import Mines
from stress.model.run import Run
from stress.model.summary import Band, Body, Claim, Summary

SECOND_NS = 1_000_000_000
OFF_LADDER = "off the ladder"
QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class Findings:
    """What is known of a run and of each of its attempts.

    Attributes:
        run: what was observed.
        outcomes: shape (attempts,), index into OUTCOMES.
        collided: shape (attempts,), whether the attempt's SYN met a mine.
        causes: shape (attempts,), index into CAUSES.
        ladder: of the kernel and settings that the run was made on.
        summary: all of it in numbers.
    """

    run: Run
    outcomes: npt.NDArray[np.uint8]
    collided: npt.NDArray[np.bool_]
    causes: npt.NDArray[np.uint8]
    ladder: Ladder
    summary: Summary


def analyse(run: Run) -> Findings:
    """Return outcome and cause of every attempt, the ladder, and the summary."""
    outcomes = outcome_codes(run.attempts)
    met_mine = collided(run)
    causes = cause_codes(run, outcomes, met_mine)
    rungs = ladder(run.record.host)
    return Findings(run, outcomes, met_mine, causes, rungs, summarise(run, outcomes, met_mine, causes, rungs))


def summarise(
    run: Run,
    outcomes: npt.NDArray[np.uint8],
    met_mine: npt.NDArray[np.bool_],
    causes: npt.NDArray[np.uint8],
    rungs: Ladder,
) -> Summary:
    """Return the numbers that a run comes down to."""
    attempts = run.attempts
    claims = books(run, met_mine)
    duration_s, rate_per_s = pace(attempts)
    return Summary(
        attempts=len(attempts),
        duration_s=duration_s,
        rate_per_s=rate_per_s,
        outcomes=counts(outcomes, OUTCOMES),
        causes=counts(causes, CAUSES),
        body=body(attempts[(outcomes == OUTCOMES.index(Outcome.CONNECTED)) & (attempts["phase"] == STORM)]),
        bands=bands(attempts["latency_ns"][outcomes == OUTCOMES.index(Outcome.RETRIED)], rungs),
        retransmits=int(attempts["retransmits"].sum(dtype=np.int64)),
        collisions=int(met_mine.sum()),
        mines=Mines(
            laid=len(run.mines),
            found=len(np.unique(tuple_keys(attempts[met_mine]))),
            left=run.record.mines_left,
        ),
        books=claims,
        warnings=[*run.record.warnings, *(imbalance(claim) for claim in claims if not claim.balanced)],
    )


def counts(codes: npt.NDArray[np.uint8], names: list[Any]) -> dict[str, int]:
    """Return how often each code occurs, by name."""
    return dict(zip(map(str, names), np.bincount(codes, minlength=len(names)).tolist(), strict=True))


def pace(attempts: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the time from the first start to the last end (s), and starts per second."""
    if not len(attempts):
        return 0.0, 0.0
    starts = attempts["start_ns"]
    end_ns = int((starts + attempts["latency_ns"] + attempts["close_ns"]).max())
    starting_ns = int(starts[-1] - starts[0])
    rate = (len(attempts) - 1) * SECOND_NS / starting_ns if starting_ns else 0.0
    return (end_ns - int(starts[0])) / SECOND_NS, rate


def body(attempts: npt.NDArray[Any]) -> Body:
    """Return latency percentiles of attempts that connected at once."""
    if not len(attempts):
        return Body(None, None, None, None, None)
    return Body(*map(int, np.quantile(attempts["latency_ns"], QUANTILES, method="inverted_cdf")))


def bands(latencies_ns: npt.NDArray[np.int64], rungs: Ladder) -> list[Band]:
    """Count retried attempts by the first rung that they fit; those on no rung make a band of their own."""
    found = []
    for rung in ((rungs.fast,) if rungs.fast else ()) + rungs.rungs:
        inside = (latencies_ns >= rung.from_ns) & (latencies_ns <= rung.to_ns)
        found.append(Band(rung.label, rung.from_ns, rung.to_ns, int(inside.sum())))
        latencies_ns = latencies_ns[~inside]
    if len(latencies_ns):
        found.append(Band(OFF_LADDER, int(latencies_ns.min()), int(latencies_ns.max()), len(latencies_ns)))
    return found


def imbalance(claim: Claim) -> str:
    """Say that a claim and its counter differ."""
    return (
        f"The books do not balance: {claim.value:,} {claim.claim}, but {claim.counter} is {claim.delta:,} "
        f"(a difference of {claim.delta - claim.value:+,})."
    )
