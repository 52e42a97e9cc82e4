# SPDX-License-Identifier: MIT
"""The envoy: what ssh starts on a host. It carries an errand out, sends events and the run folder, and leaves nothing.

Standard input holds the errand as one line, and stays open as long as the trial is wanted: when it ends, because that
was said or because the connection is lost, so does the trial. While the storm goes on, the envoy sleeps.
"""

import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import IO

import msgspec

from stress.lab.signals import DeferredSignals
from stress.model.errors import UsageError
from stress.run.protocol import UNNUMBERED, Event, Failed, Settled, Stage, require_protocol
from stress.suite.executor import archive
from stress.suite.executor.remote_trial import TrialRequest, run_request

FOLDER_PREFIX = "connstorm-"  # how the folders are called that hold a run until it is sent; in TMPDIR


class Sending(msgspec.Struct, frozen=True, tag="sending"):
    """The run folder follows, to the end of the stream."""

    name: str


Message = Event | Sending  # what an envoy prints, one JSON object a line


def serve_request(stdin: IO[bytes], stdout: IO[bytes]) -> None:
    """Carry out the errand that ``stdin`` holds and send what becomes of it to ``stdout``.

    Raises:
        UsageError: it is no trial request.
        LabError: it is of another protocol.
        Terminated: the connection is lost, or the trial is no longer wanted; nothing is left here.
    """

    def say(word: Message) -> None:
        stdout.write(msgspec.json.encode(word) + b"\n")
        stdout.flush()

    task = decode_request(stdin.readline())
    ending = DeferredSignals()
    threading.Thread(target=end_when_closed, args=(stdin.fileno(),), daemon=True).start()
    try:
        ending.release()
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX) as room:
            ended = run_request(task, Path(room), lambda text: say(Stage(text)), lambda _: None)
            if ended.settle is not None:
                say(Settled(ended.settle))
            if ended.path is None:
                say(ended.failure or Failed("It ended without a word.", UsageError.exit_code))
            else:
                say(Sending(ended.path.name))
                archive.pack(ended.path, stdout)
                stdout.flush()
    finally:
        ending.give_back()


def end_when_closed(descriptor: int) -> None:
    """End this process when the other end of a descriptor closes it."""
    while os.read(descriptor, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


class Numbered(msgspec.Struct, frozen=True):
    """What a request of any protocol says of it."""

    protocol: int = UNNUMBERED


def decode_request(line: bytes) -> TrialRequest:
    """Decode a trial request.

    Raises:
        UsageError: it is none.
        LabError: it is of another protocol.
    """
    try:
        number = msgspec.json.decode(line, type=Numbered).protocol
        require_protocol(number, "The connstorm that sends this trial")
        return msgspec.json.decode(line, type=TrialRequest)
    except msgspec.DecodeError as error:
        raise UsageError(f"The trial request on standard input cannot be read: {error}.") from error
