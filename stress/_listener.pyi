# SPDX-License-Identifier: MIT
ACCEPTED: int
LEAKED: int
CLOSED: int
READY: int
STOP: int
STARVED_FROM: int
STARVED_TO: int
FIRST: int
ANSWERED: int
ERRORS: int
SLOTS: int
PORTS_MAX: int

BUILD: dict[str, str]  # what it was built for and by: ABI, compiler, Cython, commit, checks; '' where unknown or none

def serve(
    listening: list[int], report: memoryview, *, leak: int = 0, then: str = "close", answer: bool = False
) -> None: ...

__test__: dict[str, str]  # every Cython module has one
