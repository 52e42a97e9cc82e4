# SPDX-License-Identifier: MIT
"""A cell that is a copy of a template is what a cell started anew is, and a template that is gone costs no trial."""

import os
import re
import resource
import signal
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from test_namespace_state import NOBODY, of_child

from stress.lab import wait
from stress.model.plan import Plan
from stress.model.progress import ignore_progress
from stress.run.process import ONE_THREAD, CellProcess, trial_options
from stress.run.template import Template, TemplateLostError
from stress.run.template_process import fork_or_not

END_S = 30.0
SIGNAL_MASKS = ("SigBlk", "SigIgn", "SigCgt")


@pytest.fixture
def template():
    made = Template({**os.environ, **ONE_THREAD})
    yield made
    made.end()


@contextmanager
def storming(folder, template=None):
    """Begin a long storm; the value is its cell, and what the kernel says of its process meanwhile."""
    cell = CellProcess(Plan(scenario="clean", duration_s=60.0), folder, trial_options(0), template=template)
    seen = {}

    def look(stage):
        if "storm of" in stage:
            seen.update(described(cell.process.pid))
            if template is not None:
                asked_by = {file for file in open_files(template.process.pid).values() if "socket:" in file}
                assert len(asked_by) == 1
                assert not asked_by & set(open_files(cell.process.pid).values())
            cell.cancel()

    try:
        result = skip_without_namespaces(cell.wait(look))
        yield cell, seen, result
    finally:
        cell.stop()
        cell.reap()


def carry_out(folder, template):
    """Run a small cell; return how it ended."""
    plan = Plan(scenario="clean", attempts=20)
    return skip_without_namespaces(CellProcess(plan, folder, trial_options(0), template=template).wait(ignore_progress))


def skip_without_namespaces(result):
    """Return how a cell ended; skip the test where this kernel refuses private network namespaces."""
    if result.failure is not None and "namespace" in result.failure.text:
        pytest.skip(result.failure.text)
    return result


def described(pid):
    """Return what a process has from the one that started it."""
    home = Path(f"/proc/{pid}")
    status = dict(re.findall(r"(\w+):\s+(.*)", (home / "status").read_text()))
    return {
        "pipes": sorted(number for number, file in open_files(pid).items() if file.startswith(("pipe:", "/dev/null"))),
        "limits": (home / "limits").read_text(),
        "masks": [status[name] for name in SIGNAL_MASKS],
        "threads": status["Threads"],
        "leads its group": os.getpgid(pid) == pid,
        "session": os.getsid(pid),
        "folder": (home / "cwd").readlink(),
        "scheduling": (os.sched_getscheduler(pid), os.sched_getaffinity(pid), os.getpriority(os.PRIO_PROCESS, pid)),
    }


def open_files(pid):
    """Return what the descriptors of a process are, by number; some are closed again just now."""
    files = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            files[int(entry.name)] = str(entry.readlink())
    return files


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_copy_has_what_a_process_started_anew_has(tmp_path, template):
    with storming(tmp_path) as (_, anew, ended):
        assert (ended.path, ended.failure.exit_code) == (None, 3)
    with storming(tmp_path, template) as (cell, copied, _):
        assert cell.process.returncode == -signal.SIGUSR2
    assert copied == anew
    assert anew["threads"] == "1"


def test_a_template_is_in_no_namespace_and_holds_nothing_of_its_copies(tmp_path, template):
    with storming(tmp_path, template):
        home = Path(f"/proc/{template.process.pid}")
    assert len([*(home / "task").iterdir()]) == 1
    for namespace in ("user", "net"):
        assert (home / "ns" / namespace).readlink() == Path(f"/proc/self/ns/{namespace}").readlink()
    assert len([*(home / "fd").iterdir()]) == 4  # the standard ones, and that by which it is asked


def test_no_two_copies_draw_the_same_random_name(tmp_path, template):
    names = {carry_out(tmp_path / name, template).path.name.rpartition("-")[2] for name in ("a", "b")}
    assert len(names) == 2


def test_a_trial_whose_template_is_gone_is_started_anew(tmp_path, template):
    os.kill(template.process.pid, signal.SIGKILL)
    assert carry_out(tmp_path, template).failure is None
    with pytest.raises(TemplateLostError):
        template.copy([], {}, [])


def test_an_environment_of_bytes_that_are_no_letters_is_the_trials_too(tmp_path, template):
    cell = CellProcess(
        Plan(scenario="clean", duration_s=60.0),
        tmp_path,
        trial_options(0),
        variables={"CONNSTORM_TEST": os.fsdecode(b"caf\xe9")},
        template=template,
    )
    seen = []

    def look(stage):
        if "storm of" in stage:
            seen.append((parent_of(cell.process.pid), Path(f"/proc/{cell.process.pid}/environ").read_bytes()))
            cell.cancel()

    skip_without_namespaces(cell.wait(look))
    assert [parent for parent, _ in seen] == [template.process.pid]


def test_a_template_without_room_for_a_trials_descriptors_lives_on(template):
    refuse_room(template, resource.RLIMIT_NOFILE, lambda: first_free(template.process.pid))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody whose processes are counted")
def test_a_template_without_room_for_a_process_makes_none():
    assert of_child(NOBODY, fork_without_room) == 0


def fork_without_room():
    """Return what comes of a copy where this user may have no process more."""
    _, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, hard))
    return fork_or_not()


def first_free(pid):
    """Return the lowest number that no descriptor of a process has, once it opens and closes none."""
    before = {}
    while (now := open_files(pid)) != before:
        before = now
        time.sleep(0.1)
    return next(number for number in count() if number not in now)


def refuse_room(template, kind, room):
    """Let a template make a copy, none within a limit, and one without the limit again."""
    made = [template.copy(["--attest"], os.environ, [])]
    usual = resource.prlimit(template.process.pid, kind)
    resource.prlimit(template.process.pid, kind, (room(), usual[1]))  # it is loaded, and has no file of that open
    with pytest.raises(TemplateLostError):
        template.copy(["--attest"], os.environ, [])
    resource.prlimit(template.process.pid, kind, usual)
    made.append(template.copy(["--attest"], os.environ, []))
    for cell in made:
        cell.stdin.close()
        assert b'"kernel"' in cell.stdout.read()
        cell.stdout.close()
        assert cell.wait() == 0


def test_a_trial_ends_with_its_template_and_says_so(tmp_path, template):
    cell = CellProcess(Plan(scenario="clean", duration_s=60.0), tmp_path, trial_options(0), template=template)

    def kill(stage):
        if "storm of" in stage:
            assert parent_of(cell.process.pid) == template.process.pid
            os.kill(template.process.pid, signal.SIGKILL)

    result = skip_without_namespaces(cell.wait(kill))
    assert result.path is None
    assert "ended with SIGUSR2, as when the process that had made it is gone" in result.failure.text
    assert list(tmp_path.iterdir()) == []


def test_a_template_ends_when_nobody_can_ask_it_any_more():
    made = Template({**os.environ, **ONE_THREAD})
    home = Path(f"/proc/{made.process.pid}")
    del made
    assert wait.wait_until(lambda: not home.exists(), END_S)
