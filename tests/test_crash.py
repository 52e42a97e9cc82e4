# SPDX-License-Identifier: MIT
"""Exit codes of what nobody expects: 1 means a regression, and nothing else may end with it."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from command import connstorm, program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stress.cli.main import connstorm as group
from stress.cli.shortage import explain_file_error
from stress.model.errors import ConnstormError
from stress.model.json_text import decode_json
from stress.store.array_file import write_array

FROZEN = Path(__file__).parent / "data" / "run-schema-2"
FAULTY = """
import sys, stress.cli.scenarios
from stress.cli import main
sys.argv[1:] = ["scenarios"]
stress.cli.scenarios.scenarios.callback = lambda **options: {}["a key that\\nis missing"]
main.main()
"""
SPEAKS_TO_NOBODY = [["--help"], ["compare", "--help"], ["scenarios"], ["scenarios", "--json"], ["explain"], ["no-verb"]]


def start_fault(**options):
    """Run a verb that has a fault, to its end."""
    return subprocess.run([sys.executable, "-c", FAULTY], capture_output=True, text=True, check=False, **options)


def test_a_fault_of_the_program_is_70_with_one_sentence_and_a_file_that_has_the_trace(tmp_path):
    ended = start_fault(env=os.environ | {"TMPDIR": str(tmp_path)})
    (file,) = tmp_path.iterdir()
    assert (ended.returncode, ended.stdout) == (70, "")
    assert ended.stderr == (
        "connstorm has a fault and ended: KeyError: 'a key that\\nis missing'. "
        f"{file} has the trace; please report the fault with it.\n"
    )
    trace = file.read_text()
    assert "Traceback" in trace
    assert re.match(r"connstorm \S+, Python 3\S+, Linux", trace)
    assert file.stat().st_mode & 0o077 == 0


def test_without_room_for_a_file_the_trace_is_printed(tmp_path):
    ended = start_fault(env=os.environ | {"TMPDIR": str(tmp_path / "none")}, preexec_fn=forbid_files)
    assert ended.returncode == 70
    assert "Traceback" in ended.stderr
    assert ended.stderr.endswith("Please report the fault with the trace above.\n")


def forbid_files():
    """Let this process write no byte to any file, as on a full disk."""
    import resource  # of the child alone
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.mark.parametrize("arguments", SPEAKS_TO_NOBODY, ids=" ".join)
def test_where_nobody_reads_any_more_a_verb_ends_as_sigpipe_would(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(program(*arguments), stdout=writer, stderr=writer, check=False)
    os.close(writer)
    assert ended.returncode == 141


@pytest.mark.parametrize("arguments", SPEAKS_TO_NOBODY, ids=" ".join)
def test_a_full_disk_behind_the_output_is_named(arguments):
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(program(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        both = subprocess.run(program(*arguments), stdout=full, stderr=full, check=False)
    assert ended.returncode == both.returncode == 2
    assert "No space left on device" in ended.stderr or "No such command" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_letters_that_the_terminal_cannot_have_are_replaced():
    ended = connstorm("explain", env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"})
    assert ended.returncode == 0
    assert "?" in ended.stdout
    assert ended.stdout.isascii()


def test_a_file_that_cannot_be_written_has_its_name_and_the_reason():
    full, forbidden, other = (OSError(number, "", name) for number, name in [
        (errno.ENOSPC, "a.png"), (errno.EACCES, b"b"), (errno.ECONNRESET, "c"),
    ])  # fmt: skip
    assert explain_file_error(full) == (
        "a.png could not be written: No space left on device; make room, or choose another place."
    )
    assert explain_file_error(forbidden) == "b cannot be used: Permission denied; choose another place."
    assert explain_file_error(other) is None
    assert explain_file_error(OSError(errno.EACCES, "")) is None


def test_an_array_on_a_full_disk_says_why(tmp_path):
    path = tmp_path / "array.npy"
    for array in (np.arange(7), np.zeros(0, "i8,u1"), np.ones((3, 2), "i8,u1")[:, ::2]):
        write_array(path, array)
        with tempfile.TemporaryFile() as stream:
            np.save(stream, array)
            stream.seek(0)
            assert path.read_bytes() == stream.read()
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        write_array(path, np.zeros(100_000))


@pytest.mark.parametrize("text", [b'{"a": "\xff"}', b"[" * 100_000, b"", b'{"a": 1', b"\xef\xbb\xbf{}", b'"\\ud800"'])
def test_json_that_is_none_is_one_exception(text):
    with pytest.raises(msgspec.DecodeError):
        decode_json(text)


VERBS = (
    ["show", "{run}"],
    ["show", "{run}", "--attempt", "3"],
    ["list", "{all}"],
    ["history", "{all}"],
    ["compare", "{run}", "{whole}", "-o", "{out}"],
    ["gate", "{whole}", "{run}", "--expr", "errors == 0", "-o", "{out}"],
    ["export", "--format", "benchfmt", "{run}", "-o", "{out}/export"],
    ["report", "{run}", "-o", "{out}/report.html"],
)
CHANGES = (b"\xff", b"\x00" * 16, b"", b"-1", b"99999999999999999999", b"1e400", b"null", b"[]", b'"x"', b"[" * 5_000)


@given(
    file=st.sampled_from(["run.json", "attempts.npy"]),
    place=st.floats(0, 1),
    cut=st.booleans(),
    change=st.sampled_from(CHANGES),
    verb=st.sampled_from(VERBS),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_said_and_is_no_fault(tmp_path, *, file, place, cut, change, verb):
    shutil.rmtree(tmp_path)
    damaged = tmp_path / "all" / "damaged"
    shutil.copytree(FROZEN, damaged)
    data = (damaged / file).read_bytes()
    at = int(place * len(data))
    (damaged / file).write_bytes(data[:at] + change + (b"" if cut else data[at + len(change) :]))
    names = {"run": damaged, "all": damaged.parent, "whole": FROZEN, "out": tmp_path / "out"}
    ended = CliRunner().invoke(group, [word.format(**names) for word in verb], standalone_mode=False)
    assert ended.exception is None or isinstance(ended.exception, ConnstormError | SystemExit), ended.exc_info


BROKEN = """
import sys
def break_import(event, arguments):
    if event == "import" and arguments[0] == "stress.run.cell":
        raise RuntimeError("this part is broken")
if "run-cell" in sys.orig_argv:
    sys.addaudithook(break_import)
"""


def test_a_fault_of_the_process_that_storms_is_one_of_the_verb(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(BROKEN)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    away = tmp_path / "away"
    away.mkdir()
    variables = os.environ | {"PYTHONPATH": paths, "TMPDIR": str(away)}
    ended = connstorm("run", "clean", "--port-range", "40000-40031", "-o", tmp_path / "results", env=variables)
    (file,) = away.iterdir()
    assert ended.returncode == 70
    assert ended.stderr == (
        f"connstorm has a fault and ended: RuntimeError: this part is broken. {file} has the trace; please report the "
        "fault with it.\nconnstorm: The process that ran clean had a fault, as told above; nothing was stored.\n"
    )
    assert not list((tmp_path / "results").glob("*"))
