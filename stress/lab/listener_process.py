# SPDX-License-Identifier: MIT
"""The program of one listener process. It imports no numpy, so that twenty of them start quickly."""

import ctypes
import mmap
import os
import signal
import sys

from stress._listener import SLOTS, serve

PR_SET_PDEATHSIG = 1


def main(listen_fd: int, page_fd: int, leak: int, then: str, cpu: str) -> None:
    """Serve until the lab says stop; die with the lab, and leave Ctrl-C to it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cpu:
        os.sched_setaffinity(0, {int(cpu)})
    page = mmap.mmap(page_fd, mmap.PAGESIZE)
    serve(listen_fd, memoryview(page)[: SLOTS * 8].cast("q"), leak=leak, then=then)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5])
