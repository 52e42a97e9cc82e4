# SPDX-License-Identifier: MIT
"""The further clients of a storm across a link, as the host that leads it has them."""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from stress._fastconnect import now_ns
from stress.model.attempt import ATTEMPT, USE
from stress.model.errors import ChannelFaultError, ConnstormError, LabError, UsageError
from stress.model.peer import ClientReport, ClockOffset
from stress.model.plan import Plan
from stress.model.text import endpoint_text
from stress.storm.peer.answers import Met
from stress.storm.peer.calls import BeginMeeting, EndMeeting, ReadHost
from stress.storm.peer.client_calls import (
    BeginPart,
    EndPart,
    MeetServer,
    PartResult,
    StopPart,
    StormPart,
)
from stress.storm.peer.clock import ClockPair
from stress.storm.peer.end_settings import OF_SERVER
from stress.storm.peer.joined_peer import LOST, FarClient, JoinedPeer
from stress.storm.worker import WorkerResult

LEAD_NS = 100_000_000  # from the order to storm to its beginning; longer where a round trip is
ROUND_TRIPS = 6
OF_MEMORY = {"net.ipv4.tcp_ehash_entries", "net.ipv4.tcp_max_tw_buckets"}  # the kernel's own values follow from it
MEETING_LIMIT_S = 5.0  # longer than a client waits for an answer
NO_ATTEMPTS, NO_USES = np.zeros(0, ATTEMPT), np.zeros(0, USE)


def meet_server_from(client: FarClient, peer: JoinedPeer, plan: Plan) -> None:
    """Let a further client make its first connection to the serving host, which has to come there as it left.

    Raises:
        LabError: it did not; nothing more was sent.
    """
    word = secrets.token_hex(16)
    peer.caller.call(BeginMeeting(word))
    peer.caller.start(EndMeeting(MEETING_LIMIT_S))
    try:
        own: tuple[str, int] = client.caller.call(MeetServer(word))
    except LabError as error:
        raise LabError(f"{client.name}: {error}") from error
    finally:
        met: Met | None = peer.caller.finish(EndMeeting)[0]
    if met is None or (ip_address(met.client), met.client_port) != (ip_address(own[0]), own[1]):
        seen = "none" if met is None else f"one from {endpoint_text(met.client, met.client_port)}"
        raise LabError(
            f"A NAT lies between {client.name} and {peer.name}: the connection from {endpoint_text(*own)} to "
            f"{endpoint_text(plan.target, plan.target_port)} is {seen} there. Nothing more was sent."
        )


