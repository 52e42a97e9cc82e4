# SPDX-License-Identifier: MIT
"""The server's host across a link, as ``observed_host.ObservedHost`` describes one."""

import dataclasses
from contextlib import nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab import capture
from stress.lab.capture import Packets
from stress.lab.census import NUMBERS
from stress.model import record
from stress.model.plan import Plan
from stress.model.record import HostReport
from stress.model.run import PORTS
from stress.storm.peer import answers, calls
from stress.storm.peer.caller import Caller
from stress.storm.peer.clock import ClockPair
from stress.storm.peer.expected_arrays import take_events, take_mines, take_packets


class FarHost:
    """The serving host in one act after the other.

    Attributes:
        clocks: of both hosts, set when the storm is over; None: they cannot be compared.
    """

    def __init__(self, caller: Caller, plan: Plan) -> None:
        """Ask nothing yet.

        Args:
            caller: of the control channel, on which the act has begun.
            plan: of the act.
        """
        self.caller = caller
        self.begin(plan)

    def begin(self, plan: Plan) -> None:
        """Be the host of the act with this plan, in the same environment."""
        self.plan = plan
        self.clocks: ClockPair | None = None

    def read_counters(self) -> HostReport:
        """Return the counters of its kernel."""
        report: HostReport = self.caller.call(calls.ReadCounters())
        return report

    def take_census(self) -> dict[str, dict[str, int]]:
        """Return the number of its sockets by end and TCP state."""
        counts: dict[str, dict[str, int]] = self.caller.call(calls.TakeCensus())
        return counts

    def list_mines(self) -> npt.NDArray[Any]:
        """Return its mines, addresses from 0 on, shape (mines,), dtype MINE."""
        _, arrays = self.caller.call_arrays(calls.ListMines())
        return take_mines(arrays, self.plan.addresses)

    def list_mine_numbers(self) -> npt.NDArray[Any]:
        """Return the 4-tuples of its mines in the plan's state, ascending, shape (mines,)."""
        mines = self.list_mines()
        mines = mines[mines["state"] == NUMBERS[self.plan.mine_state]]
        numbers: npt.NDArray[Any] = np.sort(mines["address"].astype(np.uint32) * PORTS + mines["local_port"])
        return numbers

    def begin_look(self) -> None:
        """Note which sockets listen, and whether there is a route to the client."""
        self.caller.call(calls.BeginLook())

    def end_look(self) -> answers.Look:
        """Return what is known of them since ``begin_look``."""
        look: answers.Look = self.caller.call(calls.EndLook())
        return look

    def count_dropped(self) -> dict[str, int]:
        """Return how many packets each rule of this program has matched there."""
        counts: dict[str, int] = self.caller.call(calls.CountRules())
        return counts

    def read_now(self) -> answers.HostNow:
        """Return its recorded settings and the CPU time that was stolen from it."""
        now: answers.HostNow = self.caller.call(calls.ReadHost())
        return now

    def begin_capture(self, attempts: int) -> "nullcontext[FarCapture]":
        """Begin to capture the segments of the server; it ends with the act.

        Raises:
            LabError: capturing is not permitted there.
        """
        self.caller.call(calls.BeginCapture(attempts))
        return nullcontext(FarCapture(self))

    def begin_hearing(self) -> str | None:
        """Begin to listen to its kernel; return why it cannot be had, or None."""
        refusal: str | None = self.caller.call(calls.BeginHearing())
        return refusal

    def end_hearing(self) -> tuple[npt.NDArray[Any], record.KernelWord]:
        """Return what its kernel said, addresses from 0 on and times in its own clock."""
        said, arrays = self.caller.call_arrays(calls.EndHearing())
        return take_events(arrays, self.plan.addresses), said

    def close(self) -> None:
        """Do nothing: what is observed there ends with the act."""


class FarCapture:
    """The capture of a serving host, its times in the client's clocks.

    Attributes:
        realtime_offset_ns: of the client's clocks.
    """

    def __init__(self, host: FarHost) -> None:
        """Have begun on a host."""
        self.host = host
        self.realtime_offset_ns = capture.realtime_offset_ns()

    def packets(self) -> Packets:
        """Return the packets captured so far; those without times where the clocks of both hosts cannot be compared."""
        missed, arrays = self.host.caller.call_arrays(calls.EndCapture())
        packets = take_packets(arrays, missed)
        if self.host.clocks is None:
            return packets
        times_ns = self.host.clocks.convert(packets.time_ns)
        return dataclasses.replace(packets, time_ns=times_ns, realtime_ns=times_ns + self.realtime_offset_ns)
