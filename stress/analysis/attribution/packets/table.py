# SPDX-License-Identifier: MIT
"""All rules that rest on packets alone, in the order in which they are tried."""

from stress.analysis.attribution.packets import collision, refusal, two_ends
from stress.analysis.attribution.packets.rule import PacketRule
from stress.model.outcome import Cause

PACKET_RULES: tuple[PacketRule, ...] = (*refusal.RULES, *two_ends.RULES, *collision.RULES)


def packet_rules_of(cause: Cause) -> list[PacketRule]:
    """Return the rules that claim a cause by packets alone, in their order."""
    return [rule for rule in PACKET_RULES if rule.cause is cause]
