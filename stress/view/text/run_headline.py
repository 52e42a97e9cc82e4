# SPDX-License-Identifier: MIT
"""What a run says in a sentence: how many attempts met trouble, what that did to them, and its cause.

Pictures and pages are headed by it, so it takes neither matplotlib nor rich.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.findings import ActFindings, Findings
from stress.analysis.attribution.ladder import Rung
from stress.analysis.attribution.outcome import OUTCOMES
from stress.model.outcome import Cause, Outcome
from stress.model.text import plural
from stress.model.units import duration_text
from stress.view.text.run_wording import body_text

NOUNS: dict[Cause, str] = {
    Cause.CLOSEWAIT: "leaked sockets in CLOSE-WAIT",
    Cause.TIME_WAIT: "old sockets in TIME-WAIT",
    Cause.STALE_SOCKET: "old sockets of the server",
    Cause.ACCEPT_QUEUE: "a full accept queue",
    Cause.SYN_QUEUE: "a full SYN queue",
    Cause.FD_EXHAUSTION: "a server without free descriptors",
    Cause.RST_DROPPED: "the RST to an old socket dropped",
    Cause.CHALLENGE_DROPPED: "the challenge ACK of an old socket dropped",
    Cause.CHALLENGE_LIMITED: "the challenge ACK of an old socket withheld",
    Cause.CHALLENGE_INTERCEPTED: "a firewall that answers challenge ACKs",
    Cause.LOST_ON_THE_WAY: "packets lost on the way",
    Cause.SNAT_CLASH: "a router that gave one port twice",
    Cause.SNAT_EXHAUSTED: "a router without free ports",
    Cause.CONNTRACK_FULL: "a full conntrack table",
    Cause.ECN_DROPPED: "SYNs with ECN dropped",
    Cause.MPTCP_DROPPED: "SYNs with MPTCP dropped",
    Cause.TFO_DROPPED: "SYNs with Fast Open dropped",
    Cause.DROPPED_BY_HOST: "SYNs that the client's own host dropped",
    Cause.REFUSED_BY_HOST: "the client's own host, which refused",
    Cause.NO_ROUTE_BACK: "no route back from the server",
    Cause.NO_NEIGHBOUR: "no answer from the next hop",
    Cause.RP_FILTER: "the reverse path filter",
    Cause.MARTIAN: "a source address that the server has itself",
    Cause.NO_LISTENER: "nobody listening",
    Cause.REJECTED_BY_RST: "RSTs that the server had not sent",
    Cause.REJECTED_BY_ICMP: "ICMP errors",
    Cause.PORT_EXHAUSTED: "no source port left",
    Cause.PORT_RESERVED: "source ports that are reserved",
    Cause.PORT_TAKEN: "source ports that others held",
    Cause.NO_SOURCE_ADDRESS: "no source address of this family",
    Cause.STALLED: "a client that did not run",
    Cause.LISTENER_CLOSED: "a listener that closed before accept()",
    Cause.UNKNOWN: "cause unknown",
}
FAILURES: dict[Outcome, str] = {
    Outcome.SELF_CONNECTED: "connected to themselves",
    Outcome.REFUSED: "were refused",
    Outcome.RESET: "were reset",
    Outcome.NO_PORT: "got no port",
    Outcome.IN_USE: "found their port in use",
    Outcome.OTHER: "failed",
}
CAUSES_NAMED = 3
CONNECTED = OUTCOMES.index(Outcome.CONNECTED)


def run_headline(findings: Findings) -> str:
    """Return what a run says: the most frequent cause with its count and its consequence, or that there is none.

    Attempts that did not connect at once come first. What delayed others, such as a client that did not run, is named
    where all connected at once.
    """
    attempts = len(findings.run.attempts)
    late = trouble_counts(findings.acts, is_late=True)
    counts = late or trouble_counts(findings.acts)
    uses = findings.summary.uses
    if not late and uses and uses.errors:
        return f"{sum(uses.errors.values()):,} of {attempts:,} connections failed when they were first used"
    if not attempts:
        return "No attempt was made"
    everybody = f"All {plural(attempts, 'attempt')} connected at once"
    if not counts:
        return everybody
    cause, count = counts.most_common(1)[0]
    what = f"{consequence_text(findings.acts, cause, is_late=bool(late))}: {NOUNS[cause]}"
    if not late:
        return f"{everybody}; {count:,} {what}"
    met, spared = split_by_cause(findings.acts, cause)
    others = counts.total() - count
    another = f"; {others:,} had another cause" if others else ""
    text = f"{count:,} of {plural(sum(len(act.storm.attempts) for act in met), 'attempt')} {what}{another}"
    if not spared:
        return text
    is_cure = findings.run.record.plan.scenario.endswith("-cure")
    return f"{text}; {'the cure works, ' if is_cure else ''}{spared_text(spared)}"


def split_by_cause(acts: Sequence[ActFindings], cause: Cause) -> tuple[list[ActFindings], list[ActFindings]]:
    """Return the acts in which an attempt has a cause, and those whose attempts all connected at once."""
    code = CAUSES.index(cause)
    met = [act for act in acts if np.any(act.drawn_causes == code)]
    calm = [act for act in acts if len(act.storm.attempts) and np.all(act.outcomes == CONNECTED)]
    return met, [act for act in calm if act not in met]


def spared_text(acts: Sequence[ActFindings]) -> str:
    """Return how many attempts other acts had without that cause: ``'with keepalive: 0 of 500'``."""
    attempts = sum(len(act.storm.attempts) for act in acts)
    names = acts[0].storm.act.name if len(acts) == 1 else f"{len(acts)} other acts"
    return f"{names}: 0 of {attempts:,}"


def act_sentences(findings: Findings) -> list[str]:
    """Return a sentence for each act, with its causes by frequency; of a run with one act, those after the first."""
    if len(findings.acts) > 1:
        return [f"{act.storm.act.name}: {act_text(act)}." for act in findings.acts]
    others = trouble_counts(findings.acts).most_common(CAUSES_NAMED + 1)[1:]
    texts = [f"{count:,} {consequence_text(findings.acts, cause)}: {NOUNS[cause]}." for cause, count in others]
    return [*texts, f"The others connected at once: {body_text(findings.summary.body)}."]


def act_text(act: ActFindings) -> str:
    """Return what one act says."""
    counts = trouble_counts([act])
    attempts = len(act.storm.attempts)
    parts = [
        f"{count:,} of {attempts:,} {consequence_text([act], cause)}: {NOUNS[cause]}"
        for cause, count in counts.most_common(CAUSES_NAMED)
    ]
    return "; ".join(parts) or f"0 of {attempts:,} met trouble"


def trouble_counts(acts: Iterable[ActFindings], *, is_late: bool = False) -> Counter[Cause]:
    """Return how many attempts of some acts have each cause, without those that have nothing to explain.

    ``is_late`` leaves out those that connected at once.
    """
    counts: Counter[Cause] = Counter()
    for act in acts:
        causes = act.drawn_causes[act.outcomes != CONNECTED] if is_late else act.drawn_causes
        by_code = np.bincount(causes, minlength=len(CAUSES))
        counts.update({cause: int(count) for cause, count in zip(CAUSES, by_code, strict=True) if count})
    del counts[Cause.NONE]
    return counts


def consequence_text(acts: Sequence[ActFindings], cause: Cause, *, is_late: bool = False) -> str:
    """Return what attempts with a cause met: ``waited two jiffies (8.1 ms)``, ``timed out after 127 s``.

    Where they did not all end in one way, the most frequent one is told with its count. Two jiffies are named only
    where all of them lie in that band; else a busy machine would pass for the kernel's timer. ``is_late`` leaves out
    those that connected at once.
    """
    code = CAUSES.index(cause)
    rows = [(act.drawn_causes == code) & ((act.outcomes != CONNECTED) | (not is_late)) for act in acts]
    outcomes = np.concatenate([act.outcomes[own] for act, own in zip(acts, rows, strict=True)])
    latencies_ns = np.concatenate([act.storm.attempts["latency_ns"][own] for act, own in zip(acts, rows, strict=True)])
    most = int(np.bincount(outcomes).argmax())
    alike_ns = latencies_ns[outcomes == most]
    text = ending_text(OUTCOMES[most], alike_ns, acts[0].ladder.fast)
    if len(alike_ns) == len(latencies_ns):
        return text
    return f"were late or failed, {len(alike_ns):,} of them {text}"


def ending_text(outcome: Outcome, latencies_ns: npt.NDArray[np.int64], fast: Rung | None) -> str:
    """Return how attempts with one outcome ended.

    Args:
        outcome: of all of them.
        latencies_ns: of each, at least one.
        fast: the band of the resend after a challenge ACK; None on kernels without it.
    """
    if outcome in FAILURES:
        return FAILURES[outcome]
    time = duration_text(middle_ns(latencies_ns))
    if outcome is Outcome.TIMED_OUT:
        return f"timed out after {time}"
    if outcome is Outcome.UNFINISHED:
        return f"were not over after {time}"
    if outcome is Outcome.RETRIED and fast and fast.from_ns <= latencies_ns.min() and latencies_ns.max() <= fast.to_ns:
        return f"waited two jiffies ({time})"
    return f"waited {time}"


def middle_ns(latencies_ns: npt.NDArray[np.int64]) -> float:
    """Return the median as one of the values."""
    return float(np.quantile(latencies_ns, 0.5, method="inverted_cdf"))
