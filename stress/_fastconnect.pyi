# SPDX-License-Identifier: MIT
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

from stress.model.attempt import ATTEMPT as ATTEMPT
from stress.model.attempt import USE as USE

def now_ns() -> int: ...

@disjoint_base
class PreparedStorm:
    def __new__(
        cls,
        records: npt.NDArray[Any],  # dtype ATTEMPT, shape (at least attempts,)
        *,
        target: str,
        target_port: int,
        target_ports: int = 1,
        source: str = "",
        sources: int = 1,
        address_list: npt.NDArray[np.uint16] | None = None,
        ports: str = "kernel",
        port_list: npt.NDArray[np.uint16] | None = None,
        watched: npt.NDArray[np.uint8] | None = None,
        close: str = "rst",
        held: npt.NDArray[np.intc] | None = None,
        attempts: int,
        warmup: int = 0,
        window: int = 1024,
        deadline_ns: int = 0,
        interval_ns: int = 0,
        linger2_s: int = 0,
        port_range: tuple[int, int] | None = None,
        socket_filter: bytes = b"",
        address: int = 0,
        worker: int = 0,
        jiffy_ns: int = 0,
        uses: npt.NDArray[Any] | None = None,  # dtype USE, shape (at least attempts,)
        protocol: str = "tcp",
        catch_up_ns: int = 0,
    ) -> Self: ...
    def run(self, *, epoch_ns: int, begin_ns: int = 0, duration_ns: int = 0) -> tuple[int, bool]: ...
    def stalls(self) -> list[tuple[int, int, str]]: ...
    @property
    def stalls_missed(self) -> int: ...

def storm(
    records: npt.NDArray[Any],  # dtype ATTEMPT, shape (at least attempts,)
    *,
    target: str,
    target_port: int,
    target_ports: int = 1,
    source: str = "",
    sources: int = 1,
    address_list: npt.NDArray[np.uint16] | None = None,
    ports: str = "kernel",
    port_list: npt.NDArray[np.uint16] | None = None,
    watched: npt.NDArray[np.uint8] | None = None,
    close: str = "rst",
    held: npt.NDArray[np.intc] | None = None,
    attempts: int,
    warmup: int = 0,
    window: int = 1024,
    epoch_ns: int,
    begin_ns: int = 0,
    duration_ns: int = 0,
    deadline_ns: int = 0,
    interval_ns: int = 0,
    linger2_s: int = 0,
    port_range: tuple[int, int] | None = None,
    socket_filter: bytes = b"",
    address: int = 0,
    worker: int = 0,
    jiffy_ns: int = 0,
    uses: npt.NDArray[Any] | None = None,
    protocol: str = "tcp",
    catch_up_ns: int = 0,
) -> tuple[int, bool]: ...

__test__: dict[str, str]  # every Cython module has one
