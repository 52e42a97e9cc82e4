# SPDX-License-Identifier: MIT
"""A document without what should not leave the house: host names, addresses, paths and user names.

Names that are known are replaced wherever they stand; addresses and paths are found by their form. The same name gets
the same number everywhere, so that a reader can still tell hosts apart; one word, so that commands stay commands.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from ipaddress import ip_address
from typing import Any, TypeVar

from stress.view.page.document import Interactive

ADDRESS = re.compile(r"(?<![\w.:])[0-9A-Fa-f:]*[:.][0-9A-Fa-f:.]*[0-9A-Fa-f:](?:%\w+)?(?![\w:])")
PATH = re.compile(r"(?<![\w<.])(?:~\w*|\.{1,2})?(?:/[\w.@%+=,#-]*[\w@%+=#-])+/?")
OF_THE_KERNEL = ("/proc", "/sys", "/dev")
ROLES = frozenset(("client", "client2", "router", "server", "local", "host", "root", "nobody"))
SHORTEST = 2  # letters of a name; a single one would be replaced in every list

Value = TypeVar("Value")


class Redaction:
    """Replaces names, addresses and paths; the same by the same."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        """Prepare.

        Args:
            names: what is known, by what it is called instead: ``{"host": ["lab2"], "user": ["ann"]}``.
        """
        self.known = {
            name: f"{kind}-{number}"
            for kind, of_kind in names.items()
            for number, name in enumerate(sorted({name for name in of_kind if is_name(name)}), start=1)
        }
        longest_first = sorted(self.known, key=len, reverse=True)
        words = "|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in longest_first)
        self.words = re.compile(words) if words else None
        self.addresses: dict[str, str] = {}

    def text(self, text: str) -> str:
        """Return a text without any of them."""
        text = PATH.sub(replace_path, text)
        if self.words is not None:
            text = self.words.sub(lambda match: self.known[match[0]], text)
        return ADDRESS.sub(self.replace_address, text)

    def replace_address(self, match: re.Match[str]) -> str:
        """Return the number of an address, or the text where it is none."""
        address_text, port = split_port(match[0])
        try:
            address = str(ip_address(address_text))
        except ValueError:
            return match[0]
        return self.addresses.setdefault(address, f"address-{len(self.addresses) + 1}") + port

    def value(self, value: Value) -> Value:
        """Return a value with every text in it replaced; of an Interactive only the words around its data."""
        return self.replace_value(value)  # type: ignore[no-any-return]

    def replace_value(self, value: Any) -> Any:
        """Return any value as ``value`` does."""
        if isinstance(value, Enum | Interactive):
            return value  # an Interactive is made of names that were replaced before
        if isinstance(value, str):
            return self.text(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: self.replace_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **fields)
        if isinstance(value, tuple | list):
            return type(value)(self.replace_value(item) for item in value)
        if isinstance(value, Mapping):
            return {key: self.replace_value(item) for key, item in value.items()}
        return value


def is_name(name: str) -> bool:
    """Return whether a name says something about a house: it is no role, and not too short."""
    return len(name) >= SHORTEST and name not in ROLES


def replace_path(match: re.Match[str]) -> str:
    """Return a path of the kernel as it is, and ``a-path`` for others."""
    return match[0] if match[0].startswith(OF_THE_KERNEL) else "a-path"


def split_port(text: str) -> tuple[str, str]:
    """Return an IPv4 address and the port after it with its colon; other texts with no port, and no scope."""
    address, colon, port = text.partition(":")
    if "." in address and port.isdecimal():
        return address, colon + port
    return text.partition("%")[0].rstrip("."), ""
