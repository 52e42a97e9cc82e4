# SPDX-License-Identifier: MIT
"""The kernel's own word on listeners: why it dropped their packets, and why they sent resets."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab.kernel_word.program import RESET
from stress.lab.kernel_word.word import name_reason
from stress.lab.listening import ListeningSocket
from stress.model.text import endpoint_text


def count_by_listener(
    events: npt.NDArray[Any],
    listeners: Sequence[ListeningSocket],
    drop_reasons: dict[int, str],
    reset_reasons: dict[int, str],
) -> dict[str, Counter[str]]:
    """Count events at each listener that has any: ``{"127.0.0.1:8080": {"drop NETFILTER_DROP": 3}}``.

    An event is at a listener when either end of its packet is there; of two the more specific one has it.

    Args:
        events: shape (events,), dtype kernel_word.events.EVENT, of one namespace.
        listeners: all of that namespace.
        drop_reasons: names by number.
        reset_reasons: names by number.
    """

    def name_event(kind: int, number: int) -> str:
        kind_name, names = ("reset", reset_reasons) if kind == RESET else ("drop", drop_reasons)
        return f"{kind_name} {name_reason(names, number)}"

    counts: dict[str, Counter[str]] = {}
    is_free = np.ones(len(events), np.bool_)
    for listener in sorted(listeners, key=lambda one: one.is_bound_to_any):
        mask = is_free & (is_end(events, listener, "source") | is_end(events, listener, "destination"))
        is_free &= ~mask
        kinds, numbers = events["kind"][mask].tolist(), events["reason"][mask].tolist()
        reasons = Counter(map(name_event, kinds, numbers))
        if reasons:
            counts.setdefault(endpoint_text(listener.address, listener.port), Counter()).update(reasons)
    return counts


def is_end(events: npt.NDArray[Any], listener: ListeningSocket, side: str) -> npt.NDArray[np.bool_]:
    """Return which events have an end where a listener listens, shape (events,).

    Args:
        events: as of ``count_by_listener``.
        listener: one.
        side: the end, ``source`` or ``destination``.
    """
    at_port: npt.NDArray[np.bool_] = events[f"{side}_port"] == listener.port
    own = ip_address(listener.address)
    mapped = getattr(own, "ipv4_mapped", None)
    if listener.is_bound_to_any:
        families = [own.version] if own.version == 4 or listener.is_v6only else [4, 6]
        return at_port & np.isin(events["family"], families)
    address = mapped or own
    packed = np.array(address.packed.ljust(16, b"\0"), "V16")
    is_same: npt.NDArray[np.bool_] = (events["family"] == address.version) & (events[side] == packed)
    return at_port & is_same
