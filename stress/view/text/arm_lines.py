# SPDX-License-Identifier: MIT
"""What the arms of a suite are, in a line for each."""

from stress.model.suite import ARM
from stress.store.suite_folder import Manifest


def arm_lines(file: Manifest) -> list[str]:
    """Return the name of each arm with its command, or with the program and the engine of its connstorm."""
    known = {name: f"{other.program}, engine {other.engine}, by " for name, other in file.arms.items()}
    return [f"{ARM} {arm.name}: {known.get(arm.name, '')}{arm.text}" for arm in file.suite.arms]
