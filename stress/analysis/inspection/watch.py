# SPDX-License-Identifier: MIT
"""What changed while a namespace was watched."""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from stress.analysis.inspection.identities import CONNTRACK, explain_changes
from stress.lab import census, counters, listening
from stress.lab.namespace_state import NamespaceState
from stress.model.inspection import Watch
from stress.model.text import endpoint_text


def describe_watch(
    before: NamespaceState, after: NamespaceState, seconds: float, kernel: Mapping[str, dict[str, int]]
) -> Watch:
    """Return what changed from one state to a later one of the same namespace.

    Args:
        before: when the watch began.
        after: when it ended.
        seconds: how long it lasted.
        kernel: packets that the kernel dropped and resets that it sent, by listener's endpoint and reason.
    """
    change = changes_between(before, after)
    old, new = before.sockets["cookie"], after.sockets["cookie"]
    was_there, is_there = np.isin(new, old), np.isin(old, new)
    return Watch(
        seconds=seconds,
        counters=change,
        explanations=explain_changes(change),
        listener_drops=count_drops(before, after),
        appeared=count_states(after, ~was_there),
        stayed=count_states(after, was_there),
        gone=count_states(before, ~is_there),
        kernel=dict(kernel),
    )


def changes_between(before: NamespaceState, after: NamespaceState) -> dict[str, int]:
    """Return the counters that rose, and by how much."""
    change = counters.counter_changes(dict(before.counters), dict(after.counters))
    of_conntrack = counters.counter_changes(dict(before.conntrack), dict(after.conntrack))
    change |= {CONNTRACK + name: value for name, value in of_conntrack.items()}
    return {name: value for name, value in sorted(change.items()) if value > 0}


def count_drops(before: NamespaceState, after: NamespaceState) -> dict[str, int]:
    """Return what each listener dropped, by its endpoint; those that closed are left out."""
    endpoints = {entry.cookie: endpoint_text(entry.address, entry.port) for entry in after.listeners}
    drops: dict[str, int] = defaultdict(int)
    for cookie, count in listening.drops_since(before.listeners, after.listeners).items():
        if count is not None and cookie in endpoints:
            drops[endpoints[cookie]] += count
    return dict(sorted(drops.items(), key=lambda item: (-item[1], item[0])))


def count_states(state: NamespaceState, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> dict[str, int]:
    """Return some sockets of a state by TCP state."""
    sockets = state.sockets[mask]
    return census.count_by_state(sockets) if len(sockets) else {}
