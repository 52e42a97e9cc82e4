# SPDX-License-Identifier: MIT
"""The packets of a captured attempt as text: flags as tcpdump writes them, client on the left, server on the right."""

from rich.table import Table

from stress.model.summary import Evidence
from stress.model.units import duration_text
from stress.view.text.count_wording import name_in_words
from stress.view.text.packet_wording import BOTH_ENDS, NOTHING_SENT, fate_text, held_text, way_cells


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
