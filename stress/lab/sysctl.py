# SPDX-License-Identifier: MIT
"""Sysctls, read and written by their dotted names under /proc/sys."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stress.model.errors import LabError, NotApplicableError, UsageError
from stress.model.text import closest_match, did_you_mean

ROOT = Path("/proc/sys")
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"
PORT_MAX = 65535
PORT_RANGE = "net.ipv4.ip_local_port_range"

# The sysctls that are stored with each run; those that a kernel does not have are left out.
RECORDED = (
    "net.core.somaxconn",
    PORT_RANGE,
    RESERVED_PORTS,
    "net.ipv4.ip_local_port_step_width",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_challenge_ack_limit",
    "net.ipv4.tcp_ehash_entries",
    "net.ipv4.tcp_fastopen",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_invalid_ratelimit",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_rfc1337",
    "net.ipv4.tcp_rto_max_ms",
    "net.ipv4.tcp_syn_linear_timeouts",
    "net.ipv4.tcp_syn_retries",
    "net.ipv4.tcp_synack_retries",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_tw_reuse_delay",
    "net.mptcp.blackhole_timeout",
    "net.mptcp.syn_retrans_before_tcp_fallback",
)


# Sysctls of the whole host, which do not exist in a private namespace (Linux 6.18; not every kernel has all of them).
WHOLE_HOST = (
    *(f"net.core.{last}" for last in ("bpf_jit_enable", "busy_poll", "busy_read", "default_qdisc", "dev_weight")),
    *(f"net.core.netdev_{last}" for last in ("budget", "budget_usecs", "max_backlog", "tstamp_prequeue")),
    *(f"net.core.{last}" for last in ("flow_limit_table_len", "gro_normal_batch", "rps_sock_flow_entries")),
    *(f"net.ipv4.{last}" for last in ("tcp_low_latency", "tcp_max_orphans", "tcp_mem", "udp_mem")),
)
# The behaviour of kernels from before a sysctl existed, as its value: setting that value there changes nothing.
IMPLIED_VALUES = {
    "net.ipv4.tcp_syn_linear_timeouts": "0",  # 6.5
    "net.ipv4.tcp_rto_max_ms": "120000",  # 6.15: TCP_RTO_MAX
    "net.ipv4.tcp_tw_reuse_delay": "1000",  # 6.13
}
# What is written at all, for the kernel has these for each network namespace, or refuses to change them in one. Some of
# the others are the whole host's wherever they are written: net.netfilter.nf_hooks_lwtunnel is, and stays set.
# tests/test_written_sysctls.py holds every name that begins so against a booted kernel.
WRITTEN = ("net.core.", "net.ipv4.", "net.ipv6.", "net.mptcp.", "net.netfilter.nf_conntrack_", "net.unix.")
INITIAL_NAMESPACE_ONLY = "net.core.netdev_budget"  # every kernel has it, but only in the initial network namespace
OF_WHOLE_HOST = ("net.netfilter.nf_conntrack_max",)


def sysctl_path(name: str) -> Path:
    """Return the file of a sysctl such as ``net.ipv4.tcp_fin_timeout``."""
    return ROOT.joinpath(*name.split("."))


def list_names() -> list[str]:
    """Return the names of all network sysctls that can be read here, sorted.

    Sysctls of an interface with a dot in its name are left out, because they have no dotted name.
    """
    names = []
    for folder, folders, files in os.walk(sysctl_path("net")):
        folders[:] = [folder for folder in folders if "." not in folder]
        readable = (file for file in files if os.access(f"{folder}/{file}", os.R_OK))
        prefix = folder.removeprefix(f"{ROOT}/").replace("/", ".")
        names += [f"{prefix}.{file}" for file in readable if "." not in file]
    return sorted(names)


def read(name: str) -> str | None:
    """Return the value of a sysctl, words separated by one blank, or None when it cannot be read."""
    try:
        return " ".join(sysctl_path(name).read_text(errors="replace").split())
    except OSError:  # it does not exist, is a folder, may not be read, or has no value yet (stable_secret: EIO)
        return None


def read_recorded(more: Iterable[str] = ()) -> dict[str, str]:
    """Return the sysctls of RECORDED, and those named in addition, that this kernel has."""
    return {name: value for name in (*RECORDED, *more) if (value := read(name)) is not None}


def list_beginning(prefix: str) -> list[str]:
    """Return the names of all sysctls in the folder of a dotted name that begin with it, sorted."""
    folder, _, first = prefix.rpartition(".")
    path = sysctl_path(folder)
    files = os.listdir(path) if os.path.isdir(path) else []  # noqa: PTH112, PTH208  # names, not paths
    return sorted(f"{folder}.{file}" for file in files if file.startswith(first) and "." not in file)


def read_port_range() -> tuple[int, int]:
    """Return the first and the last port that connect() may choose."""
    low, high = map(int, (read(PORT_RANGE) or "32768 60999").split())
    return low, high


def exists(name: str) -> bool:
    """Return whether this kernel has a sysctl that can be read."""
    return read(name) is not None


def drop_implied(settings: Mapping[str, str], has_sysctl: Callable[[str], bool] = exists) -> dict[str, str]:
    """Return settings without the sysctls that a kernel does not have and whose value it implies.

    Args:
        settings: values by dotted names.
        has_sysctl: whether the kernel has the sysctl of a name.
    """
    return {name: value for name, value in settings.items() if IMPLIED_VALUES.get(name) != value or has_sysctl(name)}


def unwritten_text(name: str) -> str | None:
    """Return a sentence that says why no setting of this name is ever written; None for one that may be."""
    if is_network_name(name) and not name.startswith(WRITTEN):
        begins = ", ".join(f"{prefix}*" for prefix in WRITTEN)
        return f"{name} is never written, for it may be the whole host's; settings that are begin with {begins}."
    return None


def is_network_name(name: str) -> bool:
    """Return whether a name can be that of a network setting."""
    return name.startswith("net.") and not (".." in name or "/" in name or "\0" in name)


def read_existing(name: str) -> str:
    """Return the value of a sysctl.

    Raises:
        NotApplicableError: it does not exist in this kernel or namespace.
        UsageError: it is not a network sysctl, or cannot be read.
    """
    if not is_network_name(name):
        raise UsageError(f"{name!r} is not a network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.")
    if (value := read(name)) is not None:
        return value
    private = not sysctl_path(INITIAL_NAMESPACE_ONLY).exists()
    where = " in a private namespace" if private else ""
    if private and name in WHOLE_HOST:
        raise NotApplicableError(f"This kernel has no setting {name}{where}: it exists for the whole host only.")
    kind = UsageError if os.path.lexists(sysctl_path(name)) else NotApplicableError
    raise kind(f"This kernel has no setting {name}{where}{suggest_name(name)}.")


def write(name: str, value: str) -> None:
    """Set a sysctl and read it back.

    Raises:
        NotApplicableError: it does not exist in this kernel or namespace.
        UsageError: it is not a network sysctl, or may be the whole host's, or the kernel does not accept the value as
            it is written.
        LabError: it may not be written here.
    """
    read_existing(name)
    if text := unwritten_text(name):
        raise UsageError(text)
    try:
        sysctl_path(name).write_bytes(os.fsencode(f"{value}\n"))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            if name in OF_WHOLE_HOST:
                raise NotApplicableError(
                    f"{name} belongs to the whole host and may not be written in a private namespace; a suite can boot "
                    'a kernel for it, kernel = "deb:bookworm".'
                ) from error
            raise LabError(f"{name} may not be written here: {error.strerror}.") from error
        raise UsageError(f"The kernel refuses {name}={value}: {error.strerror}.") from error
    current = read(name) or ""
    if not is_same_value(name, current, value):
        raise UsageError(f"{name} was set to {value} but reads {current}; write the value as the kernel does.")


def is_same_value(name: str, current: str, value: str) -> bool:
    """Return whether the kernel's text of a sysctl means the same as a value that a user wrote."""
    if name != RESERVED_PORTS:
        return current.split() == value.split()
    try:
        return parse_ports(current) == parse_ports(value)
    except ValueError:  # the value is not a list of ports
        return False


def parse_ports(text: str) -> set[int]:
    """Return the ports of a list such as ``"8080,9000-9002"``; a number that is none is left out.

    Raises:
        ValueError: it is not such a list.
    """
    ports: set[int] = set()
    for part in text.split(",") if text.strip() else []:
        low, _, high = part.partition("-")
        ports.update(range(max(int(low), 0), min(int(high or low), PORT_MAX) + 1))
    return ports


def ports_text(ports: Iterable[int]) -> str:
    """Return ports as the kernel writes such a list: ``8080,9000-9002``."""
    runs: list[list[int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ",".join(f"{low}-{high}" if high > low else str(low) for low, high in runs)


def suggest_name(name: str) -> str:
    """Return ``; did you mean …?`` with the sysctl that is spelled most like ``name``, or an empty text."""
    prefix, _, last = name.rpartition(".")
    folder = sysctl_path(prefix)
    if os.path.isdir(folder):  # noqa: PTH112  # Path.is_dir() raises where a name is too long
        match = closest_match(last, (file.name for file in folder.iterdir()))
        return f"; did you mean {prefix}.{match}?" if match else ""
    return did_you_mean(name, RECORDED, clause=True)
