# SPDX-License-Identifier: MIT
"""A scenario: a plan worth running, and what to expect of it."""

from dataclasses import dataclass

from stress.model.outcome import Cause
from stress.model.plan import Plan

MINES = 500
SHORT_LADDER = {"net.ipv4.tcp_syn_retries": "1", "net.ipv4.tcp_syn_linear_timeouts": "0"}
TW_REUSE = "net.ipv4.tcp_tw_reuse"
FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
ALL = (0, 0)  # every kernel


@dataclass(frozen=True)
class Scenario:
    """A case worth running.

    In ``expect``, ``{fast}`` stands for the band of a collision on the kernel at hand, ``{first}`` to ``{third}``
    for the first rungs of its SYN ladder with the scenario's settings, ``{give_up}`` for its ETIMEDOUT and
    ``{challenged_give_up}`` for that of an attempt whose first SYN was answered by a challenge ACK.

    Attributes:
        summary: what it does, in one line.
        expect: what a client sees, by the first kernel version (major, minor) on which it does.
        causes: of its slow and failed attempts.
        plan: its default plan.
        waits_for_give_up: whether attempts wait until the kernel gives up.
        waits_s: about how long its slowest attempts wait otherwise, where that is longer than the storm.
        on_one_host: whether it is of what happens where client and server are one host, and nowhere else.
    """

    summary: str
    expect: dict[tuple[int, int], str]
    causes: frozenset[Cause]
    plan: Plan
    waits_for_give_up: bool = False
    waits_s: float = 0.0
    on_one_host: bool = False

    def expected(self, kernel: tuple[int, int]) -> str:
        """Return what to expect on a kernel version (major, minor)."""
        return self.expect[max(since for since in self.expect if since <= kernel)]
