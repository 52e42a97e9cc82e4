# SPDX-License-Identifier: MIT
"""The cause of each connection try of a capture."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stress.analysis.attribution.cause import NONE, UNKNOWN
from stress.model.summary import Proof


def attribute_packets(
    flows: npt.NDArray[Any],
    attempts: npt.NDArray[Any],
    act: str,  # noqa: ARG001  # rules state it in their proofs
) -> tuple[npt.NDArray[np.uint8], list[Proof]]:
    """Return the cause of each connection try of one server, and by which rules it was claimed.

    Args:
        flows: shape (flows,), dtype FLOW; a row for each file that shows a try.
        attempts: shape (attempts,), dtype ATTEMPT.
        act: name of the server.

    Returns:
        indices into CAUSES, shape (attempts,), and one proof for each rule that claimed any. Tries that connected with
        their first SYN have nothing to explain.
    """
    sent_again = np.bincount(flows["attempt"], flows["syns"] > 1, minlength=len(attempts)) > 0
    explained = (attempts["error"] == 0) & ~sent_again
    return np.where(explained, NONE, UNKNOWN).astype(np.uint8), []
