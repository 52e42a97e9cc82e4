# SPDX-License-Identifier: MIT
"""Write docs/*.schema.json: the JSON Schemas of what connstorm stores and prints.

A description is a docstring without its indentation, whichever release of msgspec reads it: those before 0.23 keep it.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec

from stress.model.inspection import Inspection
from stress.store.run_schema import RunFile
from stress.store.suite_folder import Manifest, TrialRecord

DOCS = Path(__file__).parents[1]
DESCRIPTION = "description"


def without_indentation(schema: Any) -> Any:
    """Return a schema whose descriptions have no more indentation than their text."""
    if isinstance(schema, list):
        return [without_indentation(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: inspect.cleandoc(value) if key == DESCRIPTION and isinstance(value, str) else without_indentation(value)
        for key, value in schema.items()
    }


def schemas() -> dict[str, Any]:
    """Return each schema by the name of its file."""
    _, suite_definitions = msgspec.json.schema_components([Manifest, TrialRecord], ref_template="#/$defs/{name}")
    return {
        "run": msgspec.json.schema(RunFile),
        "suite": {"$defs": suite_definitions},
        "inspection": msgspec.json.schema(Inspection),
    }


def write(folder: Path) -> None:
    """Write all schemas into a folder."""
    for name, schema in schemas().items():
        document = msgspec.json.format(msgspec.json.encode(without_indentation(schema)), indent=1)
        (folder / f"{name}.schema.json").write_bytes(document + b"\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else DOCS)
