# SPDX-License-Identifier: MIT
"""Packages that not every installation has: they belong to an extra of pyproject.toml."""

from importlib.util import find_spec

from stress.model.errors import ConnstormError, UsageError


def is_installed(package: str) -> bool:
    """Return whether a package can be imported here; nothing is imported."""
    return find_spec(package) is not None


def missing_text(package: str, extra: str, what: str, *, instead: str = "") -> str:
    """Return the sentence that says that a package is missing.

    Args:
        package: its name, as it is imported.
        extra: the extra of connstorm that installs it.
        what: what needs it, as the start of the sentence.
        instead: what else can be done, as the end of the sentence.
    """
    other = f", or {instead}" if instead else ""
    return f"{what} needs the package {package}, which is not installed: pip install 'connstorm[{extra}]'{other}."


def require_package(
    package: str, extra: str, what: str, *, instead: str = "", kind: type[ConnstormError] = UsageError
) -> None:
    """Do nothing where a package is installed; it is called before the import.

    Args:
        package: as of ``missing_text``.
        extra: as of ``missing_text``.
        what: as of ``missing_text``.
        instead: as of ``missing_text``.
        kind: of the exception.

    Raises:
        UsageError: the package is not installed; or another error, of ``kind``.
    """
    if not is_installed(package):
        raise kind(missing_text(package, extra, what, instead=instead))
