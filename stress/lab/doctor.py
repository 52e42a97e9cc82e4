# SPDX-License-Identifier: MIT
"""What this machine can measure, and how to get what is missing."""

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
    """The result of one check; ``advice`` is empty where everything is in order."""

    name: str
    state: str = msgspec.field(name="found")
    advice: str


def check_machine(refused: str | None) -> Iterator[Check]:
    """Check this machine; yield the results, the most important first.

    Args:
        refused: why this process is not in a private namespace, or None if it is in one.
    """
    yield Check(
        "private namespace",
        "none" if refused else "available to ordinary users",
        refused or "",
    )
    yield from check_changed_settings()
    cpus = len(os.sched_getaffinity(0))
    yield Check("CPUs", f"{cpus}", "" if cpus > 1 else "client and server share one CPU: latencies will vary")
    facts = host.read_host()
    yield Check("kernel", kernel_text(facts.kernel, facts.jiffy_ns), "")
    steady = facts.clocksource in STEADY_CLOCKS
    yield Check("clock source", facts.clocksource, "" if steady else "each reading may need a system call")
    yield from check_stolen_time(cpus)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = f"it limits the window and the mines per process; raise it (ulimit -Hn {NOFILE_GOOD})"
    yield Check("descriptors", f"{hard:,} per process", "" if hard >= NOFILE_GOOD else few)
    ports = sysctl.read("net.ipv4.ip_local_port_range") or "unknown"
    yield Check("ephemeral ports", ports.replace(" ", "–"), "")
    available = host.has_local_port_range()
    yield Check(
        "IP_LOCAL_PORT_RANGE",
        "available" if available else "not available",
        "" if available else "Linux 6.3 has it; --ports range and sweeps with --close disconnect need it",
    )
    nft = firewall.find_nft()
    yield Check(
        "nft", nft or "not installed", "" if nft else "only conntrack-invalid needs it: apt-get install nftables"
    )
    yield check_capture(refused)


def check_changed_settings() -> Iterator[Check]:
    """Yield the sysctls of the host that a run has changed and not restored, if there are any."""
    name = "host's settings"
    try:
        journal = sysctl_journal.read_journal()
    except LabError as error:
        yield Check(name, "unknown", str(error))
        return
    if journal is None:
        return
    state = f"{', '.join(journal.new)} changed by {journal.text}"
    if journal.is_process_alive:
        yield Check(name, state, "it is running, and restores them when it ends; measure after that")
    elif journal.is_of_this_boot:
        yield Check(name, state, f"it ended without restoring them; do so as root: {sysctl_journal.RESTORE}")
    else:
        yield Check(name, state, f"that was before the last boot; remove the journal as root: {sysctl_journal.RESTORE}")


def check_stolen_time(cpus: int) -> Iterator[Check]:
    """Yield the current stolen CPU time and the load."""
    before_ms = host.stolen_ms()
    time.sleep(STEAL_INTERVAL_S)
    share = (host.stolen_ms() - before_ms) / (1000 * STEAL_INTERVAL_S * cpus)
    busy = "a hypervisor runs other guests; measure later, or compare medians only"
    yield Check("stolen CPU time", f"{100 * share:.1f} %", "" if share <= STOLEN_SHARE_GOOD else busy)
    load = os.getloadavg()[0]
    running = "other processes are running; leave the machine idle during a storm"
    yield Check("load", f"{load:.2f}", "" if load < cpus / 2 else running)


def check_capture(refused: str | None) -> Check:
    """Check whether packets can be captured: that is certain only in a private namespace."""
    if refused:
        return Check("packet capture", "not tried on the host", "")
    try:
        with Capture(PROBE_PORT, PROBE_ATTEMPTS):
            return Check("packet capture", "possible", "")
    except LabError as error:
        return Check("packet capture", "refused", str(error))
