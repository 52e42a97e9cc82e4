# SPDX-License-Identifier: MIT
"""The first line of an inspection: what is wrong, in plain words."""

from collections.abc import Collection, Sequence

from stress.model.inspection import Check, Finding, Unseen
from stress.model.text import join_words, plural

FINE = "Nothing is wrong with what could be seen."
NO_FAILURE = "No check fails."


def state_verdict(findings: Sequence[Finding], ignored: Collection[Check], unseen: Sequence[Unseen]) -> str:
    """Return the worst failure with its figures; without one, what else is told, and what could not be seen.

    Args:
        findings: in the order of harm.
        ignored: checks whose findings are no failures.
        unseen: what could not be seen.
    """
    failures = [finding for finding in findings if finding.check is not None and finding.check not in ignored]
    if failures:
        more = len(failures) - 1
        return failures[0].text + (f" {plural(more, 'more failure')} below." if more else "")
    parts = [FINE]
    if any(finding.check in ignored for finding in findings):
        parts = [f"Nothing is wrong but what is ignored: {join_words(sorted(set(ignored)))}."]
    elif findings:
        more = len(findings) - 1
        parts = [NO_FAILURE, findings[0].text, *([f"{plural(more, 'more finding')} below."] if more else [])]
    if unseen:
        parts.append(f"Not seen: {join_words([row.what for row in unseen])}.")
    return " ".join(parts)
