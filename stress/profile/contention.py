# SPDX-License-Identifier: MIT
"""What costs more for an attempt the more CPUs connect at the same time: functions, and who waits for locks."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stress.analysis.comparison.verdict import ALPHA
from stress.analysis.statistics.multiple_testing import holm_correction
from stress.profile.change import Change, time_change
from stress.profile.difference import SAMPLES_MIN, ActDifference, compare_act
from stress.profile.sampled_storm import CALLED, Arms, SampledStorm

# Patterns of names, and what the functions do. The first that matches counts.
LOCKS = (
    (r"(__pv_|native_)?queued_(spin|write|read)_lock_slowpath", "waits for a lock that another CPU has"),
    (r"_raw_(spin|read|write)_lock(_\w+)?", "takes a lock: its cache line may be on another CPU"),
    (r"osq_lock|mutex_spin_on_owner|rwsem_\w+|__mutex_lock.*", "waits for a sleeping lock that another CPU has"),
)
OTHERS = (
    (r"__inet6?_check_established", "port search: whether a 4-tuple is free"),
    (r"__inet_hash_connect", "port search of connect()"),
    (r"inet_csk_(get_port|find_open_port|bind_conflict)|inet_bhash2\w*|inet_bind2?_\w+", "table of bound ports"),
    (r"inet6?_ehashfn", "hash of a 4-tuple"),
    (r"__inet6?_lookup_established|inet_ehash_\w+|inet_unhash", "table of connections"),
    (r"inet6?_lhash2_lookup|__inet6?_lookup_listener|reuseport_select_sock|run_bpf_filter", "choice of a listener"),
    (r"inet_csk_(accept|reqsk\w+|complete\w+)", "accept queue"),
    (r"inet_twsk\w*|tcp_time_wait", "TIME-WAIT"),
    (r"kmem_cache_\w+|___?slab\w*|get_(any_)?partial\w*|__put_partials|(__)?free_slab", "memory of the kernel"),
    (r"(__)?alloc_pages\w*|get_page_from_freelist|rmqueue\w*|free_(pcppages|unref)\w*", "memory of the kernel"),
    (r"dst_(release|hold|alloc)\w*|ip_route_\w+|fib_\w+|ipv4_(mtu|dst)\w*", "routes, which all connections share"),
    (r"percpu_counter_\w+|__percpu_\w+", "a counter that all CPUs share"),
    (r"(__)?refcount\w*|rcuref\w*", "a count of references that all CPUs share"),
    (r"(alloc|close)_fd|fd_install|alloc_inode|new_inode\w*|d_alloc\w*|evict", "files and inodes"),
)


def function_text(name: str) -> str | None:
    """Return what a function does that may cost more with more CPUs; None where that is not known."""
    return what_matches(name, (*LOCKS, *OTHERS))


def is_lock(name: str) -> bool:
    """Return whether a function takes a lock or waits for one."""
    return what_matches(name, LOCKS) is not None


def what_matches(name: str, known: Iterable[tuple[str, str]]) -> str | None:
    """Return what belongs to the first pattern that a name matches."""
    bare = name.partition(".")[0]  # without what the compiler adds: .constprop.0
    return next((what for pattern, what in known if re.fullmatch(pattern, bare)), None)


@dataclass(frozen=True)
class LockTime:
    """The time of an attempt in which a function took a lock or waited for one, and whether it surely changed."""

    taker: str
    change: Change
    changed: bool


@dataclass(frozen=True)
class Growth:
    """What costs more with all pairs than with one: functions, and those that take locks, the largest change first."""

    functions: ActDifference
    locks: list[LockTime]


def compare_pairs(act: str, arms: Arms) -> Growth:
    """Return what costs more in the second arm, of all pairs, than in the first one, of one pair."""
    return Growth(compare_act(act, arms), compare_locks(arms))


def compare_locks(arms: Arms) -> list[LockTime]:
    """Return the functions that take locks with enough samples; p-values are corrected for all of them (Holm)."""
    storms = [storm for arm in arms for unit in arm for storm in unit]
    seen = {id(storm): lock_samples(storm) for storm in storms}
    pooled = sum(seen.values(), Counter[str]())
    takers = [taker for taker, samples in pooled.items() if samples >= SAMPLES_MIN * len(storms)]
    changes = [taker_change(arms, seen, taker) for taker in takers]
    adjusted = holm_correction([1.0 if change.p is None else change.p for change in changes])
    times = [LockTime(taker, change, p <= ALPHA) for taker, change, p in zip(takers, changes, adjusted, strict=True)]
    return sorted(times, key=lambda time: (-abs(time.change.ns), time.taker))


def taker_change(arms: Arms, seen: Mapping[int, Counter[str]], taker: str) -> Change:
    """Return the change of the time of a function in locks; ``seen`` has its samples by the id of a storm."""
    return time_change(arms, lambda storm: seen[id(storm)][taker])


def lock_samples(storm: SampledStorm) -> Counter[str]:
    """Return in how many samples each function took a lock, or waited for one: the innermost that is no lock itself."""
    samples: Counter[str] = Counter()
    for stack, count in storm.stacks.items():
        if len(stack) > CALLED and is_lock(stack[-1]):
            taker = next((frame for frame in reversed(stack[CALLED:]) if not is_lock(frame)), stack[CALLED - 1])
            samples[taker] += count
    return samples
