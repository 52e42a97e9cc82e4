# SPDX-License-Identifier: MIT
"""Capabilities that programs started later have too, although they are not root (capabilities(7))."""

import ctypes
import os

from stress.model.errors import LabError

PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2  # linux/prctl.h
VERSION_3 = 0x20080522  # linux/capability.h: sets of 64 bits, in two halves
HALF_BITS = 32


class Header(ctypes.Structure):
    """struct __user_cap_header_struct."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class Half(ctypes.Structure):
    """struct __user_cap_data_struct."""

    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def pass_on_capabilities() -> None:
    """Let all programs that this process starts have the capabilities that it has.

    Raises:
        LabError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header, halves = Header(VERSION_3, 0), (Half * 2)()
    refused = libc.capget(ctypes.byref(header), halves)
    for half in halves:
        half.inheritable = half.permitted
    refused = refused or libc.capset(ctypes.byref(header), halves)
    for capability in range(2 * HALF_BITS):
        if not refused and halves[capability // HALF_BITS].permitted >> capability % HALF_BITS & 1:
            refused = libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
    if refused:
        raise LabError(f"This kernel passes no capabilities on: {os.strerror(ctypes.get_errno())}.")
