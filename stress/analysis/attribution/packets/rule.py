# SPDX-License-Identifier: MIT
"""Packet rule: one way to prove a cause by packets alone."""

from collections.abc import Callable
from dataclasses import dataclass

from stress.analysis.attribution.packets.facts import PacketFacts
from stress.analysis.attribution.rules.rule import Match, RuleText

PacketProver = Callable[[PacketFacts], Match | None]


@dataclass(frozen=True, kw_only=True)
class PacketRule(RuleText):
    """One way to prove a cause by packets alone.

    Attributes:
        prove: finds the tries where it holds, shape (attempts,); None where it does for none.
    """

    prove: PacketProver
