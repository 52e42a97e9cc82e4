# SPDX-License-Identifier: MIT
"""The arrays that a client expects of the serving side, checked before anything is done with them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from stress.lab.capture import SNAP_BYTES, Packets
from stress.model.errors import ChannelFaultError
from stress.model.run import KERNEL_EVENT, MINE

# The columns of Packets, of one length, and the bytes of their rows.
PACKET_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "time_ns": ("<i8", ()),
    "realtime_ns": ("<i8", ()),
    "client": ("|V16", ()),
    "client_port": ("<u2", ()),
    "from_client": ("|b1", ()),
    "length": ("<u4", ()),
    "headers": ("|u1", (SNAP_BYTES,)),
    "device": ("<i4", ()),
    "outgoing": ("|b1", ()),
    "host": ("|u1", ()),
}


def take_mines(arrays: Mapping[str, npt.NDArray[Any]], addresses: int) -> npt.NDArray[Any]:
    """Return the array ``mines``, shape (mines,), dtype MINE, of so many pairs of addresses.

    Raises:
        ChannelFaultError: there is none, or it is of another type.
    """
    return take_rows(arrays, "mines", MINE, addresses)


def take_events(arrays: Mapping[str, npt.NDArray[Any]], addresses: int) -> npt.NDArray[Any]:
    """Return the array ``events``, shape (events,), dtype KERNEL_EVENT; the rest is as of ``take_mines``."""
    return take_rows(arrays, "events", KERNEL_EVENT, addresses)


def take_rows(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: "np.dtype[Any]", addresses: int
) -> npt.NDArray[Any]:
    """Return a copy of the one array that came; the arguments and errors are as of ``take_mines``."""
    if set(arrays) != {name} or arrays[name].dtype != dtype or arrays[name].ndim != 1:
        raise ChannelFaultError(f"The serving side was asked for the array {name}, and sent another.")
    if (arrays[name]["address"] >= addresses).any():
        raise ChannelFaultError(f"The serving side sent {name} on addresses that are not those of the storm.")
    return arrays[name].copy()


def take_packets(arrays: Mapping[str, npt.NDArray[Any]], missed: int) -> Packets:
    """Return packets from their columns.

    Raises:
        ChannelFaultError: a column is not there, is of another type, or of another length than the others.
    """
    shapes = {len(values) if values.ndim else -1 for values in arrays.values()}
    described = {name: (values.dtype.str, values.shape[1:]) for name, values in arrays.items()}
    if described != PACKET_COLUMNS or len(shapes) != 1 or missed < 0:
        raise ChannelFaultError("The serving side was asked for its capture, and sent arrays that are none.")
    columns: dict[str, Any] = dict(arrays)
    return Packets(**columns, missed=missed)
