# SPDX-License-Identifier: MIT
"""The first line of an inspection: what is wrong, in plain words."""

from collections.abc import Collection, Sequence

from stress.model.inspection import Check, Finding, Unseen
from stress.model.text import join_words, plural

FINE = "Nothing is wrong with what could be seen."


def state_verdict(findings: Sequence[Finding], ignored: Collection[Check], unseen: Sequence[Unseen]) -> str:
    """Return the worst failure with its figures; without one, that nothing is wrong, and what could not be seen.

    Args:
        findings: in the order of harm.
        ignored: checks whose findings are no failures.
        unseen: what could not be seen.
    """
    failures = [finding for finding in findings if finding.check is not None and finding.check not in ignored]
    if failures:
        more = len(failures) - 1
        return failures[0].text + (f" {plural(more, 'more finding')} of this kind or another below." if more else "")
    parts = [FINE]
    if ignored and any(finding.check in ignored for finding in findings):
        parts = [f"Nothing is wrong but what is ignored: {join_words(sorted(set(ignored)))}."]
    if unseen:
        parts.append(f"Not seen: {join_words([row.what for row in unseen])}.")
    return " ".join(parts)
