# SPDX-License-Identifier: MIT
"""Which functions a change came from: the profiles of two arms, compared function by function over their trials.

A trial is one value, never a sample: samples of a trial share its machine. A function is compared by the time in which
it was in a stack, whoever was charged with it, because the kernel does the same work now in a system call, now in the
softirq after another one. Where it was (client or server, and which system call) is compared too, so that work that
has only moved is said to have moved.

A function surely changed where its time did (Student's t over trials), and where its share of the whole did too, in
the same direction: a machine that is slower in all it does makes every function slower, and none the reason. Both
p-values are corrected for all functions and places together (Holm 1979). Its error is never taken to be below that of
chance in counting samples.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.profile.change import Change, interval, key_change, time_change, unit_means
from stress.profile.loop_share import LoopShare, loop_share
from stress.profile.sampled_storm import Arms, Key, is_displaced

SAMPLES_MIN = 5  # of a trial, on average of both arms; rarer functions are not compared
REST_MAX = 0.5  # of the change of a function that its callees do not have; with less, they are what changed


@dataclass(frozen=True)
class Place:
    """Where a function was: whose, in which system call, the change there, and whether it is sure after correction."""

    whose: str
    call: str
    change: Change
    changed: bool


@dataclass(frozen=True)
class FunctionChange:
    """The change of a function, with all that it called.

    Attributes:
        name: of the function.
        change: of its time, wherever it was.
        client_ns: the part of the change that is the client's.
        share: the share that this part has of the loop's change; None where it is not sure that the loop changed.
        adjusted_p: after correction; None where an arm has one trial.
        changed: whether it surely did.
        named: whether the change is its own: it surely changed, and its callees do not have most of it.
        moved: whether it only moved: it was surely more in one place and less in another, and not surely either in all.
        displaced: whether it turns interrupts on, and has samples of what ran before; then it is never named.
        places: where it was, the largest change first.
    """

    name: str
    change: Change
    client_ns: float
    share: LoopShare | None
    adjusted_p: float | None
    changed: bool
    named: bool
    moved: bool
    displaced: bool
    places: list[Place] = field(default_factory=list)


@dataclass(frozen=True)
class ActDifference:
    """The profiles of one storm in two arms.

    Attributes:
        act: its name.
        units: how many values the base arm has, and the new one.
        measured: time of the clients' loops, hence of their CPUs, by the clock.
        whole: time of client and server in samples, on any CPU.
        functions: those with enough samples, the largest change first.
        across_kernels: whether the arms ran on different kernels, of which less is named (``across_kernels``).
    """

    act: str
    units: tuple[int, int]
    measured: Change
    whole: Change
    functions: list[FunctionChange]
    across_kernels: bool = False


def compare_act(act: str, arms: Arms) -> ActDifference:
    """Return how the profiles of one storm differ; a unit is a trial with its storm, or a session with several.

    Args:
        act: the name of the storm.
        arms: base and new.
    """
    storms = [storm for arm in arms for unit in arm for storm in unit]
    pooled = sum((storm.counts for storm in storms), Counter[Key]())
    keys = [key for key, samples in pooled.items() if key and samples >= SAMPLES_MIN * len(storms)]
    changes = {key: key_change(arms, key) for key in keys}
    adjusted = adjust(changes, pooled)
    sure = {key for key, p in adjusted.items() if p <= ALPHA}
    displaced = {name for name in (key[0] for key in keys if len(key) == 1) if is_displaced(name, storms)}
    changed = {key[0]: changes[key] for key in sure if len(key) == 1 and key[0] not in displaced}
    measured = interval(unit_means(arms, lambda storm: storm.measured_ns), 0.0)
    functions = []
    for (name,) in (key for key in keys if len(key) == 1):
        places = [Place(key[0], key[1], changes[key], key in sure) for key in keys if len(key) > 1 and key[-1] == name]
        functions.append(
            FunctionChange(
                name=name,
                change=changes[name,],
                client_ns=client_change(arms, name).ns,
                share=loop_share(arms, name, measured),
                adjusted_p=adjusted.get((name,)),
                changed=name in changed,
                named=name in changed and is_its_own(arms, name, changes, set(changed)),
                moved=(name,) not in sure and len({place.change.ns > 0 for place in places if place.changed}) > 1,
                displaced=name in displaced,
                places=sorted(places, key=lambda place: -abs(place.change.ns)),
            )
        )
    return ActDifference(
        act=act,
        units=(len(arms[0]), len(arms[1])),
        measured=measured,
        whole=time_change(arms, lambda storm: storm.counts[()]),
        functions=sorted(functions, key=lambda one: (-abs(one.change.ns), -one.change.base_ns, one.name)),
    )


def client_change(arms: Arms, name: str) -> Change:
    """Return the change of the client's time in a function."""
    return time_change(arms, lambda storm: storm.client_counts[name])


def adjust(changes: Mapping[Key, Change], pooled: Mapping[Key, int]) -> dict[Key, float]:
    """Return corrected p-values; that of a place which has all samples of its function is that of the function."""
    tested = {
        key: change.p
        for key, change in changes.items()
        if change.p is not None and (len(key) == 1 or pooled[key] < pooled[key[-1:]])
    }
    adjusted = dict(zip(tested, holm_correction(list(tested.values())), strict=True))
    return adjusted | {key: adjusted[key[-1:]] for key in changes if key not in tested and key[-1:] in adjusted}


def is_its_own(arms: Arms, name: str, changes: Mapping[Key, Change], changed: AbstractSet[str]) -> bool:
    """Return whether a function's change is for the most part not that of what it called.

    It is not where most of it is that of functions which surely changed in the same direction, nor where it is that of
    one which others call as much less, or more: that one moved from caller to caller.

    Args:
        arms: base and new.
        name: of the function, which surely changed.
        changes: of all functions.
        changed: the functions that surely changed.
    """
    change = changes[name,]
    others = {other for other in changed if other != name and changes[other,].ns * change.ns > 0}
    rest = time_change(arms, lambda storm: storm.samples_without(name, others))
    if abs(rest.ns) < REST_MAX * abs(change.ns):
        return False
    below = {id(storm): storm.samples_below(name) for arm in arms for unit in arm for storm in unit}
    for (other,) in (key for key in changes if len(key) == 1 and key[0] not in {name, *others}):
        part_ns = part_change(arms, below, other)
        if part_ns / change.ns >= REST_MAX and changes[other,].ns / part_ns < REST_MAX:
            return False
    return True


def part_change(arms: Arms, below: Mapping[int, Mapping[str, int]], other: str) -> float:
    """Return the change of the time of a function in some samples of each storm, which are given by its id (ns)."""
    return time_change(arms, lambda storm: below[id(storm)].get(other, 0)).ns
