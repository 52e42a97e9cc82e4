# SPDX-License-Identifier: MIT
"""What a suite is going to take, cell by cell."""

from stress.store.suite_folder import SuiteFile
from stress.suite import estimate
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


def expected_s(file: SuiteFile) -> dict[str, float]:
    """Return for each cell how long a trial takes, about; 0 where it cannot be run."""
    return {each.cell.name: 0.0 if each.lacking else each.seconds for each in forecasts(file)}
