# SPDX-License-Identifier: MIT
"""A run with all that was recorded of it, and what analysis says of each attempt."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stress.model.record import Record
from stress.model.summary import Summary

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from stress.analysis.attribution.findings import Findings
    from stress.model.run import Run


@dataclass(frozen=True)
class StoredRun:
    """A run with all that was recorded of it.

    Attributes:
        path: its folder; None for a storm that was not stored.
        observed: record and arrays.
        summary: its numbers.
    """

    path: Path | None
    observed: "Run"
    summary: Summary

    @property
    def record(self) -> Record:
        """Plan, host facts, acts with their counters and census, warnings."""
        return self.observed.record

    @property
    def attempts(self) -> "npt.NDArray[Any]":
        """The attempts, shape (attempts,), fields start_ns, latency_ns, local_port, error, retransmits and others."""
        return self.observed.attempts

    @property
    def uses(self) -> "npt.NDArray[Any]":
        """The first uses of the connections, in the order of the attempts; of shape (0,) without ``use``."""
        return self.observed.uses

    @property
    def mines(self) -> "npt.NDArray[Any]":
        """The mines, shape (mines,): local_port, address, and ``left`` where one stood after the storm."""
        return self.observed.mines

    @cached_property
    def _findings(self) -> "Findings":
        from stress.analysis.attribution.summary import analyse  # noqa: PLC0415  # the public API loads it when it is needed

        return analyse(self.observed, self.summary.evidence)

    @cached_property
    def outcomes(self) -> "npt.NDArray[np.str_]":
        """What the client saw of each attempt, shape (attempts,): "connected", "retried" and so on."""
        import numpy as np  # noqa: PLC0415  # the public API loads it when it is needed

        from stress.analysis.attribution.outcome import OUTCOMES  # noqa: PLC0415

        return np.array([outcome.value for outcome in OUTCOMES])[self._findings.outcomes]

    @cached_property
    def causes(self) -> "npt.NDArray[np.str_]":
        """Why each attempt was slow or failed, shape (attempts,): "none", "closewait" and so on."""
        import numpy as np  # noqa: PLC0415  # the public API loads it when it is needed

        from stress.analysis.attribution.cause import CAUSES  # noqa: PLC0415

        return np.array([cause.value for cause in CAUSES])[self._findings.causes]
