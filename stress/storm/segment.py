# SPDX-License-Identifier: MIT
"""A storm in segments: calls of the engine with one port policy each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import host
from stress.model.plan import Plan
from stress.storm.ports import PortRange

STEPS = 50  # in which the upper half of a range is filled: hundredths of the whole


@dataclass(frozen=True)
class Segment:
    """A call of the engine: how many attempts, its port policy and list, how many first attempts are warm-up."""

    attempts: int
    policy: str
    port_list: npt.NDArray[Any] | None
    warmup: int


class Segments:
    """The segments of one storm, each made when the ones before have happened."""

    def __init__(
        self,
        plan: Plan,
        ports: PortRange,
        port_list: npt.NDArray[Any] | None,
        attempts: int,
        generator: np.random.Generator,
    ) -> None:
        self.plan = plan
        self.port_list = port_list
        self.attempts = attempts
        self.policy = "list" if port_list is not None else plan.ports.value
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
            rotated = (
                np.roll(self.port_list, -len(made)) if len(made) and self.port_list is not None else self.port_list
            )
            return Segment(min(left, room), self.policy, rotated, max(self.plan.warmup - len(made), 0))
        if len(made) < self.half:
            return Segment(min(self.half - len(made), left, room), self.policy, None, self.plan.warmup)
        self.filling = not self.filling
        if self.filling:
            return Segment(min(self.plan.probes, left, room), self.policy, None, 0)
        free = self.places[~np.isin(self.places, made["local_port"])]
        count = min(max(self.step - self.plan.probes, 1), left, room, len(free))
        return Segment(count, "each", free[:count], count) if count else None

    def ports_after(self, made: int) -> npt.NDArray[Any] | None:
        """Return the list of ports of a sweeping plan, from where it is after so many attempts."""
        return np.roll(self.port_list, -made) if made and self.port_list is not None else self.port_list
