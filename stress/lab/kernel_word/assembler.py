# SPDX-License-Identifier: MIT
"""An assembler for BPF programs (Documentation/bpf/standardization/instruction-set.rst), as far as ours need one."""

import struct
from dataclasses import dataclass, field

R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK = range(11)  # R10 points to the end of the stack
# Helpers of the kernel, by number (include/uapi/linux/bpf.h): arguments in R1 to R5, which are lost; result in R0.
MAP_LOOKUP, KTIME_GET_NS, PROBE_READ_KERNEL, RINGBUF_OUTPUT = 1, 5, 113, 130

LOAD = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
STORE = {1: 0x73, 2: 0x6B, 4: 0x63, 8: 0x7B}
STORE_NUMBER = {1: 0x72, 2: 0x6A, 4: 0x62, 8: 0x7A}
COPY, SET, ADD, ADD_NUMBER, AND, SHIFT_LEFT, SHIFT_RIGHT = 0xBF, 0xB7, 0x0F, 0x07, 0x57, 0x67, 0x77
JUMP, IF_EQUAL, IF_NOT_EQUAL, IF_BELOW, CALL, EXIT = 0x05, 0x15, 0x55, 0xA5, 0x85, 0x95
ATOMIC_ADD, LOAD_MAP = 0xDB, 0x18
MAP_FD = 1  # in the source register of LOAD_MAP: what follows is a descriptor

INSTRUCTION = struct.Struct("<BBhi")  # code, registers, offset, number


@dataclass
class Assembler:
    """A program that is being put together. Registers of these methods are numbers from 0 to 10."""

    instructions: list[tuple[int, int, int, int]] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    jumps: dict[int, str] = field(default_factory=dict)  # {instruction: where it jumps to}

    def emit(self, code: int, to: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> None:
        """Add one instruction."""
        self.instructions.append((code, to | source << 4, offset, number))

    def label(self, name: str) -> None:
        """Name the place of the next instruction."""
        self.labels[name] = len(self.instructions)

    def jump(self, label: str, code: int = JUMP, register: int = 0, number: int = 0) -> None:
        """Jump to a label, or only if a register compares as ``code`` says with a number."""
        self.jumps[len(self.instructions)] = label
        self.emit(code, register, number=number)

    def copy(self, to: int, source: int) -> None:
        """Copy a register."""
        self.emit(COPY, to, source)

    def set(self, to: int, number: int) -> None:
        """Set a register to a number of 32 bits."""
        self.emit(SET, to, number=number)

    def load(self, to: int, source: int, offset: int, size: int = 8) -> None:
        """Load ``size`` bytes from where a register points to: the stack, the context or a map."""
        self.emit(LOAD[size], to, source, offset)

    def store(self, offset: int, source: int, size: int = 8) -> None:
        """Store ``size`` bytes of a register on the stack."""
        self.emit(STORE[size], STACK, source, offset)

    def store_number(self, offset: int, number: int, size: int = 8) -> None:
        """Store a number of 32 bits as ``size`` bytes on the stack."""
        self.emit(STORE_NUMBER[size], STACK, 0, offset, number)

    def read_kernel(self, to: int, size: int, source: int, offset: int) -> None:
        """Read ``size`` bytes of kernel memory, at a register plus an offset, to the stack; zeros where it is none."""
        if source != R3:
            self.copy(R3, source)
        if offset:
            self.emit(ADD_NUMBER, R3, number=offset)
        self.point_to_stack(R1, to)
        self.set(R2, size)
        self.call(PROBE_READ_KERNEL)

    def point_to_stack(self, register: int, offset: int) -> None:
        """Let a register point to a place on the stack."""
        self.copy(register, STACK)
        self.emit(ADD_NUMBER, register, number=offset)

    def point_to_map(self, register: int, map_fd: int) -> None:
        """Let a register point to a map."""
        self.emit(LOAD_MAP, register, MAP_FD, number=map_fd)
        self.emit(0)  # this instruction is twice as long

    def look_up(self, map_fd: int, key_at: int) -> None:
        """Let R0 point to the value of the key at a place on the stack, or be 0."""
        self.point_to_map(R1, map_fd)
        self.point_to_stack(R2, key_at)
        self.call(MAP_LOOKUP)

    def add_one(self, register: int, offset: int) -> None:
        """Add 1 to the 8 bytes of a map where a register points to, whatever other CPUs do. R1 is lost."""
        self.set(R1, 1)
        self.emit(ATOMIC_ADD, register, R1, offset)

    def call(self, helper: int) -> None:
        """Call a helper of the kernel."""
        self.emit(CALL, number=helper)

    def exit(self) -> None:
        """Return 0."""
        self.set(R0, 0)
        self.emit(EXIT)

    def assemble(self) -> bytes:
        """Return the program with all jumps resolved."""
        code = bytearray()
        for place, (operation, registers, offset, number) in enumerate(self.instructions):
            distance = self.labels[self.jumps[place]] - place - 1 if place in self.jumps else offset
            code += INSTRUCTION.pack(operation, registers, distance, number)
        return bytes(code)
