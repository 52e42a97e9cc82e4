# SPDX-License-Identifier: MIT
"""The kernel's own word: which packets it dropped and which resets it sent, when, and for which reason.

Two BPF programs on the raw tracepoints ``kfree_skb`` and ``tcp_send_reset``, put together from the kernel's description
of its types, without compiler or library. They are loaded before the process enters its user namespace; inside, the
descriptors still work, so that namespaces can be watched and events be read, but nothing new can be loaded. This module
imports no numpy and starts no thread, for the process has to call unshare() afterwards.

The kernel says nothing where it drops no packet: a SYN that finds the accept queue or the SYN queue full is consumed
(tcp_conn_request(), Linux 6.18), and a connect() without a free port sends none.
"""

import errno
import os
import platform
import struct
from collections import Counter
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stress.lab import network_namespace, time_namespace
from stress.lab.kernel_word import bpf, layout, program
from stress.lab.kernel_word.btf import KernelTypes, read_kernel_types
from stress.lab.kernel_word.ring import Ring
from stress.model.errors import LabError

if TYPE_CHECKING:
    import numpy.typing as npt

DROP_TRACEPOINT, DROP_REASON, DROP_PREFIX = "kfree_skb", "skb_drop_reason", "SKB_DROP_REASON_"
RESET_TRACEPOINT, RESET_REASON, RESET_PREFIX = "tcp_send_reset", "sk_rst_reason", "SK_RST_REASON_"
NAMESPACES_MAX = 256
RING_BYTES = 1 << 24  # 139,000 events
INODE = struct.Struct("=I")
COUNTS = struct.Struct(f"={2 * program.REASONS_MAX}Q")
REFUSED = (errno.EPERM, errno.EACCES)


