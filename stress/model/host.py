# SPDX-License-Identifier: MIT
"""Host: the machine and its kernel. Imports no numpy."""

import hashlib

import msgspec

GIB = 1 << 30
UNKNOWN = "unknown"  # of a host that nobody has asked
TESTBED_DIGITS = 8


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine and its kernel."""

    kernel: str  # uname -r
    jiffy_ns: int  # one tick of the kernel's timer: 10**9 / HZ
    cpu: str
    cpus: int
    memory_bytes: int
    clocksource: str
    python: str
    nofile: int  # RLIMIT_NOFILE, hard
    emulated: bool = False  # the CPU is emulated: its latencies cannot be compared with those of a real CPU
    microcode: str = ""  # version of the CPU's microcode; "" where the kernel does not say, or it was not recorded

    @property
    def has_kernel(self) -> bool:
        """Whether its kernel and the kernel's timer are known; those of hosts in a capture are not."""
        return self.kernel != UNKNOWN and self.jiffy_ns > 0

    @property
    def testbed(self) -> str:
        """A name for this kind of machine: a hash of CPU model, CPU count and memory, without kernel and host name."""
        facts = f"{self.cpu}|{self.cpus}|{round(self.memory_bytes / GIB)}"
        return hashlib.sha256(facts.encode()).hexdigest()[:TESTBED_DIGITS]
