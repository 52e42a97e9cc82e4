# SPDX-License-Identifier: MIT
"""Why each attempt was slow or failed: the first rule that holds for it names its cause."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.analysis.attribution.rules.rule import Match, Rule
from stress.analysis.attribution.rules.table import COLLISIONS, RULES
from stress.model.outcome import Cause
from stress.model.summary import Claim, Proof

CAUSES = list(Cause)  # the code of a cause is its index
NONE, UNKNOWN = CAUSES.index(Cause.NONE), CAUSES.index(Cause.UNKNOWN)
NO_PROOF = 255  # the code of an attempt whose cause no rule claimed


@dataclass(frozen=True)
class Causes:
    """The causes of a storm.

    Attributes:
        codes: shape (attempts,), index into CAUSES.
        proofs: one for each rule that named the cause of an attempt.
        proof_codes: shape (attempts,), index into proofs of the rule that claimed its cause, or NO_PROOF.
    """

    codes: npt.NDArray[np.uint8]
    proofs: list[Proof]
    proof_codes: npt.NDArray[np.uint8]


def attribute_causes(facts: Facts, books: Iterable[Claim] = ()) -> Causes:
    """Return each attempt's cause, and by which rules it was claimed.

    An attempt that no rule covers has the cause UNKNOWN; one that connected at once has nothing to explain.

    Args:
        facts: of the storm.
        books: its claims; a rule that rests on a counter of one that does not balance claims nothing.
    """
    codes = np.full(len(facts.storm.attempts), NONE, np.uint8)
    causes = np.full(len(facts.rows), UNKNOWN, np.uint8)
    proved_by = np.full(len(facts.rows), NO_PROOF, np.uint8)
    unbalanced = [claim.counter for claim in books if not claim.balanced]
    proofs: list[Proof] = []
    for rule in RULES:
        if any(counter in text for counter in rule.rests_on for text in unbalanced):
            continue
        match = rule.prove(facts)
        if match is None:
            continue
        claimed = match.attempts & (causes == UNKNOWN)
        delayed_too = 0
        if rule.cause not in COLLISIONS:
            collided = np.isin(causes, [CAUSES.index(cause) for cause in COLLISIONS])
            delayed_too = int((match.attempts & collided).sum())
        causes[claimed] = CAUSES.index(rule.cause)
        proved_by[claimed] = len(proofs)
        if claimed.any() or delayed_too:
            proofs.append(state_proof(facts, rule, match, int(claimed.sum()), delayed_too))
    codes[facts.rows] = causes
    proof_codes = np.full(len(codes), NO_PROOF, np.uint8)
    proof_codes[facts.rows] = proved_by
    return Causes(codes, proofs, proof_codes)


def state_proof(facts: Facts, rule: Rule, match: Match, attempts: int, delayed_too: int) -> Proof:
    """Return the proof of a match, in words."""
    return Proof(
        act=facts.storm.act.name,
        cause=str(rule.cause),
        rule=rule.name,
        grade=match.grade or rule.grade,
        attempts=attempts,
        text=rule.sentence.format(attempts=attempts, **match.figures),
        also=delayed_too,
    )
