# SPDX-License-Identifier: MIT
"""The program of a listener process. It imports no numpy, so that twenty of them start quickly."""

import mmap
import os
import resource
import signal
import sys

from stress._listener import SLOTS, serve
from stress.lab.pdeathsig import die_with_parent


def main(arguments: list[str]) -> None:
    """Serve until the parent sets STOP; end with the parent, and ignore interrupts, which the parent handles."""
    listening, pages_fd, offset, leak, then, answer, cpu, nofile = arguments
    die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if cpu:
        os.sched_setaffinity(0, {int(cpu)})
    if nofile:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(nofile), hard))
    page = mmap.mmap(int(pages_fd), mmap.PAGESIZE, offset=int(offset))
    serve(
        [int(descriptor) for descriptor in listening.split(",")],
        memoryview(page)[: SLOTS * 8].cast("q"),
        leak=int(leak),
        then=then,
        answer=answer == "answer",
    )


if __name__ == "__main__":
    main(sys.argv[1:])
