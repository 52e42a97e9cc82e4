# SPDX-License-Identifier: MIT
"""Arrays as .npy files."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


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
