# SPDX-License-Identifier: MIT
"""Findings on leaks: whose they are, how many, since when, and what coming connects meet."""

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from stress.analysis.inspection import chance, thresholds
from stress.analysis.inspection.identities import CATALOGUE
from stress.analysis.inspection.wording import host_text, is_or_are, owner_text, rate_text, since_text
from stress.model.inspection import Ages, Check, DestinationState, Finding, Leak, SocketOwner
from stress.model.text import endpoint_text, plural

KILLED = "root, and a kernel with CONFIG_INET_DIAG_DESTROY; the program then gets errors on them"


def leaked_connections(
    leak: Leak, owners: Sequence[SocketOwner], destinations: Sequence[DestinationState], *, are_all: bool = True
) -> Finding:
    """Return that connections are in CLOSE-WAIT; a failure if one is older than a minute.

    Args:
        leak: of one owner, or the sum of those of a listener.
        owners: who has them, those with the most first.
        destinations: those that a SYN can reach.
        are_all: there are no others.
    """
    is_old = leak.ages.oldest_ms is not None and leak.ages.oldest_ms > thresholds.CLOSE_WAIT_AGE_MS
    port = port_of(leak) if leak.is_server else None
    pid = leak.owner.pid if leak.owner is not None else None
    which = f"'sport = :{port}'" if port is not None else ends_text(leak)
    # Of a client's connections no filter of ss takes those of one process alone.
    killing = [f"ss -tK state close-wait {which}   ({KILLED})"] if port is not None else []
    only = f" --port {port}" if port is not None else f" --pid {pid}" if pid is not None else ""
    return Finding(
        check=Check.CLOSE_WAIT_AGE if is_old else None,
        text=leak_text(leak, owners, is_old=is_old)
        + since_text(leak.since_utc, leak.ages)
        + rate_text(leak.per_hour)
        + mined_text(leak, destinations, are_all=are_all)
        + ".",
        page=f"{CATALOGUE}accept-queue" if leak.unaccepted else f"{CATALOGUE}closewait",
        commands=[
            f"ss -tanpo state close-wait {which}",
            f"connstorm inspect{only} --watch 10",
            *([f"ls /proc/{pid}/fd | wc -l"] if pid is not None else []),
        ],
        remedies=[
            "restart the program: it does not call accept() any more, or too slowly"
            if leak.unaccepted
            else "restart the program, which closes them; then find where it does not call close()",
            *killing,
        ],
    )


def merge_leaks(leaks: Sequence[Leak]) -> list[tuple[Leak, list[SocketOwner]]]:
    """Return the connections in CLOSE-WAIT of each listener as one leak, with the processes that have them.

    A server may have many processes, and the fault is in all of them. Leaks of clients stay as they are.
    """
    groups: dict[tuple[str, bool] | int, list[Leak]] = defaultdict(list)
    for number, leak in enumerate(leaks):
        groups[(leak.local, leak.owner is None) if leak.is_server else number].append(leak)
    return [(add_leaks(group), [leak.owner for leak in group if leak.owner is not None]) for group in groups.values()]


def add_leaks(group: Sequence[Leak]) -> Leak:
    """Return the sum of leaks, the largest one first; of its peers only those of that one are told."""
    first, *others = group
    if not others:
        return first
    known = [leak.ages for leak in group if leak.ages.known]
    rates = [leak.per_hour for leak in group if leak.per_hour is not None]
    return msgspec.structs.replace(
        first,
        count=sum(leak.count for leak in group),
        unaccepted=sum(leak.unaccepted for leak in group),
        ages=Ages(
            sum(ages.known for ages in known),
            min((ages.youngest_ms for ages in known if ages.youngest_ms is not None), default=None),
            None,
            max((ages.oldest_ms for ages in known if ages.oldest_ms is not None), default=None),
            sum(ages.probed for ages in known),
        ),
        since_utc=min((leak.since_utc for leak in group if leak.since_utc is not None), default=None),
        per_hour=sum(rates) if len(rates) == len(group) else None,
    )


