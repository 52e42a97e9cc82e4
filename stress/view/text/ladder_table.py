# SPDX-License-Identifier: MIT
"""The SYN ladder as text for a terminal."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.analysis.attribution.ladder import LADDER_LIMITS, Ladder
from stress.model.host import Host
from stress.model.units import duration_text, kernel_text, range_text
from stress.view.text.plain_table import plain_table


def ladder_report(host: Host, sysctls: dict[str, str], ladder: Ladder) -> RenderableType:
    """Return the times of SYN retransmits, of connect() returning after them, and of giving up."""
    heading = f"{kernel_text(host.kernel, host.jiffy_ns)}, {ladder_settings(sysctls)}"
    lines: list[RenderableType] = [Text(heading, style="bold"), rung_table(ladder)]
    lines.append(Text(f"ETIMEDOUT after {duration_text(ladder.give_up_ns)} when no SYN is ever answered"))
    if ladder.challenged_give_up_ns:
        text = f"ETIMEDOUT after {duration_text(ladder.challenged_give_up_ns)} when the first SYN met a challenge ACK"
        lines.append(Text(f"{text} and the RST to it is lost"))
    lines += [Text(), Text("connstorm explain 1.02s (or ETIMEDOUT) lists what may be behind a time or an error")]
    return Group(*lines)


def ladder_settings(sysctls: Mapping[str, str]) -> str:
    """Return the settings that shape a ladder, in words."""
    settings = [f"{name.rpartition('.')[2]}={sysctls[name]}" for name in LADDER_LIMITS if name in sysctls]
    return ", ".join(settings) or "defaults"


def rung_table(ladder: Ladder) -> Table:
    """Return one row a rung."""
    table = plain_table("band", "SYN retransmits", "connect() returns after", "because")
    table.columns[3].justify = "left"
    if ladder.fast:
        band = range_text(ladder.fast.from_ns, ladder.fast.to_ns)
        table.add_row(ladder.fast.label, "1", band, "a challenge ACK answered the first SYN")
    for rung in ladder.rungs:
        because = f"{rung.retransmits} SYN{'s' if rung.retransmits > 1 else ''} went unanswered"
        table.add_row(rung.label, str(rung.retransmits), range_text(rung.from_ns, rung.to_ns), because)
    return table
