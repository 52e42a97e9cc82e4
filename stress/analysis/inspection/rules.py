# SPDX-License-Identifier: MIT
"""Rules of nft that matter to connects and their retries: text, so what they match is not known."""

import re

# The client answers the challenge ACK by an RST, which frees the 4-tuple. Where that RST, or the ACK, is dropped, the
# client waits for its whole ladder. conntrack may call either of them invalid.
DROPS = re.compile(r"\b(drop|reject)\b")
INVALID = re.compile(r"\bct state\b[^;]*\binvalid\b")
# Rules that bring a connection for another address to a listener of this host.
REDIRECTS = re.compile(r"\b(redirect|tproxy)\b", re.IGNORECASE)
RST = re.compile(r"\btcp flags\b.*\brst\b")


def may_redirect(ruleset: str | None) -> bool:
    """Return whether rules bring connections for other addresses to listeners of this host.

    Not known without root, nor of rules of the old iptables.
    """
    return REDIRECTS.search(ruleset or "") is not None


def find_suspects(ruleset: str | None) -> list[str]:
    """Return the rules of ``nft list ruleset`` that drop or reject RSTs, or packets that conntrack calls invalid."""
    lines = (line.strip() for line in (ruleset or "").splitlines())
    return [line for line in lines if DROPS.search(line) and (INVALID.search(line) or RST.search(line))]
