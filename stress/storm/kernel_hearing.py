# SPDX-License-Identifier: MIT
"""The kernel's word on one act: what it dropped and reset on the 4-tuples of the plan, while the storm lasted."""

from collections import Counter
from ipaddress import ip_address
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stress.lab.kernel_word.word import KernelWord
from stress.lab.network import Network
from stress.model import record
from stress.model.plan import Plan
from stress.model.run import DROP_EVENT, KERNEL_EVENT
from stress.storm import four_tuples

# A packet socket that is full, or is never read because it counts, drops its copy (packet_rcv(), Linux 6.18).
OF_COPIES = frozenset({"PACKET_SOCK_ERROR"})


class Hearing(Protocol):
    """The word of one kernel or two."""

    def end(self, epoch_ns: int) -> tuple[npt.NDArray[Any], record.KernelWord | None]:
        """Stop listening; return as ``KernelHearing.end``; None: nothing can be said."""
        ...


class KernelHearing:
    """Listens to the kernel from now on, on all hosts of a world."""

    def __init__(self, word: KernelWord, plan: Plan, first_address: int, network: Network) -> None:
        """Begin.

        Args:
            word: the programs in the kernel.
            plan: of the act.
            first_address: number of its first pair of addresses.
            network: the hosts.
        """
        self.word = word
        self.plan = plan
        self.first_address = first_address
        self.namespaces = []
        for host in network.hosts:
            with network.inside(host):
                self.namespaces.append(word.watch_this_namespace())
        word.drain()  # what came before
        self.lost_before = word.lost

    def end(self, epoch_ns: int) -> tuple[npt.NDArray[Any], record.KernelWord]:
        """Stop listening; return the events of the act, shape (events,), dtype KERNEL_EVENT, and what is said of them.

        Args:
            epoch_ns: of the run (CLOCK_MONOTONIC).
        """
        word = self.word
        events = leave_out_copies(word.drain(), word.drop_reasons)
        events = locate_events(self.plan, events, self.first_address)
        events["time_ns"] -= epoch_ns
        counts: Counter[tuple[str, str]] = Counter()
        for namespace in self.namespaces:
            counts.update(word.counts(namespace))
        summary = record.KernelWord(
            lost=word.lost - self.lost_before,
            complete=word.is_complete,
            counts={
                f"{kind} {reason}": count for (kind, reason), count in sorted(counts.items()) if reason not in OF_COPIES
            },
            drop_reasons=reasons_in(events, word.drop_reasons),
            reset_reasons=reasons_in(events, word.reset_reasons),
        )
        for namespace in self.namespaces:
            word.unwatch(namespace)
        return events, summary


def leave_out_copies(events: npt.NDArray[Any], names: dict[int, str]) -> npt.NDArray[Any]:
    """Return those events that are of packets, not of the copies that packet sockets have no room for.

    Args:
        events: shape (events,), dtype kernel_word.events.EVENT.
        names: of the reasons of dropped packets by number.
    """
    of_copies = [number for number, name in names.items() if name in OF_COPIES]
    is_of_copy = (events["kind"] == DROP_EVENT) & np.isin(events["reason"], of_copies)
    others: npt.NDArray[Any] = events[~is_of_copy]
    return others


def reasons_in(events: npt.NDArray[Any], names: dict[int, str]) -> dict[str, str]:
    """Return the names of the reasons that occur."""
    return {str(number): names[number] for number in np.unique(events["reason"]).tolist() if number in names}


def locate_events(plan: Plan, events: npt.NDArray[Any], first_address: int) -> npt.NDArray[Any]:
    """Return those events that are on a 4-tuple of a plan, shape (located,), dtype KERNEL_EVENT, by their times.

    Args:
        plan: of the act.
        events: shape (events,), dtype kernel_word.events.EVENT.
        first_address: number of the plan's first pair of addresses.
    """
    parts = []
    for from_client, (client, server) in ((1, ("source", "destination")), (0, ("destination", "source"))):
        pairs = pair_numbers(plan, events, client, server)
        own = events[pairs >= 0]
        located = np.zeros(len(own), KERNEL_EVENT)
        for field in ("time_ns", "reason", "kind", "flags"):
            located[field] = own[field]
        located["address"] = pairs[pairs >= 0] + first_address
        located["local_port"] = own[f"{client}_port"]
        located["from_client"] = from_client
        parts.append(located)
    both = np.concatenate(parts)
    return both[np.argsort(both["time_ns"], kind="stable")]


def pair_numbers(plan: Plan, events: npt.NDArray[Any], client: str, server: str) -> npt.NDArray[np.int64]:
    """Return the pair of addresses of each event, from 0 on, shape (events,); -1 where it is none of the plan's.

    Args:
        plan: of the act.
        events: as of ``locate_events``.
        client: which end is the client: ``source`` or ``destination``.
        server: the other end.
    """
    source = four_tuples.source_numbers(plan, events[client])
    target = events[f"{server}_port"].astype(np.int64) - plan.target_port
    known = (events["family"] == plan.family) & (source >= 0) & (source < plan.sources)
    known &= (target >= 0) & (target < plan.target_ports)
    known &= events[server] == np.array(ip_address(plan.target).packed.ljust(16, b"\0"), "V16")
    return np.where(known, source * plan.target_ports + target, -1)
