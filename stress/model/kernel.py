# SPDX-License-Identifier: MIT
"""Kernels as suites name them, and as they lie on disk. Imports no numpy."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stress.model.errors import UsageError

HOST = "host"  # the running kernel
DEBIAN_PREFIX = "deb:"
DEBIAN_PATTERN = re.compile(r"(?P<what>[a-z0-9][a-z0-9.+-]*)(/(?P<suite>[a-z0-9-]+))?")
IMAGE_PREFIX = "linux-image-"
BUILD_TREE_FILES = ("arch/x86/boot/bzImage", "arch/arm64/boot/Image", "vmlinux")  # one of them is in every build tree


@dataclass(frozen=True)
class KernelName:
    """A kernel as a suite names it: ``host``, ``deb:bookworm``, ``deb:linux-image-6.12``, a file or a build tree.

    Attributes:
        text: all of it.
        base: the kernel without its options.
        options: of its command line, after the first blank: ``deb:bookworm mitigations=off``.
    """

    text: str
    base: str
    options: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file or build tree that it names."""
        return Path(os.path.expanduser(self.base)).absolute()  # noqa: PTH111  # Path raises for ~nobody

    @property
    def debian(self) -> "DebianName | None":
        """What it says of a Debian package, or None."""
        return parse_debian_name(self.base) if self.base.startswith(DEBIAN_PREFIX) else None


@dataclass(frozen=True)
class DebianName:
    """A Debian kernel: ``deb:SUITE``, ``deb:PACKAGE`` or ``deb:PACKAGE/SUITE``.

    Attributes:
        package: the package, or how its name begins; empty for the suite's own kernel.
        suite: a release of Debian; empty where any will do.
    """

    package: str
    suite: str

    @property
    def text(self) -> str:
        """The name as it is written."""
        return DEBIAN_PREFIX + "/".join(part for part in (self.package, self.suite) if part)


def parse_kernel_name(text: str) -> KernelName:
    """Return what a kernel's name says.

    Raises:
        UsageError: it is none, or names a file that is not there.
    """
    base, *options = text.split() or [""]
    found = KernelName(text, base, tuple(options))
    if base == HOST:
        if options:
            raise UsageError("The running kernel cannot be given options; boot one by its package or file.")
    elif base.startswith(DEBIAN_PREFIX):
        parse_debian_name(base)
    elif not base or not os.path.exists(found.path):  # noqa: PTH110  # Path raises where a name is too long
        raise UsageError(
            f"There is no kernel {base!r}: give {HOST}, deb:SUITE such as deb:bookworm, deb:PACKAGE such as "
            "deb:linux-image-6.12, or the path of a vmlinuz or of a kernel's build tree."
        )
    elif found.path.is_dir() and not any((found.path / each).is_file() for each in BUILD_TREE_FILES):
        raise UsageError(f"{base} is a folder, but no kernel was built in it; name a vmlinuz, or build one there.")
    return found


def parse_debian_name(text: str) -> DebianName:
    """Return what ``deb:…`` says.

    Raises:
        UsageError: it is of another form.
    """
    match = DEBIAN_PATTERN.fullmatch(text.removeprefix(DEBIAN_PREFIX))
    if match is None or (match["suite"] and not match["what"].startswith(IMAGE_PREFIX)):
        raise UsageError(
            f"{text!r} names no Debian kernel; write deb:SUITE such as deb:bookworm, or a package such as "
            "deb:linux-image-6.12 or deb:linux-image-amd64/bookworm."
        )
    if match["what"].startswith(IMAGE_PREFIX):
        return DebianName(match["what"], match["suite"] or "")
    return DebianName("", match["what"])


class CachedKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel that was fetched.

    Attributes:
        name: of its folder: the package and its version.
        package: the Debian package.
        version: of the package.
        suite: the release that it came from.
        release: as ``uname -r`` will say.
        names: what it was asked for by: ``deb:bookworm``.
        fetched_utc: when.
    """

    name: str
    package: str
    version: str
    suite: str
    release: str
    names: list[str]
    fetched_utc: str
