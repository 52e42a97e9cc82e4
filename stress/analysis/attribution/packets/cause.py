# SPDX-License-Identifier: MIT
"""The cause of each connection try of a capture: the first packet rule that holds names it."""

import numpy as np

from stress.analysis.attribution.cause import CAUSES, NO_PROOF, NONE, UNKNOWN, Causes
from stress.analysis.attribution.packets.facts import PacketFacts
from stress.analysis.attribution.packets.table import PACKET_RULES
from stress.model.summary import Proof


def attribute_packets(facts: PacketFacts, act: str) -> Causes:
    """Return each try's cause as far as packets prove it, and by which rules it was claimed.

    A try that no rule covers has the cause UNKNOWN; one that connected with its first SYN, in the time that the
    distance takes, has nothing to explain.

    Args:
        facts: of the capture.
        act: its name in the proofs.
    """
    codes = np.where(facts.unexplained, UNKNOWN, NONE).astype(np.uint8)
    proof_codes = np.full(len(codes), NO_PROOF, np.uint8)
    proofs: list[Proof] = []
    for rule in PACKET_RULES:
        match = rule.prove(facts)
        if match is None:
            continue
        claimed = match.attempts & (codes == UNKNOWN)
        if not claimed.any():
            continue
        codes[claimed] = CAUSES.index(rule.cause)
        proof_codes[claimed] = len(proofs)
        attempts = int(claimed.sum())
        text = rule.sentence.format(attempts=attempts, **match.figures)
        proofs.append(
            Proof(act=act, cause=str(rule.cause), rule=rule.name, grade=rule.grade, attempts=attempts, text=text)
        )
    return Causes(codes, proofs, proof_codes)
