# SPDX-License-Identifier: MIT
"""Names and counts of outcomes and causes in words."""

from collections.abc import Mapping


def name_in_words(name: str) -> str:
    """Return the name of an outcome or a cause as a sentence has it: ``lost on the way``."""
    return name.replace("_", " ")


def counts_text(counted: Mapping[str, int]) -> str:
    """Return counts above 0 in words: ``27,632 connected, 600 retried``."""
    return ", ".join(f"{count:,} {name_in_words(name)}" for name, count in counted.items() if count) or "none"
