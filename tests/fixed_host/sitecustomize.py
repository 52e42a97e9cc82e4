# SPDX-License-Identifier: MIT
"""A host that is the same everywhere, for golden files: Python loads this first when its folder is in PYTHONPATH.

Nothing of the program is replaced, only what it asks: the kernel's release, the length of a jiffy, and the settings
that shape the SYN ladder. Others stay the machine's, for a storm reads back what it has set.
"""

import pathlib
import platform
import time

RELEASE = "6.12.0"
JIFFY_S = 0.004
COARSE = 6  # CLOCK_MONOTONIC_COARSE of linux/time.h
SETTINGS = {
    "tcp_rto_max_ms": "120000",
    "tcp_syn_linear_timeouts": "4",
    "tcp_syn_retries": "6",
}
FILES = {f"/proc/sys/net/ipv4/{name}": f"{value}\n" for name, value in SETTINGS.items()}

real_clock_getres = time.clock_getres
real_read_text = pathlib.Path.read_text


def clock_getres(clock):
    return JIFFY_S if clock == COARSE else real_clock_getres(clock)


def read_text(path, *arguments, **options):
    return FILES.get(str(path)) or real_read_text(path, *arguments, **options)


platform.release = lambda: RELEASE
time.clock_getres = clock_getres
pathlib.Path.read_text = read_text
