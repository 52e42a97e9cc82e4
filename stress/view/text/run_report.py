# SPDX-License-Identifier: MIT
"""Summaries as text for a terminal."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.model.outcome import Cause, Outcome
from stress.model.record import KernelWord, Pair, Record
from stress.model.stall import StallKind
from stress.model.summary import Body, Evidence, OldSockets, Summary, Uses
from stress.model.text import number_text, plural, rate_text
from stress.model.units import duration_text, kernel_text
from stress.model.world import Drop
from stress.view.text.books_table import books_table
from stress.view.text.listener_table import listener_table, neighbour_lines
from stress.view.text.mine_wording import mines_text
from stress.view.text.packet_ladder import packet_ladder
from stress.view.text.packet_wording import fate_text
from stress.view.text.peer_table import clock_lines, link_tables, peer_texts
from stress.view.text.plain_table import counts_text, plain_table
from stress.view.text.proof_table import bound_lines, evidence_text, hint_lines, proofs_table
from stress.view.text.verdict_lines import run_heading, verdict_texts

WORDS_SHOWN = 4  # of the reasons that the kernel gave
STALL_PLACES = {StallKind.LOOP: "in the loop", StallKind.SLEEP: "in a sleep", StallKind.CONNECT: "in connect()"}


def body_text(body: Body) -> str:
    """Return the body's percentiles in one line."""
    points = (
        ("p50", body.p50_ns),
        ("p90", body.p90_ns),
        ("p99", body.p99_ns),
        ("p99.9", body.p999_ns),
        ("max", body.max_ns),
    )
    texts = [f"{name} {duration_text(value_ns)}" for name, value_ns in points if value_ns is not None]
    return ", ".join(texts) or "no attempt connected at once"


def run_report(record: Record, summary: Summary, path: Path) -> RenderableType:
    """Return the summary of one run: facts, acts, proofs, listeners, figures, socket pairs, packets, books, warnings.

    The first line says which evidence was used, and whether the books balance.
    """
    head = Text.assemble((run_heading(record.plan), "bold underline"), ": ", (evidence_text(record, summary), "bold"))
    parts: list[RenderableType] = [head, facts_table(record, summary, path)]
    if summary.acts:
        parts.append(acts_table(summary))
    if summary.proofs:
        parts.append(proofs_table(summary.proofs))
    parts.extend((*bound_lines(summary.bounds), *hint_lines(summary.hints)))
    parts.extend(link_tables(record.acts))
    if (listeners := listener_table(record.acts)) is not None:
        parts.append(listeners)
    parts.extend(neighbour_lines(record.acts))
    if summary.figures:
        parts.append(figures_table(summary))
    if pairs := [pair for act in record.acts for pair in act.pairs]:
        parts.append(socket_pairs_text(pairs))
    parts.extend(packet_ladder(evidence) for evidence in first_of_every_cause(summary.evidence))
    parts.extend(clock_lines(record, summary.evidence))
    if summary.books:
        parts.append(books_table(summary))
    parts.extend(warning_lines(summary.warnings))
    return Group(*parts)


def facts_table(record: Record, summary: Summary, path: Path) -> Table:
    """Return the facts about the whole run."""
    table = Table.grid(padding=(0, 2))

    def add(name: str, text: str) -> None:
        # Texts of others may have brackets; a path that is longer than the line is broken, not cut.
        table.add_row(Text(name, style="bold"), Text(text, overflow="fold"))

    for name, text in verdict_texts(record, summary):
        add(name, text)
    add(
        "attempts",
        f"{summary.attempts:,} at {rate_text(summary.rate_per_s)}/s, all over after {summary.duration_s:.2f} s",
    )
    add("outcomes", counts_text(summary.outcomes))
    if summary.errnos:
        by_count = sorted(summary.errnos.items(), key=lambda item: -item[1])
        add("errors", ", ".join(f"{count:,} {name}" for name, count in by_count))
    add("causes", counts_text(summary.causes))
    for name, text in (*slow_texts(record.plan.until_slow, summary), *latency_texts(summary)):
        add(name, text)
    bands = [band for band in summary.bands if band.count]
    if bands:
        add("retries", ", ".join(f"{band.count:,} in the {band.label} band" for band in bands))
    mines = summary.mines
    if mines.laid or mines.hit:
        met = f"{mines.hit:,} met by {summary.collisions:,} attempts"
        add("mines", mines_text(record, f"{mines.laid:,} laid before the storm", f"{met}, {mines.left:,} left"))
    if summary.old_sockets:
        add("old sockets", "; ".join(old_sockets_text(group) for group in summary.old_sockets))
    for firewall in dict.fromkeys(act.firewall for act in record.acts if act.plan.drop is not Drop.NOTHING):
        add("firewall", firewall)
    if errors := added_errors(record):
        add("server", f"accept() failed with {counts_text(errors)}")
    if record.overhead:
        known = record.plan.ports.is_sweeping
        add("harness", f"{record.overhead.attempt_ns(port_known=known):.0f} ns an attempt to record it")
    for name, text in host_texts(record):
        add(name, text)
    if stalls := stalls_text(record):
        add("stalls", stalls)
    for word in filter(None, (act.kernel_word for act in record.acts)):
        add("kernel's word", word_text(word))
    add("run", str(path))
    return table


def host_texts(record: Record) -> Iterator[tuple[str, str]]:
    """Yield the kernel of this host, what is known of the one across a link, and the CPU time stolen here."""
    yield "kernel", kernel_text(record.host.kernel, record.host.jiffy_ns)
    yield from peer_texts(record)
    if stolen_ms := sum(act.stolen_ms for act in record.acts):
        yield "stolen", f"{stolen_ms:,} ms of CPU time, by a hypervisor, during the storm"


