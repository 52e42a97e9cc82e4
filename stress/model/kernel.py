# SPDX-License-Identifier: MIT
"""Kernels: their names in suites, and the facts about a downloaded kernel. Imports no numpy."""

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
BUILD_TREE_FILES = (
    "arch/x86/boot/bzImage",
    "arch/arm64/boot/Image",
    "vmlinux",
)  # every build tree contains one of them


@dataclass(frozen=True)
class KernelName:
    """The name of a kernel in a suite: ``host``, ``deb:bookworm``, ``deb:linux-image-6.12``, a file or a build tree.

    Attributes:
        text: the whole name.
        base: the name without command line options.
        options: options of the kernel command line, after the first blank: ``deb:bookworm mitigations=off``.
    """

    text: str
    base: str
    options: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file or build tree that the name is the path of."""
        return Path(os.path.expanduser(self.base)).absolute()  # noqa: PTH111  # Path raises for ~nobody

    @property
    def debian(self) -> "DebianName | None":
        """The Debian package that the name means, or None."""
        return parse_debian_name(self.base) if self.base.startswith(DEBIAN_PREFIX) else None


@dataclass(frozen=True)
class DebianName:
    """A Debian kernel: ``deb:SUITE``, ``deb:PACKAGE`` or ``deb:PACKAGE/SUITE``.

    Attributes:
        package: the package name or its beginning; empty for the default kernel of the release.
        suite: a release of Debian; empty for any release.
    """

    package: str
    suite: str

    @property
    def text(self) -> str:
        """The name as users write it."""
        return DEBIAN_PREFIX + "/".join(part for part in (self.package, self.suite) if part)


def parse_kernel_name(text: str) -> KernelName:
    """Parse the name of a kernel.

    Raises:
        UsageError: it is not a valid name, or the file does not exist.
    """
    base, *options = text.split() or [""]
    name = KernelName(text, base, tuple(options))
    if base == HOST:
        if options:
            raise UsageError("The running kernel takes no options; boot a kernel by its package or file instead.")
    elif base.startswith(DEBIAN_PREFIX):
        parse_debian_name(base)
    elif not base or "\0" in base or not os.path.exists(name.path):  # noqa: PTH110  # Path raises where a name is too long
        raise UsageError(
            f"There is no kernel {base!r}: give {HOST}, deb:SUITE such as deb:bookworm, deb:PACKAGE such as "
            "deb:linux-image-6.12, or the path of a vmlinuz or of a kernel's build tree."
        )
    elif name.path.is_dir() and not any((name.path / file).is_file() for file in BUILD_TREE_FILES):
        raise UsageError(f"{base} is a folder, but no kernel was built in it; name a vmlinuz, or build one there.")
    return name


def parse_debian_name(text: str) -> DebianName:
    """Parse a name of the form ``deb:…``.

    Raises:
        UsageError: it has another form.
    """
    match = DEBIAN_PATTERN.fullmatch(text.removeprefix(DEBIAN_PREFIX))
    if match is None or (match["suite"] and not match["what"].startswith(IMAGE_PREFIX)):
        raise UsageError(
            f"{text!r} is not the name of a Debian kernel; write deb:SUITE such as deb:bookworm, or a package such as "
            "deb:linux-image-6.12 or deb:linux-image-amd64/bookworm."
        )
    if match["what"].startswith(IMAGE_PREFIX):
        return DebianName(match["what"], match["suite"] or "")
    return DebianName("", match["what"])


class CachedKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A downloaded kernel.

    Attributes:
        name: name of its folder: the package and its version.
        package: name of the Debian package.
        version: version of the package.
        suite: the release of Debian that it came from.
        release: what ``uname -r`` prints on it.
        names: the names that users gave when they downloaded it: ``deb:bookworm``.
        fetched_utc: when it was downloaded.
    """

    name: str
    package: str
    version: str
    suite: str
    release: str
    names: list[str]
    fetched_utc: str
