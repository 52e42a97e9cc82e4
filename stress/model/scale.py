# SPDX-License-Identifier: MIT
"""How the rate of connections grows with the number of pairs of a client and a server."""

from enum import StrEnum

import msgspec

ROUNDS, LOOP_S = 10, 0.5  # how often each loop runs in a step, and for how long
PROFILE_WINDOWS, PROFILE_S, PROFILE_MIN_S = 6, 1.0, 0.2  # of the first pair alone, and of all in the same time
SAMPLES_MAX, RATE_MAX_HZ = 250_000, 997  # of a whole profile, on all CPUs; not a multiple of the timer's frequency


class Loop(StrEnum):
    """What a client runs."""

    BARE = "bare"  # a blocking loop without records
    ENGINE = "engine"  # that of a storm, all recorded


class ScaleOrder(msgspec.Struct, frozen=True):
    """What a client is told: which loop to run, when to begin (CLOCK_MONOTONIC, ns), and for how long (ns)."""

    loop: Loop
    begin_ns: int
    duration_ns: int


class ScaleAnswer(msgspec.Struct, frozen=True):
    """The attempts that a client made while all others ran too, and how long these took (ns); or why it failed."""

    attempts: int
    ns: int
    failure: str = ""


class Spread(msgspec.Struct, frozen=True):
    """A ratio within each of several rounds: its median and quartiles."""

    median: float
    quartiles: tuple[float, float]


class ScaleStep(msgspec.Struct, frozen=True, kw_only=True):
    """What some pairs did together.

    Attributes:
        clients: the CPU of each client.
        servers: the CPU of each one's server.
        given_up: what the placement gives up, in sentences.
        rounds: that were counted.
        bare_per_s: connections a second of as many bare loops, all together; the median of the rounds.
        engine_per_s: the same of the engine.
        pair_per_s: the same of the slowest pair and of the fastest.
        ratio: engine to bare loops.
        scaling: the engine's rate for a pair to that of the first pair alone; None for one pair.
    """

    clients: list[int]
    servers: list[int]
    given_up: list[str]
    rounds: int
    bare_per_s: float
    engine_per_s: float
    pair_per_s: tuple[float, float]
    ratio: Spread
    scaling: Spread | None

    @property
    def pairs(self) -> int:
        """How many."""
        return len(self.clients)


def scale_steps(most: int) -> list[int]:
    """Return 1, 2, 4 … pairs up to ``most``, which is the last step."""
    return sorted({1 << power for power in range(most.bit_length())} | {most})


def profile_rate_hz(cpus: int) -> int:
    """Return how often a second each CPU is sampled, so that what perf has to read stays small on many CPUs."""
    return max(1, min(RATE_MAX_HZ, round(SAMPLES_MAX / (cpus * 2 * PROFILE_WINDOWS * PROFILE_S))))
