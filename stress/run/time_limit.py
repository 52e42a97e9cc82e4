# SPDX-License-Identifier: MIT
"""How long a plan can take at most: a process that takes longer hangs, and is ended from outside.

The limit is generous, for a storm that is ended too early is lost: speeds are some sixtieth of those of an idle machine
(docs/performance.md), and what the kernel times is allowed to take twice as long.
"""

import math
import threading

from stress.analysis.attribution.ladder import LADDER_LIMITS, syn_timeouts_ns
from stress.lab import sysctl
from stress.lab.listener import START_LIMIT_S
from stress.model.mine import Release
from stress.model.plan import Plan
from stress.model.units import SECOND_NS
from stress.storm.minefield import ACCEPT_LIMIT_S, RELEASE_MARGIN_S, ROUNDS_MAX

PROCESS_S = 300.0  # imports, the namespace, the kernel's own word, figures
ACT_S = 120.0  # hosts, rules, the server, lists of sockets, counters, settling
SLOWEST_PER_S = 500.0  # attempts that begin, mines that are laid or listed
ANALYSED_PER_S = 20_000.0  # attempts that are analysed, drawn and stored
FASTEST_PER_S = 250_000  # by a worker: what limits the attempts that a storm makes in its time
TIMES = 2  # as long as the kernel's timers say
USE_S = 1_000.0  # tcp_retries2 gives a byte up after 924.6 s
PORTS = 65_535
MINES_PER_PROCESS = 192  # at least
HOLDERS_MAX = 64
FIN_TIMEOUT, FIN_TIMEOUT_S = "net.ipv4.tcp_fin_timeout", 60.0


def longest_s(plan: Plan, here: dict[str, str] | None = None) -> float | None:
    """Return the time that a run of a plan can take at most (s), rounded up.

    None for a storm across a link: there a person may be asked for a password, and both ends watch each other.

    Args:
        plan: without faults.
        here: settings of this host, by dotted name; None: as they are.
    """
    if plan.peers:
        return None
    settings = sysctl.read_recorded([FIN_TIMEOUT]) if here is None else here
    acts_s = sum(act_s(act, settings) for act in plan.storms().values())
    return min(float(math.ceil(PROCESS_S + acts_s)), threading.TIMEOUT_MAX)


def act_s(act: Plan, settings: dict[str, str]) -> float:
    """Return how long one storm, what is made before it, and its analysis can take (s)."""
    attempts = most_attempts(act)
    laying_s = minefield_s(act, settings) if act.mines and act.fresh else 0.0
    listing_s = (act.mines + act.fillers + act.bystanders) / SLOWEST_PER_S
    return ACT_S + act.rest_s + laying_s + listing_s + storm_s(act, attempts, settings) + attempts / ANALYSED_PER_S


def most_attempts(act: Plan) -> int:
    """Return how many attempts a storm makes at most, whatever its port range is."""
    if act.attempts is not None:
        return act.attempts
    if act.duration_s is not None and act.sweeps is None and not act.probes:
        return math.ceil(act.duration_s * FASTEST_PER_S * act.workers)
    low, high = act.port_range or (1, PORTS)
    return (act.sweeps or 1) * (high - low + 1) * act.addresses


def storm_s(act: Plan, attempts: int, settings: dict[str, str]) -> float:
    """Return how long a storm can take (s): its window is full of attempts without an answer, again and again."""
    waited_s = attempt_s(act, settings)
    paced_s = attempts / act.rate_per_s if act.rate_per_s is not None else 0.0
    whole_s = attempts / SLOWEST_PER_S + paced_s + math.ceil(attempts / act.window) * waited_s
    if act.duration_s is not None:  # no attempt starts later than that
        whole_s = min(whole_s, TIMES * act.duration_s + waited_s + act.window / SLOWEST_PER_S)
    return whole_s + (act.stuck_until_s or 0.0)


def attempt_s(act: Plan, settings: dict[str, str]) -> float:
    """Return how long one attempt can take (s): until its deadline, else until the kernel gives it up."""
    if act.deadline_s is not None:
        return TIMES * act.deadline_s
    places = (settings, act.sysctls, *act.world.sysctls.values())
    give_up_s = max(sum(syn_timeouts_ns(ladder_settings(place))) for place in places) / SECOND_NS
    return TIMES * (give_up_s + (USE_S if act.use else 0.0))


def ladder_settings(settings: dict[str, str]) -> dict[str, str]:
    """Return those settings on which the SYN ladder depends, without values that no kernel accepts."""
    return {name: value for name, value in settings.items() if name in LADDER_LIMITS and value.isdecimal()}


def minefield_s(act: Plan, settings: dict[str, str]) -> float:
    """Return how long it can take to lay a minefield (s)."""
    processes = min(math.ceil(act.mines / MINES_PER_PROCESS), HOLDERS_MAX)
    release_s = RELEASE_MARGIN_S
    if act.release is Release.FIN_TIMEOUT:
        text = act.sysctls.get(FIN_TIMEOUT) or settings.get(FIN_TIMEOUT, "")
        release_s += TIMES * (float(text) if text.isdecimal() else FIN_TIMEOUT_S)
    a_round_s = processes * (START_LIMIT_S + ACCEPT_LIMIT_S) + act.mines / SLOWEST_PER_S + release_s
    return ROUNDS_MAX * a_round_s
