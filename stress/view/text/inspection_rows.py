# SPDX-License-Identifier: MIT
"""What an inspection lists, as tables: listeners, leaks, destinations, clients. The longest part of each is cut."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import starmap
from typing import TypeVar

from stress.analysis.inspection.assemble import COUNTERS
from stress.analysis.inspection.wording import owner_text
from stress.model.inspection import (
    Ages,
    DestinationState,
    Inspection,
    Interval,
    Leak,
    ListenerState,
    RemoteClient,
    TakenBy,
    Watch,
)
from stress.model.text import endpoint_text, number_text, plural
from stress.model.units import age_text
from stress.view.text.table import Cell, Column, Row, Table, Tone

SHOWN = 8  # rows of a table
NAMES_SHOWN = 3  # peers or owners in a line
PIDS_SHOWN = 8
FEW_LEFT = 0.1  # share of ports; as Check.PORTS_LEFT has it
CAPPED = "*"  # follows the limit of a listener that net.core.somaxconn may have lowered

Item = TypeVar("Item")


def first_rows(items: Sequence[Item], unlisted: int = 0) -> tuple[Sequence[Item], str]:
    """Return the first items, and a line that says how many more there are; ``""`` where that is all."""
    more = max(len(items) - SHOWN, 0)
    where = f", of which --json has {more}" * bool(more) if unlisted else ", --json has all"
    return items[:SHOWN], f"… and {more + unlisted:,} more{where}" if more + unlisted else ""


def states_text(states: Mapping[str, int]) -> str:
    """Return counts by state, the largest first: ``4,012 CLOSE-WAIT, 2 ESTABLISHED``."""
    ranked = sorted(states.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {state}" for state, count in ranked if count)


def percent_text(share: float) -> str:
    """Return a share in per cent with two significant digits, and what is not all or nothing never as such."""
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.1f} %"


def share_text(share: Interval) -> str:
    """Return a share with its interval: ``14 % (13–15 %)``."""
    low, high = percent_text(share.low), percent_text(share.high)
    return f"{percent_text(share.value)} ({low.removesuffix(' %')}–{high})"


def is_full(listener: ListenerState) -> bool:
    """Return whether a listener's accept queue takes no more connection."""
    return listener.waiting > listener.limit


def listener_table(inspection: Inspection) -> tuple[Table, str]:
    """Return one row per listener, those in trouble first, and a line for the rest."""
    watched = inspection.watch.listener_drops if inspection.watch else {}
    ranked = sorted(
        inspection.listeners,
        key=lambda one: (not is_full(one), -watched.get(place_of(one), 0), -one.drops, -sum(one.states.values())),
    )
    shown, rest = first_rows(ranked)
    columns = (
        Column("listens on"),
        Column("owner"),
        Column("queue/limit", is_number=True),
        Column("dropped", is_number=True),
        Column("connections", is_number=True),
    )
    return Table(columns, tuple(listener_row(one, watched.get(place_of(one))) for one in shown)), rest


def place_of(listener: ListenerState) -> str:
    """Return where a listener listens: ``127.0.0.1:8080``."""
    return endpoint_text(listener.address, listener.port)


def listener_row(listener: ListenerState, watched: int | None) -> Row:
    """Return the row of a listener; ``watched`` is how many packets were dropped during a watch."""
    queue = f"{listener.waiting:,}/{listener.limit:,}{CAPPED if listener.is_capped else ''}"
    dropped = f"{listener.drops:,}" + (f" (+{watched:,})" if watched else "")
    notes = []
    if any(count for state, count in listener.states.items() if state != "ESTABLISHED"):
        notes.append(states_text(listener.states))
    if listener.holders[1:]:
        notes.append(f"open in {plural(len(listener.holders), 'process', 'processes')}: {pids_text(listener.holders)}")
    if listener.stopped:
        notes.append(f"stopped: {pids_text(listener.stopped)}")
    if listener.shares_port:
        notes.append("one of several on this port (SO_REUSEPORT)")
    cells = (
        Cell(place_of(listener)),
        Cell(owner_text(listener.owner)),
        Cell(queue, tone=Tone.WORSE if is_full(listener) else Tone.PLAIN),
        Cell(dropped, tone=Tone.WORSE if watched else Tone.PLAIN),
        Cell(f"{sum(listener.states.values()):,}"),
    )
    return Row("", cells, ("; ".join(notes),) if notes else ())


def pids_text(pids: Sequence[int]) -> str:
    """Return the first of some processes: ``712, 713, 714 …``."""
    return ", ".join(map(str, pids[:PIDS_SHOWN])) + (" …" if pids[PIDS_SHOWN:] else "")


def leak_table(leaks: Sequence[Leak]) -> tuple[Table, str]:
    """Return one row per leak, the largest first, and a line for the rest."""
    shown, rest = first_rows(sorted(leaks, key=lambda leak: -leak.count))
    columns = (
        Column("held by"),
        Column("at"),
        Column("state"),
        Column("sockets", is_number=True),
        Column("age, at least", is_number=True),
        Column("per hour", is_number=True),
    )
    return Table(columns, tuple(map(leak_row, shown))), rest


