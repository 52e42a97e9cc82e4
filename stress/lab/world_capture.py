# SPDX-License-Identifier: MIT
"""A capture on all hosts of a world: where each packet was seen, arriving or leaving."""

from contextlib import ExitStack
from dataclasses import fields
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np

from stress.lab.capture import EVERY_DEVICE, LOOPBACK, Capture, Packets
from stress.lab.namespace import LOOPBACK_INDEX
from stress.lab.network import Network
from stress.model.world import ROUTER

OF_A_WHOLE = ("missed", "hosts")  # fields of Packets that are no arrays


class WorldCapture:
    """A capture on each host, from construction on. A context manager."""

    def __init__(self, network: Network, server_port: int, attempts: int) -> None:
        """Begin to capture the segments of a server, with room for some number of attempts.

        Raises:
            LabError: capturing is not permitted here.
        """
        self.hosts = network.hosts
        self.captures: list[Capture] = []
        with ExitStack() as stack:
            for host in self.hosts:
                device, seen = (LOOPBACK, 1) if len(self.hosts) == 1 else (EVERY_DEVICE, sightings(host))
                share = Fraction(seen, sum(map(sightings, self.hosts)))
                with network.inside(host):
                    capture = Capture(server_port, seen * attempts, device, share)
                self.captures.append(stack.enter_context(capture))
            self.stack = stack.pop_all()

    def packets(self) -> Packets:
        """Return the packets captured so far; with several hosts each as often as it was seen."""
        parts = [capture.packets() for capture in self.captures]
        if len(parts) == 1:
            return parts[0]
        merged: dict[str, Any] = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Packets)
            if field.name not in OF_A_WHOLE
        }
        merged["host"] = np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part.host) for part in parts])
        # One offset between the clocks for all hosts, so that both have the same order.
        merged["time_ns"] = merged["realtime_ns"] - self.captures[0].realtime_offset_ns
        order = np.argsort(merged["realtime_ns"], kind="stable")
        order = order[merged["device"][order] != LOOPBACK_INDEX]  # which joins no hosts
        return Packets(
            **{name: values[order] for name, values in merged.items()},
            missed=sum(part.missed for part in parts),
            hosts=self.hosts,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()


def sightings(host: str) -> int:
    """Return how often a host sees a packet on its way: a router when it arrives, and when it leaves."""
    return 2 if host == ROUTER else 1
