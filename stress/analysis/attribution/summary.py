# SPDX-License-Identifier: MIT
"""The summary of a run."""

import errno
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution import scenario_figures
from stress.analysis.attribution.bands import count_bands, merge_bands
from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.external_verdict import external_verdict
from stress.analysis.attribution.findings import ActFindings, Findings, analyse_act
from stress.analysis.attribution.outcome import OUTCOMES
from stress.lab.census import state_name
from stress.model.attempt import STORM
from stress.model.chunk import chunks, count_values
from stress.model.latency_counts import LatencyCounts, count_latencies
from stress.model.run import Run
from stress.model.summary import ActSummary, Body, Claim, Evidence, Mines, OldSockets, Summary, Uses
from stress.model.units import SECOND_NS

BODY_THOUSANDTHS = (500, 900, 990, 999, 1000)  # the percentiles of the body


def analyse(run: Run, evidence: Iterable[Evidence] = (), *, use_events: bool = True) -> Findings:
    """Return outcome and cause of every attempt, the ladders, and the summary.

    Args:
        run: what was observed.
        evidence: packets of attempts that were captured.
        use_events: whether the kernel's own word counts as evidence, where there is one.
    """
    storms = run.storms()
    acts = [
        analyse_act(storm, [other for other in storms if other is not storm], use_events=use_events) for storm in storms
    ]
    return Findings(run, acts, summarise(run, acts, list(evidence)))


def summarise(run: Run, acts: list[ActFindings], evidence: list[Evidence]) -> Summary:
    """Return the numbers of a run."""
    claims = [claim for act in acts for claim in act.books]
    summaries = [summarise_act(act) for act in acts]
    # The servers of a capture are acts that went on at the same time.
    parts = [in_order(run.attempts)] if run.record.is_capture else [act.storm.attempts for act in acts]
    durations = [durations_s(part) for part in parts]
    storming_s = sum(starting_s for _, starting_s in durations)
    return Summary(
        attempts=len(run.attempts),
        duration_s=sum(duration_s for duration_s, _ in durations),
        rate_per_s=sum(max(len(part) - 1, 0) for part in parts) / storming_s if storming_s else 0.0,
        outcomes=add_counts(act.outcomes for act in summaries),
        causes=add_counts(act.causes for act in summaries),
        body=summaries[0].body
        if len(summaries) == 1
        else body_percentiles(count_latencies(part for act in acts for part in act.body_parts())),
        intended=intended_body(acts),
        bands=merge_bands(count_bands(act.retried_latencies_ns(), act.ladder) for act in acts),
        retransmits=int(run.attempts["retransmits"].sum(dtype=np.int64)),
        collisions=sum(int(act.syns.met_mine.sum()) for act in acts),
        mines=Mines(
            laid=sum(act.mines.laid for act in summaries if act.mines.laid and has_fresh_environment(run, act.act)),
            hit=sum(act.mines.hit for act in summaries),
            left=sum(act.mines.left for act in summaries if is_last_in_environment(run, act.act)),
        ),
        acts=summaries if len(summaries) > 1 else [],
        verdict=external_verdict(acts[0])
        if run.record.plan.is_external
        else scenario_figures.scenario_verdict([act.storm for act in acts], [act.syns for act in acts]),
        figures=[
            figure for act in acts for figure in scenario_figures.scenario_figures(act.storm, act.outcomes, act.syns)
        ],
        evidence=evidence,
        books=claims,
        warnings=[*run.record.warnings, *(describe_imbalance(run, claim) for claim in claims if not claim.balanced)],
        errnos=count_errnos(run.attempts["error"]),
        proofs=[proof for act in acts for proof in act.proofs],
        bounds=[bound for act in acts for bound in act.bounds],
        old_sockets=[group for act in acts for group in group_old_sockets(act)],
        uses=summarise_uses(acts),
        hints=[f"{act.storm.act.name}: {hint}" if len(acts) > 1 else hint for act in acts for hint in act.hints],
    )


def group_old_sockets(act: ActFindings) -> list[OldSockets]:
    """Return the mines of an act by state, the most frequent first."""
    mines, groups = act.storm.mines, []
    for state in np.unique(mines["state"]).tolist():
        ages_ms = mines["age_ms"][mines["state"] == state]
        known_ms = ages_ms[ages_ms >= 0]
        youngest_ms, oldest_ms = (int(known_ms.min()), int(known_ms.max())) if len(known_ms) else (None, None)
        groups.append(
            OldSockets(
                act=act.storm.act.name,
                state=state_name(state),
                count=len(ages_ms),
                youngest_ms=youngest_ms,
                oldest_ms=oldest_ms,
            )
        )
    return sorted(groups, key=lambda group: -group.count)


