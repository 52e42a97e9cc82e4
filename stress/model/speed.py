# SPDX-License-Identifier: MIT
"""Speed: the engine compared with a loop that records nothing."""

import msgspec


class Speed(msgspec.Struct, frozen=True):
    """Connections per second by way to close: medians, and the ratio of engine to bare loop with its quartiles."""

    close: str
    bare_per_s: float
    engine_per_s: float
    ratio: float
    ratio_quartiles: tuple[float, float]
