# SPDX-License-Identifier: MIT
"""The word of both kernels on one act across a link, as that of one kernel."""

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.model import record
from stress.model.run import DROP_EVENT, RESET_EVENT, no_events
from stress.storm.kernel_hearing import KernelHearing
from stress.storm.peer.far_host import FarHost


class PeerHearing:
    """Listens to both kernels: to this one from now on, and to the other, which was asked before."""

    def __init__(self, near: KernelHearing, far: FarHost, first_address: int) -> None:
        """Take both; the number is that of the act's first pair of addresses."""
        self.near = near
        self.far = far
        self.first_address = first_address

    def end(self, epoch_ns: int) -> tuple[npt.NDArray[Any], record.KernelWord | None]:
        """Stop listening; return the events of both, in the client's clock, and what is said of them.

        Nothing where the clocks of both hosts cannot be compared.

        Args:
            epoch_ns: of the run (CLOCK_MONOTONIC).
        """
        events, word = self.near.end(epoch_ns)
        far_events, far_word = self.far.end_hearing()
        if self.far.clocks is None:
            return no_events(), None
        far_events["time_ns"] = self.far.clocks.convert(far_events["time_ns"]) - epoch_ns
        far_events["address"] += self.first_address
        drop_reasons = renumber(far_events, DROP_EVENT, far_word.drop_reasons, word.drop_reasons)
        reset_reasons = renumber(far_events, RESET_EVENT, far_word.reset_reasons, word.reset_reasons)
        both = np.concatenate([events, far_events])
        merged = record.KernelWord(
            lost=word.lost + far_word.lost,
            complete=word.complete and far_word.complete,
            counts=dict(sorted((Counter(word.counts) + Counter(far_word.counts)).items())),
            drop_reasons=drop_reasons,
            reset_reasons=reset_reasons,
        )
        return both[np.argsort(both["time_ns"], kind="stable")], merged


def renumber(events: npt.NDArray[Any], kind: int, names: dict[str, str], known: dict[str, str]) -> dict[str, str]:
    """Give the reasons of another kernel's events the numbers that this one's have; return the names of all.

    Each kernel numbers its reasons itself (enum skb_drop_reason), and each version anew.

    Args:
        events: of the other kernel, shape (events,), dtype KERNEL_EVENT; changed in place.
        kind: those to look at: DROP_EVENT or RESET_EVENT.
        names: of the other kernel's reasons by number.
        known: of this kernel's reasons by number.
    """
    merged, numbers = dict(known), {name: number for number, name in known.items()}
    reasons = events["reason"].copy()
    for number, name in names.items():
        if name not in numbers:
            free = number if number not in merged else str(max(map(int, (*merged, *names))) + 1)
            numbers[name], merged[free] = free, name
        events["reason"][(reasons == int(number)) & (events["kind"] == kind)] = int(numbers[name])
    return merged
