# SPDX-License-Identifier: MIT
"""A capture on all hosts of a world: where each packet was seen, arriving or leaving."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields
from types import TracebackType
from typing import Any, Self

import numpy as np

from stress.lab.capture import Packets
from stress.lab.namespace import LOOPBACK_INDEX
from stress.model.world import SERVER
from stress.storm.observed_host import ObservedHost
from stress.storm.peer.capture_order import order_captures
from stress.storm.peer.far_host import FarCapture

OF_A_WHOLE = ("missed", "hosts")  # fields of Packets that are no arrays


class WorldCapture:
    """A capture on each host, from construction on. A context manager."""

    def __init__(self, hosts: Mapping[str, ObservedHost], attempts: int) -> None:
        """Begin to capture the segments of the server, with room for some number of attempts.

        Raises:
            LabError: capturing is not permitted here.
        """
        self.hosts = tuple(hosts)
        with ExitStack() as stack:
            self.captures = [stack.enter_context(host.begin_capture(attempts)) for host in hosts.values()]
            self.stack = stack.pop_all()

    def packets(self) -> Packets:
        """Return the packets captured so far; with several hosts each as often as it was seen.

        Across a link those of the client's host alone where the times of both cannot be put in one order: a packet that
        seemed to arrive before it left would be taken for lost.
        """
        parts = [capture.packets() for capture in self.captures]
        if any(isinstance(capture, FarCapture) for capture in self.captures):
            ordered = order_captures(*parts)
            parts = parts[:1] if ordered is None else [parts[0], ordered]
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


def describe_gaps(packets: Packets, where: str, peer: str | None) -> Iterator[str]:
    """Yield sentences on the packets that a capture does not have.

    Args:
        packets: of an act.
        where: which act, as a part of a sentence; empty where there is one.
        peer: the name of the server's host, if it is across a link.
    """
    if packets.missed:
        yield f"The capture{where} was full after {len(packets.time_ns):,} packets and missed {packets.missed:,}."
    if peer is not None and SERVER not in packets.hosts:
        yield (
            f"The packets that {peer} captured{where} are left out: a clock was corrected during the storm, so they "
            "cannot be put in one order with those of this host."
        )
