# SPDX-License-Identifier: MIT
"""The facts of a run in words: what was attempted, how that ended, how long it took, and what the host was."""

from collections.abc import Iterator

from stress.model.outcome import Cause, Outcome
from stress.model.record import KernelWord, Record
from stress.model.stall import StallKind
from stress.model.summary import Body, OldSockets, Summary, Uses
from stress.model.text import plural, rate_text
from stress.model.units import duration_text, kernel_text
from stress.model.world import Drop
from stress.view.text.count_wording import counts_text
from stress.view.text.mine_wording import mines_text
from stress.view.text.peer_wording import peer_texts
from stress.view.text.verdict_lines import verdict_texts

WORDS_SHOWN = 4  # of the reasons that the kernel gave
STALL_PLACES = {StallKind.LOOP: "in the loop", StallKind.SLEEP: "in a sleep", StallKind.CONNECT: "in connect()"}


def run_facts(record: Record, summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield name and text of each fact about the whole run."""
    yield from verdict_texts(record, summary)
    rate = rate_text(summary.rate_per_s)
    yield "attempts", f"{summary.attempts:,} at {rate}/s, all over after {summary.duration_s:.2f} s"
    yield "outcomes", counts_text(summary.outcomes)
    if summary.errnos:
        by_count = sorted(summary.errnos.items(), key=lambda item: -item[1])
        yield "errors", ", ".join(f"{count:,} {name}" for name, count in by_count)
    yield "causes", counts_text(summary.causes)
    yield from slow_texts(record.plan.until_slow, summary)
    yield from latency_texts(summary)
    bands = [band for band in summary.bands if band.count]
    if bands:
        yield "retries", ", ".join(f"{band.count:,} in the {band.label} band" for band in bands)
    mines = summary.mines
    if mines.laid or mines.hit:
        met = f"{mines.hit:,} met by {summary.collisions:,} attempts"
        yield "mines", mines_text(record, f"{mines.laid:,} laid before the storm", f"{met}, {mines.left:,} left")
    if summary.old_sockets:
        yield "old sockets", "; ".join(old_sockets_text(group) for group in summary.old_sockets)
    for firewall in dict.fromkeys(act.firewall for act in record.acts if act.plan.drop is not Drop.NOTHING):
        yield "firewall", firewall
    if errors := added_errors(record):
        yield "server", f"accept() failed with {counts_text(errors)}"
    if record.overhead:
        known = record.plan.ports.is_sweeping
        yield "harness", f"{record.overhead.attempt_ns(port_known=known):.0f} ns an attempt to record it"
    yield from host_texts(record)
    if stalls := stalls_text(record):
        yield "stalls", stalls
    for word in filter(None, (act.kernel_word for act in record.acts)):
        yield "kernel's word", word_text(word)


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
