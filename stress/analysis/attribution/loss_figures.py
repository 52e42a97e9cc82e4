# SPDX-License-Identifier: MIT
"""What tells a limit of SYNs from random loss: how many of the first, second, third … SYNs got through."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.syns import Syns
from stress.model.run import Storm

STEPS = 3  # rungs on which there must have been SYNs enough for a limit to show
SPREAD = 0.25  # of the mean; SYNs that pass a limit at one rung differ by no more
LIMIT = "A limit"  # what the verdict begins with
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def passed_by_syn(attempts: npt.NDArray[Any]) -> list[tuple[int, int]]:
    """Return how many of the first, second, third … SYNs of all attempts got through, and how many were sent."""
    steps = []
    for number in range(int(attempts["retransmits"].max(initial=0)) + 1):
        sent = attempts[attempts["retransmits"] >= number]
        steps.append((int(((sent["retransmits"] == number) & (sent["error"] == 0)).sum()), len(sent)))
    return steps


def rate_limit_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield how many of the first, second, third … SYNs got through."""
    for ordinal, (passed, sent) in zip(ORDINALS, passed_by_syn(storm.attempts), strict=False):
        yield f"{ordinal} SYNs that got through", passed, f"of {sent:,}"


def rate_limit_verdict(storm: Storm, _: Syns) -> str:
    """Say whether it was a limit: a number of SYNs passes in a time, whatever the number that come."""
    steps = passed_by_syn(storm.attempts)
    rows = zip(ORDINALS, steps, strict=False)
    passed = ", ".join(f"{ordinal} {count:,} of {sent:,}" for ordinal, (count, sent) in rows)
    full = [count for count, sent in steps if count < sent]
    if len(full) < STEPS or not min(full):
        return f"Inconclusive: too few SYNs were sent again to tell a limit from random loss ({passed})."
    even = max(full) - min(full) <= SPREAD * sum(full) / len(full)
    shares = [count / sent for count, sent in steps]
    if even and shares[len(full) - 1] > 2 * shares[0]:
        return (
            f"{LIMIT}: of the SYNs got through {passed}. A fixed number passes in a time, whatever the number that "
            "come; random loss would let the same share of each pass."
        )
    return f"No limit shows: of the SYNs got through {passed}."
