# SPDX-License-Identifier: MIT
"""What a full SYN queue does, and what SYN cookies cost a connect."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.counter_sums import SYNCOOKIES
from stress.analysis.attribution.syns import Syns
from stress.model.run import Storm


def median_us(storm: Storm) -> float | None:
    """Return the median latency (µs) of a storm's attempts that connected; None where none did."""
    connected = storm.attempts[storm.attempts["error"] == 0]
    return float(np.median(connected["latency_ns"])) / 1e3 if len(connected) else None


def syn_queue_figures(storm: Storm, _: npt.NDArray[np.uint8], __: Syns) -> Iterator[tuple[str, float | None, str]]:
    """Yield how full the queue was, what became of the SYNs, and how long connect() took."""
    act = storm.act
    yield "half-open when the storm began", act.census_before.get("server", {}).get("SYN-RECEIVED", 0), "connections"
    yield "SYNs dropped", act.counters.get("ListenDrops"), "(ListenDrops)"
    yield "SYNs answered by a cookie", act.counters.get("SyncookiesSent"), "(SyncookiesSent)"
    yield "connect()", median_us(storm), "µs (median)"


def syn_queue_verdict(storms: list[Storm]) -> str:
    """Say what cookies change while the queue is full, and what they cost where it is empty."""
    full = [storm for storm in storms if storm.act.plan.fillers]
    empty = [storm for storm in storms if not storm.act.plan.fillers]
    parts = []
    for cookies, words in (("0", "without cookies"), ("1", "with cookies")):
        if chosen := [storm for storm in full if storm.act.sysctls.get(SYNCOOKIES) == cookies]:
            connected = sum(int((storm.attempts["error"] == 0).sum()) for storm in chosen)
            attempts = sum(len(storm.attempts) for storm in chosen)
            parts.append(f"{connected:,} of {attempts:,} attempts connected {words}")
    text = f"While the SYN queue was full {' and '.join(parts)}." if parts else ""
    medians = {storm.act.sysctls.get(SYNCOOKIES): median_us(storm) for storm in empty}
    plain_us, cookies_us = medians.get("0"), medians.get("2")
    if plain_us and cookies_us:
        ratio = cookies_us / plain_us
        text += f" A cookie made connect() {ratio:.2f} times as long: {cookies_us:.1f} µs, and {plain_us:.1f} without."
    return text.strip() or "Inconclusive: no act with a full queue, and none to compare cookies with."
