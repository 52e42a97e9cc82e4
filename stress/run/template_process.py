# SPDX-License-Identifier: MIT
"""The process that is a template: it loads what a cell needs, and then answers ``run/template.py``."""

import gc
import os
import signal
import socket
from collections.abc import Mapping, Sequence

import msgspec

from stress.lab.pdeathsig import PARENT
from stress.lab.signals import INTERRUPTING
from stress.run.template import Answer, Copy, Question

QUESTION_MAX_BYTES = 1 << 18  # more than a socket takes at a time (net.core.wmem_default)
DESCRIPTORS_MAX = 253  # SCM_MAX_FD


def answer_questions(control: socket.socket) -> list[str]:
    """Make copies of this process, until nobody asks any more; return in each copy, with its arguments.

    Interrupts are for the copies, which whoever asks passes on: this ends when it is no longer asked.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTING)
    own_pid = str(os.getpid()).encode()
    gc.collect()
    gc.freeze()  # a collection would write to every object, and each page that they are on be copied
    while True:
        try:
            data, descriptors, flags, _ = socket.recv_fds(
                control, QUESTION_MAX_BYTES, DESCRIPTORS_MAX, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:  # whoever asked was killed before it read an answer
            os._exit(0)
        if not data:
            os._exit(0)
        question = msgspec.msgpack.decode(data, type=Question)
        if isinstance(question, Copy):
            number = 0 if flags & socket.MSG_CTRUNC else fork_or_not()  # some did not fit into this process's table
            if number is None:
                control.close()
                become_cell({**question.variables, os.fsencode(PARENT): own_pid}, descriptors)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                return [*map(os.fsdecode, question.arguments)]
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            _, status = os.waitpid(question.pid, 0)
            number = os.waitstatus_to_exitcode(status)
        control.send(msgspec.msgpack.encode(Answer(number)))


def fork_or_not() -> int | None:
    """Fork; return the process ID of the copy, 0 where there is no room for one, and None in the copy."""
    try:
        pid = os.fork()
    except OSError:  # whoever asks tries by itself, and says what is missing
        return 0
    if pid:
        os.setpgid(pid, pid)  # before anybody can send its group a signal
    return pid or None


def become_cell(variables: Mapping[bytes, bytes], descriptors: Sequence[int]) -> None:
    """Give a copy what a process of its own would have been started with.

    Args:
        variables: its environment.
        descriptors: its standard input and output, and further ones that it is to hold.
    """
    os.setpgid(0, 0)
    for standard, descriptor in enumerate(descriptors[:2]):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environb.clear()
    os.environb.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as run-cell has it: nothing has begun
