# SPDX-License-Identifier: MIT
"""A kernel that tests boot, and programs of tests that run in it."""

import pytest

from stress.lab.kernel import boot, cache, debian
from stress.lab.kernel.boot import Boot, GuestEnd, Image
from stress.model.errors import LabError, UsageError
from stress.model.kernel import parse_kernel_name
from stress.suite.executor import guest

NAME = "deb:bookworm"
LIMIT_S = 300.0  # of a program


def find_kernel_to_boot():
    """Return a kernel to boot; skip where it cannot be had, or nothing can be booted."""
    if missing := list(boot.list_missing()):
        pytest.skip(f"to boot a kernel this machine needs {'; '.join(missing)}")
    cached = cache.find_kernel(NAME)
    if cached is None:
        try:
            cached = debian.fetch_kernel(parse_kernel_name(NAME).debian, lambda _: None)
        except (LabError, UsageError) as error:
            pytest.skip(f"no kernel to boot: {error}")
    return cached


def run_in_guest(program, arguments, share, monkeypatch):
    """Boot a kernel, run a Python program in it as root of a whole host, and return the lines that it prints.

    Args:
        program: the path of the program.
        arguments: its arguments, texts.
        share: a folder that does not exist yet.
        monkeypatch: of pytest.
    """
    kernel = find_kernel_to_boot()
    monkeypatch.setattr(guest, "RUN_CELL", f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')")
    guest.prepare_share(share, arguments)
    end = Boot(Image(cache.kernel_image(kernel)), share, kvm=False).wait(LIMIT_S)
    assert end is GuestEnd.ENDED, (share / boot.CONSOLE).read_text(errors="replace")[-2000:]
    assert (share / boot.ENDED).read_text() == "0\n", (share / guest.ERRORS).read_text()
    return (share / guest.EVENTS).read_text().splitlines()
