# SPDX-License-Identifier: MIT
"""A storm in segments: calls of the engine with one port policy each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import host
from stress.model.plan import Close, Plan
from stress.storm.ports import PortRange

STEPS = 50  # in which the upper half of a range is filled: hundredths of the whole


@dataclass(frozen=True)
class Segment:
    """A call of the engine: how many attempts, its port policy, the 4-tuples it lists, how much is warm-up."""

    attempts: int
    policy: str
    listed: npt.NDArray[Any] | None
    warmup: int


class Segments:
    """The segments of one storm, each made when the ones before have happened."""

    def __init__(
        self,
        plan: Plan,
        ports: PortRange,
        listed: npt.NDArray[Any] | None,
        attempts: int,
        generator: np.random.Generator,
    ) -> None:
        self.plan = plan
        self.listed = listed
        self.attempts = attempts
        self.policy = listing_policy(plan) if listed is not None else plan.ports.value
        self.probing = plan.probes > 0 and host.has_local_port_range()
        self.half = len(ports) // 2
        self.step = -(-len(ports) // (2 * STEPS))
        self.filling = False
        # connect() has taken the ports of the lower end's parity when half of the range is taken.
        self.places = generator.permutation(ports.usable) if self.probing else ports.usable

    def next(self, made: npt.NDArray[Any], room: int) -> Segment | None:
        """Return what comes after the attempts made so far, at most ``room`` attempts; None when all are made."""
        left = self.attempts - len(made)
        if left <= 0:
            return None
        if not self.probing:
            rotated = np.roll(self.listed, -len(made)) if len(made) and self.listed is not None else self.listed
            return Segment(min(left, room), self.policy, rotated, max(self.plan.warmup - len(made), 0))
        if len(made) < self.half:
            return Segment(min(self.half - len(made), left, room), self.policy, None, self.plan.warmup)
        self.filling = not self.filling
        if self.filling:
            return Segment(min(self.plan.probes, left, room), self.policy, None, 0)
        free = self.places[~np.isin(self.places, made["local_port"])]
        count = min(max(self.step - self.plan.probes, 1), left, room, len(free))
        return Segment(count, "each", free[:count], count) if count else None


def listing_policy(plan: Plan) -> str:
    """Return how the engine takes a listed port: by bind(), unless that would not do.

    A socket that is used again cannot be bound twice, and bind() refuses a port that is in use towards another of the
    server's ports.
    """
    return "each" if plan.close is Close.DISCONNECT or plan.target_ports > 1 else "list"
