# SPDX-License-Identifier: MIT
"""All that a run has of one of its attempts."""

import errno
from typing import Any

import msgspec
import numpy as np

from stress.analysis.attribution.cause import CAUSES, NO_PROOF
from stress.analysis.attribution.findings import ActFindings, analyse_act
from stress.analysis.attribution.kernel_events import assign_events
from stress.analysis.attribution.outcome import OUTCOMES
from stress.lab.census import state_name
from stress.model.attempt import STORM
from stress.model.errors import UsageError
from stress.model.outcome import Cause, Outcome
from stress.model.run import DROP_EVENT, Run, Storm
from stress.model.summary import Evidence, Proof, Summary
from stress.model.text import plural


class FirstUse(msgspec.Struct, frozen=True, kw_only=True):
    """How the first use of a connection ended: one byte to the server, and one back."""

    use_ns: int  # from before send() until the answer was read or the use had failed
    error: str | None  # the errno's name; None: answered


class MetSocket(msgspec.Struct, frozen=True, kw_only=True):
    """The old socket of the server that held the 4-tuple of an attempt when the storm began."""

    state: str
    age_ms: int | None  # since the last segment from its peer, when the storm began; None: not known
    is_left: bool  # whether the same socket was there after the storm
    cookie: int | None  # None: not known


class KernelEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A packet of an attempt that the kernel dropped, or a reset that it sent."""

    time_ns: int  # relative to the start of the attempt
    kind: str  # drop or reset
    reason: str
    from_client: bool
    flags: int  # of TCP


class AttemptRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt as it is stored, and what analysis says of it; names carry units.

    Attributes:
        attempt: its place in attempts.npy, from 0.
        attempts: how many there are.
        act: its act.
        start_ns: just before connect(), since the first storm of the run began.
        latency_ns: until the socket was seen connected or failed.
        close_ns: close() alone; None where the socket was not connected, or held.
        lag_us: how late it began; None where no start was planned.
        source, local_port, target, target_port: its 4-tuple; the port is 0 where it is not known.
        errno: 0 when it connected, EINPROGRESS while it was pending when the storm ended.
        error: the errno's name; None when it connected.
        retransmits: SYNs that were sent again.
        phase: warm-up or storm.
        worker: the number of the process that made it.
        outcome: what the client saw.
        cause: why it was slow or failed.
        proof: what proves that; None where there is nothing to prove, or no proof.
        hints: what would tell the causes that are unknown in its act; empty where its cause is known.
        met_mine: whether its SYN met an old socket.
        mine: the old socket on its 4-tuple, whether met or not; None: there was none.
        use: of the connection; None where connections were not used, or this one failed.
        kernel_asked: whether the kernel was asked for the packets that it drops.
        kernel_events: what it said of this attempt's.
        packets: those that were captured; None where they are not stored.
        flows: what the files of a capture have of it, each with the fields of flows.npy.
        as_stored: whether the causes of its act are, in numbers, those of the stored summary: rules may have changed.
    """

    attempt: int
    attempts: int
    act: str
    start_ns: int
    latency_ns: int
    close_ns: int | None
    lag_us: int | None
    source: str
    local_port: int
    target: str
    target_port: int
    errno: int
    error: str | None
    retransmits: int
    phase: str
    worker: int
    outcome: Outcome
    cause: Cause
    proof: Proof | None
    hints: list[str]
    met_mine: bool
    mine: MetSocket | None
    use: FirstUse | None
    kernel_asked: bool
    kernel_events: list[KernelEvent]
    packets: Evidence | None
    flows: list[dict[str, int]]
    as_stored: bool


