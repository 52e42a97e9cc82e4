# SPDX-License-Identifier: MIT
"""Units: sizes in ns and per million, and durations and kernels as text."""

MILLION = 1_000_000
SECOND_NS = 1_000_000_000
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def duration_text(duration_ns: float) -> str:
    """Return a duration in ns with three significant digits and its unit: ``'7.42 µs'``, ``'2.04 s'``."""
    if abs(duration_ns) >= 1000e9:
        return f"{duration_ns / 1e9:.0f} s"
    for unit, size_ns in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(duration_ns) >= size_ns * 0.9995:
            return f"{duration_ns / size_ns:.3g} {unit}"
    return f"{duration_ns:.0f} ns"


def age_text(age_ms: float) -> str:
    """Return an age in ms as people say it: ``'4.1 s'``, ``'2 min 5 s'``, ``'2 h 10 min'``, ``'3 d 4 h'``."""
    seconds = int(age_ms / 1000)
    if seconds < MINUTE_S:
        return duration_text(age_ms * 1e6)
    if seconds < HOUR_S:
        size_s, unit, smaller_s, smaller_unit = MINUTE_S, "min", 1, "s"
    elif seconds < DAY_S:
        size_s, unit, smaller_s, smaller_unit = HOUR_S, "h", MINUTE_S, "min"
    else:
        size_s, unit, smaller_s, smaller_unit = DAY_S, "d", HOUR_S, "h"
    smaller = seconds % size_s // smaller_s
    return f"{seconds // size_s} {unit}" + (f" {smaller} {smaller_unit}" if smaller else "")


def range_text(low_ns: float, high_ns: float) -> str:
    """Return a range of durations in ns, with one unit where both have the same: ``'8.14–16 ms'``."""
    low, low_unit = duration_text(low_ns).split(" ")
    high, high_unit = duration_text(high_ns).split(" ")
    return f"{low}–{high} {high_unit}" if low_unit == high_unit else f"{low} {low_unit} – {high} {high_unit}"


def tick_rate(jiffy_ns: int) -> int:
    """Return HZ, the kernel's timer interrupts per second, of a jiffy in ns."""
    return round(SECOND_NS / jiffy_ns)


def kernel_text(release: str, jiffy_ns: int) -> str:
    """Return a kernel in words: ``'Linux 6.12.9, HZ=250'``; one whose tick is 0 is not known."""
    return f"Linux {release}, HZ={tick_rate(jiffy_ns)}" if jiffy_ns else "not in a capture"


def kernel_phrases(release: str, jiffy_ns: int) -> list[str]:
    """Return the same for the caption of a figure."""
    return [f"Linux {release}", f"HZ {tick_rate(jiffy_ns)}"] if jiffy_ns else ["kernel not known"]
