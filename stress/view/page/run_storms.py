# SPDX-License-Identifier: MIT
"""The acts of a run as storms of the timeline."""

from collections.abc import Iterator

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import Findings
from stress.model.outcome import Cause
from stress.view.page.attempt_columns import TimelineStorm


def run_storms(findings: Findings, run: str, label: str) -> Iterator[TimelineStorm]:
    """Yield each act of a run.

    Args:
        findings: the run.
        run: what `connstorm show` understands.
        label: the run in a few words; the name of the act is added where there are several.
    """
    first = 0
    for act in findings.acts:
        name = act.storm.act.name
        causes = act.drawn_causes
        yield TimelineStorm(
            label=f"{label} · {name}" if len(findings.acts) > 1 else label,
            run=run,
            act=name,
            attempts=act.storm.attempts,
            is_body=act.is_body() & (causes == CAUSES.index(Cause.NONE)),
            causes=causes,
            proofs=act.proof_codes,
            proof_names=[f"{proof.rule} ({proof.grade})" for proof in act.proofs],
            first=first,
        )
        first += len(act.storm.attempts)
