# SPDX-License-Identifier: MIT
"""Facts about the machine and its kernel that a result depends on."""

import os
import platform
import resource
import socket
import time
from pathlib import Path

from stress.model.host import Host

IP_LOCAL_PORT_RANGE = 51  # linux/in.h; not in the socket module
EMULATED = "QEMU TCG"  # the model name of an emulated CPU under QEMU on x86
MPTCP_ENABLED = Path("/proc/sys/net/mptcp/enabled")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
CLOCK_MONOTONIC_COARSE = 6  # linux/time.h; its resolution is one jiffy, so HZ is known without root


def read_host() -> Host:
    """Return the facts about this machine and its kernel."""
    cpu = cpu_model()
    return Host(
        kernel=platform.release(),
        jiffy_ns=jiffy_ns(),
        cpu=cpu,
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        clocksource=clocksource(),
        python=platform.python_version(),
        nofile=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        emulated=cpu.startswith(EMULATED),
        microcode=cpu_fact("microcode"),
    )


def jiffy_ns() -> int:
    """Return how long a jiffy of this kernel is (ns)."""
    return round(time.clock_getres(CLOCK_MONOTONIC_COARSE) * 1e9)


def has_local_port_range() -> bool:
    """Return whether this kernel has IP_LOCAL_PORT_RANGE (Linux 6.3)."""
    with socket.socket() as probe:
        try:
            probe.getsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, 4)
        except OSError:
            return False
    return True


def has_mptcp() -> bool:
    """Return whether this kernel has Multipath TCP (Linux 5.6, CONFIG_MPTCP), and it is not off."""
    return MPTCP_ENABLED.exists() and MPTCP_ENABLED.read_text().strip() == "1"


def stolen_ms() -> int:
    """Return the stolen CPU time since boot (ms): a hypervisor ran other guests while CPUs here had work."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()  # "cpu", then ticks: user … steal is the eighth
    return int(fields[8]) * 1000 // os.sysconf("SC_CLK_TCK")


def cpu_model() -> str:
    """Return the CPU model of /proc/cpuinfo, else the architecture."""
    return cpu_fact("model name") or platform.machine()


def cpu_fact(fact: str) -> str:
    """Return what /proc/cpuinfo says of the first CPU under a name, such as ``"microcode"`` on x86; else ``''``."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == fact:
            return value.strip()
    return ""


def boot_id() -> str:
    """Return the id that this boot of the kernel drew at random (drivers/char/random.c); "" where it is not known."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def clocksource() -> str:
    """Return the clock source of CLOCK_MONOTONIC."""
    try:
        return Path("/sys/devices/system/clocksource/clocksource0/current_clocksource").read_text().strip()
    except OSError as error:
        return f"unknown: {error.strerror}"
