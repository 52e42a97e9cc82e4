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
STEAL_INTERVAL_S = 0.5
STOLEN_SHARE_GOOD = 0.01
PROBE_PORT, PROBE_ATTEMPTS = 5000, 1


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at; ``advice`` is empty where it is as it should be."""

    name: str
    state: str = msgspec.field(name="found")
    advice: str


def check_machine(refused: str | None) -> Iterator[Check]:
    """Yield what there is, the most important first.

    Args:
        refused: why this process is not in a private namespace, or None when it is.
    """
    yield Check(
        "private namespace",
        "none" if refused else "as an ordinary user could make it",
        refused or "",
    )
    yield from check_changed_settings()
    cpus = len(os.sched_getaffinity(0))
    yield Check("CPUs", f"{cpus}", "" if cpus > 1 else "client and server share one CPU: latencies will scatter")
    facts = host.read_host()
    yield Check("kernel", kernel_text(facts.kernel, facts.jiffy_ns), "")
    steady = facts.clocksource in STEADY_CLOCKS
    yield Check("clock source", facts.clocksource, "" if steady else "reading it may cost a system call each time")
    yield from check_stolen_time(cpus)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = f"the window and each process's mines are bounded by it; raise it (ulimit -Hn {NOFILE_GOOD})"
    yield Check("descriptors", f"{hard:,} a process", "" if hard >= NOFILE_GOOD else few)
    ports = sysctl.read("net.ipv4.ip_local_port_range") or "unknown"
    yield Check("ephemeral ports", ports.replace(" ", "–"), "")
    ranged = host.has_local_port_range()
    yield Check(
        "IP_LOCAL_PORT_RANGE",
        "known" if ranged else "not known",
        "" if ranged else "Linux 6.3 has it; --ports range, and sweeps with --close disconnect, need it",
    )
    nft = firewall.find_nft()
    yield Check(
        "nft", nft or "not there", "" if nft else "BPF filters do, but for conntrack-invalid: apt-get install nftables"
    )
    yield check_capture(refused)


def check_changed_settings() -> Iterator[Check]:
    """Yield which settings of the host a run has changed and not put back, if there are any."""
    name = "host's settings"
    try:
        journal = sysctl_journal.read_journal()
    except LabError as error:
        yield Check(name, "unknown", str(error))
        return
    if journal is None:
        return
    found = f"{', '.join(journal.new)} changed by {journal.text}"
    if journal.is_process_alive:
        yield Check(name, found, "it is running, and puts them back when it ends; measure after that")
    elif journal.is_of_this_boot:
        yield Check(name, found, f"it ended without putting them back; do so, as root: {sysctl_journal.RESTORE}")
    else:
        yield Check(
            name, found, f"they went with an earlier boot; remove the note of it, as root: {sysctl_journal.RESTORE}"
        )


def check_stolen_time(cpus: int) -> Iterator[Check]:
    """Yield how much CPU time a hypervisor gives to others at the moment."""
    before_ms = host.stolen_ms()
    time.sleep(STEAL_INTERVAL_S)
    share = (host.stolen_ms() - before_ms) / (1000 * STEAL_INTERVAL_S * cpus)
    busy = "others use this machine; measure later, or judge medians only"
    yield Check("stolen CPU time", f"{100 * share:.1f} %", "" if share <= STOLEN_SHARE_GOOD else busy)
    load = os.getloadavg()[0]
    running = "something else is running; leave the machine alone while a storm goes on"
    yield Check("load", f"{load:.2f}", "" if load < cpus / 2 else running)


def check_capture(refused: str | None) -> Check:
    """Return whether packets can be captured: only a namespace of our own surely lets us."""
    if refused:
        return Check("packet capture", "not tried on the host", "")
    try:
        with Capture(PROBE_PORT, PROBE_ATTEMPTS):
            return Check("packet capture", "possible", "")
    except LabError as error:
        return Check("packet capture", "refused", str(error))
