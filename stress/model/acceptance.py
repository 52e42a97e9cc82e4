# SPDX-License-Identifier: MIT
"""Acceptance: a change in a history that somebody has reviewed and accepted. Imports no numpy."""

import msgspec


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[accepted]]`` table of accepted.toml: from one run on, a new level is expected.

    Attributes:
        cell: the cell whose metric changed.
        testbed: the kind of machine (``Host.testbed``).
        metric: name of the metric.
        at: the first run after the change, by its folder name or its id; or a time (ISO 8601), which means the first
            run at or after it.
        reason: why the change is accepted, for people.
    """

    cell: str
    testbed: str
    metric: str
    at: str
    reason: str
