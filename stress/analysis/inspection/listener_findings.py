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
DEFERRED, FULL = "TCPDeferAcceptDrop", "ListenDrops"


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
            check=None if is_deferring(watch) else Check.LISTENER_DROPS,
            text=f"{owner_text(listener.owner)} at {end} dropped {plural(count, 'packet')} within "
            f"{watch.seconds:g} s; {reason_text(watch, count)}.",
            page=pages.pop() if len(pages) == 1 else ANY_CAUSE,
            commands=[
                f"ss -ltnpm 'sport = :{listener.port}'",
                "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtTCPReqQFullDrop TcpExtTCPDeferAcceptDrop",
            ],
            remedies=["see the page: which counter rose with it tells why"],
        )


def is_deferring(watch: Watch) -> bool:
    """Return whether all that listeners dropped can be ACKs of clients that TCP_DEFER_ACCEPT waits for.

    Such a listener drops each client's ACK that brings no data, which is no harm: the client is connected, and its data
    bring the ACK again (tcp_check_req(), Linux 6.18). Its sk_drops counts these as well.
    """
    return not watch.counters.get(FULL) and watch.counters.get(DEFERRED, 0) >= sum(watch.listener_drops.values())


def reason_text(watch: Watch, count: int) -> str:
    """Return what a listener that dropped ``count`` packets did to clients, as far as counters tell."""
    acks = f"ACKs that TCP_DEFER_ACCEPT drops until data come ({DEFERRED})"
    deferred = min(watch.counters.get(DEFERRED, 0), count)
    if is_deferring(watch):
        return f"as many {acks} were counted, and no client waits for those"
    harmless = f"up to {deferred:,} may be {acks}, " if deferred else ""
    if watch.counters.get(FULL):
        return f"{harmless}the client of each {'other one ' * bool(deferred)}waits for a resend"
    # tcp_v4_rcv(), Linux 6.18: sk_drops also counts what tcp_check_req() has no use for.
    return (
        f"{harmless}no queue was full. A SYN that comes again while its SYN-ACK is lost counts, and so does a packet "
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
