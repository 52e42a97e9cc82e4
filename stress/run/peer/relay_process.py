# SPDX-License-Identifier: MIT
"""The relay as a program: run-cell starts it, and it ends with run-cell; ``relay.py`` is run-cell's side.

It is a process of its own because the process that storms has no threads, and cannot look for beats while it storms.
"""

import signal
import socket
import sys
from contextlib import suppress

from stress.lab.pdeathsig import die_with_parent
from stress.lab.signals import INTERRUPTING, ignore
from stress.model.errors import ConnstormError
from stress.model.json_text import decode_json
from stress.run.peer.far_end import reach_far_end
from stress.run.peer.relay_loop import RelayLoop
from stress.run.peer.relay_spec import RelaySpec
from stress.storm.peer.calls import Refused
from stress.storm.peer.channel import Connection
from stress.storm.peer.message import frames_of

EXIT_S = 15.0  # for the other end to undo what it changed, after it was told to end


def main(descriptor: int, cell_pid: int) -> None:
    """Relay between a socket to run-cell and the host that standard input describes.

    Args:
        descriptor: of the socket.
        cell_pid: the process ID of run-cell.
    """
    die_with_parent(signal.SIGKILL)
    ignore(INTERRUPTING)  # they are for run-cell
    spec = decode_json(sys.stdin.buffer.read(), RelaySpec)
    cell = socket.socket(fileno=descriptor)
    try:
        far = reach_far_end(spec)
    except ConnstormError as error:
        for frame in frames_of(Refused(str(error), type(error).__name__)):
            cell.sendall(frame.packed)
        return
    with suppress(EOFError):
        if RelayLoop(far, Connection(cell), spec.peer, cell_pid).run():
            far.stream.close()
            far.tell_end(EXIT_S)  # so that nothing of it is left there when run-cell goes on


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
