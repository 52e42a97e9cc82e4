# SPDX-License-Identifier: MIT
"""Limits of one process (ulimit) that are too narrow for this program: told in a sentence before libraries are loaded.

numpy's OpenBLAS ends the process in words of its own where it gets no memory, and a stack that is too small ends it by
a signal, so that neither can be caught afterwards.
"""

import os
import resource
from collections.abc import Iterator

from stress.lab.room import Room, process_room

MIB, KIB = 1 << 20, 1 << 10
# Measured with numpy 2.4 and OpenBLAS 0.3.31, x86-64: 97 MiB of address space with one thread, and 40 for each further
# one, of which the stack is 8; a small run with its figures, which has one thread, needs 231 MiB, 158 of them data.
BASE_BYTES, BASE_DATA_BYTES = 120 * MIB, 70 * MIB
THREAD_BYTES = 32 * MIB  # without its stack
THREADS_MAX = 64  # of the OpenBLAS in numpy's wheels
RUN_BYTES, RUN_DATA_BYTES = 240 * MIB, 165 * MIB
STACK_BYTES = 256 * KIB  # 96 were enough, with 80 numpy ended by SIGSEGV
USUAL_STACK_BYTES = 2 * MIB  # of a thread where the stack has no limit (pthread_create(3), x86-64)
PROCESSES = 4  # and threads, besides OpenBLAS' further ones: what a small run starts at a time
LOOKED_AT_MAX = 4096  # a larger limit is hardly ever reached, and to count what a user has takes 0.1 ms a process
DESCRIPTORS = 16  # 9 were enough for every verb that does not storm


def narrow_limits() -> Iterator[str]:
    """Yield a sentence for each limit of this process that is below what the program and its libraries need."""
    further = blas_threads() - 1
    thread_bytes = further * (THREAD_BYTES + thread_stack_bytes())
    threads = f"{further} further threads of OpenBLAS included; raise the limit, or set OPENBLAS_NUM_THREADS=1."
    for number, option, what, base, run in (
        (resource.RLIMIT_AS, "-v", "address space", BASE_BYTES, RUN_BYTES),
        (resource.RLIMIT_DATA, "-d", "data", BASE_DATA_BYTES, RUN_DATA_BYTES),
    ):
        limit, _ = resource.getrlimit(number)
        needed = max(base + thread_bytes, run)
        if limit != resource.RLIM_INFINITY and limit < needed:
            end = f", {threads}" if needed > run else "; raise the limit."
            yield (
                f"This process may have {limit // MIB:,} MiB of {what} (ulimit {option}) and needs "
                f"{needed // MIB:,}{end}"
            )
    for number, option, what, unit, needed in (
        (resource.RLIMIT_STACK, "-s", "KiB of stack", KIB, STACK_BYTES),
        (resource.RLIMIT_NOFILE, "-n", "descriptors", 1, DESCRIPTORS),
    ):
        limit, _ = resource.getrlimit(number)
        if limit != resource.RLIM_INFINITY and limit < needed:
            yield (
                f"This process may have {limit // unit:,} {what} (ulimit {option}) and needs {needed // unit:,}; "
                "raise the limit."
            )
    limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    room = process_room() if further and 0 <= limit <= LOOKED_AT_MAX else None  # what else fails can be caught
    if room is not None and room.left < further + PROCESSES:
        yield (
            f"{room.left:,} more processes and threads may be started ({room.limited_by}), and this program needs "
            f"{further + PROCESSES:,}; raise the limit."
        )


def blas_threads() -> int:
    """Return how many threads OpenBLAS has, the main one included: one per CPU, unless the environment says fewer."""
    cpus = min(len(os.sched_getaffinity(0)), THREADS_MAX)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):  # in this order
        text = os.environ.get(name, "")
        if text.isascii() and text.isdecimal() and int(text) > 0:
            return min(int(text), cpus)
    return cpus


def thread_stack_bytes() -> int:
    """Return how much address space the stack of a new thread takes."""
    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return USUAL_STACK_BYTES if limit == resource.RLIM_INFINITY else limit


def address_space() -> Room | None:
    """Return how many bytes of address space this process may have; None where that is not limited."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else Room(limit, "ulimit -v")
