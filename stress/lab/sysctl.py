# SPDX-License-Identifier: MIT
"""Kernel settings under /proc/sys, read and written by their dotted names."""

import errno
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from stress.model.errors import LabError, NotApplicableError, UsageError
from stress.model.text import closest_match, did_you_mean

ROOT = Path("/proc/sys")
RESERVED_PORTS = "net.ipv4.ip_local_reserved_ports"

# The settings that a result depends on; a kernel that lacks one simply has no entry for it.
RECORDED = (
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    RESERVED_PORTS,
    "net.ipv4.ip_local_port_step_width",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_challenge_ack_limit",
    "net.ipv4.tcp_ehash_entries",
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
)


# Settings of the whole host, which a private namespace has no entries for (Linux 6.18; a kernel may lack some).
WHOLE_HOST = (
    *(f"net.core.{last}" for last in ("bpf_jit_enable", "busy_poll", "busy_read", "default_qdisc", "dev_weight")),
    *(f"net.core.netdev_{last}" for last in ("budget", "budget_usecs", "max_backlog", "tstamp_prequeue")),
    *(f"net.core.{last}" for last in ("flow_limit_table_len", "gro_normal_batch", "rps_sock_flow_entries")),
    *(f"net.ipv4.{last}" for last in ("tcp_low_latency", "tcp_max_orphans", "tcp_mem", "udp_mem")),
)
# What a kernel does that is older than a setting. To ask it for just that is to ask for nothing.
IMPLIED_VALUES = {
    "net.ipv4.tcp_syn_linear_timeouts": "0",  # 6.5
    "net.ipv4.tcp_rto_max_ms": "120000",  # 6.15: TCP_RTO_MAX
    "net.ipv4.tcp_tw_reuse_delay": "1000",  # 6.13
}
INITIAL_NAMESPACE_ONLY = "net.core.netdev_budget"  # every kernel has it, in its first network namespace only


def sysctl_path(name: str) -> Path:
    """Return the file of a setting: ``net.ipv4.tcp_fin_timeout``."""
    return ROOT.joinpath(*name.split("."))


def list_names() -> list[str]:
    """Return the names of all network settings that can be read here, sorted.

    Left out are those of an interface with a dot in its name, which no dotted name leads to.
    """
    found = []
    for folder, folders, files in os.walk(sysctl_path("net")):
        folders[:] = [folder for folder in folders if "." not in folder]
        readable = (file for file in files if os.access(f"{folder}/{file}", os.R_OK))
        prefix = folder.removeprefix(f"{ROOT}/").replace("/", ".")
        found += [f"{prefix}.{each}" for each in readable if "." not in each]
    return sorted(found)


def read(name: str) -> str | None:
    """Return a setting, words separated by one blank, or None when this kernel has none that can be read."""
    try:
        return " ".join(sysctl_path(name).read_text(errors="replace").split())
    except OSError:  # it is not there, is a folder, may not be read, or has no value yet (stable_secret: EIO)
        return None


def read_recorded(more: Iterable[str] = ()) -> dict[str, str]:
    """Return every setting in RECORDED, and of those named besides, that this kernel has."""
    return {name: value for name in (*RECORDED, *more) if (value := read(name)) is not None}


def exists(name: str) -> bool:
    """Return whether this kernel has a setting that can be read."""
    return read(name) is not None


def drop_implied(settings: Mapping[str, str], there: Callable[[str], bool] = exists) -> dict[str, str]:
    """Return settings without those that a kernel lacks and of which it does what is asked all the same.

    Args:
        settings: values by dotted names.
        there: whether the kernel has one of a name.
    """
    return {name: value for name, value in settings.items() if IMPLIED_VALUES.get(name) != value or there(name)}


def read_existing(name: str) -> str:
    """Return a setting that is there.

    Raises:
        NotApplicableError: this kernel, or this namespace, has no such setting.
        UsageError: it is not a network setting, or cannot be read.
    """
    if not name.startswith("net.") or ".." in name or "/" in name or "\0" in name:
        raise UsageError(f"{name!r} is not a network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.")
    if (value := read(name)) is not None:
        return value
    private = not sysctl_path(INITIAL_NAMESPACE_ONLY).exists()
    where = " in a private namespace" if private else ""
    if private and name in WHOLE_HOST:
        raise NotApplicableError(f"This kernel has no setting {name}{where}: there is one for the whole host only.")
    kind = UsageError if os.path.lexists(sysctl_path(name)) else NotApplicableError
    raise kind(f"This kernel has no setting {name}{where}{suggest_name(name)}.")


def write(name: str, value: str) -> None:
    """Set a setting and read it back.

    Raises:
        NotApplicableError: this kernel, or this namespace, has no such setting.
        UsageError: it is not a network setting, or the kernel does not take the value as it is written.
        LabError: the setting may not be written here.
    """
    read_existing(name)
    try:
        sysctl_path(name).write_bytes(os.fsencode(f"{value}\n"))
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise LabError(f"{name} may not be written here: {error.strerror}.") from error
        raise UsageError(f"The kernel refuses {name}={value}: {error.strerror}.") from error
    kept = read(name) or ""
    if not is_same_value(name, kept, value):
        raise UsageError(f"{name} was set to {value} but reads {kept}; write the value as the kernel does.")


def is_same_value(name: str, kept: str, value: str) -> bool:
    """Return whether what a setting reads is a value as somebody wrote it: the kernel has its own spelling."""
    if name != RESERVED_PORTS:
        return kept.split() == value.split()
    try:
        return parse_ports(kept) == parse_ports(value)
    except ValueError:  # the value is no list of ports
        return False


def parse_ports(text: str) -> set[int]:
    """Return the ports of a list such as ``"8080,9000-9002"``, which the kernel spells in its own way."""
    ports: set[int] = set()
    for part in text.split(",") if text.strip() else []:
        low, _, high = part.partition("-")
        ports.update(range(int(low), int(high or low) + 1))
    return ports


def suggest_name(name: str) -> str:
    """Return ``; did you mean …?`` for a setting that is similar in spelling, or an empty text."""
    prefix, _, last = name.rpartition(".")
    folder = sysctl_path(prefix)
    if os.path.isdir(folder):  # noqa: PTH112  # Path.is_dir() raises where a name is too long
        match = closest_match(last, (file.name for file in folder.iterdir()))
        return f"; did you mean {prefix}.{match}?" if match else ""
    return did_you_mean(name, RECORDED, clause=True)