class KernelWord:
    """Two programs at work in the kernel, and what they tell. A context manager, which ends them on exit.

    Attributes:
        drop_reasons: names of the reasons of dropped packets by number, without the prefix.
        reset_reasons: names of the reasons of resets in the same way.
        limits: a sentence that says why there are counts only, and these not complete; empty where there are events.
    """

    def __init__(self, ring_bytes: int = RING_BYTES) -> None:
        """Load and attach the programs; see ``open_kernel_word``."""
        self.clock_ahead_ns = time_namespace.read_ahead_ns()
        with ExitStack() as stack:
            # The first call that needs the privilege; reading the types takes longer.
            self.namespaces_fd = closed_with(
                stack, bpf.create_map(bpf.MAP_HASH, INODE.size, COUNTS.size, NAMESPACES_MAX)
            )
            self.lost_fd = closed_with(stack, bpf.create_map(bpf.MAP_ARRAY, 4, 8, 1))
            types = read_kernel_types()
            self.drop_reasons = name_reasons(types, DROP_REASON, DROP_PREFIX)
            self.reset_reasons = name_reasons(types, RESET_REASON, RESET_PREFIX)
            drop = layout.find_arguments(types, DROP_TRACEPOINT, DROP_REASON)
            reset = layout.find_arguments(types, RESET_TRACEPOINT, RESET_REASON)
            if drop.reason is None:
                raise LabError(
                    f"Linux {platform.release()} does not say why it drops packets; the kernel's word needs 5.17."
                )
            self.limits = describe_limits(drop, reset)
            self.ring = Ring(ring_bytes, program.RECORD_BYTES)
            stack.callback(self.ring.close)
            maps = program.Maps(self.namespaces_fd, self.ring.fd, self.lost_fd)
            self.program_fds = []
            for kind, tracepoint, arguments, quiet in (
                (program.DROP, DROP_TRACEPOINT, drop, number_of(self.drop_reasons, "QUEUE_PURGE")),
                (program.RESET, RESET_TRACEPOINT, reset, number_of(self.reset_reasons, "TCP_STATE")),
            ):
                code = program.build_program(
                    kind, layout.find_layout(types), arguments, maps, quiet=quiet, emits=self.is_complete
                )
                self.program_fds.append(closed_with(stack, bpf.load_program(code)))
                closed_with(stack, bpf.attach_program(self.program_fds[-1], tracepoint))
            self.ended: Counter[tuple[str, str]] = Counter()  # counts of namespaces that are not watched any more
            self.stack = stack.pop_all()

    @property
    def is_complete(self) -> bool:
        """Whether every packet of a watched namespace that the kernel drops is an event; else there are counts only."""
        return not self.limits

    @property
    def lost(self) -> int:
        """How many events are missing: the ring was full, or an interrupt came while the program ran on that CPU.

        The latter may have been events of other namespaces. With any, what the kernel did not say proves nothing.
        """
        full = bpf.look_up(self.lost_fd, bytes(4), 8) or b""
        return int.from_bytes(full, "little") + sum(bpf.count_misses(fd) for fd in self.program_fds)

    def watch(self, namespace_inode: int) -> None:
        """Hear the network namespace with this inode (of /proc/PID/ns/net) too.

        The kernel gives the inode of a namespace that has ended to a new one: unwatch it before.

        Raises:
            LabError: too many are watched, or the kernel refuses.
        """
        try:
            bpf.add_element(self.namespaces_fd, INODE.pack(namespace_inode), bytes(COUNTS.size))
        except OSError as error:
            raise LabError(
                f"The kernel's word cannot be had for one more network namespace: {error.strerror}; "
                f"at most {NAMESPACES_MAX} are watched."
            ) from error

    def watch_this_namespace(self) -> int:
        """Hear the network namespace of the calling thread too; return its inode."""
        inode = network_namespace.read_inode()
        self.watch(inode)
        return inode

    def unwatch(self, namespace_inode: int) -> None:
        """Hear a network namespace no longer; its events so far stay in the ring, and its counts in the totals."""
        self.ended.update(self.counts(namespace_inode))
        bpf.delete_element(self.namespaces_fd, INODE.pack(namespace_inode))

    def drain(self) -> "npt.NDArray[Any]":
        """Return the events since the last call in their order, shape (events,), dtype ``events.EVENT``."""
        from stress.lab.kernel_word.events import decode_events  # noqa: PLC0415  # numpy starts threads

        events = decode_events(self.ring.take())
        events["time_ns"] += self.clock_ahead_ns  # bpf_ktime_get_ns() is the clock of the host
        return events

    def counts(self, namespace_inode: int | None = None) -> dict[tuple[str, str], int]:
        """Count all events so far, also those that no ring was given: ``{("drop", "NO_SOCKET"): 3}``.

        Args:
            namespace_inode: only events of this network namespace, if it is still watched; None is all.
        """
        if namespace_inode is not None:
            return dict(self.count_reasons(INODE.pack(namespace_inode)))
        counts = Counter(self.ended)
        for key in bpf.list_keys(self.namespaces_fd, INODE.size):
            counts.update(self.count_reasons(key))
        return dict(counts)

    def count_reasons(self, key: bytes) -> Counter[tuple[str, str]]:
        """Return the counts of one namespace."""
        numbers = COUNTS.unpack(bpf.look_up(self.namespaces_fd, key, COUNTS.size) or bytes(COUNTS.size))
        counts: Counter[tuple[str, str]] = Counter()
        for index, count in enumerate(numbers):
            kind, reason = divmod(index, program.REASONS_MAX)
            if count:
                names = (self.drop_reasons, self.reset_reasons)[kind]
                counts[("drop", "reset")[kind], name_reason(names, reason)] = count
        return counts

    def close(self) -> None:
        """End the programs. Children that were forked meanwhile hold the same descriptors until they end."""
        self.stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_kernel_word(ring_bytes: int = RING_BYTES) -> KernelWord:
    """Load and attach the programs, before the process enters its user namespace. Nothing is watched yet.

    Args:
        ring_bytes: room for events that have not been drained, 120 bytes each; a power of two.

    Raises:
        LabError: the kernel, the architecture or the privileges of this process do not permit it.
    """
    bpf.check_architecture()
    try:
        return KernelWord(ring_bytes)
    except OSError as error:
        if error.errno in REFUSED:
            raise LabError(
                "This process may not load BPF programs; the kernel's word needs CAP_BPF and CAP_PERFMON in the "
                "initial user namespace, which root of the host has."
            ) from error
        raise LabError(f"The kernel's word cannot be had: bpf(2) says {error.strerror}.") from error


def closed_with(stack: ExitStack, descriptor: int) -> int:
    """Return a descriptor that is closed with the stack."""
    stack.callback(os.close, descriptor)
    return descriptor


def describe_limits(drop: layout.Arguments, reset: layout.Arguments) -> str:
    """Return why this kernel's events are not complete, or nothing."""
    if drop.socket is None:
        return (
            f"Linux {platform.release()} does not say for which socket it drops a packet (rx_sk of kfree_skb, 6.11), "
            "so what TCP itself drops cannot be given to a network namespace: there are counts only, without it."
        )
    if reset.reason is None:
        return f"Linux {platform.release()} does not say why it sends a reset (6.10): there are counts only."
    return ""


def name_reasons(types: KernelTypes, enumeration: str, prefix: str) -> dict[int, str]:
    """Return the reasons of an enumeration by number; none where the kernel has no such enumeration."""
    try:
        names = types.enumerators(enumeration)
    except LabError:
        return {}
    return {number: name.removeprefix(prefix).removeprefix("SKB_") for number, name in names.items()}


def name_reason(names: dict[int, str], reason: int) -> str:
    """Return the name of a reason as counts have it."""
    return "OTHER" if reason == program.OTHER else names.get(reason, str(reason))


def number_of(names: dict[int, str], wanted: str) -> int | None:
    """Return the number of a reason, or None."""
    return next((number for number, name in names.items() if name == wanted), None)
