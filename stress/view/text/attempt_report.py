# SPDX-License-Identifier: MIT
"""All that a run has of one attempt, as text for a terminal."""

import os
from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stress.analysis.attribution.attempt_record import AttemptRecord, KernelEvent, MetSocket
from stress.model.outcome import MEANINGS, Cause
from stress.model.summary import Evidence
from stress.model.text import endpoint_text, plural
from stress.model.units import SECOND_NS, age_text, duration_text
from stress.view.text.packet_ladder import packet_ladder

NO_PORT = "no port"
FLAG_LETTERS = "FSRP.UEW"  # of the flags from the lowest on, as tcpdump writes them


def attempt_report(record: AttemptRecord, path: Path) -> RenderableType:
    """Return the stored fields of an attempt with their units, its cause with its proof, and its packets."""
    table = Table.grid(padding=(0, 2))
    for name, text in (*field_texts(record), *reason_texts(record), ("run", str(path))):
        table.add_row(Text(name, style="bold"), Text(text, overflow="fold"))
    head = Text.assemble((f"attempt {record.attempt:,}", "bold underline"), f" of {record.attempts:,}")
    parts: list[RenderableType] = [head, table]
    if record.packets is not None:
        parts.append(packet_ladder(record.packets))
    return Group(*parts)


def field_texts(record: AttemptRecord) -> Iterator[tuple[str, str]]:
    """Yield name and text of each stored field."""
    yield "act", record.act
    yield "start", f"{record.start_ns / SECOND_NS:.9f} s after the first storm of the run began"
    yield "latency", exact_text(record.latency_ns)
    if record.close_ns is not None:
        yield "close()", exact_text(record.close_ns)
    if record.lag_us is not None:
        yield "lag", f"{record.lag_us:,} µs after the start that was planned"
    client = endpoint_text(record.source, record.local_port) if record.local_port else f"{record.source}, {NO_PORT}"
    yield "from", client
    yield "to", endpoint_text(record.target, record.target_port)
    yield "result", "connected" if record.error is None else f"{record.error}: {os.strerror(record.errno)}"
    yield "outcome", record.outcome.replace("_", " ")
    yield "resends", f"{plural(record.retransmits, 'SYN')} sent again" if record.retransmits else "none"
    if record.use is not None:
        error = f", {record.use.error}" if record.use.error else ", answered"
        yield "first use", exact_text(record.use.use_ns) + error
    yield "phase", record.phase
    yield "worker", f"{record.worker}"


def reason_texts(record: AttemptRecord) -> Iterator[tuple[str, str]]:
    """Yield the cause of an attempt, what proves it, and what was recorded that bears on it."""
    yield "cause", f"{record.cause.replace('_', ' ')}: {MEANINGS[record.cause]}"
    if record.proof is not None:
        yield "proof", record.proof.text
        yield (
            "",
            f"{record.proof.grade}, by the rule {record.proof.rule}, of {plural(record.proof.attempts, 'attempt')}",
        )
    elif record.cause is not Cause.NONE:
        yield "proof", "no rule holds for this attempt"
    if not record.as_stored:
        yield "note", "the rules of this connstorm explain this act otherwise than the report that is stored with it"
    for hint in record.hints:
        yield "hint", hint
    if record.mine is not None:
        yield "old socket", mine_text(record.mine, has_met=record.met_mine)
    elif record.met_mine:
        yield "old socket", "its SYN met one that was not listed when the storm began"
    if record.kernel_events:
        for place, event in enumerate(record.kernel_events):
            yield "" if place else "kernel's word", event_text(event)
    elif record.kernel_asked:
        yield "kernel's word", "none of its packets was reported as dropped, and no reset on its 4-tuple"
    yield from flow_texts(record)
    yield "packets", packets_text(record.packets)


def exact_text(duration_ns: int) -> str:
    """Return a duration as people read it and, where that is rounded, to the nanosecond."""
    return f"{duration_text(duration_ns)} ({duration_ns:,} ns)" if duration_ns >= 1000 else f"{duration_ns} ns"


def mine_text(mine: MetSocket, *, has_met: bool) -> str:
    """Return the state of the old socket on a 4-tuple, its age, and what became of it."""
    silent = "" if mine.age_ms is None else f", its peer silent for {age_text(mine.age_ms)} when the storm began"
    after = "still there after the storm" if mine.is_left else "gone after the storm"
    met = "met" if has_met else "not met by this attempt"
    cookie = "" if mine.cookie is None else f", cookie {mine.cookie:x}"
    return f"{mine.state}{silent}; {met}; {after}{cookie}"


def event_text(event: KernelEvent) -> str:
    """Return a packet that the kernel dropped, or a reset that it sent."""
    side = "client" if event.from_client else "server"
    flags = "".join(letter for place, letter in enumerate(FLAG_LETTERS) if event.flags >> place & 1)
    what = f"dropped {flags} of the {side}" if event.kind == "drop" else f"sent a reset of the {side}"
    sign = "−" if event.time_ns < 0 else "+"
    return f"{sign}{duration_text(abs(event.time_ns))}: {what}: {event.reason}"


def flow_texts(record: AttemptRecord) -> Iterator[tuple[str, str]]:
    """Yield what each file of a capture counted and timed."""
    for flow in record.flows:
        fields = [f"{name} {value:,}" for name, value in flow.items() if name != "file" and value not in (0, -1)]
        yield f"file {flow['file']}", ", ".join(fields)


def packets_text(packets: Evidence | None) -> str:
    """Return whether the packets of an attempt are stored."""
    if packets is None:
        return "not stored of this attempt"
    return f"{plural(len(packets.packets), 'packet')}, in evidence.pcap"
