# SPDX-License-Identifier: MIT
"""The other host of a storm across a link, and what crossed the link, as text for a terminal.

What the other host says of itself is text that others made: it is shown as one line without control characters.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stress.model.peer import ClientReport, ClockOffset, PeerReport, ServeLimits
from stress.model.record import Act, Record
from stress.model.summary import Evidence
from stress.model.text import one_line, plural, rate_text
from stress.model.units import duration_text, kernel_text
from stress.model.world import CLIENT, SERVER
from stress.view.text.plain_table import plain_table

if TYPE_CHECKING:
    from stress.analysis.attribution.crossings import Crossing, Crossings

# Counters that tell most of what happened to connections, in the order of their way.
SHOWN = (
    *("ActiveOpens", "PassiveOpens", "TCPSynRetrans", "TCPTimeouts", "ListenOverflows", "ListenDrops"),
    *("TCPReqQFullDrop", "TCPSYNChallenge", "TCPChallengeACK", "OutRsts", "EstabResets", "EmbryonicRsts"),
    *("OutSegs", "InSegs", "RetransSegs"),
)


def peer_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield name and text of each fact about the other host; none where there is none."""
    reports = [act.peer for act in record.acts if act.peer is not None]
    if not reports:
        return
    first, last = reports[0], reports[-1]
    yield "other host", f"{one_line(first.name)} over {first.transport}: {one_line(first.program)}"
    yield "its kernel", one_line(kernel_text(first.host.kernel, first.host.jiffy_ns))
    yield "its clock", clock_text(first, last)
    yield "its limits", limits_text(first.limits)
    there = [text for report in reports for text in report.changed]
    here = [text for report in reports for text in report.changed_here]
    yield "changed there", changes_text(there)
    if here:
        yield "changed here", changes_text(here)
    if stolen_ms := sum(report.stolen_ms for report in reports):
        yield "stolen there", f"{stolen_ms:,} ms of CPU time, by a hypervisor, during the storm"
    yield from client_texts(record)
    for act in record.acts:
        if act.peer is not None and act.peer.lost:
            where = f"{act.name}: " if len(record.acts) > 1 else ""
            yield "lost", f"{where}{one_line(act.peer.lost)}"


def client_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield name and text of the further clients, each with what it did in all acts."""
    by_name: dict[str, list[ClientReport]] = {}
    for act in record.acts:
        for report in act.clients:
            by_name.setdefault(report.name, []).append(report)
    for name, (first, *rest) in by_name.items():
        attempts = sum(report.attempts for report in (first, *rest))
        last = rest[-1] if rest else first
        yield (
            "further client",
            (
                f"{one_line(name)} from {first.address}: {plural(attempts, 'attempt')}; its clock is "
                f"{offset_text(first.clock)}, after the storm {offset_text(last.clock_after)}"
            ),
        )


def changes_text(changes: Iterable[str]) -> str:
    """Return what was changed for the storm, each change once."""
    return "; ".join(dict.fromkeys(map(one_line, changes))) or "nothing"


def clock_text(first: PeerReport, last: PeerReport) -> str:
    """Return how far the other host's clock is ahead, before the storm and after it, with the bound of the error."""
    before = f"{offset_text(first.clock)} (round trip {duration_text(2 * first.clock.error_ns)})"
    if last.clock_after is None:
        return f"{before}; not compared after the storm"
    return f"{before}; after the storm {offset_text(last.clock_after)}"


def offset_text(clock: ClockOffset) -> str:
    """Return an offset with its bound: ``12.1 ms ahead of this host's, within 85 µs``."""
    side = "ahead of" if clock.offset_ns >= 0 else "behind"
    return f"{duration_text(abs(clock.offset_ns))} {side} this host's, within {duration_text(clock.error_ns)}"


