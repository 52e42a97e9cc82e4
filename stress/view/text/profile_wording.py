# SPDX-License-Identifier: MIT
"""The words of profiles, shared by terminal and page: times, whose they are, and what can be said of a difference."""

from collections.abc import Iterator

from stress.model.profile import IDLE, OTHER, PROFILER
from stress.profile.change import Change
from stress.profile.difference import ActDifference, FunctionChange
from stress.profile.loop_share import LoopShare

SAMPLES_MIN = 5  # fewer say nothing
MICROSECOND_NS = 1000
MINUS = "\N{MINUS SIGN}"
NAMED, CHANGED, MOVED = "named", "changed", "moved"
DISPLACED = "*"
UNNAMED = "No function is named, for those that changed called what moved"
ACROSS_KERNELS = (
    "No function is named, for the kernels differ: of those that changed it cannot be told whether they cost more, or "
    "are inlined elsewhere"
)
DISPLACED_NOTE = f"{DISPLACED} turns interrupts on, and has the time of what ran before while they were off"
NAMES = {OTHER: "other processes, and the kernel's threads", IDLE: "idle, or waiting", PROFILER: "perf itself"}


def sentences(act: ActDifference, unit: str) -> Iterator[str]:
    """Yield what can be said of a storm, in sentences."""
    if act.whole.p is None:
        yield f"With one {unit} on a side no interval can be given, and no function is named; it takes two on either."
        return
    named = [function for function in act.functions if function.named]
    for function in named:
        yield f"{us_text(function.change.ns)} in {function.name} {share_text(act, function)}"
    for function in act.functions:
        if function.moved:
            places = [place for place in function.places if place.changed]
            where = ", ".join(f"{us_text(place.change.ns)} in {place.whose} {place.call}" for place in places)
            yield f"{function.name} only moved: {where}"
    if not named:
        why = "No function surely changed"
        if any(function.changed for function in act.functions):
            why = ACROSS_KERNELS if act.across_kernels else UNNAMED
        yield f"{why}: {us_text(act.whole.ns)} {us_range(act.whole)} for an attempt in all."


def share_text(act: ActDifference, function: FunctionChange) -> str:
    """Return what part a function has of the change of the loop, which is said only where the loop surely changed."""
    loop = us_text(act.measured.ns)
    share = function.share
    if share is None:
        return f"for an attempt; it is not sure that the loop changed ({loop})"
    client = us_text(function.client_ns)
    own = "" if client == us_text(function.change.ns) else f", the client's {client}"
    if share.value < 0:
        return f"for an attempt{own}, against the {loop} of the loop"
    return f"for an attempt{own}, of {loop} of the loop: {percent_text(share)}"


def percent_text(share: LoopShare) -> str:
    """Return a share with its interval, in percent."""
    low, high = (f"{100 * end:.0f}".replace("-", MINUS) for end in (share.low, share.high))
    return f"{100 * share.value:.0f} % ({low} to {high} %)"


def function_mark(function: FunctionChange) -> str:
    """Return what is said of a function in its row."""
    if function.displaced:
        return DISPLACED
    return NAMED if function.named else CHANGED if function.changed else MOVED if function.moved else ""


def interval_text(change: Change) -> str:
    """Return the interval of a change in ns; empty where it has none."""
    ends = (change.low_ns, change.high_ns)
    return "" if None in ends else " to ".join(signed_text(end, ",.0f") for end in ends if end is not None)


def us_range(change: Change) -> str:
    """Return the interval of a change in µs; it has one."""
    ends = (change.low_ns or 0.0, change.high_ns or 0.0)
    return f"({' to '.join(signed_text(end / MICROSECOND_NS, ',.2f') for end in ends)})"


def signed_text(number: float, style: str) -> str:
    """Return a number with its sign."""
    return f"{number:+{style}}".replace("-", MINUS)


def us_text(ns: float) -> str:
    """Return a difference in µs."""
    return f"{signed_text(ns / MICROSECOND_NS, ',.2f')} µs"


def ns_text(ns: float) -> str:
    """Return a time in whole ns."""
    return f"{ns:,.0f}"
