# SPDX-License-Identifier: MIT
"""A template: a process that has imported what a cell needs, and makes a copy of itself for each that is asked for.

To load Python, numpy and the rest takes longer than a small storm. The template does that once: it has one thread, is
in no namespace, opens no socket and draws no random number, so that a copy is what a process started anew is at that
point, but for the seed of its hashes and the places of its memory, which all copies share.

Whoever asks holds the other end of a socket pair, and one question is answered at a time. The descriptors of a cell
travel with the question. The parent of a cell is the template, and the kernel ends the cell when that ends; its end is
seen by its pidfd, and its exit code is asked for.
"""

import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import IO

import msgspec

from stress.lab import lock
from stress.lab.pdeathsig import with_parent
from stress.lab.signals import CANCEL

COMMAND = (sys.executable, "-m", "stress", "run-cells")
ANSWER_LIMIT_S = 60.0  # it is loading, or has been stopped
ANSWER_MAX_BYTES = 256


class Copy(msgspec.Struct, frozen=True, tag="copy"):
    """Make a copy that runs a cell; its standard input and output come with this, and what else it is to hold.

    Arguments and environment are bytes, which need not be letters of any encoding.
    """

    arguments: list[bytes]
    variables: dict[bytes, bytes]


class Collect(msgspec.Struct, frozen=True, tag="collect"):
    """Say how a copy that has ended did so; its process ID may be used again from then on."""

    pid: int


class Answer(msgspec.Struct, frozen=True):
    """To either: the process ID of a copy, or 0 for none; or the exit code of one, negative for a signal."""

    number: int


Question = Copy | Collect


class TemplateLostError(Exception):
    """The template has ended, does not answer, or has no room for a copy: a cell needs a process started anew."""


class Template:
    """The template of this process, which ends with it, and with the thread that started it."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Start it, with an environment; it is ready when it answers."""
        self.control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(ANSWER_LIMIT_S)
        with its:
            self.process = subprocess.Popen(
                [*COMMAND, str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=with_parent(variables),
                process_group=0,
                pass_fds=[its.fileno()],
            )
        self.asking = threading.Lock()
        self.end = weakref.finalize(self, end_template, self.control, self.process)

    def copy(self, arguments: Sequence[str], variables: Mapping[str, str], held: Sequence[int]) -> "CopiedCell":
        """Let it run a cell.

        Args:
            arguments: of ``run-cell``.
            variables: its environment.
            held: descriptors that the cell holds as long as it runs.

        Raises:
            TemplateLostError: there is no cell.
        """
        with ExitStack() as unless_begun:
            its_input, own_input = os.pipe()
            own_output, its_output = os.pipe()
            stdin, stdout = os.fdopen(own_input, "wb"), os.fdopen(own_output, "rb")
            for end in (stdin, stdout):
                unless_begun.callback(end.close)
            in_bytes = {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}
            question = Copy([*map(os.fsencode, arguments)], in_bytes)
            try:
                pid = self.ask(question, [its_input, its_output, *held])
            finally:
                os.close(its_input)
                os.close(its_output)
            if not pid:
                raise TemplateLostError
            unless_begun.pop_all()
        return CopiedCell(self, pid, stdin, stdout)

    def ask(self, question: Question, descriptors: Sequence[int] = ()) -> int:
        """Return the answer to a question.

        Raises:
            TemplateLostError: there is none, and never will be one.
        """
        with self.asking, ExitStack() as unless_answered:
            unless_answered.callback(self.end)  # an answer to come would be taken for that to the next question
            try:
                socket.send_fds(self.control, [msgspec.msgpack.encode(question)], descriptors)
                answer = msgspec.msgpack.decode(self.control.recv(ANSWER_MAX_BYTES), type=Answer)
            except (OSError, msgspec.DecodeError) as error:
                raise TemplateLostError from error
            unless_answered.pop_all()
            return answer.number


def end_template(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """End a template, and with it the cells that still run."""
    control.close()
    process.kill()  # it may have been stopped
    process.wait()


class CopiedCell:
    """A cell that is a copy of a template, with what of ``subprocess.Popen`` is used of a cell."""

    def __init__(self, template: Template, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        """Take a copy that has begun, and its standard input and output."""
        self.template = template
        self.pid = pid
        self.stdin = stdin
        self.stdout = stdout
        self.returncode: int | None = None

    def wait(self) -> int:
        """Return the exit code of the cell, which has ended; with its template it does so by CANCEL."""
        if self.returncode is None:
            try:
                self.returncode = self.template.ask(Collect(self.pid))
            except TemplateLostError:
                self.returncode = -CANCEL
        return self.returncode


def begin_cell(
    arguments: Sequence[str], environment: Mapping[str, str], starter: Sequence[str], template: Template | None
) -> subprocess.Popen[bytes] | CopiedCell:
    """Begin a cell: a copy of the template, if there is one that answers, or a process started anew.

    Args:
        arguments: of ``run-cell``.
        environment: of the cell.
        starter: the command that starts ``run-cell`` anew.
        template: None: there is none.
    """
    held = lock.held_descriptors()  # they are the trial's too, which may outlive this process for a moment
    if template is not None:
        with suppress(TemplateLostError):
            return template.copy(arguments, environment, held)
    pipe = subprocess.PIPE
    command = [*starter, *arguments]
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, env=with_parent(environment), process_group=0, pass_fds=held
    )
