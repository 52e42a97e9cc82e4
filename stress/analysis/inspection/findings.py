# SPDX-License-Identifier: MIT
"""Findings: what is wrong, or was, in the order of harm, each with its figures, its page, and what to do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.identities import CATALOGUE, CONNTRACK, SYMPTOMS
from stress.analysis.inspection.leak_findings import (
    is_told,
    leaked_connections,
    merge_leaks,
    unacknowledged_connections,
)
from stress.analysis.inspection.port_findings import (
    crowded_destination,
    is_searched,
    reserved_range,
    searched_destination,
)
from stress.analysis.inspection.settings import is_at_limit, is_crowded
from stress.analysis.inspection.wording import owner_text
from stress.lab import counters
from stress.model.inspection import Check, Conntrack, DestinationState, Finding, Leak, ListenerState, Watch
from stress.model.text import endpoint_text, join_words, plural

HOLDERS_SHOWN = 8  # pids in a line
DROPPING_SHOWN = 3  # listeners that dropped something before
ANY_CAUSE = f"{CATALOGUE}the-catalogue"


class Seen(NamedTuple):
    """What findings rest on: that which is shown, the kernel's counters, and the ports that connect() may choose."""

    listeners: Sequence[ListenerState]
    leaks: Sequence[Leak]
    destinations: Sequence[DestinationState]
    conntrack: Conntrack | None
    rules: Sequence[str]
    watch: Watch | None
    counters: Mapping[str, int]
    port_range: tuple[int, int]
    reserved: Collection[int]


def list_findings(seen: Seen) -> list[Finding]:
    """Return the findings: failures first, those that stop connections before those that delay them."""
    # Where every SYN is dropped, it does not matter which ones meet a leaked connection.
    full = {listener.port for listener in seen.listeners if is_at_limit(listener)}
    reachable = [destination for destination in seen.destinations if destination.port not in full]
    findings = [
        *(() if seen.destinations else reserved_range(seen.port_range, seen.reserved)),
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


def full_queue(listener: ListenerState) -> Finding:
    """Return that a listener's accept queue is at its limit."""
    end = endpoint_text(listener.address, listener.port)
    is_full = listener.waiting > listener.limit
    state = f"is full, so every SYN{' that comes to it' * listener.shares_port} is dropped"
    if not is_full:
        state = "has room for one more"
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
        pages = {explanation.page for explanation in seen.watch.explanations if "ListenDrops" in explanation.counters}
        why = "the client of each waits for a resend"
        if not seen.watch.counters.get("ListenDrops"):
            # tcp_v4_rcv(), Linux 6.18: sk_drops also counts what tcp_check_req() has no use for.
            why = (
                "no queue was full. A SYN that comes again while its SYN-ACK is lost counts, and so does a packet that "
                "fits no connection"
            )
        yield Finding(
            check=Check.LISTENER_DROPS,
            text=f"{owner_text(listener.owner)} at {end} dropped {plural(count, 'packet')} within "
            f"{seen.watch.seconds:g} s; {why}.",
            page=pages.pop() if len(pages) == 1 else ANY_CAUSE,
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
    now = seen.watch.listener_drops if seen.watch is not None else {}
    dropping = [
        listener
        for listener in seen.listeners
        if not is_at_limit(listener) and listener.drops > now.get(endpoint_text(listener.address, listener.port), 0)
    ]
    page = f"{SYMPTOMS}a-full-accept-queue" if seen.counters.get("ListenOverflows") else ANY_CAUSE
    for listener in sorted(dropping, key=lambda listener: -listener.drops)[:DROPPING_SHOWN]:
        end = endpoint_text(listener.address, listener.port)
        yield Finding(
            check=None,
            text=f"{owner_text(listener.owner)} at {end} has dropped {plural(listener.drops, 'packet')} since it was "
            "made; when is not known.",
            page=page,
            commands=[f"connstorm inspect --port {listener.port} --watch 10", f"ss -ltnpm 'sport = :{listener.port}'"],
        )
