# SPDX-License-Identifier: MIT
"""What crossed the link of a storm across one, and the counters of both hosts, as text for a terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from stress.model.record import Act, Record
from stress.model.summary import Evidence
from stress.model.text import one_line
from stress.model.units import duration_text
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


def clock_lines(record: Record, evidence: Sequence[Evidence]) -> Iterator[Text]:
    """Yield how exact the times of the other host's packets are, where the packets of both hosts are shown."""
    peer = next((act.peer for act in record.acts if act.peer is not None), None)
    if peer is not None and any(len(item.hosts) > 1 and item.packets for item in evidence):
        error = duration_text(peer.clock.error_ns)
        text = f"packets that only {one_line(peer.name)} saw have its times, converted: right within {error}"
        yield Text(f"{text}, so that they may stand before or after their neighbours", style="dim")


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