def count_errnos(errors: npt.NDArray[np.uint8]) -> dict[str, int]:
    """Return how often each errno occurs, by its name, the most frequent first."""
    counts = count_values(errors)
    numbers = sorted(np.flatnonzero(counts).tolist(), key=lambda number: -counts[number])
    return {errno.errorcode.get(number, str(number)): int(counts[number]) for number in numbers if number}


def has_fresh_environment(run: Run, act: str) -> bool:
    """Return whether an environment of its own was made for an act."""
    return next(record.plan.fresh for record in run.record.acts if record.name == act)


def is_last_in_environment(run: Run, act: str) -> bool:
    """Return whether an act is the last one in its environment."""
    following = [record.name for record in run.record.acts].index(act) + 1
    return following == len(run.record.acts) or run.record.acts[following].plan.fresh


def summarise_act(act: ActFindings) -> ActSummary:
    """Return the numbers of one storm."""
    return ActSummary(
        act=act.storm.act.name,
        attempts=len(act.outcomes),
        outcomes=count_by_name(act.outcomes, OUTCOMES),
        causes=count_by_name(act.causes, CAUSES),
        body=body_percentiles(count_latencies(act.body_parts())),
        mines=act.mines(),
        uses=summarise_uses([act]),
    )


def summarise_uses(acts: list[ActFindings]) -> Uses | None:
    """Return how the uses of acts ended; None where no connection was used."""
    acts = [act for act in acts if len(act.storm.uses)]
    if not acts:
        return None
    uses = np.concatenate([act.storm.uses for act in acts])
    in_storm = np.concatenate([act.storm.attempts["phase"] == STORM for act in acts])
    answered = (uses["use_ns"] > 0) & (uses["error"] == 0)
    return Uses(
        int(answered.sum()),
        count_errnos(uses["error"]),
        body_percentiles(count_latencies([uses["use_ns"][answered & in_storm]])),
    )


def count_by_name(codes: npt.NDArray[np.uint8], names: list[Any]) -> dict[str, int]:
    """Return how often each code occurs, by name."""
    return dict(zip(map(str, names), count_values(codes, len(names)).tolist(), strict=True))


def add_counts(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the sums of counts by name."""
    total: dict[str, int] = {}
    for part in parts:
        total = {name: total.get(name, 0) + count for name, count in part.items()}
    return total


def in_order(attempts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return attempts in the order of their starts."""
    ordered: npt.NDArray[Any] = attempts[np.argsort(attempts["start_ns"], kind="stable")]
    return ordered


def durations_s(attempts: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the time from the first start to the last end, and that from the first to the last start, in s."""
    if not len(attempts):
        return 0.0, 0.0
    starts = attempts["start_ns"]
    end_ns = 0
    for rows in chunks(len(attempts)):
        part = attempts[rows]
        end_ns = max(end_ns, int((part["start_ns"] + part["latency_ns"] + part["close_ns"]).max()))
    return (end_ns - int(starts[0])) / SECOND_NS, int(starts[-1] - starts[0]) / SECOND_NS


def body_percentiles(latencies: LatencyCounts) -> Body:
    """Return percentiles of the latencies of attempts that connected at once."""
    if not len(latencies):
        return Body(None, None, None, None, None)
    return Body(*latencies.quantiles_ns(*BODY_THOUSANDTHS))


def intended_body(acts: list[ActFindings]) -> Body | None:
    """Return the body's percentiles counted from the intended start of each attempt; None unless the load was paced.

    The delay of a late start belongs to the latency that a client would have seen. Leaving it out is coordinated
    omission.
    """
    paced = [act for act in acts if act.storm.act.plan.rate_per_s]
    if not paced:
        return None
    return body_percentiles(count_latencies(part for act in paced for part in act.body_parts(intended=True)))


def describe_imbalance(run: Run, claim: Claim) -> str:
    """Return the warning that a claim and its counter differ."""
    where = f" in act {claim.act}" if len(run.record.acts) > 1 else ""
    return (
        f"The books do not balance{where}: {claim.value:,} {claim.claim}, but {claim.counter} is {claim.delta:,} "
        f"(a difference of {claim.delta - claim.value:+,})."
    )
