# SPDX-License-Identifier: MIT
"""The truth of attempts, and what connstorm said of them held against it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

UNKNOWN = "unknown"
# A stall of the machine may delay any attempt, and nobody planned it.
AT_ONCE = ("none", "stalled")


@dataclass(frozen=True)
class Part:
    """Attempts with one truth.

    Attributes:
        names: the causes that are right for them, the most precise one first; none where only ``unknown`` is right.
        select: returns whether an attempt belongs to it, shape (attempts,).
        counts: whether they count for the share that is named.
    """

    names: tuple[str, ...]
    select: Callable[[Any], Any]
    counts: bool = True


def is_at_once(run):
    """Return which attempts connected without a SYN sent again, to somebody else."""
    connected = (run.attempts["error"] == 0) & (run.attempts["retransmits"] == 0)
    return connected & ~is_self_connected(run)


def is_self_connected(run):
    """Return which attempts connected to themselves: their own port is the server's."""
    address = run.record.acts[0].address
    itself = (run.attempts["local_port"] == address.target_port) & (address.source == address.target)
    return (run.attempts["error"] == 0) & itself


def late(*names):
    """State the truth of all attempts that did not connect at once."""
    return Part(names, lambda run: ~is_at_once(run))


def every(*names):
    """State the truth of all attempts, however they ended."""
    return Part(names, lambda run: np.ones(len(run.attempts), bool))


def on_ports(ports, *names):
    """State the truth of all attempts from some ports that did not connect at once."""
    ports = np.array(sorted(ports), np.uint16)
    return Part(names, lambda run: np.isin(run.attempts["local_port"], ports) & ~is_at_once(run))


def self_connected(*names):
    """State the truth of attempts that connected to themselves."""
    return Part(names, is_self_connected)


def slow(*names):
    """State the truth of attempts that connected without a SYN sent again, and longer than usual stalls take."""
    return Part(names, lambda run: is_at_once(run) & (run.attempts["latency_ns"] > 5 * run.record.host.jiffy_ns))


def delayed():
    """State the truth of attempts that a link or queue delayed; a stall that covers the whole wait may be named."""
    return slow("stalled")


def with_errors(errors, *names):
    """State the truth of attempts that ended with one of some errnos."""
    return Part(names, lambda run: np.isin(run.attempts["error"], list(errors)))


CLEAN = Part(AT_ONCE, is_at_once, counts=False)


@dataclass
class Verdict:
    """What was said of one storm's attempts.

    Attributes:
        attempts: how many were made.
        troubled: those whose cause counts.
        named: those of them with a right name.
        unknown: those of them without a name.
        wrong: how many have a wrong name, by (the right names, the name).
        bounds: as texts; ``false_bounds`` those that the truth lies outside of.
        told: what else a reader wants to see.
    """

    attempts: int = 0
    troubled: int = 0
    named: int = 0
    unknown: int = 0
    wrong: Counter = field(default_factory=Counter)
    bounds: list[str] = field(default_factory=list)
    false_bounds: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    def add(self, other):
        """Add another storm's to this one."""
        self.attempts += other.attempts
        self.troubled += other.troubled
        self.named += other.named
        self.unknown += other.unknown
        self.wrong += other.wrong
        self.bounds += other.bounds
        self.false_bounds += other.false_bounds

    @property
    def faults(self):
        """Sentences for what is wrong, none when nothing is."""
        wrong = [
            f"{count} attempts are named {name}, where only {' or '.join(names) or 'nothing'} is right"
            for (names, name), count in self.wrong.items()
        ]
        return wrong + [f"the truth lies outside of a bound: {text}" for text in self.false_bounds]


def evaluate_run(run, parts):
    """Hold a run against the truth of its attempts; the first part that has an attempt decides.

    Raises:
        AssertionError: an attempt belongs to no part, so the world is not what it was meant to be.
    """
    names = np.array(run.causes)
    left = np.ones(len(names), bool)
    verdict = Verdict(attempts=len(names))
    right = []
    for part in (*parts, CLEAN):
        mask = part.select(run) & left
        left &= ~mask
        right.append((part, mask))
        known = names[mask]
        is_right = np.isin(known, part.names)
        verdict.wrong += Counter((part.names, str(name)) for name in known[~is_right & (known != UNKNOWN)])
        if part.counts:
            verdict.troubled += len(known)
            verdict.named += int(is_right.sum())
            verdict.unknown += int((known == UNKNOWN).sum())
    strays = run.attempts[left]
    assert not len(strays), (
        f"{len(strays)} attempts without a truth: {Counter(run.outcomes[left].tolist())}, {strays[:3]}"
    )
    check_bounds(run, names, right, verdict)
    verdict.told = describe_run(run, right, names)
    return verdict


def check_bounds(run, names, right, verdict):
    """Hold the bounds of a summary, which are of attempts without a name, against the truth of these.

    Each act of a run has bounds of its own; the truth is of the whole run.
    """
    for cause in dict.fromkeys(bound.cause for bound in run.summary.bounds):
        bounds = [bound for bound in run.summary.bounds if bound.cause == cause]
        at_least, at_most = sum(bound.at_least for bound in bounds), sum(bound.at_most for bound in bounds)
        least = sum(int((names[mask] == UNKNOWN).sum()) for part, mask in right if part.names[:1] == (cause,))
        most = sum(int((names[mask] == UNKNOWN).sum()) for part, mask in right if cause in part.names)
        of = sum(bound.of for bound in bounds)
        text = f"{cause} {at_least}–{at_most} of {of} (in truth {least}–{most})"
        verdict.bounds.append(text)
        if any(bound.at_least > bound.at_most for bound in bounds) or at_least > most or at_most < least:
            verdict.false_bounds.append(text)


def describe_run(run, right, names):
    """Return what a person wants to see of a run."""
    (act, *_) = run.record.acts
    by_part = [
        ("/".join(part.names) or "(unknown only)", dict(Counter(names[mask].tolist())))
        for part, mask in right
        if mask.any()
    ]
    summary = run.summary
    return {
        "by truth": by_part,
        "outcomes": {name: count for name, count in summary.outcomes.items() if count},
        "counters": {name: count for name, count in act.counters.items() if count},
        "proofs": [
            f"{proof.cause} ×{proof.attempts}, {proof.rule} ({proof.grade}): {proof.text}" for proof in summary.proofs
        ],
        "listening": [str(listening) for listening in act.listening],
        "stalls": len(act.stalls),
        "warnings": summary.warnings,
        "hints": summary.hints,
    }


def evaluate_counts(summary, parts):
    """Hold the causes of a summary without attempts against the union of what is right in a world."""
    allowed = {name for part in (*parts, CLEAN) for name in part.names} | {UNKNOWN}
    verdict = Verdict(attempts=summary.attempts)
    for name, count in summary.causes.items():
        if count and name not in allowed:
            verdict.wrong[(tuple(sorted(allowed)), name)] += count
        elif name not in AT_ONCE:
            verdict.troubled += count
            verdict.named += count if name != UNKNOWN else 0
            verdict.unknown += count if name == UNKNOWN else 0
    verdict.bounds = [f"{bound.cause} {bound.at_least}–{bound.at_most} of {bound.of}" for bound in summary.bounds]
    verdict.told = {
        "causes": {name: count for name, count in summary.causes.items() if count},
        "outcomes": {name: count for name, count in summary.outcomes.items() if count},
        "warnings": summary.warnings,
        "hints": summary.hints,
    }
    return verdict
