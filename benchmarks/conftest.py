# SPDX-License-Identifier: MIT
"""The benchmarks run in a private namespace, entered before anything starts a thread."""

import os
import subprocess
from pathlib import Path

import pytest

from stress.lab import namespace, sysctl

namespace.enter()
sysctl.write("net.core.somaxconn", "65535")


@pytest.fixture(scope="session")
def bare_loop(tmp_path_factory):
    """Return the path of the bare C loop, built with the engine's own optimisation level."""
    program = tmp_path_factory.mktemp("bare") / "bare_loop"
    source = Path(__file__).with_name("bare_loop.c")
    subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    return program


@pytest.fixture
def two_cpus():
    """Pin this process, and what it starts, to one CPU; return the other for the server."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        pytest.skip("needs two CPUs: one for the client, one for the server")
    os.sched_setaffinity(0, {cpus[0]})
    yield cpus[1]
    os.sched_setaffinity(0, set(cpus))
