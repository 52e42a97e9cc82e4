# SPDX-License-Identifier: MIT
"""For Apache Otava: a CSV file a row, one line a trial in the order of time, and the YAML that says what is in them.

``otava analyze TEST --config-file otava.yaml --since DATE``, in the folder of the files.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

from stress.analysis.metric import Metric
from stress.model.text import json_bytes
from stress.view.export.column import Column, Sample, stems

CONFIG = "otava.yaml"
TIME = "time"
ATTRIBUTES = ("kernel", "program", "run")
DIRECTIONS = {"lower": -1, "higher": 1, None: 0}


def files(column: Column, metrics: Sequence[Metric]) -> dict[str, bytes]:
    """Return the files of a column by name.

    A metric that one of a row's trials lacks is left out of that row: in these files an empty field is not a number.
    """
    by_row: dict[str, list[Sample]] = {}
    for sample in column.samples(metrics):
        if len(sample.runs) == len(column.rows[sample.row]):
            by_row.setdefault(sample.row, []).append(sample)
    names = stems(by_row)
    texts = {f"{names[row]}.csv": table(samples) for row, samples in by_row.items()}
    tests = {names[row]: test_entry(f"{names[row]}.csv", samples) for row, samples in by_row.items()}
    return texts | {CONFIG: yaml_text({"tests": tests})}


def table(samples: Sequence[Sample]) -> bytes:
    """Return the trials of a row, one a line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([TIME, *ATTRIBUTES, *(sample.metric.name for sample in samples)])
    for number, run in enumerate(samples[0].runs):
        values = (repr(sample.values[number]) for sample in samples)
        writer.writerow([run.started_utc, run.host.kernel, run.program, run.path.name, *values])
    return text.getvalue().encode()


def test_entry(file: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return what Otava is to know of a row's file."""
    return {
        "type": "csv",
        "file": file,
        "time_column": TIME,
        "attributes": list(ATTRIBUTES),
        "metrics": {
            sample.metric.name: {"column": sample.metric.name, "direction": DIRECTIONS[sample.metric.better]}
            for sample in samples
        },
    }


def yaml_text(document: dict[str, Any]) -> bytes:
    """Return a document as YAML: every JSON document is one (YAML 1.2)."""
    return json_bytes(document)
