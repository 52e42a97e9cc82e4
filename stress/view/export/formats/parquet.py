# SPDX-License-Identifier: MIT
"""The attempts as Apache Parquet, with plan and machine of the first run in the file's metadata. Needs pyarrow."""

from collections.abc import Iterable
from typing import IO, Any

import msgspec

from stress.model.extra import require_package
from stress.view.export.attempt_table import COLUMNS, Attempts, tables
from stress.view.export.format import Format

ROWS = 1 << 18  # of a row group
WORDS = ("run", "act", "source", "target", "error", "outcome", "cause", "phase")  # few values, often
NUMBERS = {
    "attempt": "int64",
    "start_ns": "int64",
    "latency_ns": "int64",
    "close_ns": "uint32",
    "lag_us": "uint32",
    "local_port": "uint16",
    "target_port": "uint16",
    "errno": "uint8",
    "retransmits": "uint8",
    "met_mine": "bool",
    "worker": "uint8",
}
KEY = "connstorm"


def write(runs: Iterable[Attempts], stream: IO[bytes]) -> None:
    """Write the attempts of runs, one row group at a time.

    Raises:
        UsageError: pyarrow is not installed.
    """
    pa, parquet = pyarrow()
    types = {name: pa.dictionary(pa.int32(), pa.string()) for name in WORDS}
    types |= {name: pa.type_for_alias(alias) for name, alias in NUMBERS.items()}
    writer = None
    try:
        for attempts in runs:
            if writer is None:
                schema = pa.schema([(name, types[name]) for name in COLUMNS], metadata={KEY: origin(attempts)})
                writer = parquet.ParquetWriter(stream, schema, compression="zstd")
            for table in tables(attempts, ROWS):
                columns = [pa.array(table[name], from_pandas=False).cast(types[name]) for name in COLUMNS]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=ROWS)
    finally:
        if writer is not None:
            writer.close()


def origin(attempts: Attempts) -> bytes:
    """Return where a run came from, as JSON."""
    run = attempts.observation
    return msgspec.json.encode(
        {
            "program": run.program,
            "started_utc": run.started_utc,
            "row": attempts.row,
            "plan": run.plan,
            "host": run.host,
            "sysctls": run.settings,
        }
    )


def pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises:
        UsageError: they are not installed.
    """
    require_package("pyarrow", "parquet", "--format parquet", instead="use --format csv")
    import pyarrow as pa  # noqa: PLC0415  # an extra, and slow to load
    from pyarrow import parquet  # noqa: PLC0415

    return pa, parquet


FORMATS = {
    "parquet": Format(".parquet", "every attempt, for DuckDB, pandas, polars", write=write, separates=True, position=10)
}
