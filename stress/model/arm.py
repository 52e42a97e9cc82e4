# SPDX-License-Identifier: MIT
"""An arm of a suite: a server of the user's own, or another connstorm, whose trials are compared. Imports no numpy."""

import re
import shlex
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec

from stress.model.errors import UsageError
from stress.model.plan import LOOPBACK, Plan

ARM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")  # part of names of cells, filters and folders
PORT_WORD = "{port}"  # of a command, stands for the port of ``ready``
READY_TEXT = re.compile(r"tcp:(?:(?P<address>\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?(?P<port>[0-9]{1,5})")
READY_LIMIT_S = 30.0
PORT_MAX = 65535


class SuiteArm(msgspec.Struct, frozen=True, kw_only=True):
    """An ``[[arm]]`` of a suite file: either a server that each trial starts and storms, or another connstorm.

    Attributes:
        name: its value on the axis ``arm``.
        serve: the command that starts the server, split into words as a shell does, and run without one.
        ready: where the server listens when it is ready: ``tcp:PORT`` or ``tcp:ADDRESS:PORT``.
        ready_s: how long it may take until then.
        python: the interpreter, or the virtual environment, of another connstorm.
    """

    name: str
    serve: str | None = None
    ready: str | None = None
    ready_s: float = READY_LIMIT_S
    python: str | None = None

    @property
    def place(self) -> tuple[IPv4Address | IPv6Address, int]:
        """The address and the port where the server listens.

        Raises:
            UsageError: ``ready`` is missing, or is not of that form.
        """
        return parse_ready(self.ready or "")

    @property
    def command(self) -> list[str]:
        """The words of the command that starts the server.

        Raises:
            UsageError: it has no word, or a quote without end; or ``ready`` is wrong.
        """
        _, port = self.place
        try:
            words = shlex.split(self.serve or "")
        except ValueError as error:
            raise UsageError(f"The command {self.serve} cannot be split into words: {error}.") from error
        if not words:
            raise UsageError("The command that starts the server is empty.")
        return [word.replace(PORT_WORD, str(port)) for word in words]

    @property
    def text(self) -> str:
        """What it is, in words: its command, or its interpreter."""
        return self.serve or self.python or ""


def parse_ready(text: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Return the address and the port of ``tcp:8080``, ``tcp:127.0.0.2:8080`` or ``tcp:[::1]:8080``.

    Raises:
        UsageError: it is not of that form, or the address is not the loopback's.
    """
    match = READY_TEXT.fullmatch(text)
    try:
        address = ip_address((match["address"] or LOOPBACK[4]).strip("[]")) if match else None
    except ValueError:
        address = None
    if match is None or address is None or not 1 <= int(match["port"]) <= PORT_MAX:
        raise UsageError(f"{text!r} is not of the form tcp:PORT or tcp:ADDRESS:PORT, such as tcp:8080 or tcp:[::1]:80.")
    if not address.is_loopback:
        raise UsageError(
            f"{address} is not of the loopback, the only device of the namespace in which a trial starts the server; "
            "leave the address out where it listens on every one."
        )
    return address, int(match["port"])


def plan_for_arm(plan: Plan, arm: SuiteArm) -> Plan:
    """Return a plan for a storm against a server of others with the place where the server of an arm listens."""
    address, port = arm.place
    placed = plan.with_family(6 if address.version == 6 else 4)
    return msgspec.structs.replace(placed, target=str(address), target_port=port)
