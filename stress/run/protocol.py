# SPDX-License-Identifier: MIT
"""What connstorm says to itself across processes and hosts, and the number by which both ends know that they agree.

``run-cell`` prints events, one JSON object per line. A host's fingerprint and a trial request carry ``PROTOCOL``.
"""

import msgspec

import stress
from stress.model.errors import ConnstormError, LabError, UsageError, error_named
from stress.model.json_text import decode_json
from stress.model.plan import Plan
from stress.model.progress import StormUnderway
from stress.model.suite import Fingerprint, Settle

# To be raised whenever a message, a hidden option of run-cell, the module path of a function that dask calls, or the
# name of an error that travels (StoreError, NotApplicableError) changes. Connstorm 0.1.0 sends none, and counts as 1.
PROTOCOL = 5
UNNUMBERED = 1
SHOWN_BYTES = 80


class Stage(msgspec.Struct, frozen=True, tag="stage"):
    """The cell begins something."""

    text: str


class Settled(msgspec.Struct, frozen=True, tag="settled"):
    """The cell has waited for the machine to be quiet."""

    settle: Settle


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The cell has written its folder."""

    path: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The cell could not be run, and wrote nothing; ``kind`` is the name of the error's class."""

    text: str
    exit_code: int
    kind: str = "LabError"

    def error(self) -> ConnstormError:
        """Return the cell's error as one of this process."""
        return error_named(self.kind, self.text)


Event = Stage | StormUnderway | Settled | Done | Failed  # what run-cell prints, one JSON object per line


def decode_plan(data: bytes) -> Plan:
    """Decode the plan that a process finds on its standard input.

    Raises:
        UsageError: it is none.
    """
    try:
        return decode_json(data, Plan)
    except msgspec.DecodeError as error:
        raise UsageError(f"The plan on standard input cannot be read: {error}.") from error


def decode_fingerprint(answer: bytes, host: str) -> Fingerprint:
    """Decode what a host answers to ``run-cell --attest``.

    Args:
        answer: what it printed.
        host: its name, for messages.

    Raises:
        LabError: it is no fingerprint, or the host speaks another protocol.
    """
    try:
        fingerprint = decode_json(answer, Fingerprint)
    except msgspec.DecodeError as error:
        raise LabError(
            f"{host} did not say what it is but {answer[:SHOWN_BYTES]!r}: {error}. Is its connstorm this version?"
        ) from error
    require_protocol(fingerprint.protocol, f"{host} runs {fingerprint.program}, which")
    return fingerprint


def require_protocol(number: int, speaker: str) -> None:
    """Raise LabError unless the other end speaks the protocol of this program.

    Args:
        number: of the protocol of the other end.
        speaker: the other end, as the subject of a sentence.
    """
    if number != PROTOCOL:
        raise LabError(
            f"{speaker} speaks protocol {number}, but this connstorm {stress.__version__} speaks protocol {PROTOCOL}; "
            "install the same version of connstorm on both."
        )
