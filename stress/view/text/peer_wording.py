# SPDX-License-Identifier: MIT
"""The other hosts of a storm across a link in words.

What the other host says of itself is text that others made: it is shown as one line without control characters.
"""

from collections.abc import Iterable, Iterator

from stress.model.peer import ClientReport, ClockOffset, PeerReport, ServeLimits
from stress.model.record import Record
from stress.model.text import one_line, plural, rate_text
from stress.model.units import duration_text, kernel_text


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


def limits_text(limits: ServeLimits) -> str:
    """Return what the other host permits."""
    low, high = limits.ports
    sources = f"from {', '.join(map(one_line, limits.sources))}, " if limits.sources else ""
    change = "settings may be changed" if limits.change else "no setting may be changed"
    rate = rate_text(limits.max_rate_per_s)
    return f"{sources}{rate} connections/s, {limits.max_seconds:g} s, ports {low}-{high}; {change}"
