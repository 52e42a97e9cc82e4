# SPDX-License-Identifier: MIT
"""Findings on listeners: full queues, and what they dropped."""

from collections.abc import Iterator, Mapping, Sequence

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.identities import CATALOGUE, SYMPTOMS
from stress.analysis.inspection.settings import is_at_limit
from stress.analysis.inspection.wording import owner_text
from stress.model.inspection import Check, Finding, ListenerState, Watch
from stress.model.text import endpoint_text, join_words, plural

HOLDERS_SHOWN = 8  # pids in a line
DROPPING_SHOWN = 3  # listeners that dropped something before
ANY_CAUSE = f"{CATALOGUE}the-catalogue"
DEFERRED, HALF_OPEN, FULL = "TCPDeferAcceptDrop", "EmbryonicRsts", "ListenDrops"


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


def dropping_listeners(listeners: Sequence[ListenerState], watch: Watch | None) -> Iterator[Finding]:
    """Yield the listeners that dropped something while they were watched."""
    if watch is None:
        return
    shown = {endpoint_text(listener.address, listener.port): listener for listener in listeners}
    for end, count in watch.listener_drops.items():
        if count <= thresholds.LISTENER_DROPS or end not in shown:
            continue
        listener = shown[end]
        pages = {explanation.page for explanation in watch.explanations if "ListenDrops" in explanation.counters}
        yield Finding(
            check=None if is_harmless(watch) else Check.LISTENER_DROPS,
            text=f"{owner_text(listener.owner)} at {end} dropped {plural(count, 'packet')} within "
            f"{watch.seconds:g} s; {reason_text(watch, count)}.",
            page=pages.pop() if len(pages) == 1 else ANY_CAUSE,
            commands=[
                f"ss -ltnpm 'sport = :{listener.port}'",
                "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop TcpExtTCPDeferAcceptDrop",
            ],
            remedies=["see the page: which counter rose with it tells why"],
        )


def count_harmless(watch: Watch) -> int:
    """Return how many of the packets that listeners dropped can be such that no client waits for.

    A listener with TCP_DEFER_ACCEPT drops each client's ACK that brings no data: the client is connected, and its data
    bring the ACK again. A client that resets a half-open connection, as some health checks and port scans do, has what
    it wanted (tcp_check_req(), Linux 6.18). sk_drops counts both.
    """
    return watch.counters.get(DEFERRED, 0) + watch.counters.get(HALF_OPEN, 0)


def is_harmless(watch: Watch) -> bool:
    """Return whether all that listeners dropped can be packets that no client waits for."""
    return not watch.counters.get(FULL) and count_harmless(watch) >= sum(watch.listener_drops.values())


def reason_text(watch: Watch, count: int) -> str:
    """Return what a listener that dropped ``count`` packets did to clients, as far as counters tell."""
    kinds = {
        DEFERRED: f"ACKs that TCP_DEFER_ACCEPT drops until data come ({DEFERRED})",
        HALF_OPEN: f"resets of half-open connections, as of health checks and port scans ({HALF_OPEN})",
    }
    packets = " or ".join(text for name, text in kinds.items() if watch.counters.get(name))
    if is_harmless(watch):
        return f"as many {packets} were counted, and no client waits for those"
    harmless = min(count_harmless(watch), count)
    first = f"up to {harmless:,} may be {packets}, " if harmless else ""
    if watch.counters.get(FULL):
        return f"{first}the client of each {'other one ' * bool(harmless)}waits for a resend"
    # tcp_v4_rcv(), Linux 6.18: sk_drops also counts what tcp_check_req() has no use for.
    return (
        f"{first}no queue was full. A SYN that comes again while its SYN-ACK is lost counts, and so does a packet "
        "that fits no connection"
    )


def old_drops(
    listeners: Sequence[ListenerState], watch: Watch | None, since_boot: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield the listeners that have dropped something since they were made, which may be long ago."""
    now = watch.listener_drops if watch is not None else {}
    dropping = [
        listener
        for listener in listeners
        if not is_at_limit(listener) and listener.drops > now.get(endpoint_text(listener.address, listener.port), 0)
    ]
    page = f"{SYMPTOMS}a-full-accept-queue" if since_boot.get("ListenOverflows") else ANY_CAUSE
    deferred = since_boot.get(DEFERRED, 0)
    deferred_text = f", nor how many are of the {deferred:,} ACKs that TCP_DEFER_ACCEPT dropped" if deferred else ""
    for listener in sorted(dropping, key=lambda listener: -listener.drops)[:DROPPING_SHOWN]:
        end = endpoint_text(listener.address, listener.port)
        yield Finding(
            check=None,
            text=f"{owner_text(listener.owner)} at {end} has dropped {plural(listener.drops, 'packet')} since it was "
            f"made; when is not known{deferred_text}.",
            page=page,
            commands=[f"connstorm inspect --port {listener.port} --watch 10", f"ss -ltnpm 'sport = :{listener.port}'"],
        )
