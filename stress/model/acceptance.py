# SPDX-License-Identifier: MIT
"""Acceptance: a change in a history that somebody has looked at and lets stand. Imports no numpy."""

import msgspec


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[accepted]]`` of accepted.toml: from a run on, another level is what is expected.

    Attributes:
        cell: in which the change is.
        testbed: on what kind of machine.
        metric: name of what changed.
        at: the first run after the change, by its folder's name or its id; or a time (ISO 8601), which stands for the
            first run at or after it.
        reason: why it is let stand, for people.
    """

    cell: str
    testbed: str
    metric: str
    at: str
    reason: str
