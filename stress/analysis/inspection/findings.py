# SPDX-License-Identifier: MIT
"""Findings: what is wrong, or was, in the order of harm, each with its figures, its page, and what to do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from stress.analysis.inspection import thresholds
from stress.analysis.inspection.identities import CATALOGUE, CONNTRACK
from stress.analysis.inspection.leak_findings import (
    is_told,
    leaked_connections,
    merge_leaks,
    unacknowledged_connections,
)
from stress.analysis.inspection.listener_findings import dropping_listeners, full_queue, old_drops
from stress.analysis.inspection.port_findings import (
    crowded_destination,
    is_searched,
    reserved_range,
    searched_destination,
)
from stress.analysis.inspection.settings import is_at_limit, is_crowded
from stress.lab import counters
from stress.model.inspection import Check, Conntrack, DestinationState, Finding, Leak, ListenerState, Watch
from stress.model.text import plural


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
    are_all_destinations: bool


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
        *dropping_listeners(seen.listeners, seen.watch),
        *(searched_destination(row) for row in seen.destinations if is_searched(row) and not is_crowded(row)),
        *(
            leaked_connections(leak, owners, reachable, are_all=seen.are_all_destinations)
            for leak, owners in merge_leaks([leak for leak in seen.leaks if leak.state == "CLOSE-WAIT"])
            if is_told(leak)
        ),
        *suspect_rules(seen),
        *(unacknowledged_connections(leak) for leak in seen.leaks if leak.state != "CLOSE-WAIT"),
        *explained_counters(seen),
        *old_drops(seen.listeners, seen.watch, seen.counters),
    ]
    return sorted(findings, key=lambda finding: finding.check is None)


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
