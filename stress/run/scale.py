# SPDX-License-Identifier: MIT
"""How rates grow with pairs of a client and a server: bare loops, the engine, and one pair alone, in turn."""

import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Self

from stress.lab import sysctl
from stress.lab.cpu_pairs import Placement, placement_sentences
from stress.lab.cpu_topology import Topology
from stress.lab.paired_listener import PairedListener
from stress.lab.perf import Recording
from stress.lab.perf_script import ScriptReader
from stress.lab.room import memory_room, process_room
from stress.model.errors import UsageError
from stress.model.plan import LOOPBACK
from stress.model.profile import CLIENT, SERVER, Stack, Stacks
from stress.model.scale import PROFILE_MIN_S, PROFILE_S, PROFILE_WINDOWS, Loop, ScaleStep, Spread
from stress.model.text import plural
from stress.model.units import SECOND_NS
from stress.profile.contention import Growth, compare_pairs
from stress.profile.sampled_storm import SampledStorm
from stress.run.scale_clients import ScaleClients, interrupts_blocked
from stress.storm.host_settings import LONGEST_QUEUE, raise_descriptor_limit
from stress.storm.profiler import Window, count_stacks

PORT = 5000
PAIR_BYTES = 48 << 20  # 24 MiB of its own were measured; and up to 4,000 connections that are not yet closed
LAG_S = 0.15  # a server closes a connection 100 ms after it accepted it: until then it does less


class Pairs(AbstractContextManager["Pairs"]):
    """Clients and servers of a placement, on one port of the loopback. They end with the context."""

    def __init__(self, placement: Placement) -> None:
        """Start them in the private namespace of this process.

        Raises:
            LabError: they do not start.
        """
        sysctl.write("net.core.somaxconn", LONGEST_QUEUE)
        raise_descriptor_limit()  # a server holds what it accepted in a tenth of a second
        self.placement = placement
        self.count = len(placement.pairs)
        with ExitStack() as stack:
            both = [*zip(placement.clients, placement.servers, strict=True)]
            self.listener = stack.enter_context(
                PairedListener(LOOPBACK[4], PORT, both, uninterrupted=interrupts_blocked)
            )
            for _ in both:
                self.listener.start()
            self.clients = stack.enter_context(ScaleClients(PORT, placement.clients))
            self.stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with interrupts_blocked():
            self.stack.close()

    def measure(self, topology: Topology, rounds: int, seconds: float) -> ScaleStep:
        """Run bare loops, the engine, and one pair's engine alone in turn; a first round is left out.

        Args:
            topology: of the placement.
            rounds: that are counted.
            seconds: of each loop.
        """
        parts = [(Loop.BARE, self.count), (Loop.ENGINE, self.count)] + [(Loop.ENGINE, 1)] * (self.count > 1)
        seen: list[dict[tuple[Loop, int], list[float]]] = []
        for number in range(rounds + 1):
            order = parts[::-1] if number % 2 else parts  # what drifts favours neither
            seen.append({part: self.clients.run(*part, seconds).rates_per_s for part in order})
        del seen[0]
        bare = [sum(rates[Loop.BARE, self.count]) for rates in seen]
        engine = [sum(rates[Loop.ENGINE, self.count]) for rates in seen]
        alone = [sum(rates[Loop.ENGINE, 1]) for rates in seen]
        of_pairs = [
            statistics.median(rates) for rates in zip(*(one[Loop.ENGINE, self.count] for one in seen), strict=True)
        ]
        return ScaleStep(
            clients=self.placement.clients,
            servers=self.placement.servers,
            given_up=list(placement_sentences(topology, self.placement)),
            rounds=rounds,
            bare_per_s=statistics.median(bare),
            engine_per_s=statistics.median(engine),
            pair_per_s=(min(of_pairs), max(of_pairs)),
            ratio=spread(engine, bare),
            scaling=spread(engine, [self.count * rate for rate in alone]) if self.count > 1 else None,
        )


def refuse_excess(count: int) -> None:
    """Raise UsageError if there is no room for so many pairs."""
    for room, needed, what in ((memory_room(), count * PAIR_BYTES, "bytes"), (process_room(), 2 * count, "processes")):
        if room is not None and room.left < needed:
            raise UsageError(
                f"{plural(count, 'pair')} may need {needed:,} {what}, and {room.left:,} are left ({room.limited_by}); "
                "give fewer --pairs."
            )


class ScaleProfile:
    """Windows of the engine in which stacks are sampled: of the first pair alone, and of all, in turn."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.windows: list[tuple[Window, int, float]] = []  # how many pairs each had, and attempts

    def record(self, pairs: Pairs) -> None:
        """Record all windows.

        Raises:
            LabError: perf has ended, or a loop did.
        """
        for number in range(PROFILE_WINDOWS):
            for count in (1, pairs.count):
                seconds = max(PROFILE_S / count, PROFILE_MIN_S)
                self.recording.tell("enable")
                ran = pairs.clients.run(Loop.ENGINE, count, LAG_S + seconds)
                self.recording.tell("disable")
                window = Window(
                    act=f"{number} {count}",
                    clients=[process.pid for process in pairs.clients.processes],
                    servers=[process.popen.pid for process in pairs.listener.processes],
                    cpus=pairs.placement.clients,
                    start_ns=ran.begin_ns + round(LAG_S * SECOND_NS),
                    end_ns=ran.end_ns,
                )
                self.windows.append((window, count, sum(ran.rates_per_s) * seconds))

    def growth(self) -> Growth:
        """End the recording; return what costs more for an attempt with all pairs than with one.

        Raises:
            LabError: the recording cannot be read.
        """
        samples = self.recording.samples(ScriptReader())
        stacks = count_stacks([window for window, _, _ in self.windows], samples, self.recording.process.pid)
        arms: tuple[list[list[SampledStorm]], list[list[SampledStorm]]] = ([], [])
        for (window, count, attempts), of_window in zip(self.windows, stacks, strict=True):
            arms[count > 1].append([self.sampled(window, count, attempts, of_window)])
        return compare_pairs(plural(max(count for _, count, _ in self.windows), "pair"), arms)

    def sampled(self, window: Window, count: int, attempts: float, stacks: Stacks) -> SampledStorm:
        """Return what the stacks of clients and servers in a window say."""
        own: Counter[Stack] = Counter()
        for stack, seen in stacks.items():
            if stack[2] in (CLIENT, SERVER):
                own[stack[2:]] += seen
        period_ns = SECOND_NS / self.recording.rate_hz
        return SampledStorm(period_ns / attempts, (window.end_ns - window.start_ns) * count / attempts, own)


def spread(above: Sequence[float], below: Sequence[float]) -> Spread:
    """Return the ratio of values that belong together."""
    ratios = [one / other for one, other in zip(above, below, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return Spread(statistics.median(ratios), (low, high))