def leak_row(leak: Leak) -> Row:
    """Return the row of a leak."""
    notes = [f"from {peers_text(leak)}"] if leak.is_server else [f"to {peers_text(leak)}"]
    if leak.unaccepted:
        notes.append(f"{leak.unaccepted:,} in the accept queue, no program has accepted them")
    if leak.ages.known < leak.count:
        notes.append(f"the age of {leak.count - leak.ages.known:,} is not known")
    cells = (
        Cell(owner_text(leak.owner)),
        Cell(leak.local),
        Cell(leak.state),
        Cell(f"{leak.count:,}"),
        Cell(ages_text(leak.ages)),
        Cell(rate_text(leak.per_hour)),
    )
    return Row("", cells, ("; ".join(notes),))


def rate_text(per_hour: float | None) -> str:
    """Return a rate with two significant digits, which is as much as ages tell of it."""
    return number_text(None if per_hour is None else float(f"{per_hour:.2g}"))


def ages_text(ages: Ages) -> str:
    """Return the youngest and the oldest age: ``4.1 s – 2 h 10 min``."""
    if ages.oldest_ms is None or ages.youngest_ms is None:
        return "not known"
    youngest, oldest = age_text(ages.youngest_ms), age_text(ages.oldest_ms)
    return oldest if youngest == oldest else f"{youngest} – {oldest}"


def peers_text(leak: Leak) -> str:
    """Return the peers of a leak, those with the most sockets first: ``10.0.0.7 (3,900), 10.0.0.8 (112), 3 others``."""
    if leak.peer_count == 1:
        return next(iter(leak.peers), "one address")
    shown = [f"{address} ({count:,})" for address, count in list(leak.peers.items())[:NAMES_SHOWN]]
    others = leak.peer_count - len(shown)
    return ", ".join([*shown, *([plural(others, "other")] if others else [])])


def destination_table(inspection: Inspection) -> tuple[Table, str]:
    """Return one row per destination, that with the fewest ports first, and a line for the rest."""
    ranked = sorted(
        inspection.destinations,
        key=lambda one: (one.left / (one.usable or 1), -one.chance.share.value if one.chance else 0),
    )
    shown, rest = first_rows(ranked, inspection.more_destinations)
    columns = (
        Column("to"),
        Column("ports left", is_number=True),
        Column("searched", is_number=True),
        Column("mines", is_number=True),
        Column("meet a mine", is_number=True),
    )
    sources = Counter((one.address, one.port) for one in ranked)
    rows = (destination_row(one, names_source=sources[one.address, one.port] > 1) for one in shown)
    return Table(columns, tuple(rows)), rest


def destination_row(one: DestinationState, *, names_source: bool) -> Row:
    """Return the row of a destination."""
    place = endpoint_text(one.address, one.port)
    few = one.left < FEW_LEFT * one.usable
    chance = one.chance
    cells = (
        Cell(place),
        Cell(f"{one.left:,} of {one.usable:,}", tone=Tone.WORSE if few else Tone.PLAIN),
        Cell(f"{number_text(one.searched)}"),
        Cell(f"{chance.mines:,}" if chance else "not known"),
        Cell(
            percent_text(chance.share.value) if chance else "–",
            tone=Tone.WORSE if chance and chance.mines else Tone.PLAIN,
        ),
    )
    notes = [f"from {one.source}"] if names_source else []
    if one.taken:
        notes.append(f"taken by {taken_text(one.taken)}")
    if one.reusable:
        notes.append(f"{one.reusable:,} of these count as left: connect() takes TIME-WAIT over (tcp_tw_reuse)")
    if chance is not None and chance.mines:
        among = f" among {chance.parity} ports, which connect() tries now" if chance.parity else ""
        notes.append(f"of coming connects here, {share_text(chance.share)} meet a mine{among}")
        low, high = (f"{bound:,.0f}" for bound in (chance.of_connects.low, chance.of_connects.high))
        notes.append(
            f"of the next {chance.connects:,}: {low} to {high} (95 %); "
            f"of clients that choose ports at random: {share_text(chance.share_at_random)}"
        )
    return Row("", cells, tuple(notes))


def taken_text(taken: Sequence[TakenBy]) -> str:
    """Return who takes ports, the most first: ``8,000 TIME-WAIT, 4,000 CLOSE-WAIT of python3[4711]``."""
    ranked = sorted(taken, key=lambda one: -one.count)
    shown = [
        f"{one.count:,} {one.state}" + (f" of {owner_text(one.owner)}" if one.owner else "")
        for one in ranked[:NAMES_SHOWN]
    ]
    others = sum(one.count for one in ranked[NAMES_SHOWN:])
    return ", ".join([*shown, *([f"{others:,} others"] if others else [])])


def client_table(clients: Sequence[RemoteClient]) -> tuple[Table, str]:
    """Return one row per remote client, that with the most mines first, and a line for the rest."""
    shown, rest = first_rows(sorted(clients, key=lambda client: -client.mines))
    columns = (Column("client"), Column("at"), Column("mines", is_number=True))
    return Table(columns, tuple(Row("", (Cell(c.address), Cell(c.local), Cell(f"{c.mines:,}"))) for c in shown)), rest


def counter_lines(counters: Mapping[str, int], sign: str = "") -> str:
    """Return counters above 0 in one text: ``ListenOverflows 12, ListenDrops 12``."""
    return ", ".join(starmap(f"{{}} {sign}{{:,}}".format, [item for item in counters.items() if item[1]]))


def watched_counters(watch: Watch) -> str:
    """Return the counters of connects that rose; others, such as those of segments, are in --json."""
    return counter_lines({name: watch.counters.get(name, 0) for name in COUNTERS}, "+")
