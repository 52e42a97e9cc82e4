# SPDX-License-Identifier: MIT
"""Two things measured in turn, so that both meet the same weather on a shared machine."""

import itertools
import statistics


def interleave(benchmark, ours, theirs, rounds):
    """Call ``theirs`` and ``ours`` in turn; return each of ours against the mean of theirs around it.

    Both return how long they took (ns). The first round is left out.
    """
    our_ns, their_ns = [], [theirs()]

    def one():
        our_ns.append(ours())
        their_ns.append(theirs())

    benchmark.pedantic(one, rounds=rounds + 1)
    around_ns = [(before + after) / 2 for before, after in itertools.pairwise(their_ns)]
    return our_ns[1:], around_ns[1:]


def spread(values, form="{:.3f}"):
    """Return a median with its quartiles as text."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{form.format(middle)} ({form.format(low)}–{form.format(high)})"
