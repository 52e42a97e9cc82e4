# SPDX-License-Identifier: MIT
"""The chance that coming connects from this host meet a mine: an old socket of the server on their 4-tuple."""

import math
import re

import numpy as np
import numpy.typing as npt

from stress.analysis.inspection import port_walk, thresholds
from stress.model.inspection import Chance, Interval

KNOWN_SINCE = (5, 18)  # Linux whose walk port_walk knows
TAIL = 0.025
DRAWS = 10_000
FEW_WALKS = 256  # for clients that do as few do
# A share is foretold for so many connects that no walk can come around: one in eight ports of the ring at most.
RING_SHARE = port_walk.RANDOM_STEPS

Mask = npt.NDArray[np.bool_]


def estimate_chance(
    port_range: tuple[int, int], free: Mask, mined: Mask, connects: int = thresholds.CONNECTS, *, is_known: bool = True
) -> Chance | None:
    """Return what the next connects meet if each closes by RST or at least leaves its port; None without a free port.

    Mines lie where the ports of earlier clients were, often next to each other, and the kernel's first offset is
    secret: so the interval is that of the walks from all places, not that of independent draws.

    Args:
        port_range: first and last port that connect() may choose.
        free: which of the ports connect() can have for this destination, shape (ports,), from the first port on.
        mined: which of those are mines, shape (ports,).
        connects: how many are to come.
        is_known: whether the kernel walks as ``port_walk`` says; if it does not, the interval has all that is possible.
    """
    if not free.any():
        return None
    low, high = port_range
    mined = mined & free
    first, second = port_walk.list_passes(low, high)
    ring = first if free[first - low].any() else second
    share, of_connects = foretell(free[ring - low], mined[ring - low], connects, is_known=is_known)
    at_random, _ = foretell(free, mined, connects, is_known=is_known, walks=FEW_WALKS)
    return Chance(
        mines=int(np.count_nonzero(mined)),
        free=int(np.count_nonzero(free)),
        parity="odd" if ring[-1] % 2 else "even",
        share=share,
        share_at_random=widen(at_random, drawn_share(free, mined, connects)),
        connects=connects,
        of_connects=of_connects,
        mined_ports=ports_text(np.flatnonzero(mined) + low),
    )


def foretell(
    free: Mask, mined: Mask, connects: int, *, is_known: bool, walks: int = port_walk.WALKS
) -> tuple[Interval, Interval]:
    """Return the share of coming connects that meet a mine, and how many of ``connects`` do.

    Args:
        free: which ports of a ring can be had, shape (places,); at least one.
        mined: which of those are mines, shape (places,).
        connects: how many are to come.
        is_known: as in ``estimate_chance``.
        walks: how many to make.
    """
    mines, ports = int(np.count_nonzero(mined)), int(np.count_nonzero(free))
    if not mines:
        return Interval(0.0, 0.0, 0.0), Interval(0.0, 0.0, 0.0)
    short = min(connects, max(len(free) // RING_SHARE, 1))
    if not is_known:
        most = float(min(mines, connects))
        expected = mines * min(connects / ports, 1.0)
        return Interval(mines / ports, 0.0, min(mines / short, 1.0)), Interval(expected, 0.0, most)
    counts = port_walk.count_marked(free, mined, [short, connects], walks=walks)
    of_short, of_all = (summarize(counts[:, column]) for column in (0, 1))
    return Interval(of_short.value / short, of_short.low / short, of_short.high / short), of_all


def drawn_share(free: Mask, mined: Mask, connects: int) -> Interval:
    """Return the share of connects that meet a mine when each port is drawn from all free ones."""
    short = min(connects, max(len(free) // RING_SHARE, 1))
    share = np.count_nonzero(mined) / np.count_nonzero(free)
    draws = summarize(np.random.default_rng(port_walk.SEED).binomial(short, share, DRAWS))
    return Interval(float(share), min(draws.low / short, float(share)), max(draws.high / short, float(share)))


def widen(one: Interval, other: Interval) -> Interval:
    """Return an interval that has both, with the value of the second."""
    return Interval(other.value, min(one.low, other.low), max(one.high, other.high))


def summarize(counts: npt.NDArray[np.int64]) -> Interval:
    """Return the mean of equally likely counts, shape (walks,), and what is left without 2.5 % at each end."""
    low, high = np.quantile(counts, TAIL, method="lower"), np.quantile(counts, 1 - TAIL, method="higher")
    mean = float(counts.mean())  # of something rare, it may lie outside of what is usual
    return Interval(mean, min(float(low), mean), max(float(high), mean))


def ports_text(ports: npt.NDArray[np.int64]) -> str:
    """Return ascending ports as the kernel writes such a list, ``40000-40003,40010``; fast for thousands of them."""
    breaks = np.flatnonzero(np.diff(ports) != 1) + 1
    firsts, lasts = ports[np.append(0, breaks)[: len(ports)]], ports[np.append(breaks, len(ports))[: len(ports)] - 1]
    runs = zip(firsts.tolist(), lasts.tolist(), strict=True)
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)


def is_walk_known(release: str, step_width: str | None) -> bool:
    """Return whether a kernel chooses ports as ``port_walk`` says.

    Args:
        release: of the kernel, as ``uname -r`` prints it.
        step_width: of net.ipv4.ip_local_port_step_width (Linux 7.1), which makes it walk another way unless it is 0.
    """
    match = re.match(r"(\d+)\.(\d+)", release)
    if match is None or (step_width or "0") != "0":
        return False
    return (int(match[1]), int(match[2])) >= KNOWN_SINCE


def percent_text(share: Interval) -> str:
    """Return a share as ``5.8 % (4.9 to 6.6 %)``, to two digits of the width of its interval."""
    width = max(share.high - share.low, 1e-6) * 100
    digits = min(max(1 - math.floor(math.log10(width)), 0), 3) if width < 10 else 0
    value, low, high = (f"{100 * number:.{digits}f}" for number in (share.value, share.low, share.high))
    return f"{value} % ({low} to {high} %)"
