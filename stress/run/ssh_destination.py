# SPDX-License-Identifier: MIT
"""What names a host that is reached by ssh."""

from typing import Any

from stress.model.errors import UsageError


def destination(text: str, option: str = "--hosts") -> dict[str, Any]:
    """Return the arguments of asyncssh.connect for ``[user@]name[:port]``; an IPv6 address with a port is in brackets.

    Raises:
        UsageError: it is not of that form.
    """
    user, at, rest = text.rpartition("@")
    name, port = rest, ""
    if rest.startswith("["):
        name, _, port = rest[1:].partition("]")
        port = port.removeprefix(":")
    elif rest.count(":") == 1:
        name, _, port = rest.partition(":")
    if not name or (at and not user) or (rest.endswith(":")) or (port and not port.isdecimal()):
        raise UsageError(f"{text!r} is no host of the form [user@]name[:port]; write it so in {option}.")
    where: dict[str, Any] = {"host": name}
    if user:
        where["username"] = user
    if port:
        where["port"] = int(port)
    return where
