# SPDX-License-Identifier: MIT
"""What a suite is going to take, cell by cell."""

from stress.lab.host import facts
from stress.model.kernel import HOST
from stress.model.record import Host
from stress.model.suite import Cell, Suite
from stress.store.suite_folder import SuiteFile
from stress.suite import estimate, matrix
from stress.suite.applicability import unsupported_reason
from stress.view.text.suite_plan import Forecast

GUEST_S = 30.0  # to boot, and to import what a run needs


def forecast_cells(file: SuiteFile) -> list[Forecast]:
    """Return what one trial of each cell is going to be, about, on the first host."""
    ((first, attestation), *_) = file.fingerprints.items()
    return [
        Forecast(
            cell,
            estimate.trial_attempts(cell.plan),
            cell_seconds(cell, attestation.host),
            None if known is None else unsupported_reason(cell, known, host=file.host),
        )
        for cell in file.cells
        for known in [file.fingerprint(cell, first)]
    ]


def expected_seconds(suite: Suite, *, host: bool) -> dict[str, float]:
    """Return for each cell how long a trial takes on this machine, about."""
    here = facts()
    return {cell.name: cell_seconds(cell, here) for cell in matrix.build_cells(suite, host=host)}


def cell_seconds(cell: Cell, host: Host) -> float:
    """Return how long a trial of a cell takes, about; what an emulated CPU does is slower, by how much is not known."""
    return estimate.trial_seconds(cell.plan, host) + (0.0 if cell.kernel == HOST else GUEST_S)
