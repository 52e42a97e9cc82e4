# SPDX-License-Identifier: MIT
"""Suites that come with connstorm: files of the package, which users name without a path."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stress.model.errors import StoreError, UsageError
from stress.model.suite import Suite
from stress.model.text import did_you_mean
from stress.suite import estimate, matrix
from stress.suite.config import load

SHIPPED = Path(__file__).parents[1] / "suites"
SUFFIX = ".toml"


@dataclass(frozen=True)
class ShippedSuite:
    """A suite of the package.

    Attributes:
        name: as users write it.
        suite: what its file says.
        cells: how many it has.
        seconds: about how long it takes, booting kernels included, waiting for a quiet machine left out.
    """

    name: str
    suite: Suite
    cells: int
    seconds: float


def shipped_names() -> list[str]:
    """Return the names of the suites of the package."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def list_shipped() -> Iterator[ShippedSuite]:
    """Yield the suites of the package, by name."""
    for name in shipped_names():
        suite = load.read(SHIPPED / f"{name}{SUFFIX}")
        yield ShippedSuite(
            name, suite, len(matrix.build_cells(suite, host=False)), estimate.suite_seconds(suite, host=False)
        )


def find_suite_file(source: Path) -> Path:
    """Return the file that a user means: a path, or the name of a suite of the package where no such path exists.

    Raises:
        UsageError: there is neither.
    """
    if source.exists():
        return source
    names = shipped_names()
    if str(source) in names:
        return SHIPPED / f"{source}{SUFFIX}"
    if source.stem in names:
        raise UsageError(f"There is no file {source}; the one of connstorm is: connstorm suite {source.stem}")
    raise UsageError(f"There is no file {source}, and {unknown_text(source.stem, names)}")


def unknown_text(name: str, names: list[str]) -> str:
    """Return that no suite of the package has this name, and which may be wanted."""
    return f"connstorm suite --list has no {name}{did_you_mean(name, names, clause=True) or '.'}"


def copy_shipped(name: str, target: Path) -> None:
    """Write the file of a suite of the package; never over another one.

    Raises:
        UsageError: the package has no such suite, or the target exists.
        StoreError: it cannot be written.
    """
    names = shipped_names()
    if name not in names:
        raise UsageError(unknown_text(name, names))
    try:
        with target.open("xb") as stream:
            stream.write((SHIPPED / f"{name}{SUFFIX}").read_bytes())
    except FileExistsError as error:
        raise UsageError(f"{target} exists; give another name: connstorm suite {name} --copy FILE") from error
    except OSError as error:
        raise StoreError(f"{target} could not be written: {error.strerror}.") from error
