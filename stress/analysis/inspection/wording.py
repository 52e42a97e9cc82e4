# SPDX-License-Identifier: MIT
"""Words for people: owners, ages, shares."""

from stress.model.inspection import Ages, SocketOwner
from stress.model.units import age_text

NO_PROCESS = "no process"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def owner_text(owner: SocketOwner | None) -> str:
    """Return ``nginx[123]``, or the user where the process is not known, ``uid 33 (www-data)``."""
    if owner is None:
        return NO_PROCESS
    if owner.pid is not None:
        return f"{owner.name}[{owner.pid}]"
    return f"uid {owner.uid} ({owner.user})" if owner.user else f"uid {owner.uid}"


def since_text(since_utc: str | None, ages: Ages) -> str:
    """Return since when the oldest is there: ``, the oldest since 14:03 UTC (2 h)``; nothing if that is not known."""
    if since_utc is None or ages.oldest_ms is None:
        return ""
    day, _, clock = since_utc.partition("T")
    digits = len("14:03:20") if ages.oldest_ms < HOUR_MS else len("14:03")
    moment = f"{clock[:digits]} UTC" if ages.oldest_ms < DAY_MS else f"{day} {clock[:digits]} UTC"
    if ages.probed:
        return f", the oldest since {moment} or before (keepalive makes them look younger)"
    return f", the oldest since {moment} ({age_text(ages.oldest_ms)})"


def rate_text(per_hour: float | None) -> str:
    """Return ``, about 400 an hour`` with two significant digits; nothing without a rate."""
    if per_hour is None:
        return ""
    rounded = float(f"{per_hour:.2g}")
    return f", about {rounded:,.0f} an hour" if rounded >= 10 else f", about {rounded:g} an hour"


def host_text(address: str) -> str:
    """Return an address as a filter of ss takes it."""
    return f"[{address}]" if ":" in address else address


def is_or_are(count: int) -> str:
    """Return the verb of so many things."""
    return "is" if count == 1 else "are"
