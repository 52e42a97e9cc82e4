# SPDX-License-Identifier: MIT
"""Sessions: the change between two arms whose runs were made at different times.

All trials of a session share what the machine was like meanwhile, so the session is the unit: more trials of it do not
say more of how sessions differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stress.analysis.statistics.trials import CONFIDENCE_LEVEL, Kind
from stress.analysis.statistics.two_sample import Contrast, unpaired_contrast


@dataclass(frozen=True)
class SessionSpread:
    """How far sessions of one machine differ when nothing changes.

    Attributes:
        sd: standard deviation of the value of one session, the noise of its trials included; of a ratio that of its
            logarithm.
        df: degrees of freedom of that estimate.
    """

    sd: float
    df: int


def session_contrast(
    base: Sequence[float],
    new: Sequence[float],
    kind: Kind,
    spread: SessionSpread | None = None,  # noqa: ARG001  # what sessions differ by is not used before it is measured
    level: float = CONFIDENCE_LEVEL,
) -> Contrast | None:
    """Return the change between two arms with one value per session; None for one session each, which cannot say it.

    Args:
        base: of the base arm.
        new: of the new arm.
        kind: how they are compared.
        spread: what sessions differ by, if it is known.
        level: coverage that the interval shall have.

    Raises:
        ValueError: as ``unpaired_contrast``.
    """
    return unpaired_contrast(base, new, kind, level) if max(len(base), len(new)) > 1 else None
