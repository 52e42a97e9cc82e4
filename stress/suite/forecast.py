# SPDX-License-Identifier: MIT
"""What a suite is going to take, cell by cell."""

from stress.lab.host import facts
from stress.model.suite import Suite
from stress.store.suite_folder import SuiteFile
from stress.suite import estimate, matrix
from stress.suite.applicable import lacking
from stress.view.suite_plan import Forecast


def forecasts(file: SuiteFile) -> list[Forecast]:
    """Return what one trial of each cell is going to be, about, on the first host."""
    (attestation, *_) = file.attestations.values()
    return [
        Forecast(
            cell,
            estimate.attempts(cell.plan),
            estimate.seconds(cell.plan, attestation.host),
            lacking(cell, attestation, host=file.host),
        )
        for cell in file.cells
    ]


def expected_s(suite: Suite, *, host: bool) -> dict[str, float]:
    """Return for each cell how long a trial takes on this machine, about."""
    here = facts()
    return {cell.name: estimate.seconds(cell.plan, here) for cell in matrix.cells(suite, host=host)}
