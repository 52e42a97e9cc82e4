# SPDX-License-Identifier: MIT
"""The run that capture files hold: each server is an act, each connection try an attempt, and nothing was planned."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import numpy as np
import numpy.typing as npt

import stress
from stress.analysis.capture.tries import Tries
from stress.model.errors import UsageError
from stress.model.flow import Losses
from stress.model.host import UNKNOWN, Host
from stress.model.plan import CAPTURE_SCENARIO, EvidenceSource, Plan
from stress.model.record import Act, Address, ListenerReport, Phase, Record
from stress.model.run import MINE, Run
from stress.model.segment import CaptureFile
from stress.model.text import endpoint_text, plural
from stress.model.units import SECOND_NS, duration_text

SERVERS_MAX = 16  # with an act of their own, those with the most tries
PAIRS_MAX = 1 << 16  # ATTEMPT numbers them in two bytes
OTHERS = "other servers"
CLOCKS_APART_NS = 10_000_000  # longer than a SYN mostly takes from one host to the other


@dataclass(frozen=True)
class CaptureRun:
    """A run that was read from captures.

    Attributes:
        run: the run.
        places: index of each attempt in the tries, shape (attempts,).
    """

    run: Run
    places: npt.NDArray[np.intp]


def build_capture_run(tries: Tries, files: list[CaptureFile]) -> CaptureRun:
    """Return the run of the tries of some files.

    Raises:
        UsageError: there is no try, or there are more pairs of client and server than a run can number.
    """
    if not len(tries.attempts):
        raise UsageError(describe_nothing(tries, files))
    of_act, names = group_servers(tries.syns)
    order = np.argsort(of_act, kind="stable")
    attempts, syns = tries.attempts[order].copy(), tries.syns[order]
    acts, first_pair = [], 0
    plan = Plan(scenario=CAPTURE_SCENARIO, capture=True, evidence=EvidenceSource.PACKETS)  # one for all captures
    for number, name in enumerate(names):
        own = slice(*np.searchsorted(of_act[order], (number, number + 1)).tolist())
        pairs, endpoints = number_pairs(syns[own])
        if first_pair + len(endpoints) > PAIRS_MAX:
            raise UsageError(
                f"The capture has more than {PAIRS_MAX:,} pairs of a client's address and a server; choose those of "
                "one port with --port."
            )
        attempts["address"][own] = first_pair + pairs
        acts.append(describe_act(name, plan, first_pair, endpoints, attempts[own]))
        first_pair += len(endpoints)
    record = Record(
        id=secrets.token_hex(3),
        program=f"connstorm {stress.__version__}",
        started_utc=datetime.fromtimestamp(tries.epoch_ns / SECOND_NS, UTC).isoformat(timespec="milliseconds"),
        plan=plan,
        host=Host(
            kernel=UNKNOWN,
            jiffy_ns=0,
            cpu=UNKNOWN,
            cpus=0,
            memory_bytes=0,
            clocksource=UNKNOWN,
            python=UNKNOWN,
            nofile=0,
        ),
        overhead=None,
        acts=acts,
        interrupted=False,
        warnings=list(capture_warnings(tries, files)),
    )
    return CaptureRun(Run(record, attempts, np.zeros(0, MINE), flows=reorder_flows(tries.flows, order)), order)


def group_servers(syns: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], list[str]]:
    """Return the number of the act of each try, shape (tries,), and the acts' names."""
    fields = ["family", "destination", "destination_port"]
    servers, of_server, counts = np.unique(syns[fields], return_inverse=True, return_counts=True)
    by_count = np.argsort(-counts, kind="stable")
    names = [endpoint_text(*endpoint_of(servers[number])) for number in by_count[:SERVERS_MAX].tolist()]
    if len(servers) > SERVERS_MAX:
        names.append(OTHERS)
    act = np.empty(len(servers), np.intp)
    act[by_count] = np.minimum(np.arange(len(servers)), SERVERS_MAX)
    return act[of_server.reshape(-1)], names


def endpoint_of(server: Any) -> tuple[str, int]:
    """Return the address and the port of a server."""
    return address_text(server["destination"], server["family"]), int(server["destination_port"])


def address_text(address: Any, family: int) -> str:
    """Return an address of a segment as text."""
    packed = bytes(address)
    return str(ip_address(packed[:4] if family == 4 else packed))


