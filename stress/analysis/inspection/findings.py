# SPDX-License-Identifier: MIT
"""Findings: what is wrong, or was, in the order of harm, each with its figures, its page, and what to do."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.identities import CATALOGUE, CONNTRACK, SYMPTOMS
from stress.analysis.inspection.leak_findings import (
    is_told,
    leaked_connections,
    merge_leaks,
    unacknowledged_connections,
)
from stress.analysis.inspection.settings import is_at_limit, is_crowded
from stress.analysis.inspection.wording import host_text, owner_text
from stress.lab import counters
from stress.model.inspection import Check, Conntrack, DestinationState, Finding, Leak, ListenerState, Watch
from stress.model.text import endpoint_text, join_words, plural

HOLDERS_SHOWN = 8  # pids in a line
DROPPING_SHOWN = 3  # listeners that dropped something before
TAKEN_SHOWN = 3


class Seen(NamedTuple):
    """What findings rest on: that which is shown."""

    listeners: Sequence[ListenerState]
    leaks: Sequence[Leak]
    destinations: Sequence[DestinationState]
    conntrack: Conntrack | None
    rules: Sequence[str]
    watch: Watch | None


def list_findings(seen: Seen) -> list[Finding]:
    """Return the findings: failures first, those that stop connections before those that delay them."""
    # Where every SYN is dropped, it does not matter which ones meet a leaked connection.
    full = {listener.port for listener in seen.listeners if is_at_limit(listener)}
    reachable = [destination for destination in seen.destinations if destination.port not in full]
    findings = [
        *(crowded_destination(destination) for destination in seen.destinations if is_crowded(destination)),
        *(full_queue(listener) for listener in seen.listeners if is_at_limit(listener)),
        *full_conntrack(seen.conntrack),
        *dropping_listeners(seen),
        *(searched_destination(row) for row in seen.destinations if is_searched(row) and not is_crowded(row)),
        *(
            leaked_connections(leak, owners, reachable)
            for leak, owners in merge_leaks([leak for leak in seen.leaks if leak.state == "CLOSE-WAIT"])
            if is_told(leak)
        ),
        *suspect_rules(seen),
        *(unacknowledged_connections(leak) for leak in seen.leaks if leak.state != "CLOSE-WAIT"),
        *explained_counters(seen),
        *old_drops(seen),
    ]
    return sorted(findings, key=lambda finding: finding.check is None)


def crowded_destination(destination: DestinationState) -> Finding:
    """Return that few ports are left to a destination."""
    end = endpoint_text(destination.address, destination.port)
    by_whom = ", ".join(
        f"{taken.count:,} by {owner_text(taken.owner)} in {taken.state}" for taken in destination.taken[:TAKEN_SHOWN]
    )
    left = plural(destination.left, "port") if destination.left else "No port"
    verb = "is" if destination.left < 2 else "are"
    page = "port-exhaustion" if not destination.left else "port-cost"
    searched = (
        f"; connect() looks at {destination.searched:,.0f} before it has one"
        if destination.left
        else "; connect() fails with EADDRNOTAVAIL"
    )
    return Finding(
        check=Check.PORTS_LEFT,
        text=f"{left} of {destination.usable:,} {verb} left for connections from {destination.source} to {end}"
        f"{searched}. Taken: {by_whom or 'all are reserved'}.",
        page=CATALOGUE + page,
        commands=[
            f"ss -tanp src {destination.source} dst {host_text(destination.address)} 'dport = :{destination.port}'",
            "sysctl net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports",
        ],
        remedies=[
            "use connections again instead of making new ones (keep-alive, a pool)",
            "sysctl -w net.ipv4.ip_local_port_range='1024 65535', with servers' ports in ip_local_reserved_ports",
            "connect from several source addresses, or to several",
        ],
    )


def is_searched(destination: DestinationState) -> bool:
    """Return whether connect() looks at so many ports that it takes time."""
    return destination.searched > thresholds.PORTS_SEARCHED


def searched_destination(destination: DestinationState) -> Finding:
    """Return that connect() looks at many ports of a destination, which is so once half of the range is taken."""
    end = endpoint_text(destination.address, destination.port)
    return Finding(
        check=None,
        text=f"connect() from {destination.source} to {end} looks at {destination.searched:,.0f} ports before it has "
        f"one: {destination.usable - destination.left:,} of {destination.usable:,} are taken.",
        page=f"{CATALOGUE}port-cost",
        commands=["connstorm run port-cost"],
        remedies=[
            "let clients set IP_LOCAL_PORT_RANGE (Linux 6.8), which makes connect() try odd and even ports alike"
        ],
    )


def full_queue(listener: ListenerState) -> Finding:
    """Return that a listener's accept queue is at its limit."""
    end = endpoint_text(listener.address, listener.port)
    is_full = listener.waiting > listener.limit
    state = "is full, so every SYN is dropped" if is_full else "has room for one more"
    capped = ", which equals net.core.somaxconn" if listener.is_capped else ""
    dropped = f" It has dropped {plural(listener.drops, 'packet')} since it was made." if listener.drops else ""
    holders = listener.holders[:HOLDERS_SHOWN]
    return Finding(
        check=Check.LISTENER_QUEUE,
        text=f"The accept queue of {owner_text(listener.owner)} at {end} {state}: {listener.waiting:,} wait, the limit "
        f"is {listener.limit:,}{capped}.{stopped_text(listener)}{dropped}",
        page=f"{CATALOGUE}reuseport-stuck" if listener.shares_port else f"{CATALOGUE}accept-queue",
        commands=[
            f"ss -ltnpm 'sport = :{listener.port}'",
            f"connstorm inspect --port {listener.port} --watch 10",
            *([f"ps -o pid,stat,time,wchan:20,comm -p {','.join(map(str, holders))}"] if holders else []),
        ],
        remedies=[
            *([f"kill -CONT {' '.join(map(str, listener.stopped))}"] if listener.stopped else []),
            "restart the program if it hangs; else let it accept faster",
            "if the queue is full only briefly, raise the listen() backlog"
            + (" and net.core.somaxconn, then restart" if listener.is_capped else ", then restart"),
        ],
    )


