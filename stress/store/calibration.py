# SPDX-License-Identifier: MIT
"""Calibrations on disk: the noise on each kind of machine, one file per kind."""

from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration
from stress.model.errors import StoreError, UsageError
from stress.model.json_text import decode_json
from stress.model.text import json_bytes

FOLDER = "calibration"


def calibration_path(results: Path, testbed: str) -> Path:
    """Return the path of the calibration of a kind of machine."""
    return results / FOLDER / f"{testbed}.json"


def write(results: Path, calibration: Calibration) -> Path:
    """Write a calibration, which replaces an older one; return its path.

    Raises:
        StoreError: it cannot be written; the older one is unchanged.
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
        UsageError: it is not a calibration, or has another schema.
    """
    try:
        calibration = decode_json(path.read_bytes(), Calibration)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; connstorm calibrate makes one.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not a calibration: {error}.") from error
    if calibration.schema != CALIBRATION_SCHEMA:
        raise UsageError(f"{path} has schema {calibration.schema}, but this connstorm reads {CALIBRATION_SCHEMA}.")
    return calibration


def find_calibration(results: Path, testbed: str) -> Calibration | None:
    """Return the calibration of a kind of machine, or None where there is none.

    Raises:
        UsageError: it is damaged.
    """
    path = calibration_path(results, testbed)
    return read(path) if path.exists() else None
