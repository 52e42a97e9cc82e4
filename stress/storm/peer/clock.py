# SPDX-License-Identifier: MIT
"""The clocks of the two hosts of a storm across a link: how far apart they are, and with which error.

Each end reads its own CLOCK_MONOTONIC, which nobody sets, but whose rate a time server corrects, and which stops while
the host is suspended. A message asks the other end for its reading: that was taken between sending the question and
receiving the answer, wherever in it, so the middle is off by half of the round trip at most, and the shortest round
trip says most (Cristian, "Probabilistic clock synchronization", 1989; RFC 5905, section 8, whose filter takes the
shortest as well). No assumption on the two ways enters: one may take all of the round trip.

What is known of other moments rests on the rate. The kernel corrects a clock by 500 ppm at most (MAXFREQ,
include/linux/timex.h, Linux 6.12), so intervals are widened by that for each moment between them, and have to meet
then (Marzullo and Owicki, "Maintaining the time in a distributed system", 1983). Where they do not, the clocks did not
run on, and no time is converted.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.model.errors import LabError
from stress.model.peer import ClockOffset
from stress.model.units import MILLION, duration_text

EXCHANGES = 16  # the first are slower; more would find a shorter round trip rarely
MAX_DRIFT_PPM = 500


class Exchange(NamedTuple):
    """A question and its answer, or a SYN and its SYN-ACK captured at both ends; ns, each of its host's clock.

    Attributes:
        sent_ns: when this end asked.
        far_ns: when the other end read its clock, at some moment between the two others.
        received_ns: when this end had the answer.
    """

    sent_ns: int
    far_ns: int
    received_ns: int

    @property
    def round_trip_ns(self) -> int:
        """From the question to the answer."""
        return self.received_ns - self.sent_ns

    @property
    def middle_ns(self) -> int:
        """The middle of the round trip, in this end's clock."""
        return (self.sent_ns + self.received_ns) // 2


def measure_offset(ping: Callable[[], int], exchanges: int = EXCHANGES) -> ClockOffset:
    """Measure how far the other host's clock is ahead of this one's.

    Args:
        ping: ask the other end, and return its CLOCK_MONOTONIC (ns).
        exchanges: how often.

    Raises:
        LabError: what the other end said is not the time of one clock that ran on.
    """
    readings = []
    for _ in range(exchanges):
        sent_ns = now_ns()
        far_ns = ping()
        readings.append(Exchange(sent_ns, far_ns, now_ns()))
    return estimate_offset(readings)


def estimate_offset(exchanges: Sequence[Exchange]) -> ClockOffset:
    """Return the offset that the exchange with the shortest round trip shows, in whose middle it was so.

    The error is half of that round trip, and what the clocks may have moved apart within it.

    Args:
        exchanges: at least one, in their order.

    Raises:
        LabError: they contradict each other.
    """
    best = min(exchanges, key=lambda exchange: exchange.round_trip_ns)
    bounds = [bound_offset(exchange, best) for exchange in exchanges]
    far_ns = [exchange.far_ns for exchange in exchanges]
    if max(low for low, _ in bounds) > min(high for _, high in bounds) or far_ns != sorted(far_ns):
        raise LabError(
            "The clocks of the two hosts did not run on while they were compared: a host or its virtual machine was "
            "suspended, or its clock is being corrected by more than 500 ppm (chronyc tracking, timedatectl "
            "timesync-status); wait until that is over."
        )
    half_ns = best.round_trip_ns // 2 + 1  # the middle is rounded, and what is interpolated later
    return ClockOffset(
        offset_ns=best.far_ns - best.middle_ns,
        error_ns=half_ns + drift_ns(half_ns),
        at_ns=best.middle_ns,
        exchanges=len(exchanges),
    )


def bound_offset(exchange: Exchange, best: Exchange) -> tuple[int, int]:
    """Return the lowest and the highest offset that an exchange permits at the time of another one."""
    apart_ns = max(exchange.received_ns, best.received_ns) - min(exchange.sent_ns, best.sent_ns)
    drift = drift_ns(apart_ns) if exchange is not best else 0
    return exchange.far_ns - exchange.received_ns - drift, exchange.far_ns - exchange.sent_ns + drift


def drift_ns(duration_ns: int) -> int:
    """Return how far two clocks may move apart in a time, rounded up."""
    return -(-duration_ns * MAX_DRIFT_PPM // MILLION)


class ClockPair:
    """The clocks of both hosts during a storm, of which the offset was measured before it and, if possible, after it.

    In between the offset is a straight line from one to the other. Where the clocks moved apart in one direction all
    the time, at whatever rates, it was between the two measured ones, so the error is that up to the further one.
    """

    def __init__(self, before: ClockOffset, after: ClockOffset | None = None) -> None:
        """Take two offsets.

        Args:
            before: measured before the storm.
            after: measured after it; None: the other end was lost meanwhile, and what the clocks may have moved apart
                since ``before`` is part of the error.

        Raises:
            LabError: the clocks did not run on in between.
        """
        self.before = before
        self.after = after or before
        moved_ns = self.after.offset_ns - before.offset_ns
        apart_ns = self.after.at_ns - before.at_ns
        if abs(moved_ns) > before.error_ns + self.after.error_ns + drift_ns(apart_ns):
            raise LabError(
                f"The clocks of the two hosts moved apart by {duration_text(abs(moved_ns))} within "
                f"{duration_text(apart_ns)} of the storm, more than 500 ppm: a host or its virtual machine was "
                "suspended, or its clock is being corrected (chronyc tracking, timedatectl timesync-status); the times "
                "of the serving host cannot be compared with the client's, so storm again when that is over."
            )

    def offset_at(self, at_ns: int) -> ClockOffset:
        """Return the offset at a moment of the client's clock, with its error."""
        offset_ns = self.before.offset_ns
        if self.after.at_ns > self.before.at_ns:
            within_ns = min(max(at_ns, self.before.at_ns), self.after.at_ns) - self.before.at_ns
            moved_ns = self.after.offset_ns - self.before.offset_ns
            offset_ns += moved_ns * within_ns // (self.after.at_ns - self.before.at_ns)
        ends = (self.before, self.after)
        low_ns = min(end.offset_ns - end.error_ns for end in ends)
        high_ns = max(end.offset_ns + end.error_ns for end in ends)
        outside_ns = max(self.before.at_ns - at_ns, at_ns - self.after.at_ns, 0)
        return ClockOffset(
            offset_ns=offset_ns,
            error_ns=max(offset_ns - low_ns, high_ns - offset_ns) + drift_ns(outside_ns),
            at_ns=at_ns,
            exchanges=sum(end.exchanges for end in {id(end): end for end in ends}.values()),
        )

    def convert(self, times_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return times of the other host's clock in the client's; their error is that of ``offset_at``.

        Args:
            times_ns: of any shape, int64.
        """
        begin_ns = self.before.at_ns + self.before.offset_ns
        end_ns = self.after.at_ns + self.after.offset_ns
        converted_ns: npt.NDArray[np.int64] = times_ns - self.before.offset_ns
        if end_ns > begin_ns:
            share = (times_ns.clip(begin_ns, end_ns) - begin_ns) / (end_ns - begin_ns)
            converted_ns -= (share * (self.after.offset_ns - self.before.offset_ns)).astype(np.int64)
        return converted_ns
