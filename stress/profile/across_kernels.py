# SPDX-License-Identifier: MIT
"""What may be named where the arms ran on different kernels, whose compilers inline what they like.

A function that is inlined in one kernel, in all of its callers or in some, has less time there, and nothing is faster.
Real changes are seen further out, too: a function is only named there if the time in which any of its callers was in a
stack changed by as much, and surely the whole with it.
"""

from collections.abc import Collection
from dataclasses import replace

from stress.profile.change import time_change
from stress.profile.difference import REST_MAX, ActDifference, FunctionChange
from stress.profile.sampled_storm import CALLED, Arms, SampledStorm


def judge_across_kernels(arms: Arms, difference: ActDifference) -> ActDifference:
    """Return a difference of arms of different kernels, in which less is named."""
    functions = [
        replace(function, named=function.named and is_seen_outside(arms, function, difference))
        for function in difference.functions
    ]
    return replace(difference, functions=functions, across_kernels=True)


def is_seen_outside(arms: Arms, function: FunctionChange, difference: ActDifference) -> bool:
    """Return whether the change of a function is also that of its callers, and the whole surely changed with it."""
    own_ns, whole = function.change.ns, difference.whole
    if not (whole.is_sure and whole.ns * own_ns > 0):
        return False
    callers = {caller for arm in arms for unit in arm for storm in unit for caller in callers_of(storm, function.name)}
    around = time_change(arms, lambda storm: samples_around(storm, callers))
    return bool(around.ns / own_ns >= REST_MAX)


def callers_of(storm: SampledStorm, name: str) -> set[tuple[str, ...]]:
    """Return what called a function: ``(function,)``, or whose it was and the system call where none did."""
    called = (stack for stack in storm.stacks if name in stack[CALLED:])
    places = ((stack, stack.index(name, CALLED)) for stack in called)
    return {stack[:CALLED] if place == CALLED else stack[place - 1 : place] for stack, place in places}


def samples_around(storm: SampledStorm, callers: Collection[tuple[str, ...]]) -> int:
    """Return in how many samples any of some callers was."""
    return sum(
        samples
        for stack, samples in storm.stacks.items()
        if stack[:CALLED] in callers or any((name,) in callers for name in stack[CALLED:])
    )
