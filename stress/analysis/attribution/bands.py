# SPDX-License-Identifier: MIT
"""Bands: how many retried attempts took about as long as each rung of the SYN ladder."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.ladder import Ladder
from stress.model.summary import Band

OFF_LADDER = "off the ladder"


def count_bands(latencies_ns: npt.NDArray[np.int64], ladder: Ladder) -> list[Band]:
    """Count retried attempts by the first rung that they fit; those on no rung make a band of their own.

    Args:
        latencies_ns: of the retried attempts of one storm, shape (retried,).
        ladder: of its kernel and settings; without rungs there are no bands.
    """
    if not ladder.rungs:
        return []
    bands = []
    for rung in ((ladder.fast,) if ladder.fast else ()) + ladder.rungs:
        inside = (latencies_ns >= rung.from_ns) & (latencies_ns <= rung.to_ns)
        bands.append(Band(rung.label, rung.from_ns, rung.to_ns, int(inside.sum())))
        latencies_ns = latencies_ns[~inside]
    if len(latencies_ns):
        bands.append(Band(OFF_LADDER, int(latencies_ns.min()), int(latencies_ns.max()), len(latencies_ns)))
    return bands


def merge_bands(storms: Iterable[list[Band]]) -> list[Band]:
    """Return the bands of several storms, those with the same label as one."""
    merged: dict[str, Band] = {}
    for bands in storms:
        for band in bands:
            old = merged.get(band.label)
            if old is None:
                merged[band.label] = band
            else:
                from_ns, to_ns = min(old.from_ns, band.from_ns), max(old.to_ns, band.to_ns)
                merged[band.label] = Band(band.label, from_ns, to_ns, old.count + band.count)
    return list(merged.values())
