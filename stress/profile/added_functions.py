# SPDX-License-Identifier: MIT
"""Which functions of the kernel are seen in a storm and never in another one, by counts of samples alone, not by times.

This is all that profiles of an emulated CPU can say. A function is added where every trial of the new storm has samples
of it, no trial of the base has any, and that is hardly chance: were it seen as often in both, each of its n samples
would be one of the new storm's with probability q, and all of them with q^n (two Poisson counts, given their sum). q is
the new storm's part of the samples or of the trials, whichever is larger; p is corrected for all functions of all steps
(Holm 1979). That it is never called in the base is not proven: a short call may have no sample. What the kernel does of
its own accord at such a time, such as timers, adds nothing, but a function that is seen there in the base is not added.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.model.profile import NO_CALL, USER_MODE
from stress.profile.costs import ENABLES_INTERRUPTS
from stress.profile.sampled_storm import CALLED, SampledStorm

# Where one of these begins, the rest of a stack is nothing that the system call asked for. asm_call_…_on_stack is not
# among them: Linux 5.10 changes to another stack by it for the packets of a system call, too.
UNASKED = re.compile(
    r"asm_(sysvec|exc|common_interrupt|\w+_interrupt)\w*|sysvec_\w+|\w*common_interrupt|exc_\w+|irq_exit\w*"
    r"|\w*run_timer\w*|\w*hrtimer\w*|rcu_\w+|tasklet_\w+|run_rebalance_domains|_*schedule\w*|_*cond_resched"
)
Arm = Sequence[SampledStorm]  # the trials of a storm


@dataclass(frozen=True)
class AddedFunction:
    """A function that is seen in a storm and never in the one below: its samples in all trials, with what it called."""

    name: str
    samples: int
    adjusted_p: float


def added_functions(steps: Mapping[str, tuple[Arm, Arm]]) -> dict[str, list[AddedFunction]]:
    """Return what each step adds, the function with most samples first: callers before what they call.

    Args:
        steps: by name, the trials of the base and those of the new storm, on the same kernel.
    """
    tested = {
        (step, name): (samples, p)
        for step, (base, new) in steps.items()
        for name, (samples, p) in chances(base, new).items()
    }
    adjusted = holm_correction([p for _, p in tested.values()])
    added: dict[str, list[AddedFunction]] = {step: [] for step in steps}
    for ((step, name), (samples, _)), p in zip(tested.items(), adjusted, strict=True):
        if p <= ALPHA:
            added[step].append(AddedFunction(name, samples, p))
    return {step: sorted(functions, key=lambda one: (-one.samples, one.name)) for step, functions in added.items()}


def chances(base: Arm, new: Arm) -> dict[str, tuple[int, float]]:
    """Return the samples of each function of the new storm, and how likely they are by chance if it is not added."""
    now = [asked_samples(storm) for storm in new]
    if not (base and now):
        return {}
    totals = [sum(storm.counts[()] for storm in arm) for arm in (base, new)]
    part = max(totals[1] / max(sum(totals), 1), len(now) / (len(base) + len(now)))
    pooled = sum(now, Counter[str]())
    return {
        name: (samples, part**samples if is_only_there(name, base, now) else 1.0) for name, samples in pooled.items()
    }


def is_only_there(name: str, base: Arm, now: Sequence[Counter[str]]) -> bool:
    """Return whether all trials of the new storm have a function that may be named, and none of the base has it."""
    return (
        name.partition(".")[0] not in ENABLES_INTERRUPTS
        and all(samples[name] for samples in now)
        and not any(storm.counts[name,] for storm in base)
    )


def asked_samples(storm: SampledStorm) -> Counter[str]:
    """Return in how many samples each function was, on behalf of a system call."""
    samples: Counter[str] = Counter()
    for stack, count in storm.stacks.items():
        if stack[CALLED - 1] in (NO_CALL, USER_MODE):
            continue
        functions = stack[CALLED:]
        end = next((place for place, name in enumerate(functions) if UNASKED.fullmatch(name)), len(functions))
        samples.update(dict.fromkeys(functions[:end], count))
    return samples
