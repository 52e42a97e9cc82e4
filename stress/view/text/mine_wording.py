# SPDX-License-Identifier: MIT
"""What is said of mines, where it is known what became of them and where it is not."""

from stress.model.record import Record


def mines_text(record: Record, laid: str, became: str) -> str:
    """Return how many mines were laid and, unless the host on which they were is lost, what became of them."""
    if record.lost_peer is None:
        return f"{laid}, {became}"
    return f"{laid}; what became of them is not known, because {record.lost_peer} was lost"