def record_attempt(run: Run, summary: Summary, number: int) -> AttemptRecord:
    """Return what a run has of an attempt.

    Args:
        run: the run.
        summary: its stored summary, which has the captured packets.
        number: the place in attempts.npy, from 0.

    Raises:
        UsageError: there is no such attempt.
    """
    count = len(run.attempts)
    if not 0 <= number < count:
        last = f"the last is {count - 1:,}" if count else "there is none"
        raise UsageError(f"There is no attempt {number:,}: the run has {plural(count, 'attempt')}, from 0 on; {last}.")
    storms, row = run.storms(), number
    for storm in storms:
        if row < len(storm.attempts):
            break
        row -= len(storm.attempts)
    act = analyse_act(storm, [other for other in storms if other is not storm])
    attempt = storm.attempts[row]
    source, target, target_port = storm.act.address.pair(int(attempt["address"]))
    error = int(attempt["error"])
    cause, code = CAUSES[act.causes[row]], int(act.proof_codes[row])
    return AttemptRecord(
        attempt=number,
        attempts=count,
        act=storm.act.name,
        start_ns=int(attempt["start_ns"]),
        latency_ns=int(attempt["latency_ns"]),
        close_ns=int(attempt["close_ns"]) or None,
        lag_us=int(attempt["lag_us"]) if storm.act.plan.rate_per_s else None,
        source=source,
        local_port=int(attempt["local_port"]),
        target=target,
        target_port=target_port,
        errno=error,
        error=errno.errorcode.get(error, str(error)) if error else None,
        retransmits=int(attempt["retransmits"]),
        phase="storm" if attempt["phase"] == STORM else "warm-up",
        worker=int(attempt["worker"]),
        outcome=OUTCOMES[act.outcomes[row]],
        cause=cause,
        proof=act.proofs[code] if code != NO_PROOF else None,
        hints=act.hints if cause is Cause.UNKNOWN else [],
        met_mine=bool(act.syns.met_mine[row]),
        mine=mine_of(storm, attempt),
        use=use_of(storm, row),
        kernel_asked=storm.act.kernel_word is not None,
        kernel_events=events_of(act, row),
        packets=next((item for item in summary.evidence if is_of(item, storm.act.name, attempt)), None),
        flows=flows_of_attempt(storm, row),
        as_stored=are_as_stored(act, summary),
    )


def are_as_stored(act: ActFindings, summary: Summary) -> bool:
    """Return whether the causes of an act are, in numbers, those that were stored with the run."""
    stored = next((part.causes for part in summary.acts if part.act == act.storm.act.name), summary.causes)
    counts = dict(zip(map(str, CAUSES), np.bincount(act.causes, minlength=len(CAUSES)).tolist(), strict=True))
    return {name: count for name, count in counts.items() if count} == {name: n for name, n in stored.items() if n}


def is_of(evidence: Evidence, act: str, attempt: Any) -> bool:
    """Return whether packets are those of an attempt."""
    where = (evidence.act, evidence.local_port, evidence.start_ns)
    return where == (act, int(attempt["local_port"]), int(attempt["start_ns"]))


def mine_of(storm: Storm, attempt: Any) -> MetSocket | None:
    """Return the old socket on the 4-tuple of an attempt; None where there was none."""
    if not attempt["local_port"]:
        return None
    on_tuple = (storm.mines["local_port"] == attempt["local_port"]) & (storm.mines["address"] == attempt["address"])
    for mine in storm.mines[on_tuple]:
        age_ms = int(mine["age_ms"])
        return MetSocket(
            state=state_name(int(mine["state"])),
            age_ms=age_ms if age_ms >= 0 else None,
            is_left=bool(mine["left"]),
            cookie=int(mine["cookie"]) or None,
        )
    return None


def use_of(storm: Storm, row: int) -> FirstUse | None:
    """Return the first use of the connection that an attempt made."""
    if not len(storm.uses) or not storm.uses["use_ns"][row]:
        return None
    error = int(storm.uses["error"][row])
    name = errno.errorcode.get(error, str(error)) if error else None
    return FirstUse(use_ns=int(storm.uses["use_ns"][row]), error=name)


def events_of(act: ActFindings, row: int) -> list[KernelEvent]:
    """Return what the kernel said of an attempt, in the order of time."""
    storm, word = act.storm, act.storm.act.kernel_word
    if word is None or not len(storm.events):
        return []
    tuples = storm.tuples(storm.attempts)
    rows = np.flatnonzero(tuples == tuples[row])  # an event belongs to one of the attempts on its 4-tuple
    own = storm.events[assign_events(storm, rows) == int(np.searchsorted(rows, row))]
    start_ns = int(storm.attempts["start_ns"][row])
    events = []
    for event in own[np.argsort(own["time_ns"], kind="stable")]:
        is_drop = event["kind"] == DROP_EVENT
        names = word.drop_reasons if is_drop else word.reset_reasons
        events.append(
            KernelEvent(
                time_ns=int(event["time_ns"]) - start_ns,
                kind="drop" if is_drop else "reset",
                reason=names.get(str(event["reason"]), str(event["reason"])),
                from_client=bool(event["from_client"]),
                flags=int(event["flags"]),
            )
        )
    return events


def flows_of_attempt(storm: Storm, row: int) -> list[dict[str, int]]:
    """Return what each file of a capture has of a connection try."""
    own = storm.flows[storm.flows["attempt"] == row]
    return [{name: int(flow[name]) for name in own.dtype.names or () if name != "attempt"} for flow in own]
