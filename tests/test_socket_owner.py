# SPDX-License-Identifier: MIT
"""Who holds a socket, with real processes."""

import os
import pwd
import signal
import socket
import sys

import pytest

from stress.lab import socket_owner


def own_name():
    return f"{socket_owner.PROC.joinpath('self/comm').read_text().strip()}[{os.getpid()}]"


def test_the_process_that_holds_a_socket_is_named_and_others_are_left_out():
    with socket.socket() as first, socket.socket() as second, socket.socket() as gone:
        inodes = [os.fstat(end.fileno()).st_ino for end in (first, second, gone)]
        gone.close()
        assert socket_owner.find_owners(inodes) == dict.fromkeys(inodes[:2], own_name())
        assert socket_owner.find_owners(inodes[2:]) == {}


def test_a_socket_without_an_inode_and_an_empty_list_have_no_owner():
    assert socket_owner.find_owners([0]) == {}
    assert socket_owner.find_owners([]) == {}


def test_one_of_the_processes_that_share_a_socket_is_named():
    with socket.socket() as shared:
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        try:
            inode = os.fstat(shared.fileno()).st_ino
            (owner,) = socket_owner.find_owners([inode]).values()
            assert owner in (own_name(), own_name().replace(f"[{os.getpid()}]", f"[{child}]"))
            shared.close()  # now only the child has it
            assert socket_owner.find_owners([inode])[inode].endswith(f"[{child}]")
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_a_process_of_another_user_may_not_be_seen_and_is_left_out():
    reader, writer = os.pipe()
    with socket.socket() as own:
        inode = os.fstat(own.fileno()).st_ino
        child = os.fork()
        if child == 0:
            own.close()
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writer, repr(socket_owner.find_owners([inode])).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 1000) == b"{}"
        assert socket_owner.find_owners([inode]) == {inode: own_name()}
    os.close(reader)
    os.close(writer)


def test_a_user_is_named_where_there_is_a_name():
    nameless = next(uid for uid in range(sys.maxsize) if uid not in {entry.pw_uid for entry in pwd.getpwall()})
    assert socket_owner.user_text(0) == f"uid 0 ({pwd.getpwuid(0).pw_name})"
    assert socket_owner.user_text(nameless) == f"uid {nameless}"
