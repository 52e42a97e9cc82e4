# SPDX-License-Identifier: MIT
"""The SYN ladder: when this kernel, with these settings, sends a SYN again and when it gives up.

Sources: tcp_retransmit_timer() and tcp_write_timeout() in net/ipv4/tcp_timer.c, Documentation/networking/
ip-sysctl.rst, the wheel in kernel/time/timer.c, and for the resend after two jiffies commit 9603d47bad46
("tcp: Reduce SYN resend delay if a suspicious ACK is received", Linux 5.6).
"""

import re
from dataclasses import dataclass
from itertools import accumulate

from stress.model.errors import UsageError
from stress.model.host import Host
from stress.model.units import SECOND_NS

INITIAL_RTO_NS = SECOND_NS  # TCP_TIMEOUT_INIT, RFC 6298 section 2.1
DEFAULT_RTO_MAX_MS = 120_000  # TCP_RTO_MAX, a sysctl since Linux 6.15
SYN_RETRIES = "net.ipv4.tcp_syn_retries"
LINEAR_TIMEOUTS = "net.ipv4.tcp_syn_linear_timeouts"
RTO_MAX_MS = "net.ipv4.tcp_rto_max_ms"
# The settings that the ladder depends on, and the values that the kernel accepts (net/ipv4/sysctl_net_ipv4.c).
LADDER_LIMITS = {SYN_RETRIES: (1, 127), LINEAR_TIMEOUTS: (0, 127), RTO_MAX_MS: (1000, 120_000)}
FAST_RESEND_JIFFIES = 2  # TCP_TIMEOUT_MIN
LATE_JIFFIES = 6  # a due timer and the wake-up after it may be so late, beyond the rounding of the wheel


@dataclass(frozen=True)
class Rung:
    """A moment at which connect() may return after ``retransmits`` SYNs sent again: ``from_ns`` to ``to_ns``."""

    label: str
    retransmits: int
    from_ns: int
    to_ns: int


@dataclass(frozen=True)
class Ladder:
    """The rungs of one kernel.

    Attributes:
        fast: the resend after a challenge ACK; None on kernels before 5.6.
        rungs: one for every retransmit of an unanswered SYN, until the kernel gives up.
        give_up_ns: when an attempt that is never answered ends with ETIMEDOUT.
        jiffy_ns: a tick of the kernel's timer.
        due_ns: when each SYN after the first would be due at the earliest, and the end of the last timeout, if their
            number alone decided; a SYN that was hastened leaves time for more of them.
        challenged_give_up_ns: the same when the first SYN got a challenge ACK: the resend came early, and counts as one
            of those that tcp_syn_retries allows. None on kernels before 5.6.
    """

    fast: Rung | None
    rungs: tuple[Rung, ...]
    give_up_ns: int
    challenged_give_up_ns: int | None
    jiffy_ns: int
    due_ns: tuple[int, ...]


NO_LADDER = Ladder(None, (), 0, None, 0, ())  # of a kernel that is not known


def kernel_version(release: str) -> tuple[int, int]:
    """Return (major, minor) of a kernel release such as ``6.18.44-amd64``.

    Raises:
        ValueError: the text does not begin with two numbers.
    """
    match = re.match(r"(\d+)\.(\d+)", release)
    if match is None:
        raise ValueError(f"kernel release {release!r} does not begin with a version such as 6.18")
    return int(match[1]), int(match[2])


def wheel_slack_jiffies(delay_jiffies: int) -> int:
    """Return by how many jiffies the timer wheel may fire late (kernel/time/timer.c).

    Level n covers delays from 63 * 8**(n-1) jiffies with a granularity of 8**n.
    """
    granularity = 1
    while delay_jiffies >= 63 * granularity:
        granularity *= 8
    return granularity


def syn_timeouts_ns(sysctls: dict[str, str]) -> list[int]:
    """Return the timeout after each SYN of an unanswered connect(), first SYN included, by the number of SYNs alone."""
    retries = int(sysctls.get(SYN_RETRIES, 6))
    linear = int(sysctls.get(LINEAR_TIMEOUTS, 0))
    rto_max_ns = int(sysctls.get(RTO_MAX_MS, DEFAULT_RTO_MAX_MS)) * 1_000_000
    timeouts = [INITIAL_RTO_NS] * (linear + 1)
    for doublings in range(1, retries + 1):
        timeouts.append(INITIAL_RTO_NS << doublings)
    return [min(timeout, rto_max_ns) for timeout in timeouts]


def end_in_time(timeouts: list[int], sysctls: dict[str, str]) -> list[int]:
    """Return timeouts without those that the kernel leaves out because it has waited for long enough.

    That is as long as it takes without linear timeouts (retransmits_timed_out(), tcp_model_timeout(), Linux 6.18).
    """
    enough_ns = sum(syn_timeouts_ns(sysctls | {LINEAR_TIMEOUTS: "0"}))
    return [
        timeout for timeout, end_ns in zip(timeouts, accumulate(timeouts), strict=True) if end_ns - timeout < enough_ns
    ]


def override_sysctls(sysctls: dict[str, str], settings: dict[str, str]) -> dict[str, str]:
    """Return settings with some of them replaced.

    Args:
        sysctls: values by name.
        settings: the values that replace them.

    Raises:
        UsageError: the ladder does not depend on a setting, or the kernel would not accept a value.
    """
    for name, value in settings.items():
        if name not in LADDER_LIMITS:
            raise UsageError(f"{name} does not shape the SYN ladder; these do: {', '.join(LADDER_LIMITS)}.")
        low, high = LADDER_LIMITS[name]
        if not (value.isdecimal() and low <= int(value) <= high):
            raise UsageError(f"{name} takes a number from {low:,} to {high:,}, not {value!r}.")
    return sysctls | settings


def build_ladder(host: Host, sysctls: dict[str, str]) -> Ladder:
    """Return the SYN ladder of a host, which follows from its kernel version, HZ and settings.

    Of a host in a capture these are not known; then it has no rungs.
    """
    if not host.has_kernel:
        return NO_LADDER
    jiffy_ns = host.jiffy_ns
    timeouts = syn_timeouts_ns(sysctls)
    fast = challenged_give_up_ns = None
    if kernel_version(host.kernel) >= (5, 6):
        challenged_give_up_ns = sum(end_in_time([FAST_RESEND_JIFFIES * jiffy_ns, *timeouts[1:]], sysctls))
        fast = Rung("2 jiffies", 1, jiffy_ns, (FAST_RESEND_JIFFIES + 1 + LATE_JIFFIES) * jiffy_ns)
    rungs = []
    at_ns = slack_ns = 0
    for retransmits, timeout_ns in enumerate(timeouts[:-1], start=1):
        at_ns += timeout_ns
        slack_ns += wheel_slack_jiffies(timeout_ns // jiffy_ns) * jiffy_ns
        rungs.append(
            Rung(
                f"{at_ns / SECOND_NS:g} s",
                retransmits,
                at_ns - jiffy_ns,
                at_ns + slack_ns + LATE_JIFFIES * jiffy_ns,
            )
        )
    sent = end_in_time(timeouts, sysctls)
    due_ns = (*(rung.from_ns for rung in rungs), sum(timeouts) - jiffy_ns)
    return Ladder(fast, tuple(rungs[: len(sent) - 1]), sum(sent), challenged_give_up_ns, jiffy_ns, due_ns)
