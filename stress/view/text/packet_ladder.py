# SPDX-License-Identifier: MIT
"""The packets of a captured attempt as text: flags as tcpdump writes them, client on the left, server on the right."""

from collections.abc import Sequence
from itertools import pairwise

from rich.table import Table

from stress.model.summary import Evidence, Fate, Packet
from stress.model.units import duration_text
from stress.view.text.packet_wording import BOTH_ENDS, NOTHING_SENT, fate_text, held_text, next_host
from stress.view.text.plain_table import name_in_words


def packet_ladder(evidence: Evidence) -> Table:
    """Return the packets of one attempt, from host to host, with the place where one was lost."""
    hosts = evidence.hosts or BOTH_ENDS
    title = f"captured: {name_in_words(evidence.cause)}, port {evidence.local_port}"
    if not evidence.packets:
        title += f": {NOTHING_SENT}"
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 1), min_width=44
    )  # fmt: skip
    table.add_column(justify="right")
    notes = [fate_text(packet, hosts) or held_text(packet) for packet in evidence.packets]
    for packet, note in zip(evidence.packets, notes, strict=True):
        time = duration_text(packet.time_ns) if packet.time_ns else "0"
        table.add_row(time, *way_cells(packet, hosts), *([note] if any(notes) else []))
    return table


def way_cells(packet: Packet, hosts: Sequence[str]) -> list[str]:
    """Return a host, the arrow to the next, that host, and so on; nothing where the packet did not come."""
    seen = packet.hosts or hosts
    cells = [hosts[0] if hosts[0] in seen else ""]
    ends = {seen[-1], next_host(packet, hosts)} if packet.fate is Fate.LOST_ON_LINK else set()
    for left, right in pairwise(hosts):
        is_crossed = left in seen and right in seen
        cells += [
            arrow(packet, is_lost=not is_crossed) if is_crossed or ends == {left, right} else "",
            right if right in seen else "",
        ]
    return cells


def arrow(packet: Packet, *, is_lost: bool) -> str:
    """Return the way from one host to the next."""
    if packet.from_client:
        return f"──── {packet.flags:>2} ───{'✗' if is_lost else '▶'}"
    return f"{'✗' if is_lost else '◀'}─── {packet.flags:<2} ────"
