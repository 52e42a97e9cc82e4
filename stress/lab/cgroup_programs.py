# SPDX-License-Identifier: MIT
"""A cgroup of this process's own, with BPF programs that permit all that they are asked. Imports no numpy.

It is made below the cgroup in which this process is, so that the limits of that one hold, by a mount of cgroup2 that is
nowhere in the file system. Programs can only be loaded before this process enters a user namespace. They end with this
process, however it ends; an empty cgroup is all that is left when it is killed, and the next one removes that.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from stress.lab.kernel_word import bpf
from stress.model.cgroup import CgroupHook
from stress.model.errors import LabError, NotApplicableError

# The same numbers on all architectures (Linux 5.2).
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
FSCONFIG_CMD_CREATE = 6  # linux/mount.h
UNIFIED = "0::/"  # in /proc/self/cgroup: the hierarchy of cgroup2
PREFIX = "connstorm-"
PERMIT = struct.pack("=BBhi", 0xB7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = 1; exit
SKB, SOCK, SOCK_ADDR = 8, 9, 18  # kinds of programs (linux/bpf.h)
PROGRAMS = {  # kind of the program, and what it is attached to
    CgroupHook.NONE: (),
    CgroupHook.CONNECT: ((SOCK, 2), (SOCK_ADDR, 10), (SOCK_ADDR, 11)),  # INET_SOCK_CREATE, INET4_CONNECT, INET6_CONNECT
    CgroupHook.PACKETS: ((SKB, 0), (SKB, 1)),  # INET_INGRESS, INET_EGRESS
}


@contextmanager
def inside_cgroup(hook: CgroupHook) -> Iterator[None]:
    """Let this process, and what it starts, be in a cgroup with programs; the processes that it starts must have ended.

    Raises:
        NotApplicableError: this process may not make one, or the kernel has none.
    """
    if hook is CgroupHook.NONE:
        yield
        return
    with ExitStack() as stack:
        try:
            enter_cgroup(hook, stack)
        except (OSError, LabError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
            raise NotApplicableError(
                f"A cgroup with BPF programs cannot be had here: {reason}; it needs root of the host, cgroup2 and "
                "Linux 5.7."
            ) from error
        yield


def enter_cgroup(hook: CgroupHook, stack: ExitStack) -> None:
    """Make a cgroup, attach its programs, and move this process into it; ``stack`` undoes it."""
    bpf.check_architecture()
    parent = opened(stack, own_cgroup(), os.O_PATH | os.O_DIRECTORY, open_hierarchy(stack))
    remove_abandoned(parent)
    # Opened now: who opened it decides what may be moved, and in a user namespace this process is nobody.
    back = opened(stack, "cgroup.procs", os.O_WRONLY, parent)
    name = f"{PREFIX}{os.getpid()}"
    os.mkdir(name, dir_fd=parent)
    stack.callback(remove_cgroup, name, parent)
    cgroup = opened(stack, name, os.O_RDONLY | os.O_DIRECTORY, parent)
    for kind, attached_to in PROGRAMS[hook]:
        program = bpf.load_program(PERMIT, kind, attached_to)
        stack.callback(os.close, program)
        stack.callback(os.close, bpf.link_program(program, cgroup, attached_to))
    into = opened(stack, "cgroup.procs", os.O_WRONLY, cgroup)
    os.write(into, b"0")
    stack.callback(os.write, back, b"0")


def opened(stack: ExitStack, name: str, flags: int, folder: int) -> int:
    """Return the descriptor of something in a folder; ``stack`` closes it."""
    descriptor = os.open(name, flags | os.O_CLOEXEC, dir_fd=folder)
    stack.callback(os.close, descriptor)
    return descriptor


def own_cgroup() -> str:
    """Return the path of this process's cgroup, relative to the root of the hierarchy."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((f"./{line.removeprefix(UNIFIED)}" for line in lines if line.startswith(UNIFIED)), ".")


def open_hierarchy(stack: ExitStack) -> int:
    """Return a descriptor of the root of cgroup2, mounted nowhere; ``stack`` closes it."""
    context = system_call(FSOPEN, b"cgroup2", 0)
    try:
        system_call(FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        root = system_call(FSMOUNT, context, 0, 0)
    finally:
        os.close(context)
    stack.callback(os.close, root)
    return root


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call, and return what it returns.

    Raises:
        OSError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    converted = [ctypes.c_long(value) if isinstance(value, int) else ctypes.c_char_p(value) for value in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *converted))
    if result < 0:
        failure = ctypes.get_errno()
        raise OSError(failure, os.strerror(failure))
    return result


def remove_cgroup(name: str, parent: int) -> None:
    """Remove a cgroup below another one, unless a process is in it."""
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOENT):
            raise


def remove_abandoned(parent: int) -> None:
    """Remove the cgroups of processes that were killed."""
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
    try:
        for name in os.listdir(folder):  # noqa: PTH208  # a descriptor
            number = name.removeprefix(PREFIX)
            if name.startswith(PREFIX) and number.isdigit() and not Path("/proc", number).exists():
                with suppress(PermissionError):
                    remove_cgroup(name, parent)
    finally:
        os.close(folder)
