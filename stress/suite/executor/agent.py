# SPDX-License-Identifier: MIT
"""The remote agent, which ssh starts on a host: it runs a trial, sends events and the run folder, and leaves no files.

Standard input holds the trial request as one line, and stays open until the trial is cancelled or the connection is
lost: its end ends the trial. During the storm the agent sleeps, but says every few seconds how far a long one is.
"""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from stress.lab.signals import DeferredSignals, start_deaf
from stress.model.errors import UsageError
from stress.model.json_text import decode_json
from stress.run.protocol import UNNUMBERED, Event, Failed, Settled, Stage, require_protocol
from stress.suite.executor import archive
from stress.suite.executor.remote_trial import TrialRequest, run_request

FOLDER_PREFIX = "connstorm-"  # of folders in TMPDIR that hold a run until it has been sent


class Sending(msgspec.Struct, frozen=True, tag="sending"):
    """The run folder follows as an archive, to the end of the stream."""

    name: str


class Storming(msgspec.Struct, frozen=True, tag="storming"):
    """A storm is so far; it is over where the text is empty."""

    text: str


Message = Event | Sending | Storming  # what the agent prints, one JSON object per line


def serve_request(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    """Run the trial that is requested on ``stdin``, and send its events and its run folder to ``stdout``.

    Raises:
        UsageError: it is no trial request.
        LabError: it is of another protocol.
        Terminated: the connection is lost, or the trial was cancelled; no file is left here.
    """

    def send(message: Message) -> None:
        stdout.write(msgspec.json.encode(message) + b"\n")
        stdout.flush()

    task = decode_request(stdin.readline())
    ending = DeferredSignals()
    start_deaf(threading.Thread(target=end_when_closed, args=(stdin.fileno(),), daemon=True))
    try:
        # A signal while the folder is made or removed would leave it here.
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
            try:
                ending.release()
                answer_request(task, Path(folder), send, stdout)
            finally:
                ending.defer()
    finally:
        ending.restore_handlers()


def answer_request(task: TrialRequest, folder: Path, send: Callable[[Message], None], stdout: IO[bytes]) -> None:
    """Run a trial with its run folder in a folder, and send what came of it."""

    def watch(text: str) -> None:
        with suppress(OSError):  # of a connection that is lost, which ends the trial in any case
            send(Storming(text))

    ended = run_request(task, folder, lambda text: send(Stage(text)), watch, lambda _: None)
    if ended.settle is not None:
        send(Settled(ended.settle))
    if ended.path is None:
        send(ended.failure or Failed("It ended without a result.", UsageError.exit_code))
        return
    send(Sending(ended.path.name))
    archive.pack_run_folder(ended.path, stdout)
    stdout.flush()


def end_when_closed(descriptor: int) -> None:
    """End this process when the other end of a descriptor closes it."""
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


class Numbered(msgspec.Struct, frozen=True):
    """A trial request of any protocol."""

    protocol: int = UNNUMBERED


def decode_request(line: bytes) -> TrialRequest:
    """Decode a trial request.

    Raises:
        UsageError: it is no trial request.
        LabError: it is of another protocol.
    """
    try:
        number = decode_json(line, Numbered).protocol
        require_protocol(number, "The connstorm that sends this trial")
        return decode_json(line, TrialRequest)
    except msgspec.DecodeError as error:
        raise UsageError(f"The trial request on standard input cannot be read: {error}.") from error
