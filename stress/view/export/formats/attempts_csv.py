# SPDX-License-Identifier: MIT
"""The attempts as CSV, one per line, after a line with the names of the columns."""

import csv
import io
from collections.abc import Iterable
from typing import IO

from stress.view.export.attempt_table import COLUMNS, Attempts, tables
from stress.view.export.format import Format


def write(runs: Iterable[Attempts], stream: IO[bytes]) -> None:
    """Write the attempts of runs, one run after the other, a piece at a time: memory does not grow with them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for attempts in runs:
        for table in tables(attempts):
            writer.writerows(zip(*(table[name].tolist() for name in COLUMNS), strict=True))
            stream.write(text.getvalue().encode())
            text.seek(0)
            text.truncate()
    stream.write(text.getvalue().encode())


FORMATS = {"csv": Format(".csv", "every attempt, one per line", write=write, separates=True, position=9)}
