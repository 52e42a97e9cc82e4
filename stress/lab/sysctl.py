# SPDX-License-Identifier: MIT
"""Kernel settings under /proc/sys, read and written by their dotted names."""

import difflib
from pathlib import Path

from stress.model.errors import LabError, UsageError

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


def path(name: str) -> Path:
    """Return the file of a setting: ``net.ipv4.tcp_fin_timeout``."""
    return ROOT.joinpath(*name.split("."))


def read(name: str) -> str | None:
    """Return a setting, words separated by one blank, or None when this kernel has none that can be read."""
    try:
        return " ".join(path(name).read_text().split())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
        return None


def recorded() -> dict[str, str]:
    """Return every setting in RECORDED that this kernel has."""
    return {name: value for name in RECORDED if (value := read(name)) is not None}


def write(name: str, value: str) -> None:
    """Set a setting and read it back.

    Raises:
        UsageError: this kernel has no such setting, or does not take the value as it is written.
        LabError: the setting may not be written here.
    """
    if not name.startswith("net.") or ".." in name or "/" in name:
        raise UsageError(f"{name!r} is not a network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.")
    if read(name) is None:
        raise UsageError(f"This kernel has no setting {name} in a private namespace{suggestion(name)}.")
    try:
        path(name).write_text(f"{value}\n")
    except PermissionError as error:
        raise LabError(f"{name} may not be written here: {error.strerror}.") from error
    except OSError as error:
        raise UsageError(f"The kernel refuses {name}={value}: {error.strerror}.") from error
    kept = read(name) or ""
    same = parse_ports(kept) == parse_ports(value) if name == RESERVED_PORTS else kept.split() == value.split()
    if not same:
        raise UsageError(f"{name} was set to {value} but reads {kept}; write the value as the kernel does.")


def parse_ports(text: str) -> set[int]:
    """Return the ports of a list such as ``"8080,9000-9002"``, which the kernel spells in its own way."""
    ports: set[int] = set()
    for part in text.split(",") if text.strip() else []:
        low, _, high = part.partition("-")
        ports.update(range(int(low), int(high or low) + 1))
    return ports


def suggestion(name: str) -> str:
    """Return ``; did you mean …?`` for a misspelt setting, or nothing."""
    prefix, _, last = name.rpartition(".")
    folder = path(prefix)
    if folder.is_dir():
        close = [
            f"{prefix}.{each}" for each in difflib.get_close_matches(last, [e.name for e in folder.iterdir()], n=1)
        ]
    else:
        close = difflib.get_close_matches(name, RECORDED, n=1)
    return f"; did you mean {close[0]}?" if close else ""
