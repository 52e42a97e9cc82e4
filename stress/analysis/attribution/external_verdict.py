# SPDX-License-Identifier: MIT
"""The verdict of a storm against the server of others: whether it was met, by what that shows, and what it did."""

from collections.abc import Iterator

import numpy as np

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import ActFindings
from stress.analysis.attribution.outcome import OUTCOMES, is_self_connected
from stress.model.outcome import Cause, Outcome
from stress.model.record import Act, ListeningReport
from stress.model.text import endpoint_text, join_words, plural

HOLDERS_NAMED = 3
REASONS = {Cause.UNKNOWN: "of unknown cause", Cause.NONE: "without a cause"}


def external_verdict(act: ActFindings) -> str:
    """Return whether the server was met, and what it did, in a few sentences; without proof it says nothing of it."""
    record = act.storm.act
    place = endpoint_text(record.address.target, record.address.target_port)
    if (missing := find_missing_proof(act)) is not None:
        said = f"Nothing shows that the server on {place} was met: {missing}. So this run says nothing about it."
        return f"{said} Of the attempts themselves: {outcomes_text(act)}."
    bounds = [
        f"Of those of unknown cause at least {bound.at_least:,} are {bound.cause.replace('_', ' ')}."
        for bound in act.bounds
        if bound.at_least
    ]
    first = f"{owner_text(record)} on {place} was met: {outcomes_text(act)}."
    unanswered = int(act.syns.unanswered.sum(dtype=np.int64))
    return " ".join([first, *bounds, *list_findings(record, unanswered)])


def find_missing_proof(act: ActFindings) -> str | None:
    """Return what is missing of the proof that the server was met; None where it was.

    It was, if a socket listens at the target, and this namespace took up as many connections as were made: by
    PassiveOpens (tcp_create_openreq_child()), or by what the listener dropped itself (sk_drops), among it the last ACKs
    of clients that take themselves for connected while its accept queue is full (tcp_v4_syn_recv_sock(), Linux 6.18).
    """
    record, attempts = act.storm.act, act.storm.attempts
    connected = int(((attempts["error"] == 0) & ~is_self_connected(attempts, record.address)).sum())
    accepted = record.counters.get("PassiveOpens")
    if record.external is None or accepted is None:
        return "no evidence was asked for"
    if not listeners(record):
        return "nothing listens there"
    drops = sum(report.drops or 0 for report in listeners(record))
    if accepted + drops < connected:
        return f"{connected:,} attempts connected, but this namespace accepted {accepted:,} connections only"
    if not connected and not drops:
        return "no attempt connected, and what listens there dropped nothing"
    return None


def listeners(record: Act) -> list[ListeningReport]:
    """Return the sockets that listen on the target."""
    return [report for report in record.listening if report.on_target]


def owner_text(record: Act) -> str:
    """Return who listens on the target."""
    owners = list(dict.fromkeys(report.owner for report in listeners(record)))
    if len(owners) > HOLDERS_NAMED:
        owners = [*owners[:HOLDERS_NAMED], f"{len(owners) - HOLDERS_NAMED} more"]
    return join_words(owners)


def outcomes_text(act: ActFindings) -> str:
    """Return how many attempts connected at once, and why the others did not, as far as that is known."""
    total = len(act.outcomes)
    late = act.outcomes != OUTCOMES.index(Outcome.CONNECTED)
    if not late.any():
        return f"{'all ' if total > 1 else ''}{plural(total, 'attempt')} connected at once"
    causes = act.causes[late]
    counts = {cause: int((causes == code).sum()) for code, cause in enumerate(CAUSES)}
    largest = sorted((cause for cause, count in counts.items() if count), key=lambda cause: -counts[cause])
    reasons = join_words([f"{counts[cause]:,} {REASONS.get(cause, cause.replace('_', ' '))}" for cause in largest])
    return f"{int(late.sum()):,} of {plural(total, 'attempt')} were slow or failed ({reasons})"


def list_findings(record: Act, unanswered: int) -> Iterator[str]:
    """Yield a sentence for all that is to be known of the server itself, given how many SYNs got no answer."""
    on_target = listeners(record)
    dropping = [report for report in on_target if report.drops]
    several = len(on_target) > 1
    if dropping:
        who = f"Of {len(on_target):,} sockets that listen there {len(dropping):,}" if several else "Its listener"
        packets = plural(sum(report.drops or 0 for report in dropping), "packet")
        # Each is in sk_drops too, and no client waits for it (tcp_check_req(), Linux 6.18).
        deferred = record.counters.get("TCPDeferAcceptDrop", 0)
        acks = f", up to {deferred:,} of them ACKs that TCP_DEFER_ACCEPT drops until data come" if deferred else ""
        yield f"{who} dropped {packets}{acks}; {unanswered:,} of the storm's SYNs got no answer."
    for report in [report for report in on_target if report.waiting > report.limit][:HOLDERS_NAMED]:
        whose = "The accept queue of one of them" if several else "Its accept queue"
        yield f"{whose} is full: {report.waiting:,} connections wait, and the limit is {report.limit:,}."
    external = record.external
    if external is None:
        return
    if stopped := [holder for holder in external.holders if holder.endswith("(stopped)")]:
        yield f"These processes that hold its listening sockets do not run: {join_words(stopped)}."
    if external.close_wait or external.close_wait_after:
        before, after = (sum(counts.values()) for counts in (external.close_wait, external.close_wait_after))
        holders = external.close_wait or external.close_wait_after
        named = [f"{count:,} held by {owner}" for owner, count in list(holders.items())[:HOLDERS_NAMED]]
        yield (
            f"It had {plural(before, 'socket')} in CLOSE-WAIT before the storm and {after:,} after it, which its "
            f"clients have closed and it has not: {join_words(named)}."
        )
    if not external.stayed:
        yield "The sockets that listen there changed during the storm."
