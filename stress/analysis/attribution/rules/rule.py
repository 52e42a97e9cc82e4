# SPDX-License-Identifier: MIT
"""Rule: the evidence that a cause needs, the equation that must hold exactly, and the sentence of the proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.facts import Facts
from stress.model.outcome import Cause
from stress.model.summary import Grade

Mask = npt.NDArray[np.bool_]
NOT_LATE = "attempts whose answer cannot have been late"  # see ``lateness``


@dataclass(frozen=True)
class Match:
    """Where a rule holds.

    Attributes:
        attempts: shape (facts.rows,), which of the attempts that need an explanation it explains.
        grade: of this proof; None is the rule's own.
        figures: what the rule's sentence states.
    """

    attempts: Mask
    figures: Mapping[str, object] = field(default_factory=dict)
    grade: Grade | None = None


Prover = Callable[[Facts], Match | None]


@dataclass(frozen=True, kw_only=True)
class RuleText:
    """What a rule says of itself.

    Attributes:
        name: unique: the cause, and what tells this rule from others of the cause.
        cause: what it claims.
        grade: of its proof, at best.
        needs: the evidence, in words.
        equation: what must hold exactly, in the names of the kernel's counters or of header fields.
        sentence: states the proof; ``str.format`` with the figures of a match and ``attempts``.
        rests_on: counters of its equation that the books check too; where these do not balance, it claims nothing.
    """

    name: str
    cause: Cause
    grade: Grade
    needs: str
    equation: str
    sentence: str
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule(RuleText):
    """One way to prove a cause.

    Attributes:
        prove: finds where it holds; None where it does not.
    """

    prove: Prover
