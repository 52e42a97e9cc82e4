# SPDX-License-Identifier: MIT
"""The plan of ``connstorm run clean --against HOST:PORT``: its bounds, and what it cannot have. Imports no numpy."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stress.model.errors import UsageError
from stress.model.plan import EXTERNAL_SCENARIO, EvidenceSource, Plan
from stress.run.external import LIMITS, refuse_excess

UID_MAP = Path("/proc/self/uid_map")
SCENARIO = "clean"  # the others are made of what is wrong with a server, a client or a world of connstorm's own
ATTEMPTS, DURATION_S, RATE_PER_S, DEADLINE_S = 10_000, 30.0, 2000.0, 10.0
OF_OUR_OWN = "is of a server or a world of connstorm's own"
CHANGES = "changes a setting, which belongs to others"
ASKED = "is said by HOST:PORT"
REFUSED = {  # by option: why
    **dict.fromkeys(("set", "fast"), CHANGES),
    "port-range": f"{CHANGES} (--ports range keeps each socket within the range that is there, as IP_LOCAL_PORT_RANGE)",
    **dict.fromkeys(("mines", "release", "rest", "serve", "listeners", "stuck", "stuck-until", "backlog"), OF_OUR_OWN),
    **dict.fromkeys(("server-nofile", "keepalive", "drop", "firewall", "servers", "act"), OF_OUR_OWN),
    **dict.fromkeys(("listen", "listen-port", "source", "family"), ASKED),
    "use": "sends a byte that the server may not expect",
    "sweeps": "has no bound; give --attempts",
    "strict": "asks for books, and nobody knows what else a server of others does to the counters",
}


def against_plan(scenario: str, place: str, given: Mapping[str, Any], refused: list[str]) -> Plan:
    """Return the plan of a storm against a server that is there.

    Args:
        scenario: that the user asked for.
        place: HOST:PORT.
        given: fields of a plan that the user gave.
        refused: options that the user gave, by name without dashes, of those in REFUSED.

    Raises:
        UsageError: what cannot be had, a place that is none, or a bound beyond those of storms against others.
    """
    if scenario != SCENARIO:
        raise UsageError(
            f"{scenario} is about a server or a world of connstorm's own; against a server that is there use "
            f"connstorm run {SCENARIO} --against {place}."
        )
    if refused:
        raise UsageError(" ".join(f"--{name} {REFUSED[name]}; leave it out with --against." for name in refused))
    host, port = split_place(place)
    bounds: dict[str, Any] = {"duration_s": DURATION_S, "rate_per_s": RATE_PER_S, "deadline_s": DEADLINE_S}
    bounds |= {"attempts": ATTEMPTS, "evidence": best_evidence(), **given}
    if given.get("until_slow") is not None:  # which the time bounds
        most = min(int(bounds["rate_per_s"] * bounds["duration_s"]), LIMITS["attempts"])
        bounds |= {"attempts": given.get("attempts", most), "capture": True}
    for name in LIMITS:
        if name in bounds:
            refuse_excess(name, bounds[name])
    base = Plan(scenario=EXTERNAL_SCENARIO).with_family(6 if ":" in host else 4).on_host()
    try:
        return msgspec.convert(msgspec.structs.asdict(base) | {"target": host, "target_port": port} | bounds, Plan)
    except msgspec.ValidationError as error:
        raise UsageError(f"{error}.") from error


def best_evidence() -> EvidenceSource:
    """Return the kernel's own word for root of the host, else counts.

    A host has other traffic, with which sums alone leave the cause of a SYN without an answer unknown.
    """
    whole = UID_MAP.read_text().split() == ["0", "0", str(2**32 - 1)]  # not the root of a user namespace
    return EvidenceSource.KERNEL if os.geteuid() == 0 and whole else EvidenceSource.COUNTS


def split_place(place: str) -> tuple[str, int]:
    """Return the host and the port of ``127.0.0.1:8080``, ``[::1]:8080`` or ``name:8080``.

    Raises:
        UsageError: it is not of that form.
    """
    host, colon, port = place.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    bracketed = host != bare and host == f"[{bare}]"
    if not (colon and bare and port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535) or (
        bracketed is not (":" in bare)
    ):
        raise UsageError(
            f"--against {place} is not of the form HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080."
        )
    return bare, int(port)
