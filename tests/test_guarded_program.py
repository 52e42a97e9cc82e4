# SPDX-License-Identifier: MIT
"""Programs of the user's: what they print is stored, and nothing of them outlives whoever started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab.guarded_program import GuardedProgram
from stress.lab.program_guard import BoundedOutput
from stress.lab.wait import wait_until
from stress.model.errors import UsageError

SOON_S = 20
# It leaves its session and its parent behind, ignores SIGTERM, and says who it and its parent are.
DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note(name):
    with open(sys.argv[1] + "." + name, "w") as stream:
        stream.write(str(os.getpid()))
    os.rename(sys.argv[1] + "." + name, sys.argv[1] + "/" + name)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note("daemon")
        time.sleep(600)
    os._exit(0)
if len(sys.argv) > 2:
    sys.exit(int(sys.argv[2]))
note("first")
time.sleep(600)
"""
STARTER = """
import os, sys, time
from pathlib import Path
from stress.lab.guarded_program import GuardedProgram
program = GuardedProgram(sys.argv[2:], Path(sys.argv[1]), dict(os.environ))
print(program.guard.pid, flush=True)
time.sleep(600)
"""


@given(st.lists(st.binary(max_size=40), max_size=40))
def test_of_what_is_printed_the_beginning_and_the_end_are_stored(parts):
    output = BoundedOutput(20)
    for part in parts:
        output.add(part)
    whole = b"".join(parts)
    if len(whole) <= 20:
        assert output.stored() == whole
    else:
        assert output.stored().startswith(whole[:10])
        assert output.stored().endswith(whole[-10:])
        assert f"\n[connstorm: {len(whole) - 20:,} bytes are left out here]\n".encode() in output.stored()


def python(text, *arguments):
    """Return a command that runs a text of Python."""
    return [sys.executable, "-c", text, *map(str, arguments)]


def is_running(pid):
    """Return whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def read_pids(folder, *names):
    """Return the processes that have noted who they are, when all have."""
    assert wait_until(lambda: all((folder / name).exists() for name in names), SOON_S)
    return [int((folder / name).read_text()) for name in names]


@namespaced
def test_a_program_ends_with_all_that_it_has_started_also_a_daemon_that_ignores_it(tmp_path):
    with GuardedProgram(python(DAEMON, tmp_path), tmp_path / "out.txt", dict(os.environ)) as program:
        pids = read_pids(tmp_path, "first", "daemon")
        assert all(map(is_running, pids))
        assert program.find_end() is None
    assert not any(map(is_running, [*pids, program.guard.pid]))
    assert not (tmp_path / "out.txt").exists()  # it printed nothing


@namespaced
def test_a_program_whose_first_process_ends_with_0_goes_on_as_a_daemon_and_one_with_an_error_does_not(tmp_path):
    with GuardedProgram(python(DAEMON, tmp_path, 0), tmp_path / "out.txt", dict(os.environ)) as program:
        (daemon,) = read_pids(tmp_path, "daemon")
        assert program.find_end() is None
        os.kill(daemon, signal.SIGKILL)
        assert wait_until(lambda: program.find_end() is not None, SOON_S)
        assert program.find_end() == "code 0"
    (tmp_path / "daemon").unlink()
    with GuardedProgram(python(DAEMON, tmp_path, 3), tmp_path / "out.txt", dict(os.environ)) as program:
        assert wait_until(lambda: program.find_end() == "code 3", SOON_S)
        (daemon,) = read_pids(tmp_path, "daemon")
    assert not is_running(daemon)


@namespaced
def test_how_a_program_has_ended_and_what_it_printed_last_is_told(tmp_path):
    text = "import os, sys; print('one'); print('two ' * 99, file=sys.stderr, flush=True); os.abort()"
    with GuardedProgram(python(text), tmp_path / "new" / "out.txt", dict(os.environ)) as program:
        assert wait_until(lambda: program.find_end() is not None, SOON_S)
        assert program.find_end() == "SIGABRT"
        program.end()
        assert program.last_lines().startswith("two two") or program.last_lines().startswith("one | two")
        assert "two " * 99 in (tmp_path / "new" / "out.txt").read_text()


@namespaced
def test_a_program_that_ends_at_once_has_ended_as_it_did(tmp_path):
    for _ in range(5):  # whether it has ended when its guard goes on is a race
        with GuardedProgram(["false"], tmp_path / "out.txt", dict(os.environ)) as program:
            assert wait_until(lambda: program.find_end() is not None, SOON_S)
            assert program.find_end() == "code 1"


@namespaced
def test_a_program_that_is_not_there_is_wrong_use(tmp_path):
    with pytest.raises(UsageError, match="no-such-server cannot be run: No such file or directory"):
        GuardedProgram(["./no-such-server"], tmp_path / "out.txt", dict(os.environ))


@namespaced
def test_a_guard_that_is_killed_takes_the_program_with_it_and_the_rest_ends_with_the_trial(tmp_path):
    with GuardedProgram(python(DAEMON, tmp_path), tmp_path / "out.txt", dict(os.environ)) as program:
        first, daemon = read_pids(tmp_path, "first", "daemon")
        program.guard.kill()
        assert wait_until(lambda: not is_running(first), SOON_S)
        assert wait_until(lambda: program.find_end() is not None, SOON_S)
    assert not is_running(daemon)


def test_nothing_outlives_a_trial_that_is_killed(tmp_path):
    command = python(STARTER, tmp_path / "out.txt", *python(DAEMON, tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trial:
        guard = int(trial.stdout.readline())
        pids = [guard, *read_pids(tmp_path, "first", "daemon")]
        trial.kill()
    assert wait_until(lambda: not any(map(is_running, pids)), SOON_S)
