# SPDX-License-Identifier: MIT
"""Limits of a process (ulimit), each set for real: a result, or one sentence with its number; no trace, no hang."""

import os
import resource
import shutil
import subprocess
import sys

import pytest
from command import UNDRAWN, connstorm

from stress.lab.process_limits import KIB, MIB, RUN_BYTES, RUN_DATA_BYTES, STACK_BYTES, narrow_limits

RUN = ("run", "clean", "--attempts", 10, UNDRAWN, "-o")
NARROW = [
    ("as", 32 * MIB, "32 MiB of address space (ulimit -v)"),
    ("as", 200 * MIB, "200 MiB of address space (ulimit -v)"),
    ("data", 120 * MIB, "120 MiB of data (ulimit -d)"),
    ("stack", 128 * KIB, "128 KiB of stack (ulimit -s)"),
    ("nofile", 8, "8 descriptors (ulimit -n)"),
]


def under(limit, value):
    """Return the command that sets a limit for what follows it."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is missing (Debian: util-linux)")
    return ("prlimit", f"--{limit}={value}")


def assert_told(ended, *words, code=2):
    """Assert that one sentence says it, and nothing else came."""
    assert ended.returncode == code, ended.stderr
    for word in words:
        assert word in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert "OpenBLAS blas" not in ended.stderr
    assert "OpenBLAS error" not in ended.stderr


@pytest.mark.parametrize(("limit", "value", "text"), NARROW)
def test_a_limit_below_what_libraries_need_is_told_before_they_are_loaded(tmp_path, limit, value, text):
    ended = connstorm(*RUN, tmp_path, under=under(limit, value))
    assert_told(ended, f"connstorm: This process may have {text} and needs ", "raise the limit")
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_numpy_works_below_it():
    assert connstorm("scenarios", under=under("as", 60 * MIB)).returncode == 0
    assert connstorm("--version", under=under("as", 60 * MIB)).returncode == 0


def test_what_is_said_to_be_needed_is_enough(tmp_path):
    """With one thread; each further CPU has one of OpenBLAS more."""
    one = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    limits = (*under("as", RUN_BYTES), f"--data={RUN_DATA_BYTES}", f"--stack={STACK_BYTES}")
    ended = connstorm("run", "clean", "--attempts", 10, "-o", tmp_path, under=limits, env=one)
    if "namespace" in ended.stderr:
        pytest.skip(ended.stderr)
    assert ended.returncode == 0, ended.stderr


def test_each_thread_of_openblas_counts(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda number: (700 * MIB if number == resource.RLIMIT_AS else -1, -1))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(200)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    (text,) = narrow_limits()
    assert "63 further threads" in text
    assert "OPENBLAS_NUM_THREADS=1" in text
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    assert list(narrow_limits()) == []


def test_records_that_exceed_the_address_space_are_refused_before_the_storm(tmp_path):
    ended = connstorm("run", "clean", "--attempts", 5_000_000, "-o", tmp_path, under=under("as", 400 * MIB))
    if "further threads" in ended.stderr:
        pytest.skip("on so many CPUs the libraries alone have too little")
    assert_told(ended, "MiB of address space (629 for its attempts), but 400 are the limit (ulimit -v)")


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_limit_of_file_sizes_is_told(tmp_path, size):
    ended = connstorm(*RUN, tmp_path, under=under("fsize", size))
    assert_told(ended, "ulimit -f")
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_few_descriptors_are_told(tmp_path):
    assert_told(connstorm(*RUN, tmp_path, under=under("nofile", 64)), "ulimit -n")


@pytest.mark.parametrize("count", [0, 3])
def test_few_processes_are_told(tmp_path, count):
    """Of a user who has none yet, and may read what root may, so that nothing need be installed for him."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root becomes another user, by setpriv (Debian: util-linux)")
    if len(os.sched_getaffinity(0)) == 1:
        pytest.skip("with one CPU OpenBLAS starts no thread")
    user, reads = str(60_000 + os.getpid() % 5_000), "-all,+dac_override"
    become = ("setpriv", "--reuid", user, "--clear-groups", f"--inh-caps={reads}", f"--ambient-caps={reads}")
    limited = (*under("nproc", count), *become, "--bounding-set=-sys_admin,-sys_resource")
    tmp_path.chmod(0o777)
    ended = connstorm(*RUN, "results", under=limited, cwd=tmp_path)  # click asks access(2), which asks the user alone
    if ended.returncode == 126 or "Permission" in ended.stderr:
        pytest.skip(f"another user may not run this Python: {ended.stderr}")
    assert_told(ended, "(ulimit -u)", code=ended.returncode)
    assert ended.returncode in (2, 3)
    assert "interrupted" not in ended.stderr


def test_memory_that_runs_out_is_a_fault_only_where_nothing_limits_it():
    def explain(error, number=None):
        code = f"from stress.cli.shortage import explain_shortage; print(explain_shortage({error}))"
        return subprocess.run(
            [*(() if number is None else under(*number)), sys.executable, "-c", code],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert explain("MemoryError()") == "None\n"
    assert "Memory ran out: 300 MiB (ulimit -v) are too few" in explain("MemoryError()", ("as", 300 * MIB))
    assert "No thread could be started" in explain('RuntimeError("can\'t start new thread")')
    assert "Too many open files" in explain("OSError(24, '')")
    assert explain("BlockingIOError(11, 'a socket would block')") == "None\n"
