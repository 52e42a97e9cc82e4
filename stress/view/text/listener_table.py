# SPDX-License-Identifier: MIT
"""The listening sockets and the ports of others during a run, as text for a terminal."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from stress.model.record import Act, ListeningReport
from stress.model.text import endpoint_text, join_words, plural
from stress.view.text.plain_table import plain_table

QUIET_SHOWN = 4  # listeners with an empty queue and no drop
TAKEN_SHOWN = 5  # entries of ports that others held
PORTS_SHOWN = 6  # ports or ranges of such an entry; run.json has all


def listener_table(acts: Sequence[Act]) -> Table | None:
    """Return one row for each socket that listens on the target of a storm; None if there is none.

    Acts of which all that is shown is the same share a row. Of listeners that dropped nothing and have an empty queue
    some are left out where there are many.
    """
    rows: dict[tuple[str, ...], list[str]] = {}
    quiet: set[tuple[str, ...]] = set()
    for act in acts:
        repeated: dict[tuple[str, ...], int] = {}
        for report in act.listening:
            if report.on_target:
                cells = report_cells(report)
                repeated[cells] = repeated.get(cells, 0) + 1
                key = (*cells, str(repeated[cells]))  # several on one port may look alike
                if is_quiet(report):
                    quiet.add(key)
                rows.setdefault(key, []).append(act.name)
    if not rows:
        return None
    several = len(acts) > 1
    table = plain_table("listens on the target", "queue/limit", "dropped", "owner", *(["act"] if several else []))
    for column in table.columns[3:]:
        column.justify = "left"
    hidden = set([key for key in rows if key in quiet][QUIET_SHOWN:])
    for key, names in rows.items():
        if key not in hidden:
            in_acts = ["every act" if len(names) == len(acts) else ", ".join(names)] if several else []
            table.add_row(*map(Text, (*key[:-1], *in_acts)))  # not markup: an address may stand in brackets
    if hidden:
        table.caption = f"and {len(hidden)} more that dropped nothing and have an empty queue"
        table.caption_justify = "left"
    return table


def report_cells(report: ListeningReport) -> tuple[str, ...]:
    """Return the cells of a listener's row."""
    queue = f"{report.waiting:,}/{report.limit:,}"
    return place_text(report), queue, drops_text(report), owner_text(report)


def place_text(report: ListeningReport) -> str:
    """Return where a listener listens, which the serving host of a storm across a link tells only to its users."""
    return endpoint_text(report.address, report.port) if report.address else "elsewhere"


def is_quiet(report: ListeningReport) -> bool:
    """Return whether a listener dropped nothing, and nothing waits in its queue."""
    return report.drops == 0 and not report.waiting


def drops_text(report: ListeningReport) -> str:
    """Return how many packets a listener dropped during the storm."""
    return "closed" if report.drops is None else f"{report.drops:,}"


def owner_text(report: ListeningReport) -> str:
    """Return who owns a listener, and what is to be known about its queue."""
    notes = []
    if report.waiting > report.limit:
        notes.append("its queue is full")
    if report.capped and (report.drops or report.waiting):
        notes.append("its limit equals net.core.somaxconn, so probably cut")
    return "; ".join([report.owner, *notes])


def neighbour_lines(acts: Sequence[Act]) -> Iterator[Text]:
    """Yield what is to be known of other sockets and addresses: listeners elsewhere, ports that others hold."""
    for act in acts:
        where = f"{act.name}: " if len(acts) > 1 else ""
        yield from (Text(where + line) for line in act_neighbours(act))


def act_neighbours(act: Act) -> Iterator[str]:
    """Yield a sentence for each of these in an act."""
    if act.listener_elsewhere:
        yield (
            f"nobody listens on {act.address.target}, port {port_text(act)}; somebody does on "
            f"{join_words(act.listener_elsewhere)}"
        )
    others = [report for report in act.listening if not report.on_target and report.drops]
    for report in others:
        yield f"another listener, {place_text(report)} ({report.owner}), dropped {drops_text(report)}"
    for taken in act.taken[:TAKEN_SHOWN]:
        yield f"taken by others: {shorten_ports(taken.ports)}, {taken.state}, by {taken.owner}"
    if act.taken[TAKEN_SHOWN:]:
        yield f"and {plural(len(act.taken) - TAKEN_SHOWN, 'group')} more of ports taken by others"
    if act.reserved:
        yield f"{plural(act.reserved, 'port')} of the range reserved (net.ipv4.ip_local_reserved_ports)"
    if act.source_error:
        yield f"the kernel has no source address for {act.address.target}: {act.source_error}"


def shorten_ports(ports: str) -> str:
    """Return the first of many ports and ranges: ``32772,32810,32842 and 911 more``."""
    parts = ports.split(",")
    more = len(parts) - PORTS_SHOWN
    return ports if more <= 1 else f"{','.join(parts[:PORTS_SHOWN])} and {more:,} more"


def port_text(act: Act) -> str:
    """Return the server's ports."""
    first, ports = act.address.target_port, act.address.target_ports
    return str(first) if ports == 1 else f"{first}-{first + ports - 1}"
