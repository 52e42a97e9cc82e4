# SPDX-License-Identifier: MIT
"""Arrays as .npy files."""

import os
import tokenize
import warnings
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from stress.model.errors import UsageError

MAGIC = b"\x93NUMPY\x01\x00"  # of version 1.0, as written here, whose header has at most 65,535 bytes
# numpy evaluates the header as Python, and tokenizes it where that fails.
HEADER_FAULTS = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, MemoryError, SyntaxError)


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as a .npy file, the same bytes as ``numpy.save`` writes.

    numpy.save hands a file to fwrite(3) and loses errno: a full disk has no name then.

    Raises:
        OSError: it cannot be written.
    """
    array = np.ascontiguousarray(array)
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))
        stream.write(array.reshape(-1).view(np.uint8).data)


def open_array(file: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Open an array file of one dimension, memory-mapped, whose header says as many rows as the file has.

    Raises:
        UsageError: it cannot be read, is cut short, or has another dtype or shape.
    """
    try:
        with file.open("rb") as stream:
            shape, stored = read_header(stream, file)
            offset, size = stream.tell(), os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    if stored != dtype:
        raise UsageError(f"{file} holds {stored}, not the records of this schema.")
    if len(shape) != 1:
        raise UsageError(f"{file} holds an array of {len(shape)} dimensions; records have one.")
    if size != offset + shape[0] * dtype.itemsize:
        raise UsageError(f"{file} is cut short or changed: it has {size:,} bytes for {shape[0]:,} records.")
    if not shape[0]:
        return np.zeros(0, dtype)  # nothing can be mapped
    return np.memmap(file, dtype, "r", offset, shape)


def read_header(stream: IO[bytes], file: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype that an array file says it has.

    Raises:
        UsageError: it is no array file.
    """
    try:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin as one")
        with warnings.catch_warnings(action="ignore"):  # of headers that Python 2 wrote
            shape, _, stored = np.lib.format.read_array_header_1_0(stream)
    except (*HEADER_FAULTS, tokenize.TokenError) as error:
        raise UsageError(f"{file} is no array file: {error}; copy it again, or run again.") from error
    return shape, stored
