# SPDX-License-Identifier: MIT
"""What proves the causes of a run in words: the evidence, whether the books balance, and bounds of sums."""

from collections.abc import Iterable, Iterator

from stress.model.plan import EvidenceSource
from stress.model.record import Record
from stress.model.summary import Bound, Claim, Summary
from stress.model.text import join_words, plural
from stress.view.text.count_wording import name_in_words

COUNTERS_NAMED = 3  # counters of unbalanced claims that the first line names
SOURCES = {
    EvidenceSource.NONE: "no evidence but the attempts themselves",
    EvidenceSource.COUNTS: "proof from counters",
    EvidenceSource.KERNEL: "proof from the kernel's word and counters",
    EvidenceSource.PACKETS: "proof from captured packets alone",
}


def evidence_text(record: Record, summary: Summary) -> str:
    """Return which evidence was used, and whether the books balance."""
    return f"{source_text(record)}; {balance_text(summary.books)}"


def source_text(record: Record) -> str:
    """Return where the proof of causes comes from; also when the plan asked for more than the run had."""
    used = [act.evidence for act in record.acts]
    with_word = used.count(EvidenceSource.KERNEL)
    if 0 < with_word < len(used):
        return f"proof from counters, and in {with_word} of {len(used)} acts from the kernel's word"
    text = SOURCES[used[0] if used else record.plan.evidence]
    if not with_word and any(act.plan.evidence is EvidenceSource.KERNEL for act in record.acts):
        return f"{text} (the kernel's word was asked for and could not be had)"
    return text


def balance_text(books: list[Claim]) -> str:
    """Return whether the books balance, and which counters the causes may not rest on."""
    if not books:
        return "no books"
    wrong = list(dict.fromkeys(claim.counter for claim in books if not claim.balanced))
    balanced = sum(claim.balanced for claim in books)
    of_all = f"({balanced:,} of {plural(len(books), 'claim')})"
    if not wrong:
        return f"the books balance {of_all}"
    more = [f"{len(wrong) - COUNTERS_NAMED} more"] if wrong[COUNTERS_NAMED:] else []
    counters = join_words(wrong[:COUNTERS_NAMED] + more)
    return f"the books do not balance {of_all}: causes that rest on {counters} are withdrawn"


def bound_sentences(bounds: Iterable[Bound]) -> Iterator[str]:
    """Yield a sentence for the attempts of each act of which only sums are known."""
    groups: dict[tuple[str, int], list[Bound]] = {}
    for bound in bounds:
        groups.setdefault((bound.act, bound.of), []).append(bound)
    acts = {act for act, _ in groups}
    for (act, of), together in groups.items():
        where = f"{act}: " if len(acts) > 1 else ""
        shares = join_words([bound_text(bound) for bound in together])
        yield f"{where}of {plural(of, 'attempt')} {shares}; which of them cannot be told"


def bound_text(bound: Bound) -> str:
    """Return how many attempts a cause explains: ``at least 126 accept queue``, ``at most 12 lost on the way``."""
    cause = name_in_words(bound.cause)
    if bound.at_least == bound.at_most:
        return f"{bound.at_least:,} {cause}"
    if not bound.at_least:
        return f"at most {bound.at_most:,} {cause}"
    if bound.at_most >= bound.of:
        return f"at least {bound.at_least:,} {cause}"
    return f"{bound.at_least:,} to {bound.at_most:,} {cause}"
