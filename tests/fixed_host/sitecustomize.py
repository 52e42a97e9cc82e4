# SPDX-License-Identifier: MIT
"""A host that is the same everywhere, for golden files: Python loads this first when its folder is in PYTHONPATH.

Nothing of the program is replaced, only what it asks: the kernel's release, the length of a jiffy, and the settings
that shape the SYN ladder or that symptoms depend on. Others stay the machine's, for a storm reads back what it has set.
"""

import pathlib
import platform
import time

RELEASE = "6.12.0"
JIFFY_S = 0.004
COARSE = 6  # CLOCK_MONOTONIC_COARSE of linux/time.h
SETTINGS = {
    "tcp_ecn": "2",
    "tcp_ecn_fallback": "1",
    "tcp_migrate_req": "0",
    "tcp_rfc1337": "0",
    "tcp_rto_max_ms": "120000",
    "tcp_syncookies": "1",
    "tcp_syn_linear_timeouts": "4",
    "tcp_syn_retries": "6",
    "tcp_timestamps": "1",
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
