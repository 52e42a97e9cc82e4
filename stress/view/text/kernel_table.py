# SPDX-License-Identifier: MIT
"""The kernels in the cache, for a terminal."""

from collections.abc import Iterable

from rich import box
from rich.table import Table

from stress.model.kernel import CachedKernel
from stress.view.text.whole_table import WholeTable

MIB = 1 << 20


def kernel_table(kernels: Iterable[tuple[CachedKernel, int]]) -> Table:
    """Return one row per (kernel, size in bytes)."""
    table = WholeTable("release", "as", "package", "version", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("from")
    table.add_column("MiB", justify="right")
    for kernel, size in kernels:
        names = ", ".join(kernel.names)
        table.add_row(kernel.release, names, kernel.package, kernel.version, kernel.suite, f"{size / MIB:.0f}")
    return table
