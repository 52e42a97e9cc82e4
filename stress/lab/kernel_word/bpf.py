# SPDX-License-Identifier: MIT
"""The calls of bpf(2) that are needed here (include/uapi/linux/bpf.h). Descriptors are closed on exec by the kernel."""

import contextlib
import ctypes
import errno
import os
import platform
import struct
import sys

from stress.model.errors import LabError

SYSTEM_CALLS = {"x86_64": 321, "aarch64": 280}  # the number of bpf(2)
(MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_NEXT_KEY, PROG_LOAD, INFO_BY_FD, RAW_TRACEPOINT_OPEN) = (
    *(0, 1, 2, 3, 4, 5, 15, 17),
)
LINK_CREATE = 28  # Linux 5.7
MAP_HASH, MAP_ARRAY, MAP_RING = 1, 2, 27
PROGRAM_RAW_TRACEPOINT = 17
NOEXIST = 1  # update only makes new elements
ATTRIBUTES_BYTES = 144  # of union bpf_attr; more than any of these calls reads
LICENSE = b"Dual MIT/GPL"  # the helpers that read kernel memory are for programs under the GPL (kernel/module/main.c)
NAME = b"connstorm"  # as bpftool shows maps and programs
LOG_BYTES = 1 << 16
PROGRAM_INFO_BYTES = 224  # of struct bpf_prog_info, up to verified_insns (Linux 5.16)
MISSES_AT = 208  # recursion_misses in it (Linux 5.12)
MAP_ATTRIBUTES = struct.Struct("=7I16s")
ELEMENT_ATTRIBUTES = struct.Struct("=IxxxxQQQ")
PROGRAM_ATTRIBUTES = struct.Struct("=IIQQIIQII16sII")
TRACEPOINT_ATTRIBUTES = struct.Struct("=QI")
LINK_ATTRIBUTES = struct.Struct("=IIII")
INFO_ATTRIBUTES = struct.Struct("=IIQ")


def check_architecture(machine: str = platform.machine(), byte_order: str = sys.byteorder) -> None:
    """Check that this program knows how to call bpf(2) here.

    Raises:
        LabError: it does not.
    """
    if machine not in SYSTEM_CALLS or byte_order != "little" or struct.calcsize("P") != 8:
        raise LabError(
            f"The kernel's word is had on {' and '.join(SYSTEM_CALLS)} only, 64 bits and little-endian; "
            f"this is {machine}."
        )


def call_bpf(command: int, attributes: bytes) -> int:
    """Call bpf(2) and return what it returns.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    buffer = ctypes.create_string_buffer(attributes, ATTRIBUTES_BYTES)
    result = libc.syscall(
        ctypes.c_long(SYSTEM_CALLS[platform.machine()]),
        ctypes.c_long(command),
        buffer,
        ctypes.c_ulong(ATTRIBUTES_BYTES),
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


def create_map(kind: int, key_bytes: int, value_bytes: int, entries: int) -> int:
    """Create a map and return its descriptor.

    Raises:
        OSError: the kernel refuses.
    """
    return call_bpf(MAP_CREATE, MAP_ATTRIBUTES.pack(kind, key_bytes, value_bytes, entries, 0, 0, 0, NAME))


def call_on_element(command: int, map_fd: int, key: bytes | None, value: ctypes.Array[ctypes.c_char] | None) -> bool:
    """Call bpf(2) on an element of a map; return whether there is that element.

    Raises:
        OSError: the kernel refuses.
    """
    key_buffer = ctypes.create_string_buffer(key, len(key)) if key else None
    addresses = [ctypes.addressof(buffer) if buffer else 0 for buffer in (key_buffer, value)]
    flags = NOEXIST if command == MAP_UPDATE else 0
    try:
        call_bpf(command, ELEMENT_ATTRIBUTES.pack(map_fd, *addresses, flags))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    return True


def look_up(map_fd: int, key: bytes, value_bytes: int) -> bytes | None:
    """Return the value of a key in a map, or None."""
    value = ctypes.create_string_buffer(value_bytes)
    return value.raw if call_on_element(MAP_LOOKUP, map_fd, key, value) else None


def add_element(map_fd: int, key: bytes, value: bytes) -> None:
    """Add an element to a map; one that is there already stays as it is.

    Raises:
        OSError: the kernel refuses: E2BIG when the map is full.
    """
    with contextlib.suppress(FileExistsError):
        call_on_element(MAP_UPDATE, map_fd, key, ctypes.create_string_buffer(value, len(value)))


def delete_element(map_fd: int, key: bytes) -> None:
    """Delete an element of a map, if it is there."""
    call_on_element(MAP_DELETE, map_fd, key, None)


def list_keys(map_fd: int, key_bytes: int) -> list[bytes]:
    """Return the keys of a map, which nobody changes meanwhile."""
    keys: list[bytes] = []
    following = ctypes.create_string_buffer(key_bytes)
    while call_on_element(MAP_NEXT_KEY, map_fd, keys[-1] if keys else None, following):
        keys.append(following.raw)
    return keys


def load_program(code: bytes, kind: int = PROGRAM_RAW_TRACEPOINT, attached_to: int = 0) -> int:
    """Load a program, for a raw tracepoint or of another kind, and return its descriptor.

    Kinds that can be attached to several things are told to which (enum bpf_attach_type).

    Raises:
        LabError: the verifier rejects it.
        OSError: this process may not load programs.
    """
    instructions = ctypes.create_string_buffer(code, len(code))
    license_text = ctypes.create_string_buffer(LICENSE)
    log = ctypes.create_string_buffer(LOG_BYTES)
    attributes = PROGRAM_ATTRIBUTES.pack(
        kind,
        len(code) // 8,
        ctypes.addressof(instructions),
        ctypes.addressof(license_text),
        1,
        LOG_BYTES,
        ctypes.addressof(log),
        0,
        0,
        NAME,
        0,
        attached_to,
    )
    try:
        return call_bpf(PROG_LOAD, attributes)
    except OSError as error:
        lines = [line for line in log.value.decode(errors="replace").splitlines() if line]
        if not lines:
            raise
        reason = next((line for line in reversed(lines) if not line.startswith("processed ")), lines[-1])
        raise LabError(f"This kernel's verifier rejects a program of connstorm: {reason}.") from error


def attach_program(program_fd: int, tracepoint: str) -> int:
    """Attach a program to a raw tracepoint; it stays attached until the descriptor that is returned is closed.

    Raises:
        OSError: the kernel refuses.
    """
    name = ctypes.create_string_buffer(tracepoint.encode())
    return call_bpf(RAW_TRACEPOINT_OPEN, TRACEPOINT_ATTRIBUTES.pack(ctypes.addressof(name), program_fd))


def link_program(program_fd: int, cgroup_fd: int, attached_to: int) -> int:
    """Attach a program to a cgroup, whose descriptor is given; it stays until the descriptor returned is closed.

    Raises:
        OSError: the kernel refuses.
    """
    return call_bpf(LINK_CREATE, LINK_ATTRIBUTES.pack(program_fd, cgroup_fd, attached_to, 0))


def count_misses(program_fd: int) -> int:
    """Return how often a program did not run, since an interrupt came while it was running on that CPU already."""
    info = ctypes.create_string_buffer(PROGRAM_INFO_BYTES)
    call_bpf(INFO_BY_FD, INFO_ATTRIBUTES.pack(program_fd, PROGRAM_INFO_BYTES, ctypes.addressof(info)))
    return int.from_bytes(info.raw[MISSES_AT : MISSES_AT + 8], "little")
