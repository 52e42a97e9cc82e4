# SPDX-License-Identifier: MIT
"""Why each attempt was slow or failed, as far as there is proof."""

import numpy as np
import numpy.typing as npt

from stress.analysis.outcome import OUTCOMES
from stress.model.outcome import Cause, Outcome
from stress.model.run import Run

CAUSES = list(Cause)  # a cause's code is its place here


def cause_codes(run: Run, outcomes: npt.NDArray[np.uint8], met_mine: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """Return each attempt's cause as an index into CAUSES, shape (attempts,).

    Args:
        run: what was observed.
        outcomes: from ``outcome_codes``.
        met_mine: from ``collided``.
    """
    causes = np.full(len(outcomes), CAUSES.index(Cause.UNKNOWN), np.uint8)
    causes[outcomes == OUTCOMES.index(Outcome.CONNECTED)] = CAUSES.index(Cause.NONE)
    causes[met_mine] = CAUSES.index(Cause.CLOSEWAIT)
    if not run.record.plan.ports.sweeping:
        # The kernel itself searched the whole range and found no port for this destination.
        causes[outcomes == OUTCOMES.index(Outcome.NO_PORT)] = CAUSES.index(Cause.PORT_EXHAUSTED)
    return causes
