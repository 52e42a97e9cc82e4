# SPDX-License-Identifier: MIT
"""A storm in segments, each of which is one call of the engine with one port policy."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import host
from stress.model.plan import Close, Plan
from stress.storm import four_tuples
from stress.storm.ports import PortRange

STEPS = 50  # of filling the upper half of a range: hundredths of the whole range


@dataclass(frozen=True)
class Segment:
    """One call of the engine.

    Attributes:
        attempts: how many it makes.
        policy: where the engine takes source ports from.
        port_list: ports of the listed 4-tuples, shape (listed,); None when the kernel chooses.
        address_list: their pairs of addresses, shape (listed,); None where there is one pair.
        warmup: how many of the first attempts are warm-up.
    """

    attempts: int
    policy: str
    port_list: npt.NDArray[np.uint16] | None
    address_list: npt.NDArray[np.uint16] | None
    warmup: int


class Segments:
    """The segments of one storm, each made when the ones before have run."""

    def __init__(
        self,
        plan: Plan,
        ports: PortRange,
        numbers: npt.NDArray[np.uint32] | None,
        attempts: int,
        generator: np.random.Generator,
    ) -> None:
        """Prepare the lists.

        Args:
            plan: of the act.
            ports: the ephemeral ports.
            numbers: 4-tuples that are walked through, shape (listed,); None when the kernel chooses.
            attempts: of all segments together.
            generator: for the order in which a range is filled.
        """
        self.plan = plan
        self.attempts = attempts
        self.address_list: npt.NDArray[np.uint16] | None = None
        self.port_list: npt.NDArray[np.uint16] | None = None
        if numbers is not None:
            pairs, self.port_list = four_tuples.split_numbers(numbers)
            self.address_list = pairs if plan.addresses > 1 else None
        self.policy = plan.ports.value if numbers is None else listing_policy(plan)
        self.probing = plan.probes > 0 and host.has_local_port_range()
        self.half = len(ports) // 2
        self.step = -(-len(ports) // (2 * STEPS))
        self.filling = False
        # connect() has taken the ports of the lower end's parity when half of the range is taken.
        self.fill_order = generator.permutation(ports.usable) if self.probing else ports.usable

    def next(self, records: npt.NDArray[Any], room: int) -> Segment | None:
        """Return the segment after the attempts recorded so far, of at most ``room`` attempts; None at the end."""
        made = len(records)
        left = self.attempts - made
        if left <= 0:
            return None
        if not self.probing:
            warmup = max(self.plan.warmup - made, 0)
            return Segment(
                min(left, room), self.policy, rotate(self.port_list, made), rotate(self.address_list, made), warmup
            )
        if made < self.half:
            return Segment(min(self.half - made, left, room), self.policy, None, None, self.plan.warmup)
        self.filling = not self.filling
        if self.filling:
            return Segment(min(self.plan.probes, left, room), self.policy, None, None, 0)
        free = self.fill_order[~np.isin(self.fill_order, records["local_port"])]
        count = min(max(self.step - self.plan.probes, 1), left, room, len(free))
        return Segment(count, "each", free[:count], None, count) if count else None


def rotate(numbers: npt.NDArray[np.uint16] | None, made: int) -> npt.NDArray[np.uint16] | None:
    """Return a list as the engine walks through it after so many attempts."""
    return numbers if numbers is None or made == 0 else np.roll(numbers, -made)


def listing_policy(plan: Plan) -> str:
    """Return how the engine takes a listed port: by bind(), or without it where bind() would fail.

    A socket that is used again cannot be bound twice, and bind() refuses a port that is in use towards another of the
    server's ports.
    """
    return "each" if plan.close is Close.DISCONNECT or plan.target_ports > 1 else "list"
