# SPDX-License-Identifier: MIT
"""The results of several storms against one external server as a text of ten lines at most. Imports no numpy."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from stress.model.summary import Body, Bound, Proof
from stress.model.text import plural
from stress.model.units import duration_text
from stress.run.external_call import Answer

PROOFS_SHOWN, HINTS_SHOWN = 3, 1
BODY = (("p50", "p50_ns"), ("p99", "p99_ns"), ("max", "max_ns"))


def summary_lines(answers: Sequence[Answer], metric: str, values_ns: Sequence[float | None]) -> list[str]:
    """Return outcomes, causes with their proof, the body, bounds, and what to do next, in ten lines at most.

    Args:
        answers: one per storm.
        metric: name of the time that is benchmarked.
        values_ns: of that metric, one per storm (ns); None where a storm has none.
    """
    summaries = [answer.summary for answer in answers]
    lines = [f"{plural(len(answers), 'storm')} against the server of others, as the last one saw it:"]
    lines.append(summaries[-1].verdict or "no verdict")
    lines.append(f"outcomes: {counts_text(sum_counts(summary.outcomes for summary in summaries))}")
    causes = sum_counts(summary.causes for summary in summaries)
    lines.append(f"causes:   {counts_text(causes)}")
    proofs = {proof.cause: proof for summary in summaries for proof in summary.proofs}
    lines += [proof_text(proof) for proof in list(proofs.values())[:PROOFS_SHOWN]]
    known_ns = [value for value in values_ns if value is not None]
    middle = f"; {metric} {duration_text(statistics.median(known_ns))}, median over storms" if known_ns else ""
    lines.append(f"body:     {body_text(summaries[-1].body)}{middle}")
    bounds = [bound for summary in summaries for bound in summary.bounds]
    hints = list(dict.fromkeys(hint for summary in summaries for hint in summary.hints))
    lines += [bound_text(bound) for bound in bounds[:1]] + [f"to do:    {hint}" for hint in hints[:HINTS_SHOWN]]
    named = [cause for cause in causes if cause not in ("none", "unknown")]
    if named and not hints:
        lines.append(f"to do:    connstorm explain --cause {max(named, key=causes.__getitem__)}")
    return lines


def proof_text(proof: Proof) -> str:
    """Return the sentence of a proof, with its grade."""
    return f"  {proof.cause.replace('_', ' ')} ({proof.grade}): {proof.text}"


def bound_text(bound: Bound) -> str:
    """Return how many attempts a cause explains that no single attempt can be given."""
    return f"bounds:   {bound.at_least:,} to {bound.at_most:,} of {bound.of:,} are {bound.cause.replace('_', ' ')}"


def body_text(body: Body) -> str:
    """Return some percentiles of the attempts that connected at once."""
    texts = [f"{name} {duration_text(value)}" for name, field in BODY if (value := getattr(body, field)) is not None]
    return ", ".join(texts) or "no attempt connected at once"


def counts_text(counts: Mapping[str, int]) -> str:
    """Return counts as ``4,985 none, 15 accept queue``, the largest first."""
    largest = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in largest) or "none"


def sum_counts(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of counts by name, without those that are 0."""
    total: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            if count:
                total[name] = total.get(name, 0) + count
    return total
