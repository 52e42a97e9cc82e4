# SPDX-License-Identifier: MIT
"""What this machine can do for a measurement, and how to get what is missing."""

import os
import resource
import time
from collections.abc import Iterator

import msgspec

from stress.lab import firewall, host, sysctl, sysctl_journal
from stress.lab.capture import Capture
from stress.model.errors import LabError
from stress.model.units import kernel_text

NOFILE_GOOD = 20_000
STEADY_CLOCKS = ("tsc", "kvm-clock", "arch_sys_counter")
LOOK_S = 0.5
STOLEN_SHARE_GOOD = 0.01
PROBE_PORT, PROBE_ATTEMPTS = 5000, 1


class Point(msgspec.Struct, frozen=True):
    """One thing that was looked at; ``advice`` is empty where it is as it should be."""

    name: str
    found: str
    advice: str


def points(refused: str | None) -> Iterator[Point]:
    """Yield what there is, the most important first.

    Args:
        refused: why this process is not in a private namespace, or None when it is.
    """
    yield Point(
        "private namespace",
        "none" if refused else "as an ordinary user could make it",
        refused or "",
    )
    yield from changed_settings()
    cpus = len(os.sched_getaffinity(0))
    yield Point("CPUs", f"{cpus}", "" if cpus > 1 else "client and server share one CPU: latencies will scatter")
    facts = host.facts()
    yield Point("kernel", kernel_text(facts.kernel, facts.jiffy_ns), "")
    steady = facts.clocksource in STEADY_CLOCKS
    yield Point("clock source", facts.clocksource, "" if steady else "reading it may cost a system call each time")
    yield from steal(cpus)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = f"the window and each process's mines are bounded by it; raise it (ulimit -Hn {NOFILE_GOOD})"
    yield Point("descriptors", f"{hard:,} a process", "" if hard >= NOFILE_GOOD else few)
    ports = sysctl.read("net.ipv4.ip_local_port_range") or "unknown"
    yield Point("ephemeral ports", ports.replace(" ", "–"), "")
    ranged = host.has_local_port_range()
    yield Point(
        "IP_LOCAL_PORT_RANGE",
        "known" if ranged else "not known",
        "" if ranged else "Linux 6.3 has it; --ports range, and sweeps with --close disconnect, need it",
    )
    nft = firewall.nft_path()
    yield Point(
        "nft", nft or "not there", "" if nft else "BPF filters do, but for conntrack-invalid: apt-get install nftables"
    )
    yield capture(refused)


def changed_settings() -> Iterator[Point]:
    """Yield which settings of the host a run has changed and not put back, if there are any."""
    name = "host's settings"
    try:
        journal = sysctl_journal.left()
    except LabError as error:
        yield Point(name, "unknown", str(error))
        return
    if journal is None:
        return
    found = f"{', '.join(journal.new)} changed by {journal.text}"
    if journal.living:
        yield Point(name, found, "it is running, and puts them back when it ends; measure after that")
    elif journal.of_this_boot:
        yield Point(name, found, f"it ended without putting them back; do so, as root: {sysctl_journal.RESTORE}")
    else:
        yield Point(
            name, found, f"they went with an earlier boot; remove the note of it, as root: {sysctl_journal.RESTORE}"
        )


def steal(cpus: int) -> Iterator[Point]:
    """Yield how much CPU time a hypervisor gives to others at the moment."""
    before_ms = host.stolen_ms()
    time.sleep(LOOK_S)
    share = (host.stolen_ms() - before_ms) / (1000 * LOOK_S * cpus)
    busy = "others use this machine; measure later, or judge medians only"
    yield Point("stolen CPU time", f"{100 * share:.1f} %", "" if share <= STOLEN_SHARE_GOOD else busy)
    load = os.getloadavg()[0]
    running = "something else is running; leave the machine alone while a storm goes on"
    yield Point("load", f"{load:.2f}", "" if load < cpus / 2 else running)


def capture(refused: str | None) -> Point:
    """Return whether packets can be captured: only a namespace of our own surely lets us."""
    if refused:
        return Point("packet capture", "not tried on the host", "")
    try:
        with Capture(PROBE_PORT, PROBE_ATTEMPTS):
            return Point("packet capture", "possible", "")
    except LabError as error:
        return Point("packet capture", "refused", str(error))
