# SPDX-License-Identifier: MIT
"""connstorm kernels: kernels to boot, fetched from Debian, listed and removed."""

import click
import msgspec

from stress.cli.output import Progress, console, json_option, print_object
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.lab.kernel import cache, debian
from stress.model.errors import UsageError
from stress.model.kernel import DEBIAN_PREFIX, parse_kernel_name
from stress.view.text.kernel_table import kernel_table


@click.group()
def kernels() -> None:
    r"""Kernels that suites boot: fetched from Debian into a cache, never installed.

    They are kept in ~/.cache/connstorm/kernels, or in the folder that the environment variable CONNSTORM_KERNELS
    names. A suite's axis is kernel = ["host", "deb:bookworm", "path/vmlinuz"].
    """


@kernels.command(cls=Verb)
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@click.option("--mirror", metavar="URL", help="of Debian; by default the one of apt's sources")
@json_option
def fetch(names: tuple[str, ...], mirror: str | None, *, as_json: bool) -> None:
    r"""Fetch Debian's kernels: of a release, or by package.

    \b
    Examples:
      connstorm kernels fetch bullseye bookworm trixie sid
      connstorm kernels fetch linux-image-6.12 linux-image-cloud-amd64/bookworm
    """
    fetched = []
    for name in names:
        debian_name = parse_kernel_name(name if name.startswith(DEBIAN_PREFIX) else DEBIAN_PREFIX + name).debian
        if debian_name is None:
            raise UsageError(f"{name!r} names no Debian kernel.")
        fetched.append(debian.fetch_kernel(debian_name, Progress(debian_name.text, quiet=as_json), mirror))
        if not as_json:
            print_text(f"{debian_name.text}: Linux {fetched[-1].release}, {cache.kernel_folder(fetched[-1])}")
    if as_json:
        print_object({"kernels": msgspec.to_builtins(fetched)})


@kernels.command("list", cls=Verb)
@json_option
def list_(*, as_json: bool) -> None:
    """List the kernels that were fetched."""
    cached = cache.list_kernels()
    if as_json:
        print_object({"folder": str(cache.cache_folder()), "kernels": msgspec.to_builtins(cached)})
    elif cached:
        console().print(kernel_table([(kernel, cache.size_bytes(kernel)) for kernel in cached]))
    else:
        print_text(f"No kernel was fetched into {cache.cache_folder()}: connstorm kernels fetch bookworm")


@kernels.command(cls=Verb)
@click.argument("names", metavar="NAME…", nargs=-1, required=True)
@json_option
def remove(names: tuple[str, ...], *, as_json: bool) -> None:
    """Remove kernels from the cache, by their own names or those that they were fetched under."""
    removed = [cache.remove_kernel(name) for name in names]
    if as_json:
        print_object({"removed": msgspec.to_builtins(removed)})
    else:
        for kernel in removed:
            print_text(f"removed {kernel.name}")
