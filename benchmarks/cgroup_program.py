# SPDX-License-Identifier: MIT
"""A program of BPF that runs in each connect() of a cgroup's processes and takes some microseconds. It needs root."""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from stress.lab.kernel_word.bpf import LICENSE, NAME, PROG_LOAD, call_bpf

SOCKET_ADDRESS, INET4_CONNECT = 18, 10  # BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT
ATTACH, DETACH = 8, 9
INSTRUCTION = struct.Struct("=BBhi")
MOVE, MULTIPLY, EXIT = 0xB7, 0x27, 0x95  # of 64 bits, by an immediate value
PROGRAM = struct.Struct("=IIQQIIQII16sII")  # up to expected_attach_type
ATTACHMENT = struct.Struct("=IIII")


@contextlib.contextmanager
def slow_connects(multiplications: int) -> Iterator[None]:
    """Let each connect() of this process and of those that it starts run so many multiplications meanwhile.

    Raises:
        OSError: there is no cgroup2, or the kernel refuses.
    """
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if root is None:
        raise FileNotFoundError("No cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")
    before = root / own_cgroup().lstrip("/")
    group = root / f"connstorm-{os.getpid()}"
    group.mkdir()
    program = load(multiplications)
    try:
        descriptor = os.open(group, os.O_RDONLY)
        try:
            call_bpf(ATTACH, ATTACHMENT.pack(descriptor, program, INET4_CONNECT, 0))
        finally:
            os.close(descriptor)
        (group / "cgroup.procs").write_text("0")
        yield
    finally:
        (before / "cgroup.procs").write_text("0")
        os.close(program)
        group.rmdir()  # which detaches the program


def own_cgroup() -> str:
    """Return the path of this process's cgroup below the root of cgroup2."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next(line.split(":", 2)[2] for line in lines if line.startswith("0::"))


def load(multiplications: int) -> int:
    """Load the program and return its descriptor."""
    code = INSTRUCTION.pack(MOVE, 0, 0, 3)
    code += INSTRUCTION.pack(MULTIPLY, 0, 0, 5) * multiplications
    code += INSTRUCTION.pack(MOVE, 0, 0, 1) + INSTRUCTION.pack(EXIT, 0, 0, 0)  # 1: the call goes on
    instructions = ctypes.create_string_buffer(code, len(code))
    license_text = ctypes.create_string_buffer(LICENSE)
    attributes = PROGRAM.pack(
        SOCKET_ADDRESS,
        len(code) // INSTRUCTION.size,
        ctypes.addressof(instructions),
        ctypes.addressof(license_text),
        0,
        0,
        0,
        0,
        0,
        NAME,
        0,
        INET4_CONNECT,
    )
    return call_bpf(PROG_LOAD, attributes)
