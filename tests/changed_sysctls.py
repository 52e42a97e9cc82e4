# SPDX-License-Identifier: MIT
"""Helpers of tests that change sysctls of a host: a private network namespace is the host, a folder has the journal."""

import os
import signal
import time
from datetime import UTC, datetime

import msgspec
import pytest
from command import connstorm

from stress.lab import host, sysctl, sysctl_journal
from stress.lab.host_sysctls import change_sysctls
from stress.lab.sysctl_journal import Journal
from stress.model.errors import Terminated

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
RETRIES = "net.ipv4.tcp_syn_retries"
TWO = {FIN_TIMEOUT: "3", RETRIES: "2"}
LONG_S = 60  # nobody waits so long: something else ends it


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Give the journal of a test a folder of its own."""
    path = tmp_path / "state"
    monkeypatch.setenv(sysctl_journal.FOLDER_VARIABLE, str(path))
    return path


def values(names=tuple(TWO)):
    return {name: sysctl.read(name) for name in names}


def files(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def doctor(*options):
    return connstorm("doctor", "--restore", *options)


def killed(wanted, number=signal.SIGKILL):
    """Have another process in this namespace change settings, and end it by a signal in the middle."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            with change_sysctls(wanted):
                os.write(writer, b"!")
                time.sleep(LONG_S)
        except Terminated as terminated:
            code = terminated.code
        finally:
            os._exit(code)
    assert os.read(reader, 1) == b"!"
    os.kill(child, number)
    return child, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def left_behind(**changes):
    """Write the journal of a process that is dead."""
    journal = Journal(
        pid=os.getpid(),
        started=1,
        boot=host.boot_id(),
        network=sysctl_journal.network_inode(),
        written_utc=datetime.now(UTC),
        old={FIN_TIMEOUT: "60"},
        new={FIN_TIMEOUT: "3"},
    )
    journal = msgspec.structs.replace(journal, **changes)
    sysctl_journal.write_journal(journal)
    return journal