def stopped_text(listener: ListenerState) -> str:
    """Return how many of the processes that have a listener open are stopped, as a sentence; nothing if none is."""
    if not listener.stopped:
        return ""
    pids = join_words([str(pid) for pid in listener.stopped[:HOLDERS_SHOWN]])
    who = "The process that has it open is"
    if listener.holders[1:]:
        who = f"{len(listener.stopped)} of the {len(listener.holders)} processes that have it open are"
    return f" {who} stopped, by a signal or a debugger: {pids}."


def full_conntrack(conntrack: Conntrack | None) -> Iterator[Finding]:
    """Yield that the table of conntrack is nearly full."""
    if conntrack is None or conntrack.entries <= thresholds.CONNTRACK_SHARE * conntrack.limit:
        return
    share = conntrack.entries / conntrack.limit
    yield Finding(
        check=Check.CONNTRACK,
        text=f"The table of conntrack has {conntrack.entries:,} of {conntrack.limit:,} entries ({100 * share:.0f} %): "
        "packets of new connections that find it full are dropped.",
        page=f"{CATALOGUE}conntrack-full",
        commands=["conntrack -S", "sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max"],
        remedies=["sysctl -w net.netfilter.nf_conntrack_max=… (more memory), or shorter timeouts, or notrack rules"],
    )


def dropping_listeners(seen: Seen) -> Iterator[Finding]:
    """Yield the listeners that dropped something while they were watched."""
    if seen.watch is None:
        return
    shown = {endpoint_text(listener.address, listener.port): listener for listener in seen.listeners}
    for end, count in seen.watch.listener_drops.items():
        if count <= thresholds.LISTENER_DROPS or end not in shown:
            continue
        listener = shown[end]
        pages = [explanation.page for explanation in seen.watch.explanations if "ListenDrops" in explanation.counters]
        page = pages[0] if len(pages) == 1 else f"{CATALOGUE}accept-queue"
        yield Finding(
            check=Check.LISTENER_DROPS,
            text=f"{owner_text(listener.owner)} at {end} dropped {plural(count, 'packet')} within "
            f"{seen.watch.seconds:g} s; the client of each waits for a resend.",
            page=page,
            commands=[
                f"ss -ltnpm 'sport = :{listener.port}'",
                "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop",
            ],
            remedies=["see the page: which counter rose with it tells why"],
        )


def explained_counters(seen: Seen) -> Iterator[Finding]:
    """Yield what the counters of a watch prove, but drops of a listener that is told of already."""
    if seen.watch is None:
        return
    is_told_of = any(seen.watch.listener_drops.values())
    for explanation in seen.watch.explanations:
        if is_told_of and "ListenDrops" in explanation.counters:
            continue
        names = [name for name in explanation.counters if " " not in name]
        commands = [f"nstat -az {' '.join(repr('*' + name) for name in names)}"] if names else []
        commands += ["conntrack -S"] if any(name.startswith(CONNTRACK) for name in explanation.counters) else []
        commands += ["ip -s link show lo"] if counters.LO_DROPPED in explanation.counters else []
        yield Finding(check=None, text=explanation.text, page=explanation.page, commands=commands)


def suspect_rules(seen: Seen) -> Iterator[Finding]:
    """Yield rules that may make a collision a timeout, if there is something to collide with."""
    has_leaks = any(leak.state == "CLOSE-WAIT" and leak.is_server for leak in seen.leaks)
    if not seen.rules or not has_leaks:
        return
    yield Finding(
        check=None,
        text=f"{plural(len(seen.rules), 'rule')} of nft may drop the RST that frees a leaked connection's 4-tuple, for "
        f"example: {seen.rules[0]}. A connect that meets the connection would then end with ETIMEDOUT. Whether a rule "
        "matches that RST, which some kernels call invalid, is not known.",
        page=f"{CATALOGUE}conntrack-invalid" if "invalid" in seen.rules[0] else f"{CATALOGUE}rst-dropped",
        commands=["nft list ruleset"],
        remedies=["let RSTs pass, or set net.netfilter.nf_conntrack_tcp_be_liberal=1"],
    )


def old_drops(seen: Seen) -> Iterator[Finding]:
    """Yield the listeners that have dropped something since they were made, which may be long ago."""
    dropping = [listener for listener in seen.listeners if listener.drops and not is_at_limit(listener)]
    for listener in sorted(dropping, key=lambda listener: -listener.drops)[:DROPPING_SHOWN]:
        end = endpoint_text(listener.address, listener.port)
        yield Finding(
            check=None,
            text=f"{owner_text(listener.owner)} at {end} has dropped {plural(listener.drops, 'packet')} since it was "
            "made; when is not known.",
            page=f"{SYMPTOMS}a-full-accept-queue",
            commands=[f"connstorm inspect --port {listener.port} --watch 10", f"ss -ltnpm 'sport = :{listener.port}'"],
        )