def number_pairs(syns: npt.NDArray[Any]) -> tuple[npt.NDArray[np.intp], list[tuple[str, str, int]]]:
    """Return the number of the pair of addresses of each try, shape (tries,), and the pairs."""
    fields = ["family", "source", "destination", "destination_port"]
    pairs, of_pair = np.unique(syns[fields], return_inverse=True)
    return of_pair.reshape(-1), [(address_text(pair["source"], pair["family"]), *endpoint_of(pair)) for pair in pairs]


def describe_act(
    name: str, plan: Plan, first_pair: int, endpoints: list[tuple[str, str, int]], attempts: npt.NDArray[Any]
) -> Act:
    """Return the record of one server's tries."""
    source, target, port = endpoints[0]
    low, high = int(attempts["local_port"].min()), int(attempts["local_port"].max())
    end_ns = int((attempts["start_ns"] + attempts["latency_ns"]).max())
    return Act(
        name=name,
        plan=plan,
        address=Address(first_pair, source, 1, target, port, 1, endpoints),
        attempts=len(attempts),
        port_range=(low, high),
        ports=high - low + 1,
        sysctls={},
        firewall="",
        dropped={},
        phases=[Phase("capture", int(attempts["start_ns"][0]), end_ns)],
        counters={},
        census_before={},
        census_after={},
        listener=ListenerReport(0, 0, 0, 0, {}),
        waiting=0,
        starved_ns=None,
        mines_laid=0,
        stolen_ms=0,
        pairs=[],
        evidence=EvidenceSource.PACKETS,
        segments_in_flight=False,
    )


def reorder_flows(flows: npt.NDArray[Any], order: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Return flows in another order of their attempts: the n-th is the one that was at ``order[n]``."""
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    reordered = flows.copy()
    reordered["attempt"] = place[flows["attempt"]]
    ordered: npt.NDArray[Any] = reordered[np.argsort(reordered["attempt"], kind="stable")]
    return ordered


def describe_nothing(tries: Tries, files: list[CaptureFile]) -> str:
    """Return the sentence for captures without any connection try."""
    names = ", ".join(file.name for file in files)
    segments = sum(file.segments for file in files)
    if not segments:
        packets = plural(sum(file.packets for file in files), "packet")
        return f"{names}: no TCP segment among {packets}; capture with `tcpdump -i any tcp or icmp or icmp6`."
    middle = sum(part.periods.conversations.without_syn for part in tries.points)
    return (
        f"{names}: no connection try among {plural(segments, 'segment')}, for no SYN of a client was captured "
        f"({plural(middle, 'connection')} begun before); capture again from before the trouble."
    )


def capture_warnings(tries: Tries, files: list[CaptureFile]) -> Iterator[str]:
    """Yield what a reader must know of the captures: what they do not show."""
    for file in files:
        yield from file_warnings(file)
    if middle := sum(part.periods.conversations.without_syn for part in tries.points):
        yield (
            f"{plural(middle, 'connection')} had begun before the capture, or show one direction alone: without a SYN "
            "they are no attempts."
        )
    if (apart_ns := int(np.abs(tries.clocks_ns).max(initial=0))) > CLOCKS_APART_NS:
        yield (
            f"The clocks of the captures are {duration_text(apart_ns)} apart by the tries that they share; starts are "
            "those of the first one's clock."
        )
    if any(part.point.losses is Losses.NOT_SAID for part in tries.points):
        yield "The capture does not say whether it lost packets (pcapng does): what is missing proves nothing."
    if given_up := sum(int(part.endings.is_given_up.sum()) for part in tries.points):
        yield (
            f"{plural(given_up, 'try', 'tries')} ended because their client sent no further SYN, or reset the SYN-ACK; "
            "their latency is that until the last SYN, because no packet shows when connect() returned."
        )
    if no_ack := sum(int(part.endings.has_no_ack.sum()) for part in tries.points):
        counts = plural(no_ack, "try counts", "tries count")
        yield f"{counts} as connected by the SYN-ACK; no ACK of a client was captured."


def file_warnings(file: CaptureFile) -> Iterator[str]:
    """Yield what a reader must know of one file."""
    if file.is_truncated:
        yield f"{file.name} ends within a packet: it was cut short, or is still being written."
    if file.dropped:
        yield f"{file.name} does not have {plural(file.dropped, 'packet')} that its capture lost."
    if file.skipped:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in file.skipped.items())
        yield f"{file.name}: of {plural(file.packets, 'packet')} these were not read: {counts}."
