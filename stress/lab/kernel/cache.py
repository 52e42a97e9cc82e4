# SPDX-License-Identifier: MIT
"""The cache of downloaded kernels: a folder per kernel with its image, its modules and ``kernel.json``.

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
from stress.model.json_text import decode_json
from stress.model.kernel import DEBIAN_PREFIX, CachedKernel
from stress.model.text import json_bytes

VARIABLE = "CONNSTORM_KERNELS"
FACTS = "kernel.json"


def cache_folder() -> Path:
    """Return the folder of the cache."""
    folder = os.environ.get(VARIABLE)
    if folder:
        return Path(folder).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "connstorm" / "kernels"


def kernel_folder(kernel: CachedKernel) -> Path:
    """Return the folder of a kernel."""
    return cache_folder() / kernel.name


def kernel_image(kernel: CachedKernel) -> Path:
    """Return the bootable image of a kernel."""
    return kernel_folder(kernel) / "boot" / f"vmlinuz-{kernel.release}"


def kernel_modules(kernel: CachedKernel) -> Path:
    """Return the folder of a kernel's modules, at the place relative to the image where virtme-ng expects it."""
    return kernel_folder(kernel) / "lib" / "modules" / kernel.release


def list_kernels() -> list[CachedKernel]:
    """Return all kernels of the cache, the oldest version first.

    Raises:
        UsageError: a ``kernel.json`` is damaged.
    """
    kernels = []
    for file in cache_folder().glob(f"*/{FACTS}"):
        if file.parent.name.startswith("."):
            continue  # not complete yet, or left over
        try:
            kernels.append(decode_json(file.read_bytes(), CachedKernel))
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(
                f"{file} cannot be read: {error}; remove the folder and download the kernel again."
            ) from error
    return sorted(kernels, key=lambda kernel: version_numbers(kernel.release))


def version_numbers(text: str) -> list[int]:
    """Return the numbers in a text, as a sort key for kernel releases; none has more digits than Python converts."""
    return [int(digits) for digits in re.findall(r"\d{1,1000}", text)]


def find_kernel(name: str) -> CachedKernel | None:
    """Return the kernel with a name, or that was downloaded by it, such as ``deb:bookworm``; or None."""
    return next(
        (kernel for kernel in list_kernels() if {name, DEBIAN_PREFIX + name} & {kernel.name, *kernel.names}), None
    )


def add_kernel(kernel: CachedKernel, fill: Callable[[Path], None]) -> CachedKernel:
    """Add a kernel to the cache, completely or not at all.

    Another kernel with one of its names loses that name; if the kernel is in the cache already, it gains the names.

    Args:
        kernel: its facts.
        fill: a function that writes its image and modules into a folder.

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
        cached = find_kernel(kernel.name)
        if cached is not None:
            kernel = rename_kernel(cached, list(dict.fromkeys([*cached.names, *kernel.names])))
            write_facts(kernel_folder(kernel), kernel)
            return kernel
        with atomic.open_folder(kernel_folder(kernel), flush=False) as unpacked:
            fill(unpacked)
            write_facts(unpacked, kernel)
    except OSError as error:
        raise StoreError(
            f"The kernel could not be written to {cache_folder()}: {error.strerror}; set {VARIABLE}."
        ) from error
    return kernel


def rename_kernel(kernel: CachedKernel, names: list[str]) -> CachedKernel:
    """Return a kernel with other names."""
    return msgspec.structs.replace(kernel, names=names)


def write_facts(folder: Path, kernel: CachedKernel) -> None:
    """Write ``kernel.json``."""
    atomic.write(folder / FACTS, json_bytes(kernel))


def remove_kernel(name: str) -> CachedKernel:
    """Remove a kernel by its name, or by a name that it was downloaded by.

    Raises:
        UsageError: there is no such kernel.
        StoreError: it cannot be removed.
    """
    kernel = find_kernel(name)
    if kernel is None:
        names = ", ".join(kernel.name for kernel in list_kernels()) or "none"
        raise UsageError(f"There is no downloaded kernel {name!r}; there is {names}.")
    removed = cache_folder() / f".{kernel.name}.removed"
    try:
        kernel_folder(kernel).rename(removed)  # it is no longer listed, however long removing takes
        shutil.rmtree(removed)
    except OSError as error:
        raise StoreError(f"{removed} could not be removed: {error.strerror}.") from error
    return kernel


def size_bytes(kernel: CachedKernel) -> int:
    """Return the size of a kernel on disk."""
    return sum(file.lstat().st_size for file in kernel_folder(kernel).rglob("*") if not file.is_dir())
