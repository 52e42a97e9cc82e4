# SPDX-License-Identifier: MIT
"""Calibrations on disk: what noise is like on machines of one kind, one file for each kind."""

from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration
from stress.model.errors import StoreError, UsageError
from stress.model.text import json_bytes

FOLDER = "calibration"


def calibration_path(results: Path, testbed: str) -> Path:
    """Return where the calibration of a kind of machine is."""
    return results / FOLDER / f"{testbed}.json"


def write(results: Path, calibration: Calibration) -> Path:
    """Write a calibration in place of an older one; return its path.

    Raises:
        StoreError: it cannot be written; the older one stays.
    """
    path = calibration_path(results, calibration.testbed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json_bytes(calibration))
    except OSError as error:
        raise StoreError(f"The calibration could not be written to {path}: {error.strerror}.") from error
    return path


def read(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        UsageError: it is none, or of another schema.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Calibration)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; connstorm calibrate makes one.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no calibration: {error}.") from error
    if found.schema != CALIBRATION_SCHEMA:
        raise UsageError(f"{path} has schema {found.schema}, but this connstorm reads {CALIBRATION_SCHEMA}.")
    return found


def find_calibration(results: Path, testbed: str) -> Calibration | None:
    """Return the calibration of a kind of machine, None where there is none.

    Raises:
        UsageError: it is damaged.
    """
    path = calibration_path(results, testbed)
    return read(path) if path.exists() else None
