# SPDX-License-Identifier: MIT
"""Rules of nft that may turn the retry after a collision into a timeout: text, so what they match is not known."""

import re

# The client answers the challenge ACK by an RST, which frees the 4-tuple. Where that RST, or the ACK, is dropped, the
# client waits for its whole ladder. conntrack may call either of them invalid.
DROPS = re.compile(r"\b(drop|reject)\b")
INVALID = re.compile(r"\bct state\b[^;]*\binvalid\b")
RST = re.compile(r"\btcp flags\b.*\brst\b")


def find_suspects(ruleset: str | None) -> list[str]:
    """Return the rules of ``nft list ruleset`` that drop or reject RSTs, or packets that conntrack calls invalid."""
    lines = (line.strip() for line in (ruleset or "").splitlines())
    return [line for line in lines if DROPS.search(line) and (INVALID.search(line) or RST.search(line))]