def holders_text(owners: Sequence[SocketOwner]) -> str:
    """Return who has a leak's connections: one process, processes of one program, or the first and how many more."""
    if len(owners) <= 1:
        return owner_text(owners[0] if owners else None)
    names = {owner.name for owner in owners}
    if len(names) == 1 and None not in names:
        return f"{owners[0].name} ({len(owners)} processes, {owner_text(owners[0])} most)"
    return f"{owner_text(owners[0])} and {len(owners) - 1} more"


def is_told(leak: Leak) -> bool:
    """Return whether connections in CLOSE-WAIT are more than those which a program is about to close."""
    return leak.ages.oldest_ms is None or leak.ages.oldest_ms >= thresholds.TOLD_AGE_MS


def leak_text(leak: Leak, owners: Sequence[SocketOwner], *, is_old: bool) -> str:
    """Return who has not closed how many connections of what."""
    count = plural(leak.count, "connection")
    if leak.owner is None and leak.unaccepted:
        return (
            f"The clients of {count} to port {port_of(leak)} closed before accept(): in CLOSE-WAIT in the accept queue"
        )
    verb = "leaks" if is_old else "has not closed"
    if leak.is_server:
        end = f"to port {port_of(leak)}"
    else:
        # Not "from … to …": it may be a server's that has closed its listener.
        peers = next(iter(leak.peers)) if leak.peer_count == 1 else f"{leak.peer_count:,} addresses"
        end = f"between {leak.local} and {peers}"
    return f"{holders_text(owners)} {verb}: {count} {end} {is_or_are(leak.count)} in CLOSE-WAIT"


def ends_text(leak: Leak) -> str:
    """Return the filter of ss for the connections of a client: its address, and that of its peer if there is one."""
    peer = f" dst {host_text(next(iter(leak.peers)))}" if leak.peer_count == 1 else ""
    return f"src {host_text(leak.local)}{peer}"


def port_of(leak: Leak) -> int:
    """Return the port of a listener's leak."""
    return int(leak.local.rpartition(":")[2])


def mined_text(leak: Leak, destinations: Sequence[DestinationState], *, are_all: bool) -> str:
    """Return what the coming connects from this host meet, if the leak is a server's and has mines for them.

    Of several destinations the one with the largest share is told. That connects meet no mine is said where there is
    one destination only.
    """
    if not leak.is_server or leak.unaccepted:
        return ""
    mined = [row for row in destinations if row.port == port_of(leak) and row.chance is not None and row.chance.mines]
    if not mined:
        return ""
    worst = max(mined, key=lambda row: row.chance.share.high if row.chance is not None else 0)
    assert worst.chance is not None
    share, end = chance.percent_text(worst.chance.share), endpoint_text(worst.address, worst.port)
    if not worst.chance.share.high:
        if len(mined) > 1 or not are_all:
            return ""
        return f"; connect() on this host meets none at {end} while it takes {worst.chance.parity} ports"
    source = "this host" if len(mined) == 1 and are_all else worst.source
    return f"; {share} of the coming connects from {source} to {end} will wait for a resend"


def unacknowledged_connections(leak: Leak) -> Finding:
    """Return that peers do not acknowledge this host's FIN."""
    return Finding(
        check=None,
        text=f"{plural(leak.count, 'connection')} at {leak.local} {is_or_are(leak.count)} in {leak.state}"
        f"{since_text(leak.since_utc, leak.ages)}: this host has closed, and the peer does not acknowledge it. It may "
        "have vanished, or not read what was sent.",
        page=f"{CATALOGUE}half-open",
        commands=[f"ss -tano state {leak.state.lower()}"],
        remedies=["none is needed: the kernel gives them up (net.ipv4.tcp_orphan_retries)"],
    )
