# SPDX-License-Identifier: MIT
"""The axis of kernels, put into a suite that has none."""

from collections.abc import Sequence

import msgspec

from stress.model.errors import UsageError
from stress.model.kernel import kernel_name
from stress.model.suite import Suite
from stress.suite.config.keys import KERNEL


def add_kernel_axis(suite: Suite, kernels: Sequence[str]) -> Suite:
    """Return a suite of which every entry runs on some kernels, the first of which is the baseline.

    Args:
        suite: without an axis of kernels.
        kernels: as suites name them: ``host``, ``deb:bookworm``, a file.

    Raises:
        UsageError: the suite has an axis of kernels, or a name is none.
    """
    if any(KERNEL in entry.axes for entry in suite.entries):
        raise UsageError(f"The suite {suite.name} has an axis kernel already; leave it out of [matrix].")
    for name in kernels:
        kernel_name(name)
    entries = [msgspec.structs.replace(entry, axes={**entry.axes, KERNEL: list(kernels)}) for entry in suite.entries]
    return msgspec.structs.replace(suite, entries=entries)
