# SPDX-License-Identifier: MIT
"""The rules for memory and processes: what a storm needs of them, and that there is as much."""

import math
from collections.abc import Iterator

from stress.lab.room import Room
from stress.model.attempt import ATTEMPT, USE
from stress.model.plan import Close, Plan, Serve
from stress.storm.buffer import IN_MEMORY_BYTES
from stress.storm.check.plan_rules import DESCRIPTORS_RESERVED, attempt_count
from stress.storm.ports import PortRange

MIB = 1 << 20
PROGRAM_BYTES = 200 * MIB  # Python, numpy, the figures: 123 MiB were measured
LIMITED_BYTES = 240 * MIB  # the same as address space: 231 were measured
PROCESS_BYTES = 8 * MIB  # of each further process: 13 MiB, of which half is shared
ANALYSED_BYTES = 100  # of an attempt, when it is analysed and drawn; with its record 72 to 97 were measured
SOCKET_BYTES = 4096  # of an end of a connection, in the kernel (TCP, sock_inode_cache, filp, dentry of slabinfo)
LIKELY_PER_S = 60_000  # by a worker; twice what was measured
CAPTURE_BYTES = 256 * MIB  # the longest ring
PROGRAM_PROCESSES = 4  # run-cell and what it starts for moments


def memory_parts(plan: Plan, ports: PortRange, nofile: int) -> dict[str, int]:
    """Return how many bytes of memory a storm and its analysis need at most, by what for.

    No more connections are open at a time than there are 4-tuples. Of a storm that time ends, the buffer is sized for a
    speed that nothing has come near; where that is in a file, what will be written of it counts.
    """
    attempts = attempt_count(plan, ports)
    likely = likely_attempts(plan, attempts)
    written = likely if attempts * ATTEMPT.itemsize > IN_MEMORY_BYTES else attempts
    copies = 2 if plan.workers > 1 else 1
    record_bytes = copies * written * (ATTEMPT.itemsize + plan.use * USE.itemsize) + likely * ANALYSED_BYTES
    is_held = plan.close is Close.HOLD or plan.serve is Serve.LEAK
    opened = min(attempts if is_held else plan.window * plan.workers, attempts, len(ports) * plan.addresses)
    ends = plan.mines + plan.fillers + plan.bystanders + 2 * opened
    processes = process_count(plan, ports, nofile)
    return {
        "the program": PROGRAM_BYTES + plan.capture * CAPTURE_BYTES,
        f"{processes:,} processes": processes * PROCESS_BYTES,
        f"{likely:,} attempts": record_bytes,
        f"{ends:,} sockets": ends * SOCKET_BYTES,
    }


def likely_attempts(plan: Plan, attempts: int) -> int:
    """Return how many of the attempts that a storm has room for may really be made."""
    if plan.duration_s is None:
        return attempts
    rate_per_s = LIKELY_PER_S * plan.workers if plan.rate_per_s is None else plan.rate_per_s
    return min(attempts, math.ceil(rate_per_s * plan.duration_s) + 1)


def process_count(plan: Plan, ports: PortRange, nofile: int) -> int:
    """Return how many processes a storm starts at most."""
    room = max(nofile - DESCRIPTORS_RESERVED, 1)
    attempts = attempt_count(plan, ports)
    holders = math.ceil(plan.mines / room)
    if plan.close is Close.HOLD:
        holders += plan.workers * math.ceil(attempts / plan.workers / max(room - plan.window, 1))
    if plan.serve is Serve.LEAK and plan.server_nofile is None:
        holders += math.ceil(attempts / room)
    workers = plan.workers if plan.workers > 1 else 0
    return PROGRAM_PROCESSES + workers + plan.servers + holders


def room_faults(
    plan: Plan, ports: PortRange, nofile: int, memory: Room | None, processes: Room | None
) -> Iterator[str]:
    """Yield one sentence for what a storm needs and this host does not have.

    Args:
        plan: one without faults of its own.
        ports: the ephemeral ports of the namespace.
        nofile: descriptors that one process may have.
        memory: what is left of it (bytes); None: not known.
        processes: how many may be started; None: not limited.
    """
    parts = memory_parts(plan, ports, nofile)
    needed = sum(parts.values())
    if memory is not None and needed > memory.left:
        listed = ", ".join(f"{size // MIB:,} for {what}" for what, size in parts.items() if size >= MIB)
        yield (
            f"This storm may need {needed // MIB:,} MiB of memory ({listed}), but {memory.left // MIB:,} are left "
            f"({memory.limited_by}); make fewer attempts or mines, or make room."
        )
    count = process_count(plan, ports, nofile)
    if processes is not None and count > processes.left:
        yield (
            f"This storm may start {count:,} processes, but {processes.left:,} more may be started "
            f"({processes.limited_by}); give fewer --workers, --servers or --mines, or raise the limit."
        )


def address_space_faults(plan: Plan, ports: PortRange, space: Room | None) -> Iterator[str]:
    """Yield one sentence where the records of a storm do not fit what a limit lets one process have.

    Args:
        plan: one without faults of its own.
        ports: the ephemeral ports of the namespace.
        space: what the process may have in all (bytes); None: not limited.
    """
    if space is None:
        return
    attempts = attempt_count(plan, ports)
    records = attempts * (ATTEMPT.itemsize + plan.use * USE.itemsize) + likely_attempts(plan, attempts) * ANALYSED_BYTES
    needed = LIMITED_BYTES + plan.capture * CAPTURE_BYTES + records
    if needed > space.left and records >= MIB:
        yield (
            f"This storm may need {needed // MIB:,} MiB of address space ({records // MIB:,} for its attempts), but "
            f"{space.left // MIB:,} are the limit ({space.limited_by}); make fewer attempts, or raise the limit."
        )
