# SPDX-License-Identifier: MIT
"""A capture on all hosts of a world: where each packet was seen, arriving or leaving."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import fields
from types import TracebackType
from typing import Any, Self

import numpy as np

from stress.lab.capture import Packets
from stress.lab.namespace import LOOPBACK_INDEX
from stress.storm.observed_host import ObservedHost

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
