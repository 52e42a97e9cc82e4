# SPDX-License-Identifier: MIT
"""Findings: a run with outcome and cause of each of its attempts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.at_once import needs_explanation
from stress.analysis.attribution.books import check_books
from stress.analysis.attribution.bounds import bound_causes
from stress.analysis.attribution.cause import CAUSES, attribute_causes
from stress.analysis.attribution.collision import detect_collisions
from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.hints import hint_unknown
from stress.analysis.attribution.ladder import Ladder, build_ladder
from stress.analysis.attribution.outcome import OUTCOMES, outcome_codes
from stress.analysis.attribution.packets.cause import attribute_packets
from stress.analysis.attribution.packets.facts import PacketFacts
from stress.analysis.attribution.packets.hints import hint_packets
from stress.analysis.attribution.syns import TIME_WAIT, Syns, classify_syns, no_syns
from stress.model.attempt import STORM
from stress.model.chunk import chunks
from stress.model.outcome import Cause, Outcome
from stress.model.plan import EvidenceSource
from stress.model.run import Run, Storm, no_events
from stress.model.summary import Bound, Claim, Mines, Proof, Summary


@dataclass(frozen=True)
class ActFindings:
    """A storm with outcome and cause of each of its attempts.

    Attributes:
        storm: what was observed.
        ladder: of the kernel and settings of this storm.
        outcomes: shape (attempts,), index into OUTCOMES.
        syns: what happened to the SYNs of each attempt.
        causes: shape (attempts,), index into CAUSES.
        books: claims on the attempts, checked against the counters.
        proofs: by which rules causes were claimed.
        proof_codes: shape (attempts,), index into proofs of the rule that claimed the cause, or NO_PROOF.
        bounds: on the causes of attempts that are unknown one by one.
        hints: what would tell the causes that are unknown.
    """

    storm: Storm
    ladder: Ladder
    outcomes: npt.NDArray[np.uint8]
    syns: Syns
    causes: npt.NDArray[np.uint8]
    books: list[Claim]
    proofs: list[Proof]
    proof_codes: npt.NDArray[np.uint8]
    bounds: list[Bound]
    hints: list[str]

    @cached_property
    def drawn_causes(self) -> npt.NDArray[np.uint8]:
        """Index into CAUSES of what pictures show of each attempt, shape (attempts,).

        A try of a capture that connected at once has an unknown cause where a SYN before the capture may be missing. It
        is no trouble that anybody saw.
        """
        if self.storm.act.evidence is not EvidenceSource.PACKETS:
            return self.causes
        at_once = (self.outcomes == OUTCOMES.index(Outcome.CONNECTED)) & (self.causes == CAUSES.index(Cause.UNKNOWN))
        return np.where(at_once, np.uint8(CAUSES.index(Cause.NONE)), self.causes)

    def is_body(self) -> npt.NDArray[np.bool_]:
        """Return whether each attempt connected at once, warm-up left out, shape (attempts,)."""
        at_once = self.outcomes == OUTCOMES.index(Outcome.CONNECTED)
        in_body: npt.NDArray[np.bool_] = at_once & (self.storm.attempts["phase"] == STORM)
        return in_body

    def body_parts(self, *, intended: bool = False) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the latencies of the body's attempts part by part; with ``intended`` from their intended start."""
        body = self.is_body()
        for rows in chunks(len(body)):
            part, own = self.storm.attempts[rows], body[rows]
            latencies_ns = part["latency_ns"][own]
            yield latencies_ns + part["lag_us"][own].astype(np.int64) * 1000 if intended else latencies_ns

    def retried_latencies_ns(self) -> npt.NDArray[np.int64]:
        """Return the latencies of the attempts that connected only after a SYN sent again, warm-up included."""
        retried = self.outcomes == OUTCOMES.index(Outcome.RETRIED)
        latencies_ns: npt.NDArray[np.int64] = self.storm.attempts["latency_ns"][retried]
        return latencies_ns

    def mines(self) -> Mines:
        """Return how many mines were laid, found and left."""
        return Mines(
            laid=self.storm.act.mines_laid,
            hit=len(np.unique(self.storm.tuples(self.storm.attempts[self.syns.met_mine]))),
            left=int((self.storm.mines["left"] & (self.storm.mines["state"] != TIME_WAIT)).sum()),
        )


@dataclass(frozen=True)
class Findings:
    """A run with outcome and cause of each attempt; its arrays are those of its acts, one after the other.

    Attributes:
        run: what was observed.
        acts: the findings of each storm.
        summary: the numbers of the run.
    """

    run: Run
    acts: list[ActFindings]
    summary: Summary

    @cached_property
    def outcomes(self) -> npt.NDArray[np.uint8]:
        """Index into OUTCOMES, shape (attempts,)."""
        return together([act.outcomes for act in self.acts])

    @cached_property
    def causes(self) -> npt.NDArray[np.uint8]:
        """Index into CAUSES, shape (attempts,)."""
        return together([act.causes for act in self.acts])

    @cached_property
    def drawn_causes(self) -> npt.NDArray[np.uint8]:
        """Index into CAUSES of what pictures show, shape (attempts,)."""
        return together([act.drawn_causes for act in self.acts])

    @cached_property
    def collided(self) -> npt.NDArray[np.bool_]:
        """Whether the attempt's SYN met a mine, shape (attempts,)."""
        return together([act.syns.met_mine for act in self.acts])

    @property
    def ladder(self) -> Ladder:
        """The first storm's ladder; the acts of a run rarely have different ones."""
        return self.acts[0].ladder


def together(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the arrays of all acts as one; that of a single act is not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def analyse_act(storm: Storm, others: Sequence[Storm] = (), *, use_events: bool = True) -> ActFindings:
    """Return outcome and cause of each attempt of one storm.

    Args:
        storm: what was observed.
        others: the other acts of the run, with which it may be compared.
        use_events: whether the kernel's own word counts as evidence, where there is one.
    """
    if not use_events:
        storm = replace(storm, events=no_events(), act=msgspec.structs.replace(storm.act, kernel_word=None))
    if storm.act.evidence is EvidenceSource.PACKETS:
        return analyse_capture(storm)
    outcomes = outcome_codes(storm.attempts, storm.act.address)
    rungs = build_ladder(storm.host, storm.act.sysctls)
    syns = classify_syns(storm, detect_collisions(storm), rungs)
    rows = needs_explanation(outcomes, storm)
    facts = Facts(storm, rungs, rows, outcomes[rows], syns.at(rows), others)
    books = check_books(storm, syns)
    causes = attribute_causes(facts, books)
    return ActFindings(
        storm=storm,
        ladder=rungs,
        outcomes=outcomes,
        syns=syns,
        causes=causes.codes,
        books=books,
        proofs=causes.proofs,
        proof_codes=causes.proof_codes,
        bounds=bound_causes(facts, causes.codes),
        hints=hint_unknown(facts, causes.codes),
    )


def analyse_capture(storm: Storm) -> ActFindings:
    """Return outcome and cause of each connection try of a capture, which says nothing but what its packets say."""
    facts = PacketFacts(storm.attempts, outcome_codes(storm.attempts, storm.act.address), storm.flows)
    causes = attribute_packets(facts, storm.act.name)
    return ActFindings(
        storm=storm,
        ladder=build_ladder(storm.host, storm.act.sysctls),
        outcomes=facts.outcomes,
        syns=no_syns(len(storm.attempts)),
        causes=causes.codes,
        books=[],
        proofs=causes.proofs,
        proof_codes=causes.proof_codes,
        bounds=[],
        hints=hint_packets(facts, causes.codes),
    )
