# SPDX-License-Identifier: MIT
"""Kernels that were fetched: a folder for each, with its image, its modules and ``kernel.json``.

The cache is the folder that the environment variable CONNSTORM_KERNELS names, else ``~/.cache/connstorm/kernels``.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from stress.model import atomic
from stress.model.errors import StoreError, UsageError
from stress.model.kernel import DEBIAN_PREFIX, CachedKernel
from stress.model.text import json_bytes

VARIABLE = "CONNSTORM_KERNELS"
FACTS = "kernel.json"


def cache_folder() -> Path:
    """Return where kernels are kept."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "connstorm" / "kernels"


def kernel_folder(kernel: CachedKernel) -> Path:
    """Return a kernel's folder."""
    return cache_folder() / kernel.name


def kernel_image(kernel: CachedKernel) -> Path:
    """Return a kernel's bootable file."""
    return kernel_folder(kernel) / "boot" / f"vmlinuz-{kernel.release}"


def kernel_modules(kernel: CachedKernel) -> Path:
    """Return the folder of a kernel's modules; virtme-ng looks for it there, seen from the image."""
    return kernel_folder(kernel) / "lib" / "modules" / kernel.release


def list_kernels() -> list[CachedKernel]:
    """Return what there is, the oldest version first.

    Raises:
        UsageError: a kernel's facts are damaged.
    """
    found = []
    for file in cache_folder().glob(f"*/{FACTS}"):
        if file.parent.name.startswith("."):
            continue  # on its way, or left over
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=CachedKernel))
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(
                f"{file} cannot be read: {error}; remove the folder and fetch the kernel again."
            ) from error
    return sorted(found, key=lambda kernel: version_numbers(kernel.release))


def version_numbers(text: str) -> list[int]:
    """Return the numbers in a text: releases of kernels sort by them."""
    return [int(each) for each in re.findall(r"\d+", text)]


def find_kernel(name: str) -> CachedKernel | None:
    """Return the kernel that has a name, or was fetched under it, such as ``deb:bookworm``; or None."""
    return next(
        (kernel for kernel in list_kernels() if {name, DEBIAN_PREFIX + name} & {kernel.name, *kernel.names}), None
    )


def add_kernel(kernel: CachedKernel, fill: Callable[[Path], None]) -> CachedKernel:
    """Keep a kernel under its name: complete or not at all.

    Another kernel that was called by one of its names loses that name; one that is there already gains the name.

    Args:
        kernel: its facts.
        fill: writes its image and modules into a folder.

    Raises:
        StoreError: the cache cannot be written.
        ConnstormError: as ``fill``.
    """
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        for other in list_kernels():
            if set(other.names) & set(kernel.names) and other.name != kernel.name:
                write_facts(
                    kernel_folder(other),
                    rename_kernel(other, [name for name in other.names if name not in kernel.names]),
                )
        there = find_kernel(kernel.name)
        if there is not None:
            kernel = rename_kernel(there, list(dict.fromkeys([*there.names, *kernel.names])))
            write_facts(kernel_folder(kernel), kernel)
            return kernel
        with atomic.open_folder(kernel_folder(kernel), flush=False) as unpacked:
            fill(unpacked)
            write_facts(unpacked, kernel)
    except OSError as error:
        raise StoreError(
            f"The kernel could not be kept in {cache_folder()}: {error.strerror}; set {VARIABLE}."
        ) from error
    return kernel


def rename_kernel(kernel: CachedKernel, names: list[str]) -> CachedKernel:
    """Return a kernel with other names."""
    return msgspec.structs.replace(kernel, names=names)


def write_facts(where: Path, kernel: CachedKernel) -> None:
    """Write a kernel's facts."""
    atomic.write(where / FACTS, json_bytes(kernel))


def remove_kernel(name: str) -> CachedKernel:
    """Remove a kernel by its name, or by one that it was fetched under.

    Raises:
        UsageError: there is none.
        StoreError: it cannot be removed.
    """
    kernel = find_kernel(name)
    if kernel is None:
        there = ", ".join(kernel.name for kernel in list_kernels()) or "none"
        raise UsageError(f"No kernel {name!r} was fetched; there is {there}.")
    away = cache_folder() / f".{kernel.name}.removed"
    try:
        kernel_folder(kernel).rename(away)  # at once it is no kernel any more, however long removing takes
        shutil.rmtree(away)
    except OSError as error:
        raise StoreError(f"{away} could not be removed: {error.strerror}.") from error
    return kernel


def size_bytes(kernel: CachedKernel) -> int:
    """Return how much a kernel takes on disk."""
    return sum(file.lstat().st_size for file in kernel_folder(kernel).rglob("*") if not file.is_dir())
