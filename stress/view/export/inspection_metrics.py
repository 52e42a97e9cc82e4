# SPDX-License-Identifier: MIT
"""Inspections as metrics.

The values of labels are bounded: no process numbers, no addresses of remote clients, and of many places only those with
the most; the others are one, ``other``.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from stress.model.inspection import Check, Inspection, SocketOwner
from stress.model.text import endpoint_text
from stress.view.export.prometheus import PLACES_MAX, Family, Samples, bounded, by_label, family_text

LEAKING_STATE = "CLOSE-WAIT"


def metrics_text(inspection: Inspection) -> bytes:
    """Return the metrics of an inspection; a metric without a value is left out."""
    return "".join(map(family_text, families(inspection))).encode()


def families(inspection: Inspection) -> Iterator[Family]:
    """Yield all metrics."""
    taken = datetime.fromisoformat(inspection.taken_utc).timestamp()
    yield Family(
        "connstorm_inspection_timestamp_seconds", "gauge", "When it was seen, seconds since 1970.", {(): taken}
    )
    yield Family("connstorm_check_failed", "gauge", "1: the check fails and is not ignored.", failed_checks(inspection))
    yield Family("connstorm_unseen", "gauge", "How many things could not be seen.", {(): len(inspection.unseen)})
    yield Family(
        "connstorm_sockets",
        "gauge",
        "TCP sockets, by state.",
        by_label("state", {LEAKING_STATE: 0, **inspection.states}),
    )
    yield from leak_families(inspection)
    yield from listener_families(inspection)
    yield from destination_families(inspection)
    yield from client_families(inspection)
    yield from conntrack_families(inspection)
    yield Family(
        "connstorm_kernel_events_total",
        "counter",
        "Counters of the kernel that tell of connects, since boot.",
        by_label("counter", inspection.counters),
    )


def failed_checks(inspection: Inspection) -> Samples:
    """Return 1 or 0 for each check that was made."""
    failed = {finding.check for finding in inspection.findings} - set(inspection.ignored)
    skipped = {
        Check.CONNTRACK: inspection.conntrack is None,
        Check.LISTENER_DROPS: inspection.watch is None,
    }
    return {(("check", check.value),): float(check in failed) for check in Check if not skipped.get(check)}


def owner_label(owner: SocketOwner | None) -> str:
    """Return who holds a socket: the program's name, or the user's where that is not known."""
    if owner is None:
        return ""
    return owner.name or owner.user or str(owner.uid)


def leak_families(inspection: Inspection) -> Iterator[Family]:
    """Yield what is known of connections whose peer has ended or vanished."""
    for name, says, leaks in (
        (
            "close_wait",
            "whose peer has closed, and the program here has not",
            [leak for leak in inspection.leaks if leak.state == LEAKING_STATE],
        ),
        ("half_open", "whose peer has vanished", [leak for leak in inspection.leaks if leak.state != LEAKING_STATE]),
    ):
        labels = [
            (
                ("local", leak.local),
                ("process", owner_label(leak.owner)),
                ("role", "server" if leak.is_server else "client"),
            )
            for leak in leaks
        ]
        counts = [(label, leak.count) for label, leak in zip(labels, leaks, strict=True)]
        waiting = [(label, leak.unaccepted) for label, leak in zip(labels, leaks, strict=True)]
        ages = [
            (label, leak.ages.oldest_ms / 1000)
            for label, leak in zip(labels, leaks, strict=True)
            if leak.ages.oldest_ms is not None
        ]
        yield Family(f"connstorm_{name}_sockets", "gauge", f"Connections {says}.", bounded(counts))
        yield Family(
            f"connstorm_{name}_unaccepted_sockets",
            "gauge",
            f"Connections {says}, and that no program has accepted.",
            bounded(waiting),
        )
        yield Family(
            f"connstorm_{name}_oldest_age_seconds",
            "gauge",
            f"Age of the oldest connection {says}, at least.",
            bounded(ages, max),
        )


def listener_families(inspection: Inspection) -> Iterator[Family]:
    """Yield the queues, drops and connections of listeners; those on one address and port are one."""
    rows = [
        ((("local", endpoint_text(one.address, one.port)), ("process", owner_label(one.owner))), one)
        for one in inspection.listeners
    ]
    yield Family(
        "connstorm_listener_queue_connections",
        "gauge",
        "Connections in accept queues.",
        bounded((labels, one.waiting) for labels, one in rows),
    )
    yield Family(
        "connstorm_listener_queue_limit_connections",
        "gauge",
        "Limits of accept queues.",
        bounded((labels, one.limit) for labels, one in rows),
    )
    yield Family(
        "connstorm_listener_queue_fullness_ratio",
        "gauge",
        "How full the fullest accept queue of an address and port is; at 1 it takes no more.",
        bounded(((labels, one.waiting / (one.limit + 1)) for labels, one in rows), max),
    )
    yield Family(
        "connstorm_listener_drops_total",
        "counter",
        "Packets that listeners dropped since they were made (sk_drops).",
        bounded((labels, one.drops) for labels, one in rows),
    )


def destination_families(inspection: Inspection) -> Iterator[Family]:
    """Yield ports and mines of destinations."""
    rows = [
        ((("destination", endpoint_text(one.address, one.port)), ("source", one.source)), one)
        for one in inspection.destinations
    ]
    tightest = sorted(rows, key=lambda row: row[1].left)[:PLACES_MAX]  # a sum of ports left says nothing
    chances = [(labels, one.chance) for labels, one in tightest if one.chance is not None]
    yield Family(
        "connstorm_destination_ports_usable",
        "gauge",
        "Ports that connects to a destination may have.",
        {labels: one.usable for labels, one in tightest},
    )
    yield Family(
        "connstorm_destination_ports_left",
        "gauge",
        "Ports left for connects to a destination.",
        {labels: one.left for labels, one in tightest},
    )
    yield Family(
        "connstorm_destination_searched_ports",
        "gauge",
        "Mean number of ports that connect() looks at.",
        {labels: one.searched for labels, one in tightest},
    )
    yield Family(
        "connstorm_destination_mines",
        "gauge",
        "Old sockets at the destination, on this host, that a connect can meet.",
        {labels: chance.mines for labels, chance in chances},
    )
    yield Family(
        "connstorm_destination_mine_ratio",
        "gauge",
        "Share of the coming connects that meet a mine.",
        {labels: chance.share.value for labels, chance in chances},
    )


def client_families(inspection: Inspection) -> Iterator[Family]:
    """Yield mines of clients on other hosts, together for each listener: their addresses are not bounded."""
    mines: defaultdict[str, int] = defaultdict(int)
    clients: defaultdict[str, int] = defaultdict(int)
    for client in inspection.clients:
        mines[client.local] += client.mines
        clients[client.local] += 1
    yield Family(
        "connstorm_remote_mines",
        "gauge",
        "Old sockets that clients on other hosts can meet.",
        bounded(((("local", local),), count) for local, count in mines.items()),
    )
    yield Family(
        "connstorm_remote_clients",
        "gauge",
        "Clients on other hosts for which there are old sockets.",
        bounded(((("local", local),), count) for local, count in clients.items()),
    )


def conntrack_families(inspection: Inspection) -> Iterator[Family]:
    """Yield the table of conntrack and its counters."""
    if inspection.conntrack is None:
        return
    table = inspection.conntrack
    yield Family("connstorm_conntrack_entries", "gauge", "Entries of conntrack.", {(): table.entries})
    yield Family("connstorm_conntrack_limit_entries", "gauge", "Limit of conntrack's entries.", {(): table.limit})
    yield Family(
        "connstorm_conntrack_events_total",
        "counter",
        "Counters of conntrack, since boot.",
        by_label("counter", table.counters),
    )