def clock_lines(record: Record, evidence: Sequence[Evidence]) -> Iterator[Text]:
    """Yield how exact the times of the other host's packets are, where the packets of both hosts are shown."""
    peer = next((act.peer for act in record.acts if act.peer is not None), None)
    if peer is not None and any(len(item.hosts) > 1 and item.packets for item in evidence):
        error = duration_text(peer.clock.error_ns)
        text = f"packets that only {one_line(peer.name)} saw have its times, converted: right within {error}"
        yield Text(f"{text}, so that they may stand before or after their neighbours", style="dim")


def limits_text(limits: ServeLimits) -> str:
    """Return what the other host permits."""
    low, high = limits.ports
    sources = f"from {', '.join(map(one_line, limits.sources))}, " if limits.sources else ""
    change = "settings may be changed" if limits.change else "no setting may be changed"
    rate = rate_text(limits.max_rate_per_s)
    return f"{sources}{rate} connections/s, {limits.max_seconds:g} s, ports {low}-{high}; {change}"


def link_tables(acts: Sequence[Act]) -> list[Table]:
    """Return what crossed the link of a storm across one, and the counters of both hosts."""
    return [table for table in (crossings_table(acts), counters_table(acts)) if table is not None]


def crossings_table(acts: Sequence[Act]) -> Table | None:
    """Return how many segments of each kind left one host and came to the other; None where nobody counted them."""
    from stress.analysis.attribution.crossings import count_crossings  # noqa: PLC0415  # numpy; doctor prints this too

    counted = [(act, crossings) for act in acts if (crossings := count_crossings(act)) is not None]
    if not counted:
        return None
    table = plain_table("across the link", "left", "came", "")
    table.columns[3].justify = "left"
    for act, crossings in counted:
        if len(acts) > 1:
            table.add_section()
            table.add_row(Text(act.name, style="bold"))
        for name, crossing in rows_of(crossings):
            if any(crossing):
                table.add_row(name, f"{crossing.left:,}", f"{crossing.came:,}", lost_text(crossing))
        if not crossings.syns.lost and not crossings.same_syns:
            table.add_row("", "", "", Text("some SYNs were lost, and as many others doubled", style="yellow"))
        for host, count in crossings.unreceived.items():
            if count > 0:
                text = f"at the {host}, not received by its TCP"
                table.add_row("TCP segments", "", f"{count:,}", text)
        if crossings.syns_of_others:
            table.add_row(
                "SYNs of others", "", f"{crossings.syns_of_others:,}", "from addresses that are not the client's"
            )
    return table


def rows_of(crossings: "Crossings") -> Iterator[tuple[str, "Crossing"]]:
    """Yield name and counts of each kind of segment."""
    yield "SYN ▶", crossings.syns
    yield "◀ SYN-ACK", crossings.syn_acks
    yield "ACK without data ▶", crossings.client_acks
    yield "RST ▶", crossings.client_rsts
    yield "◀ ACK without data", crossings.server_acks
    yield "◀ RST", crossings.server_rsts
    yield "◀ ICMP error", crossings.errors


def lost_text(crossing: "Crossing") -> Text:
    """Return how many were lost between, or came in addition."""
    if not crossing.lost:
        return Text("=", style="green")
    if crossing.lost > 0:
        return Text(f"{crossing.lost:,} lost between", style="red")
    return Text(f"{-crossing.lost:,} more came: made or doubled between", style="red")


def counters_table(acts: Sequence[Act]) -> Table | None:
    """Return the counters of both hosts that moved; of several acts their sums. None where there is no other host."""
    across = [act for act in acts if act.peer is not None and {CLIENT, SERVER} <= set(act.hosts)]
    if not across:
        return None
    hosts = list(dict.fromkeys(host for act in across for host in act.hosts))
    table = plain_table("kernel counters, with traffic of others", *hosts)
    for counter in SHOWN:
        values = [
            sum(act.hosts[host].counters.get(counter, 0) for act in across if host in act.hosts) for host in hosts
        ]
        if any(values):
            table.add_row(counter, *(f"{value:,}" for value in values))
    return table
