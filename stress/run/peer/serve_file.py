# SPDX-License-Identifier: MIT
"""The limits of a serving host: its files, narrowed by options. Imports no numpy."""

import os
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec

from stress.lab import source_filter
from stress.model.errors import UsageError
from stress.model.peer import ServeLimits

SYSTEM_FILE = Path("/etc/connstorm/serve.toml")
RATE_MAX_PER_S = 1_000_000
SECONDS_MAX = 3600
PORT_MAX = 65535


class Given(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits that a file or options give; the fields are those of ServeLimits, None where it says nothing."""

    sources: list[str] | None = None
    addresses: list[str] | None = None
    ports: tuple[int, int] | None = None
    max_rate_per_s: float | None = None
    max_seconds: float | None = None
    change: bool | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Those that are given."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


def list_files() -> list[Path]:
    """Return where limits may be written: for everybody of this host, then for this user."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [SYSTEM_FILE, Path(home) / "connstorm" / "serve.toml"]


def read_file(path: Path) -> Given | None:
    """Return what a file says; None if there is no such file.

    Raises:
        UsageError: it cannot be read, or says what no limit can be.
    """
    try:
        given = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Given)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise UsageError(f"{path} has too many nested lists or tables.") from error
    except ValueError as error:  # no TOML, no UTF-8, no limits, or a number with thousands of digits
        raise UsageError(f"{path}: {error}.") from error
    check_given(given, str(path))
    return given


def check_given(given: Given, where: str) -> None:
    """Raise UsageError for a value that no limit can have; ``where`` it is written begins the sentence."""
    source_filter.parse_sources(given.sources or [])
    for address in given.addresses or []:
        try:
            ip_address(address)
        except ValueError as error:
            raise UsageError(f"{where}: {address!r} in addresses is not an IP address.") from error
    if given.ports is not None and not 1 <= given.ports[0] <= given.ports[1] <= PORT_MAX:
        raise UsageError(f"{where}: ports must be the lowest and the highest within 1-{PORT_MAX}, not {given.ports}.")
    for name, value, most in (
        ("max_rate_per_s", given.max_rate_per_s, RATE_MAX_PER_S),
        ("max_seconds", given.max_seconds, SECONDS_MAX),
    ):
        if value is not None and not 0 < value <= most:
            raise UsageError(f"{where}: {name} must be above 0 and at most {most:,}, not {value:g}.")


def combine(parts: list[tuple[str, Given]]) -> ServeLimits:
    """Return the limits that files and options give: the first says what it likes, each further one can only narrow.

    Raises:
        UsageError: one would widen what another says.
    """
    limits = ServeLimits()
    for number, (where, given) in enumerate(parts):
        if number:
            check_narrower(given, where, limits, parts[0][0])
        limits = msgspec.structs.replace(limits, **given.values)
    return limits


def check_narrower(given: Given, where: str, limits: ServeLimits, outer: str) -> None:
    """Raise UsageError where something would be wider than the limits, of which ``outer`` says most."""
    permitted = source_filter.parse_sources(limits.sources)
    for text in given.sources or []:
        if permitted and not source_filter.is_within(source_filter.parse_source(text), permitted):
            raise UsageError(f"{where}: {outer} permits no storm from {text}, only from {', '.join(limits.sources)}.")
    own = {ip_address(address) for address in limits.addresses}
    for text in given.addresses or []:
        if own and ip_address(text) not in own:
            raise UsageError(f"{where}: {outer} lets {', '.join(limits.addresses)} be stormed, not {text}.")
    (low, high), ports = limits.ports, given.ports or limits.ports
    if not low <= ports[0] <= ports[1] <= high:
        raise UsageError(f"{where}: {outer} lets the ports {low}-{high} be stormed, not {ports[0]}-{ports[1]}.")
    for name, value, most in (
        ("connections a second", given.max_rate_per_s, limits.max_rate_per_s),
        ("seconds", given.max_seconds, limits.max_seconds),
    ):
        if value is not None and value > most:
            raise UsageError(f"{where}: {outer} permits {most:,g} {name}, not {value:,g}.")
    if given.change and not limits.change:
        raise UsageError(f"{where}: {outer} permits no change of this host's settings.")


def read_limits(options: Given, *, is_login: bool) -> ServeLimits:
    """Return the limits of this host: of its files, where there are any, narrowed by options.

    Args:
        options: what was given on the command line.
        is_login: whether whoever asks has logged in, and nothing else says what it may: then it may change what the
            login may.

    Raises:
        UsageError: a file or an option says what no limit can be, or would widen another.
    """
    check_given(options, "Options")
    parts = [(str(path), given) for path in list_files() if (given := read_file(path)) is not None]
    if is_login and not parts and not options.values:
        return ServeLimits(change=True)
    return combine([*parts, ("Options", options)] if options.values else parts)
