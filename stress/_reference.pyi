# SPDX-License-Identifier: MIT
from typing import Any

import numpy.typing as npt

def bare_storm(
    *,
    target_port: int,
    target_ports: int = 1,
    attempts: int,
    close: str = "rst",
    port_list: npt.NDArray[Any] | None = None,
    source: str = "127.0.0.1",
) -> int: ...
def calibrate(connected_fd: int) -> dict[str, float]: ...

__test__: dict[str, str]  # every Cython module has one
