# SPDX-License-Identifier: MIT
"""What the serving side of a storm across a link answers, where that is more than one number. Imports no numpy."""

from typing import Annotated

import msgspec

from stress.model.host import Host
from stress.model.peer import Privileges, ServeLimits
from stress.model.record import ListeningReport

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 62)]  # and a time of CLOCK_MONOTONIC (ns); sums of some fit 64 bits
TcpState = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What Describe returns."""

    host: Host
    limits: ServeLimits
    privileges: Privileges


class Consent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Yes, within these limits; renewed by each Beat."""

    limits: ServeLimits
    host: Host
    nofile: Count
    has_nft: bool


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an Act that the server's host tells."""

    listening: list[ListeningReport]
    return_error: str | None
    listener_elsewhere: list[str]


class HostNow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ReadHost returns."""

    sysctls: dict[str, str]
    stolen_ms: Count
    changed: list[str]
    firewall: str


class Met(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two ends of the first connection as the serving host has them."""

    client: str
    client_port: int
    server: str
    server_port: int
