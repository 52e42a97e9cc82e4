# SPDX-License-Identifier: MIT
"""Causes with the rules that claimed them, packets of examples, and books."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from stress.analysis.attribution.packets.table import PACKET_RULES
from stress.analysis.attribution.rules.rule import RuleText
from stress.analysis.attribution.rules.table import RULES
from stress.model.outcome import MEANINGS, Cause
from stress.model.summary import Claim, Evidence, Proof, Summary
from stress.model.text import plural
from stress.model.units import duration_text
from stress.view.page.document import Books, CausePart, Fact, Ladder, PageCell, PageColumn, PageTable, RulePart
from stress.view.text.count_wording import name_in_words
from stress.view.text.packet_wording import (
    BOTH_ENDS,
    NOTHING_SENT,
    fate_text,
    first_of_every_cause,
    held_text,
    way_cells,
)
from stress.view.text.proof_wording import balance_text, bound_sentences
from stress.view.text.table import Tone

RULES_BY_NAME: dict[str, RuleText] = {rule.name: rule for rule in (*RULES, *PACKET_RULES)}
CLAIMS_SHOWN = 8  # of one rule, over all runs of a page
LADDERS_SHOWN = 12

Summaries = Mapping[str, Summary]  # by the name of their run in the page; "" where there is one run only


def cause_parts(summaries: Summaries) -> tuple[CausePart, ...]:
    """Return the causes of some runs, the most frequent first, each with the rules that claimed it."""
    totals: dict[str, int] = {}
    proofs: dict[str, dict[str, list[tuple[str, Proof]]]] = {}
    for where, summary in summaries.items():
        for cause, count in summary.causes.items():
            if count and cause != Cause.NONE:
                totals[cause] = totals.get(cause, 0) + count
        for proof in summary.proofs:
            proofs.setdefault(proof.cause, {}).setdefault(proof.rule, []).append((where, proof))
    order = sorted(totals, key=lambda cause: (cause == Cause.UNKNOWN, -totals[cause]))
    return tuple(
        CausePart(
            f"{name_in_words(cause)}: {plural(totals[cause], 'attempt')}",
            sentence_of(cause),
            totals[cause],
            tuple(rule_part(name, claims) for name, claims in proofs.get(cause, {}).items()),
        )
        for cause in order
    )


def sentence_of(cause: str) -> str:
    """Return what a cause means, as a sentence."""
    meaning = MEANINGS[Cause(cause)]
    return f"{meaning[0].upper()}{meaning[1:]}."


def rule_part(name: str, claims: Sequence[tuple[str, Proof]]) -> RulePart:
    """Return a rule with what it claimed; the rule of another version of the program may not be known here."""
    rule = RULES_BY_NAME.get(name)
    several = len({(where, proof.act) for where, proof in claims}) > 1
    facts = [claim_fact(where, proof, several=several) for where, proof in claims[:CLAIMS_SHOWN]]
    if claims[CLAIMS_SHOWN:]:
        more = sum(proof.attempts for _, proof in claims[CLAIMS_SHOWN:])
        facts.append(Fact(f"{len(claims) - CLAIMS_SHOWN:,} more claims", f"of {plural(more, 'attempt')}"))
    grade = claims[0][1].grade
    if rule is None:
        return RulePart(name, grade, "this connstorm does not know the rule", "–", tuple(facts))
    return RulePart(name, grade, rule.needs, rule.equation, tuple(facts))


def claim_fact(where: str, proof: Proof, *, several: bool) -> Fact:
    """Return what a rule said of one act."""
    name = ", ".join(filter(None, (where, proof.act))) if several else plural(proof.attempts, "attempt")
    also = f" It also delayed {plural(proof.also, 'attempt')} after the cause that they have." if proof.also else ""
    return Fact(name, f"{proof.text}{also}")


def unproved_sentences(summaries: Summaries) -> tuple[str, ...]:
    """Return what bounds and hints say of attempts whose cause is not known, each sentence once."""
    texts = (
        f"{where}: {text}" if where else text
        for where, summary in summaries.items()
        for text in (*bound_sentences(summary.bounds), *summary.hints)
    )
    return tuple(dict.fromkeys(texts))


def packet_ladders(summaries: Summaries) -> tuple[Ladder, ...]:
    """Return the packets of an example of each cause."""
    shown = [
        packet_ladder(where, evidence)
        for where, summary in summaries.items()
        for evidence in first_of_every_cause(summary.evidence)
    ]
    return tuple(shown[:LADDERS_SHOWN])


def packet_ladder(where: str, evidence: Evidence) -> Ladder:
    """Return the packets of one attempt."""
    hosts = tuple(evidence.hosts or BOTH_ENDS)
    cause = "connected at once" if evidence.cause == Cause.NONE else name_in_words(evidence.cause)
    title = ", ".join(filter(None, (where, cause, f"port {evidence.local_port}")))
    if not evidence.packets:
        return Ladder(f"{title}: {NOTHING_SENT}", hosts, ())
    rows = (
        (
            duration_text(packet.time_ns) if packet.time_ns else "0",
            tuple(way_cells(packet, hosts)),
            fate_text(packet, hosts) or held_text(packet),
        )
        for packet in evidence.packets
    )
    return Ladder(title, hosts, tuple(rows))


def books_parts(summaries: Summaries) -> tuple[Books, ...]:
    """Return the books of each run that has any."""
    return tuple(
        Books(
            where or "this run",
            balance_text(summary.books),
            all(claim.balanced for claim in summary.books),
            books_table(f"books-{number}", summary.books),
        )
        for number, (where, summary) in enumerate(summaries.items())
        if summary.books
    )


def books_table(name: str, claims: Iterable[Claim]) -> PageTable:
    """Return every claim next to its counter."""
    columns = (
        PageColumn("the attempts say"),
        PageColumn("count", is_number=True),
        PageColumn("kernel counter"),
        PageColumn("change", is_number=True),
        PageColumn(""),
        PageColumn("act"),
    )
    return PageTable(name, "Each claim, and the counter that must have risen by it", columns, tuple(claim_rows(claims)))


def claim_rows(claims: Iterable[Claim]) -> Iterator[tuple[PageCell, ...]]:
    """Yield a row per claim."""
    for claim in claims:
        sign = PageCell("=", tone=Tone.HOLDS)
        if not claim.balanced:
            sign = PageCell(f"≠ {claim.delta - claim.value:+,}", tone=Tone.WORSE)
        yield (
            PageCell(claim.claim),
            PageCell(f"{claim.value:,}"),
            PageCell(claim.counter),
            PageCell(f"{claim.delta:,}"),
            sign,
            PageCell(claim.act),
        )
