# SPDX-License-Identifier: MIT
"""Another connstorm, of another virtual environment, whose ``run-cell`` runs the trials of a suite's arm."""

import os
import subprocess
from pathlib import Path

import msgspec

import stress
from stress.lab.checkout import VARIABLE as COMMIT_VARIABLE
from stress.model.arm import SuiteArm
from stress.model.errors import LabError, UsageError
from stress.model.json_text import decode_json
from stress.model.suite import Fingerprint
from stress.run.process import FINGERPRINT_LIMIT_S
from stress.run.protocol import PROTOCOL, UNNUMBERED
from stress.store.run_schema import SCHEMA

IN_AN_ENVIRONMENT = Path("bin") / "python"  # the interpreter of a virtual environment
# The other one imports neither what this one was told to, nor what lies in the folder of the user.
ITS_OWN_MODULES: dict[str, str | None] = {
    "PYTHONPATH": None, "PYTHONHOME": None, "PYTHONSAFEPATH": "1", COMMIT_VARIABLE: None,
}  # fmt: skip
SHOWN_COLUMNS = 160


class Numbered(msgspec.Struct, frozen=True):
    """The part of a fingerprint that every protocol has."""

    program: str
    protocol: int = UNNUMBERED


def find_interpreter(place: str) -> Path:
    """Return the interpreter that a path leads to, or that of the virtual environment there.

    Raises:
        UsageError: there is none that can be executed.
    """
    path = Path(place).expanduser()
    path = path / IN_AN_ENVIRONMENT if path.is_dir() else path
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise UsageError(f"{place} is neither a Python that can be run nor a virtual environment with bin/python.")
    return path.absolute()  # not resolved: an environment is known by the path of its link


def run_cell_command(place: str) -> tuple[str, ...]:
    """Return the command that starts ``run-cell`` of another connstorm; errors are as of ``find_interpreter``."""
    return str(find_interpreter(place)), "-m", "stress", "run-cell"


def request_other_fingerprint(arm: SuiteArm) -> Fingerprint:
    """Ask another connstorm what it is.

    Raises:
        UsageError: there is none, it speaks another protocol, or this one could not read its runs.
        LabError: it does not answer in time, or makes no private namespace here.
    """
    place = arm.python or ""
    variables = {name: value for name, value in os.environ.items() if name not in ITS_OWN_MODULES}
    variables |= {name: value for name, value in ITS_OWN_MODULES.items() if value is not None}
    who = f"The arm {arm.name} ({place})"
    try:
        answer = subprocess.run(
            [*run_cell_command(place), "--attest"],
            capture_output=True,
            timeout=FINGERPRINT_LIMIT_S,
            env=variables,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{who} did not say what it is within {error.timeout:g} s.") from error
    except OSError as error:
        raise UsageError(f"{who} cannot be run: {error.strerror}.") from error
    return decode_fingerprint(answer.stdout, answer.stderr, who)


def decode_fingerprint(answer: bytes, errors: bytes, who: str) -> Fingerprint:
    """Return the fingerprint that another connstorm printed; errors are as of ``request_other_fingerprint``.

    Args:
        answer: its standard output.
        errors: its standard error.
        who: it, as the subject of a sentence.
    """
    try:
        number = decode_json(answer, Numbered)
    except msgspec.DecodeError as error:
        lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
        said = lines[-1].strip()[:SHOWN_COLUMNS] if lines else "nothing"
        raise UsageError(f"{who} has no connstorm that says what it is; it said: {said.rstrip('.')}.") from error
    return accept_fingerprint(answer, number, who)


def accept_fingerprint(answer: bytes, number: Numbered, who: str) -> Fingerprint:
    """Return the fingerprint that another connstorm printed; errors are as of ``request_other_fingerprint``."""
    if number.protocol != PROTOCOL:
        raise UsageError(
            f"{who} runs {number.program}, which speaks protocol {number.protocol}, but this connstorm "
            f"{stress.__version__} speaks protocol {PROTOCOL}; trials of both need one protocol: install a version "
            f"that speaks it there, or run the suite by each and compare the two."
        )
    try:
        fingerprint = decode_json(answer, Fingerprint)
    except msgspec.DecodeError as error:
        raise UsageError(f"{who} runs {number.program}, whose answer cannot be read: {error}.") from error
    if fingerprint.run_schema is not msgspec.UNSET and fingerprint.run_schema > SCHEMA:
        raise UsageError(
            f"{who} runs {fingerprint.program}, whose runs have schema {fingerprint.run_schema}, and this connstorm "
            f"{stress.__version__} reads {SCHEMA} at most; run the suite with the newer one."
        )
    if fingerprint.refused is not msgspec.UNSET:
        raise LabError(f"{who}: {fingerprint.refused}")
    return fingerprint
