# SPDX-License-Identifier: MIT
"""A cgroup of a run's own: its programs are asked, they let everything pass, and nothing of it is left."""

import multiprocessing
import os
import socket
import struct
from contextlib import ExitStack
from pathlib import Path

import pytest

from stress.lab import cgroup_programs
from stress.lab.cgroup_programs import PREFIX, inside_cgroup
from stress.lab.kernel_word import bpf
from stress.model.cgroup import CgroupHook
from stress.model.errors import NotApplicableError

HOOKS = [hook for hook in CgroupHook if hook is not CgroupHook.NONE]
REFUSE = struct.pack("=BBhi", 0xB7, 0, 0, 0) + cgroup_programs.PERMIT[8:]  # r0 = 0; exit


def connect_inside(hook, program, answers):
    """Send what connect() inside a cgroup comes to, where this process was meanwhile, and where it is afterwards."""
    cgroup_programs.PERMIT = program
    server = socket.create_server(("127.0.0.1", 0))
    try:
        with inside_cgroup(hook):
            where = own_cgroup()
            answers.send((connect(server.getsockname()), where))
    except NotApplicableError as error:
        answers.send((str(error), ""))
    answers.send(own_cgroup())


def connect(address):
    try:
        with socket.socket() as client:
            client.settimeout(0.5)
            return client.connect_ex(address)
    except PermissionError as error:  # of socket() itself
        return error.errno


def own_cgroup():
    return next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))


def tried(hook, program=cgroup_programs.PERMIT):
    """Return what connect() in a process of its own comes to, and the cgroups in which that was."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=connect_inside, args=(hook, program, theirs))
    process.start()
    (result, inside), after = ours.recv(), ours.recv()
    process.join()
    if isinstance(result, str):
        pytest.skip(result)
    return result, inside, after


@pytest.mark.parametrize("hook", HOOKS)
def test_programs_let_everything_pass_and_are_gone_afterwards(hook):
    before = own_cgroup()
    result, inside, after = tried(hook)
    assert result == 0
    assert f"/{PREFIX}" in inside
    assert before == own_cgroup() == after
    assert_nothing_left()


@pytest.mark.parametrize("hook", HOOKS)
def test_programs_are_asked(hook):
    result, *_ = tried(hook, REFUSE)
    assert result != 0


def test_no_cgroup_is_made_unless_it_is_asked_for():
    with inside_cgroup(CgroupHook.NONE):
        assert PREFIX not in own_cgroup()


def test_what_a_killed_process_left_is_removed_by_the_next():
    abandoned = f"{PREFIX}{2**22 + 1}"  # no process has this number: kernel.pid_max
    folder = cgroup_folder()
    os.mkdir(abandoned, dir_fd=folder)
    os.close(folder)
    tried(CgroupHook.CONNECT)
    assert_nothing_left()


def test_without_the_privilege_it_is_not_applicable(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(bpf, "load_program", refuse)
    refused = pytest.raises(NotApplicableError, match=r"cannot be had here: .*; it needs root of the host")
    with refused, inside_cgroup(CgroupHook.CONNECT):
        pass
    assert PREFIX not in own_cgroup()


def cgroup_folder():
    """Return a descriptor of this process's cgroup, or skip the test."""
    if os.geteuid() != 0:
        pytest.skip("only root of the host may make a cgroup")
    with ExitStack() as stack:
        try:
            root = cgroup_programs.open_hierarchy(stack)
        except OSError as error:
            pytest.skip(f"cgroup2 cannot be mounted here: {error.strerror}")
        return os.open(cgroup_programs.own_cgroup(), os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)


def assert_nothing_left():
    folder = cgroup_folder()
    ours = [name for name in os.listdir(folder) if name.startswith(PREFIX)]  # noqa: PTH208  # a descriptor
    os.close(folder)
    living = [name for name in ours if Path("/proc", name.removeprefix(PREFIX)).exists()]  # of tests at the same time
    assert ours == living
