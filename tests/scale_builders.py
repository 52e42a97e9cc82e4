# SPDX-License-Identifier: MIT
"""Rates of pairs on a machine that is not here, and profiles in which a lock and the search for ports grow."""

from stress.model.profile import CLIENT, SERVER
from stress.model.scale import ScaleStep, Spread
from stress.profile.contention import compare_pairs
from stress.profile.sampled_storm import SampledStorm

LOCK = "native_queued_spin_lock_slowpath"
SEARCH = "__inet_hash_connect"
SEARCHING = (CLIENT, "connect()", "tcp_v4_connect", SEARCH)
LOCKED = (*SEARCHING, "_raw_spin_lock_bh", LOCK)
ALONE = {
    (CLIENT, "connect()", "tcp_v4_connect", "tcp_connect"): 400,
    SEARCHING: 100,
    LOCKED: 5,
    (CLIENT, "close()", "tcp_close"): 300,
    (SERVER, "accept4()", "inet_csk_accept"): 150,
}
STEPS = [
    ScaleStep(
        clients=[*range(0, 2 * pairs, 2)],
        servers=[*range(1, 2 * pairs, 2)],
        given_up=["64 pairs: 128 cores needed, 64 available; hyper-thread siblings are used too."] * (pairs > 32),
        rounds=10,
        bare_per_s=42_345.6 * pairs * scaling,
        engine_per_s=41_234.5 * pairs * scaling,
        pair_per_s=(40_000.4 * scaling, 43_000.6 * scaling),
        ratio=Spread(0.974, (0.951, 0.998)),
        scaling=Spread(scaling, (scaling - 0.012, scaling + 0.012)) if pairs > 1 else None,
    )
    for pairs, scaling in ((1, 1.0), (2, 0.981), (4, 0.95), (8, 0.87), (16, 0.71), (32, 0.42), (64, 0.21))
]


def windows(stacks):
    return [
        [SampledStorm(30.0, 30.0 * sum(stacks.values()), {stack: n + number for stack, n in stacks.items()})]
        for number in range(6)
    ]


def lock_grows():
    return compare_pairs("64 pairs", (windows(ALONE), windows(ALONE | {LOCKED: 905, SEARCHING: 260})))
