# SPDX-License-Identifier: MIT
"""Tables of nftables that the kernel removes with the process that made them.

A table with the flag ``owner`` belongs to a netlink socket and ends with it (nft_rcv_nl_event(), Linux 5.12); nobody
else can change it. nft(8) closes its socket when it ends, so this process uses the library that nft itself is made of.
"""

import ctypes
import re

from stress.lab import firewall
from stress.model.errors import LabError, NotApplicableError

LIBRARY = "libnftables.so.1"  # Debian package libnftables1, which nftables depends on
OWNED = "flags owner;"  # to be the first line of each table
COUNTED = re.compile(r'counter packets (\d+) bytes \d+.* comment "([^"]+)"')


class OwnedTables:
    """A netlink socket, in the network namespace of the calling thread, that owns tables."""

    def __init__(self) -> None:
        """Open it.

        Raises:
            NotApplicableError: the library is not installed.
        """
        try:
            self.library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise NotApplicableError(
                f"Rules need nft, which is not installed (Debian package nftables): {error}."
            ) from error
        self.library.nft_ctx_new.restype = ctypes.c_void_p
        self.library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p(self.library.nft_ctx_new(0))
        self.library.nft_ctx_buffer_error(self.context)

    def load(self, text: str) -> None:
        """Load tables, each of which has the flag ``owner``.

        Raises:
            LabError: the kernel refuses them, or a table of that name exists already.
        """
        if self.library.nft_run_cmd_from_buffer(self.context, text.encode()) != 0:
            error = self.library.nft_ctx_get_error_buffer(self.context).decode(errors="replace")
            reason = " ".join(error.partition("\n")[0].split()).removeprefix("Error: ")
            raise LabError(
                f"Rules cannot be loaded on this host: {reason}; either another storm has rules here, or nft and the "
                "kernel do not have what they need (tables with an owner came with Linux 5.12)."
            )

    def close(self) -> None:
        """Close the socket; the tables are gone when this returns."""
        self.library.nft_ctx_free(self.context)


def count_owned() -> dict[str, int]:
    """Return how many packets each rule of this program's table has matched, by its comment.

    As text, for ``nft --json`` reads beyond the names of flags that it knows where a table has an owner (1.0.6).

    Raises:
        LabError: nft fails.
    """
    counts: dict[str, int] = {}
    for packets, name in COUNTED.findall(firewall.run_nft(["list", "table", "inet", firewall.TABLE])):
        counts[name] = counts.get(name, 0) + int(packets)
    return counts
