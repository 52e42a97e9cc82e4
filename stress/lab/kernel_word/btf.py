# SPDX-License-Identifier: MIT
"""The types of the running kernel: where the members of its structures are, and what its enumerations are called.

The kernel describes them itself (BTF, Documentation/bpf/btf.rst). No library is needed to read that: a header, a list
of types of 12 bytes and what their kind adds, and their names.
"""

import functools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stress.model.errors import LabError

PATH = Path("/sys/kernel/btf/vmlinux")
MAGIC = 0xEB9F
FILE_HEADER = struct.Struct("<HBBIIIII")  # magic, version, flags, its length, types: offset, length; names: the same
TYPE_HEADER = struct.Struct("<III")  # name, kind and number of members, size or type
MEMBER = struct.Struct("<III")  # name, type, offset in bits
ENUMERATOR = struct.Struct("<II")  # name, value
PARAMETER = struct.Struct("<II")  # name, type
PTR, STRUCT, UNION, ENUM, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC_PROTO, TYPE_TAG, ENUM64 = (
    *(2, 4, 5, 6, 8, 9, 10, 11, 13, 18, 19),
)
NAMED = frozenset({STRUCT, UNION, ENUM, TYPEDEF})
THROUGH = frozenset({PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG})  # what leads on to another type
# By kind, of 20: the bytes that follow the header of a type for each member, and those that follow anyway.
BYTES_PER_MEMBER = (0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12)
BYTES_BEHIND = (0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0)
DEPTH_MAX = 16  # of structures within structures, and of pointers to pointers


@contextmanager
def reading() -> Iterator[None]:
    """Turn what a malformed description leads to into a sentence."""
    try:
        yield
    except (struct.error, IndexError, KeyError, ValueError) as error:
        raise LabError(f"This kernel's description of its types ({PATH}) cannot be read: {error}.") from error


class KernelTypes:
    """The types of one kernel."""

    @reading()
    def __init__(self, data: bytes) -> None:
        """Index the types in ``data``, which has the format of /sys/kernel/btf/vmlinux.

        Raises:
            LabError: it has not.
        """
        magic, _, _, header_length, types_at, types_length, names_at, names_length = FILE_HEADER.unpack_from(data)
        if magic != MAGIC:
            raise ValueError("it is no little-endian BTF")
        types_at, names_at = types_at + header_length, names_at + header_length
        self.types = data[types_at : types_at + types_length]
        self.names = data[names_at : names_at + names_length]
        if (len(self.types), len(self.names)) != (types_length, names_length):
            raise ValueError("it is truncated")
        self.places = [0]  # of the header of each type in self.types, by its number; number 0 is void
        self.numbers: dict[tuple[int, int], int] = {}  # {(kind, place of its name): its number}
        place = 0
        while place < types_length:
            name, info, _ = TYPE_HEADER.unpack_from(self.types, place)
            kind = info >> 24 & 31
            if name and kind in NAMED:
                self.numbers.setdefault((kind, name), len(self.places))
            self.places.append(place)
            place += TYPE_HEADER.size + BYTES_PER_MEMBER[kind] * (info & 0xFFFF) + BYTES_BEHIND[kind]

    @reading()
    def offset(self, structure: str, member: str) -> int:
        """Return the offset of a member, also one of an unnamed structure or union within, in bytes.

        Raises:
            LabError: there is no such member.
        """
        place = self.find_member(self.number(STRUCT, structure), member, DEPTH_MAX)
        if place is None:
            raise ValueError(f"struct {structure} has no {member}")
        if place % 8:
            raise ValueError(f"{member} of struct {structure} is a bit field")
        return place // 8

    @reading()
    def enumerators(self, enumeration: str) -> dict[int, str]:
        """Return the names of an enumeration by their numbers.

        Raises:
            LabError: there is no such enumeration.
        """
        _, _, members, _, place = self.header(self.number(ENUM, enumeration))
        pairs = (ENUMERATOR.unpack_from(self.types, place + ENUMERATOR.size * index) for index in range(members))
        return {value: self.name(name) for name, value in pairs}

    @reading()
    def arguments(self, tracepoint: str) -> list[str]:
        """Return what the arguments of a tracepoint are, or point to: names of structures and enumerations, or "".

        Raises:
            LabError: there is no such tracepoint.
        """
        kind, _, members, _, place = self.header(self.behind(self.number(TYPEDEF, f"btf_trace_{tracepoint}")))
        if kind != FUNC_PROTO:
            raise ValueError(f"btf_trace_{tracepoint} is no function")
        # The first is the tracepoint's own (include/trace/bpf_probe.h, __DEFINE_EVENT).
        types = [PARAMETER.unpack_from(self.types, place + PARAMETER.size * index)[1] for index in range(1, members)]
        return [self.name(self.header(self.behind(number))[1]) for number in types]

    def number(self, kind: int, name: str) -> int:
        """Return the number of the type of a kind with a name."""
        encoded = b"\0" + name.encode() + b"\0"
        place = self.names.find(encoded)
        while place >= 0:
            if (kind, place + 1) in self.numbers:
                return self.numbers[kind, place + 1]
            place = self.names.find(encoded, place + 1)
        raise ValueError(f"it has no {name}")

    def header(self, number: int) -> tuple[int, int, int, int, int]:
        """Return of a type: kind, name, number of members, size or type, and where its members begin."""
        if number == 0:  # void
            return 0, 0, 0, 0, 0
        name, info, more = TYPE_HEADER.unpack_from(self.types, self.places[number])
        return info >> 24 & 31, name, info & 0xFFFF, more, self.places[number] + TYPE_HEADER.size

    def behind(self, number: int) -> int:
        """Return the number of the type that pointers, qualifiers and typedefs lead to."""
        for _ in range(DEPTH_MAX):
            kind, _, _, more, _ = self.header(number)
            if kind not in THROUGH:
                return number
            number = more
        raise ValueError(f"type {number} leads to itself")

    def find_member(self, number: int, wanted: str, depth: int) -> int | None:
        """Return the offset of a member in bits, or None."""
        kind, _, members, _, first = self.header(number)
        if kind not in (STRUCT, UNION) or depth == 0:
            return None
        has_bit_fields = TYPE_HEADER.unpack_from(self.types, self.places[number])[1] >> 31
        for index in range(members):
            name, member_type, place = MEMBER.unpack_from(self.types, first + MEMBER.size * index)
            if has_bit_fields:
                place &= 0xFFFFFF  # their width is above
            if name and self.name(name) == wanted:
                return int(place)
            within = None if name else self.find_member(member_type, wanted, depth - 1)
            if within is not None:
                return int(place) + within
        return None

    def name(self, place: int) -> str:
        """Return the name at a place in the section of names."""
        return self.names[place : self.names.index(b"\0", place)].decode()


@functools.cache
def read_kernel_types() -> KernelTypes:
    """Return the types of this kernel; they are read once for each process.

    Raises:
        LabError: this kernel does not describe them.
    """
    try:
        data = PATH.read_bytes()
    except OSError as error:
        raise LabError(
            f"This kernel does not describe its types ({PATH}: {error.strerror}); the kernel's word needs "
            "CONFIG_DEBUG_INFO_BTF."
        ) from error
    return KernelTypes(data)