def slow_texts(wanted: int | None, summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield how many slow attempts a storm that waited for some has caught."""
    if wanted is None:
        return
    slow = summary.attempts - summary.outcomes.get(Outcome.CONNECTED, 0)
    stored = sum(evidence.cause != Cause.NONE for evidence in summary.evidence)
    bound = "" if slow >= wanted else "; the bounds came first"
    packets = f"; the packets of {stored:,} are in evidence.pcap" if stored else ""
    yield "slow ones", f"{slow:,} caught, {wanted:,} asked for{bound}{packets}"


def latency_texts(summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield name and text of each distribution of latencies."""
    yield "body", body_text(summary.body)
    if summary.intended:
        yield "from intended start", body_text(summary.intended)
    if summary.uses:
        yield "first use", uses_text(summary.uses)


def uses_text(uses: Uses) -> str:
    """Return how the first uses of connections ended, and how long they took."""
    text = f"{uses.answered:,} answered"
    if uses.errors:
        text += f", after a connect() that succeeded {counts_text(uses.errors)}"
    return f"{text}: {body_text(uses.body)}" if uses.answered else text


def stalls_text(record: Record) -> str:
    """Return how often and how long the client's own loop did not run; ``""`` if it always did."""
    stalls = [stall for act in record.acts for stall in act.stalls]
    if not stalls:
        return ""
    lengths_ns = [stall.end_ns - stall.start_ns for stall in stalls]
    kinds = [stall.kind for stall in stalls]
    places = ", ".join(f"{kinds.count(kind):,} {place}" for kind, place in STALL_PLACES.items() if kind in kinds)
    text = f"the client did not run {plural(len(stalls), 'time')} ({places}), longest {duration_text(max(lengths_ns))}"
    if len(stalls) > 1:
        text += f", {duration_text(sum(lengths_ns))} in all"
    missed = sum(act.stalls_missed for act in record.acts)
    return f"{text}; {missed:,} more were not recorded" if missed else text


def word_text(word: KernelWord) -> str:
    """Return what the kernel said most often, and what its word does not cover."""
    counts = sorted(((count, reason) for reason, count in word.counts.items() if count), reverse=True)
    texts = [f"{count:,} {reason}" for count, reason in counts[:WORDS_SHOWN]]
    if counts[WORDS_SHOWN:]:
        texts.append(f"{len(counts) - WORDS_SHOWN} more reasons")
    text = ", ".join(texts) or "no packet dropped, no reset sent"
    if word.lost:
        text += f"; {plural(word.lost, 'event')} lost, so it proves nothing by its silence"
    if not word.complete:
        text += "; this kernel does not give every event its 4-tuple"
    return text


def old_sockets_text(group: OldSockets) -> str:
    """Return how many old sockets were in a state, and since when their peers had been silent."""
    text = f"{group.count:,} in {group.state}"
    if group.youngest_ms is None or group.oldest_ms is None:
        return text
    youngest, oldest = duration_text(group.youngest_ms * 1e6), duration_text(group.oldest_ms * 1e6)
    return f"{text}, {oldest if youngest == oldest else f'{youngest} to {oldest}'} old"


def added_errors(record: Record) -> dict[str, int]:
    """Return the errors of the server's accept(), summed over acts."""
    errors: dict[str, int] = {}
    for act in record.acts:
        for name, count in act.listener.errors.items():
            errors[name] = errors.get(name, 0) + count
    return errors


def acts_table(summary: Summary) -> Table:
    """Return one row per act."""
    table = plain_table("act", "attempts", "p50", "p99", "outcomes", "causes")
    for act in summary.acts:
        p50, p99 = (duration_text(ns) if ns is not None else "–" for ns in (act.body.p50_ns, act.body.p99_ns))
        table.add_row(act.act, f"{act.attempts:,}", p50, p99, counts_text(act.outcomes), counts_text(act.causes))
    for column in table.columns[4:]:
        column.justify = "left"
    return table


def figures_table(summary: Summary) -> Table:
    """Return the scenario's own figures: one row per figure, one column per act."""
    names = list(dict.fromkeys(figure.act for figure in summary.figures))
    table = plain_table("", *(name if len(names) > 1 else "" for name in names), "")
    table.columns[-1].justify = "left"
    table.columns[0].no_wrap = False
    for column in table.columns[1:]:
        column.overflow = "fold"
    for name, unit in dict.fromkeys((figure.name, figure.unit) for figure in summary.figures):
        values = {figure.act: figure.value for figure in summary.figures if figure.name == name}
        table.add_row(name, *(number_text(values.get(act)) for act in names), unit)
    return table


def socket_pairs_text(pairs: Iterable[Pair]) -> Table:
    """Return the socket pairs that a census saw while a client waited, in the columns of ss."""
    table = plain_table("while a client waited", "state", "Recv-Q", "local", "peer")
    for pair in pairs:
        when = duration_text(pair.seen_ns)
        table.add_row(f"{when} into the storm", pair.client_state, "", pair.client, pair.server)
        table.add_row("", pair.server_state, str(pair.receive_queue), pair.server, pair.client)
    return table


def first_of_every_cause(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Return the first evidence of each cause, and of each place where packets of such attempts were lost."""
    first: dict[tuple[str, frozenset[tuple[str, str]]], Evidence] = {}
    for item in evidence:
        fates = ((packet.flags, fate_text(packet, item.hosts)) for packet in item.packets)
        first.setdefault((item.cause, frozenset(pair for pair in fates if pair[1])), item)
    return list(first.values())


def warning_lines(warnings: Iterable[str]) -> list[Text]:
    """Return each warning as a line."""
    return [Text(f"warning: {warning}", style="yellow") for warning in warnings]
