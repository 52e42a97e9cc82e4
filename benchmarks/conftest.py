# SPDX-License-Identifier: MIT
"""The benchmarks run in a private namespace, entered before anything starts a thread.

What they find goes into one table: ``--table docs/performance.md`` writes it.
"""

import os
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kernel_word_holder import KernelWordHolder

from stress.lab import host as lab_host
from stress.lab import namespace, sysctl
from stress.run.process import ONE_THREAD

KERNEL_WORD = KernelWordHolder()
namespace.enter_namespace()
os.environ |= ONE_THREAD  # nothing has imported numpy yet

HEAD = Path(__file__).with_name("performance_head.md")


def pytest_addoption(parser):
    parser.addoption("--table", type=Path, help="write what was measured as Markdown to this file")


@dataclass
class Table:
    """What was measured: for each heading its columns and its rows of text."""

    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def add(self, heading, columns, *row):
        """Add a row under a heading, whose columns are named alike each time, and print it."""
        assert self.columns.setdefault(heading, columns) == columns
        assert len(row) == len(columns)
        self.rows.setdefault(heading, []).append(row)
        print(f"\n{heading}: " + ", ".join(f"{name} {cell}" for name, cell in zip(columns, row, strict=True)))

    def markdown(self):
        """Return the table with the machine that it is of."""
        host = (
            f"{platform.release()}, {lab_host.cpu_model()}, {os.cpu_count()} virtual CPUs, {datetime.now(UTC):%Y-%m-%d}"
        )
        parts = [HEAD.read_text().rstrip(), f"Measured on Linux {host}."]
        for heading, columns in self.columns.items():
            lines = [f"## {heading}", "", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
            lines += [f"| {' | '.join(row)} |" for row in self.rows[heading]]
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"


@pytest.fixture(scope="session")
def table(request):
    """Collect rows; they are written when all benchmarks are over."""
    page = Table()
    yield page
    if path := request.config.getoption("--table"):
        path.write_text(page.markdown())


@pytest.fixture(scope="session")
def bare_loop(tmp_path_factory):
    """Return the path of the bare loop as a C program, built with the engine's own optimisation level."""
    program = tmp_path_factory.mktemp("bare") / "bare_loop"
    source = Path(__file__).with_name("bare_loop.c")
    include = Path(__file__).parents[1] / "stress"
    subprocess.run(["cc", "-O2", f"-I{include}", "-o", program, source], check=True)
    return program


@pytest.fixture(scope="session")
def kernel_word():
    """Return what turns the kernel's word on and off."""
    return KERNEL_WORD


@pytest.fixture(scope="module", autouse=True)
def new_network():
    """Enter a network namespace of the file's own, where no socket and no setting of the files before it is."""
    namespace.enter_new_network()
    sysctl.write("net.core.somaxconn", "65535")


@pytest.fixture
def two_cpus():
    """Pin this process, and what it starts, to one CPU; return the other for the server."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs: one for the client, one for the server")
    os.sched_setaffinity(0, {cpus[0]})
    yield cpus[1]
    os.sched_setaffinity(0, set(cpus))
