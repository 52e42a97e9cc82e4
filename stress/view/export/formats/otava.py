# SPDX-License-Identifier: MIT
"""For Apache Otava: a CSV file per row, one line per trial by time, and the YAML that describes them.

``otava analyze TEST --config-file otava.yaml --since DATE``, in the folder of the files.
"""

import csv
import io
from collections.abc import Sequence
from typing import Any

from stress.analysis.metric import Metric
from stress.model.text import one_line, shown_json
from stress.view.export.column import Column, Sample, stems
from stress.view.export.format import Format

CONFIG = "otava.yaml"
TIME = "time"
ATTRIBUTES = ("kernel", "program", "run")
DIRECTIONS = {"lower": -1, "higher": 1, None: 0}


def files(column: Column, metrics: Sequence[Metric]) -> dict[str, bytes]:
    """Return the files of a column by name.

    A metric that is missing from one trial of a row is left out of that row: an empty field is not a
    number there.
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
    """Return the trials of a row as CSV, one per line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([TIME, *ATTRIBUTES, *(sample.metric.name for sample in samples)])
    for number, run in enumerate(samples[0].runs):
        values = (repr(sample.values[number]) for sample in samples)
        attributes = (run.started_utc, run.host.kernel, run.program, run.path.name)
        writer.writerow([*map(one_line, attributes), *values])
    return text.getvalue().encode()


def test_entry(file: str, samples: Sequence[Sample]) -> dict[str, Any]:
    """Return the description of a row's file for Otava."""
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
    return shown_json(document)


FORMATS = {
    "otava": Format("", "Apache Otava: a folder of CSV files and otava.yaml", files=files, separates=True, position=7)
}