class FarParts:
    """The parts of the further clients in one act. A context manager, which ends them."""

    def __init__(self, clients: Sequence[FarClient], act: str, plan: Plan, attempts: int, first_address: int) -> None:
        """Let each prepare its part.

        Args:
            clients: in the order of their numbers, the first of which is 1.
            act: its name.
            plan: of the act.
            attempts: of the whole storm.
            first_address: number of the act's first pair of addresses.

        Raises:
            UsageError, LabError: a client cannot have its part.
        """
        self.clients = clients
        self.plan = plan
        self.first_address = first_address
        self.clocks: list[ClockOffset] = []
        self.stolen_ms: list[int] = []
        self.parts: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]] = []
        self.lost = ""  # the name of a client of which nothing is known any more
        for client in clients:
            try:
                client.caller.call(BeginPart(act, attempts, first_address))
            except (UsageError, LabError) as error:
                raise type(error)(f"{client.name}: {error}") from error
            self.stolen_ms.append(client.caller.call(ReadHost()).stolen_ms)

    def storm(self, epoch_ns: int, storm_here: Callable[[int], WorkerResult]) -> list[WorkerResult]:
        """Let all storm from one moment on; return the results, that of this host first.

        Args:
            epoch_ns: of the run.
            storm_here: storms on this host from a moment on.

        A client that is lost ends the storm of all; its attempts are none.
        """
        self.clocks = [client.measure_clock() for client in self.clients]
        lead_ns = max(LEAD_NS, *(ROUND_TRIPS * 2 * clock.error_ns for clock in self.clocks))
        begin_ns = now_ns() + lead_ns
        self.clocks_after = self.clocks
        for client, clock in zip(self.clients, self.clocks, strict=True):
            client.caller.start(StormPart(epoch_ns + clock.offset_ns, begin_ns + clock.offset_ns))
        result = storm_here(begin_ns)
        if result.interrupted:
            self.stop()
        return [result, *(self.finish(number) for number in range(len(self.clients)))]

    def stop(self) -> None:
        """Let the clients end their storms now."""
        for client in self.clients:
            with suppress(*LOST):
                client.caller.channel.send(StopPart())

    def finish(self, number: int) -> WorkerResult:
        """Wait for the result of a client; SIGINT is passed on to all."""
        try:
            result, attempts, uses = self.receive(number)
        except ConnstormError as error:
            self.lost = self.clients[number].name
            self.clients[number].caller.give_up(str(error))  # of one that refuses to storm nothing is known either
            self.stop()
            result, attempts, uses = PartResult(0, interrupted=True, stalls=[], stalls_missed=0), NO_ATTEMPTS, NO_USES
        self.parts.append((attempts, uses))
        return WorkerResult(result.recorded, result.interrupted, result.stalls, result.stalls_missed)

    def receive(self, number: int) -> tuple[PartResult, npt.NDArray[Any], npt.NDArray[Any]]:
        """Return what a client has recorded.

        Raises:
            ChannelClosedError, ChannelFaultError: it is lost, or what it sends is no part of this storm.
        """
        client, ports = self.clients[number], self.plan.target_ports
        try:
            result, arrays = client.caller.finish(StormPart)
        except KeyboardInterrupt:
            self.stop()
            result, arrays = client.caller.finish(StormPart)
        attempts = require_rows(arrays.get("attempts"), ATTEMPT, result.recorded, client.name)
        uses = require_rows(arrays.get("uses"), USE, result.recorded, client.name) if self.plan.use else NO_USES
        first = self.first_address + (number + 1) * ports
        if not np.isin(attempts["address"], range(first, first + ports)).all():
            raise ChannelFaultError(f"{client.name} recorded attempts of other addresses than its own")
        return result, attempts, uses

    def merge(
        self, epoch_ns: int, attempts: npt.NDArray[Any], uses: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Return the attempts of all clients in the order of their starts, and their uses; the clients are asked once.

        Args:
            epoch_ns: of the run.
            attempts: of this host.
            uses: of these; none where the plan uses none.
        """
        with suppress(*LOST):
            self.clocks_after = [client.measure_clock() for client in self.clients]
            now_ms = [client.caller.call(ReadHost()).stolen_ms for client in self.clients]
            self.stolen_ms = [now - before for now, before in zip(now_ms, self.stolen_ms, strict=True)]
        every, every_use = [attempts], [uses]
        for (rows, used), before, after in zip(self.parts, self.clocks, self.clocks_after, strict=True):
            far_ns = rows["start_ns"].astype(np.int64) + epoch_ns + before.offset_ns
            converted = rows.copy()
            converted["start_ns"] = ClockPair(before, after).convert(far_ns) - epoch_ns
            every.append(converted)
            every_use.append(used)
        merged = np.concatenate(every)
        order = np.argsort(merged["start_ns"], kind="stable")
        return merged[order], np.concatenate(every_use)[order] if self.plan.use else uses

    def reports(self) -> list[ClientReport]:
        """Return what is known of each client after the storm; nothing where one was lost."""
        if self.lost:
            return []
        return [
            ClientReport(
                name=client.name,
                address=client.address,
                program=client.program,
                host=client.consent.host,
                attempts=len(rows),
                clock=before,
                clock_after=after,
                stolen_ms=stolen_ms,
            )
            for client, (rows, _), before, after, stolen_ms in zip(
                self.clients, self.parts, self.clocks, self.clocks_after, self.stolen_ms, strict=True
            )
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the parts; those of a client that is lost have ended."""
        for client in self.clients:
            with suppress(*LOST):
                client.caller.call(EndPart())


def require_rows(array: "npt.NDArray[Any] | None", dtype: np.dtype[Any], rows: int, whose: str) -> npt.NDArray[Any]:
    """Return an array that has so many rows of a type.

    Raises:
        ChannelFaultError: it has others.
    """
    if array is None or array.dtype != dtype or array.shape != (rows,):
        raise ChannelFaultError(f"{whose} sent attempts that are none")
    return array


def refuse_unlike(
    clients: Sequence[FarClient],
    kernel: str,
    jiffy_ns: int,
    ports: tuple[tuple[int, int], int],
    sysctls: dict[str, str],
) -> None:
    """Raise UsageError where a further client is not as this host is, so that one ladder of resends is not that of all.

    Args:
        clients: that have agreed.
        kernel: of this host.
        jiffy_ns: of this host.
        ports: its ephemeral ports, and how many of them are free.
        sysctls: its recorded settings.
    """
    for client in clients:
        consent = client.consent
        theirs = [
            ("kernel", kernel, consent.host.kernel),
            ("jiffy (ns)", jiffy_ns, consent.host.jiffy_ns),
            ("port range", ports, (consent.port_range, consent.ports)),
            *(
                (name, value, consent.sysctls.get(name))
                for name, value in sysctls.items()
                if name not in OF_SERVER | OF_MEMORY
            ),
        ]
        for what, own, other in theirs:
            if own != other:
                raise UsageError(
                    f"{client.name} differs from this host in {what}: {other} there, {own} here; clients that storm "
                    "together have the same, so that what is known of one host's attempts holds for all."
                )
