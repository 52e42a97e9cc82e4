# SPDX-License-Identifier: MIT
"""Sysctls of a host that are changed and restored; a private network namespace is the host."""

import ctypes
import fcntl
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time

import pytest
from changed_sysctls import FIN_TIMEOUT, LONG_S, RETRIES, TWO, doctor, files, folder, killed, values
from namespaced import namespaced

from stress.lab import host_sysctls, namespace, signals, sysctl, sysctl_journal
from stress.lab.host_sysctls import change_sysctls
from stress.model.errors import LabError, NotApplicableError, Terminated, UsageError

__all__ = ["folder"]

RESERVED = "net.ipv4.ip_local_reserved_ports"
READ_ONLY = "net.ipv4.tcp_available_congestion_control"
ROUNDS = 25


@namespaced
def test_settings_are_changed_and_restored(folder):
    before = values()
    with change_sysctls(TWO):
        assert values() == TWO
        journal = sysctl_journal.read_journal()
        assert (journal.old, journal.new, journal.pid, journal.is_process_alive) == (before, TWO, os.getpid(), True)
    assert values() == before
    assert files(folder) == []


@namespaced
def test_the_journal_is_there_whenever_a_value_is_changed(monkeypatch):
    before = values()
    journals = []
    write = sysctl.write

    def watched(name, value):
        write(name, value)
        if values() != before:
            journals.append(sysctl_journal.read_journal().new)

    monkeypatch.setattr(sysctl, "write", watched)
    with change_sysctls(TWO):
        pass
    assert journals
    assert all(journal == TWO for journal in journals)


@namespaced
def test_the_kernel_may_spell_a_value_in_its_own_way(folder):
    with change_sysctls({RESERVED: "8080,8081", "net.ipv4.ip_local_port_range": " 40001\t40002 "}):
        assert sysctl.read(RESERVED) == "8080-8081"
    assert sysctl.read(RESERVED) == ""
    assert sysctl.read("net.ipv4.ip_local_port_range") == "40000 40003"
    assert files(folder) == []


@namespaced
def test_settings_that_depend_on_each_other_are_restored_the_last_first():
    """The kernel takes no port range that begins below the first port that anybody may bind."""
    low = "net.ipv4.ip_unprivileged_port_start"
    before = sysctl.read(low)
    with change_sysctls({low: "100", "net.ipv4.ip_local_port_range": "200 300"}):
        pass
    assert (sysctl.read(low), sysctl.read("net.ipv4.ip_local_port_range")) == (before, "40000 40003")


def test_without_settings_nothing_is_done(folder):
    with change_sysctls({}):
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert not folder.exists()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, UsageError])
@namespaced
def test_an_exception_restores_them(folder, error):
    before = values()
    with pytest.raises(error), change_sysctls(TWO):
        raise error
    assert values() == before
    assert files(folder) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@namespaced
def test_a_signal_that_ends_the_process_restores_them(folder, number):
    before = values()
    _, code = killed(TWO, number)
    assert code == 128 + number
    assert values() == before
    assert files(folder) == []


@namespaced
def test_the_program_that_is_terminated_says_nothing_and_ends_as_shells_count():
    before = values()
    script = "import time; from stress.lab.host_sysctls import change_sysctls\n"
    script += "with change_sysctls({!r}): print(flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", script.format(TWO)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"\n"
        assert values() == TWO
        process.terminate()
        _, errors = process.communicate()
    assert (process.returncode, errors) == (143, b"")
    assert values() == before


@namespaced
def test_signals_do_afterwards_what_they_did_before():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup(1) does
    before = [signal.getsignal(number) for number in signals.SIGNALS]
    with change_sysctls(TWO):
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Terminated):
            signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in signals.SIGNALS] == before


@namespaced
def test_where_sigterm_interrupts_it_does_so_once_and_they_are_restored():
    before = values()
    interrupt = signals.FirstInterrupt(*signals.INTERRUPTING)
    with pytest.raises(KeyboardInterrupt), change_sysctls(TWO):
        signal.raise_signal(signal.SIGTERM)
    assert values() == before
    with change_sysctls(TWO):
        signal.raise_signal(signal.SIGINT)
    assert interrupt.received == signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("interrupted", [*TWO, None])
@pytest.mark.parametrize("restoring", [False, True], ids=["changing", "restoring"])
@namespaced
def test_a_signal_while_settings_are_written_waits_until_all_are_restored(
    folder, monkeypatch, restoring, interrupted, number
):
    before = values()
    handlers = [signal.getsignal(handled) for handled in signals.SIGNALS]
    write = sysctl.write
    in_body = False

    def interrupt(name, value):
        if in_body == restoring and (not interrupted or name == interrupted):
            signal.raise_signal(number)
        write(name, value)

    monkeypatch.setattr(sysctl, "write", interrupt)
    with pytest.raises(Terminated if number == signal.SIGTERM else KeyboardInterrupt), change_sysctls(TWO):
        in_body = True
    assert in_body == restoring
    assert values() == before
    assert files(folder) == []
    assert [signal.getsignal(handled) for handled in signals.SIGNALS] == handlers


def endlessly(wanted):
    """Change and restore in a child process until it is killed; return the child once it has begun."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"!")
            while True:
                with change_sysctls(wanted):
                    pass
        finally:
            os._exit(0)
    os.close(writer)
    assert os.read(reader, 1) == b"!"
    os.close(reader)
    return child


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@namespaced
def test_a_signal_at_any_moment_leaves_nothing_changed(folder, number):
    before = values()
    generator = random.Random(1)
    for _ in range(ROUNDS):
        child = endlessly(TWO)
        time.sleep(generator.uniform(0, 0.02))
        os.kill(child, number)
        os.waitpid(child, 0)
        assert values() == before
        assert files(folder) == []


@namespaced
def test_what_a_kill_at_any_moment_leaves_is_restored(folder):
    before = values()
    generator = random.Random(1)
    for _ in range(ROUNDS):
        child = endlessly(TWO)
        time.sleep(generator.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        host_sysctls.restore_leftover()
        assert values() == before
        assert files(folder) in ([], ["journal.new"])  # one that was not whole yet; the next will replace it


@namespaced
def test_a_child_by_fork_restores_nothing():
    before = values()
    parent = os.getpid()
    try:
        with change_sysctls(TWO):
            child = os.fork()
            if child == 0:
                raise SystemExit  # unwinds through the context, as the end of a child's program does
            os.waitpid(child, 0)
            assert values() == TWO
            assert sysctl_journal.read_journal().is_process_alive
    finally:
        if os.getpid() != parent:
            os._exit(0)
    assert values() == before


@namespaced
def test_a_child_by_fork_dies_of_a_signal_as_it_would_have():
    reader, writer = os.pipe()
    with change_sysctls(TWO):
        child = os.fork()
        if child == 0:
            os.write(writer, b"!")  # before that Python itself would forget the signal: it does so after a fork()
            time.sleep(LONG_S)
            os._exit(0)
        assert os.read(reader, 1) == b"!"
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        assert values() == TWO


@namespaced
def test_other_threads_may_change_settings_too():
    """Only the main thread gets signals, so nothing is done to them."""
    seen = []
    before = values()

    def work():
        with change_sysctls(TWO):
            seen.append((values(), signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(TWO, signal.SIG_DFL)]
    assert values() == before


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        ({RETRIES: "many"}, UsageError, "The kernel refuses net.ipv4.tcp_syn_retries=many"),
        ({RETRIES: "128"}, UsageError, "The kernel refuses net.ipv4.tcp_syn_retries=128"),
        ({RETRIES: "012"}, UsageError, "was set to 012 but reads 10"),
        ({"net.ipv4.tcp_no_such": "1"}, NotApplicableError, "This kernel has no setting net.ipv4.tcp_no_such"),
        ({"kernel.hostname": "1"}, UsageError, "is not a network setting"),
        ({READ_ONLY: "cubic"}, LabError, f"{READ_ONLY} may not be changed here: Permission denied"),
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [False, True], ids=["last", "first"])
@namespaced
def test_a_setting_that_cannot_be_made_leaves_nothing_changed(folder, wrong, error, sentence, first):
    names = (FIN_TIMEOUT, *wrong)
    before = values(names)
    wanted = wrong | {FIN_TIMEOUT: "3"} if first else {FIN_TIMEOUT: "3"} | wrong
    with pytest.raises(error) as raised, change_sysctls(wanted):
        pytest.fail("the trial began")
    assert sentence in str(raised.value)
    assert values(names) == before
    assert files(folder) == []


@namespaced
def test_a_value_that_the_kernel_would_not_accept_again_is_not_changed(folder, monkeypatch):
    before = values()
    write = sysctl.write

    def picky(name, value):
        if (name, value) == (RETRIES, before[RETRIES]):
            raise UsageError("The kernel refuses it.")
        write(name, value)

    monkeypatch.setattr(sysctl, "write", picky)
    with (
        pytest.raises(UsageError, match=f"^{RETRIES} is not changed, because it could not be restored"),
        change_sysctls(TWO),
    ):
        pytest.fail("the trial began")
    assert values() == before
    assert files(folder) == []


CAPABILITIES = struct.pack("Ii", 0x20080522, 0)  # linux/capability.h: version 3, of this process


def refused_to_nobody():
    """Return the message for an unprivileged user in a network namespace of its own; None where none can be made."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = b""
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setresuid(65534, 65534, 65534)
            if namespace.unshare(namespace.CLONE_NEWUSER | namespace.CLONE_NEWNET) == 0:
                assert ctypes.CDLL(None).capset(CAPABILITIES, bytes(24)) == 0  # it has all of them there
                with change_sysctls(TWO):
                    text = b"changed"
        except LabError as error:
            text = str(error).encode()
        finally:
            os.write(writer, text)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        text = stream.read().decode()
    os.waitpid(child, 0)
    return text or None


def test_without_privilege_it_says_that_root_is_needed(folder):
    text = refused_to_nobody()
    if text is None:
        pytest.skip("no namespace can be made here")
    why = "may not be changed here: Permission denied. To change sysctls of the host needs root."
    assert text == f"{FIN_TIMEOUT} {why}"
    assert not folder.exists()


def test_where_proc_sys_is_read_only_as_in_a_container_it_says_so(folder):
    remount = 'mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "$@"'
    place = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", remount, "sh"]
    if subprocess.run([*place, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no such place can be made here")
    script = "from stress.lab.host_sysctls import change_sysctls\nwith change_sysctls({!r}): pass"
    ended = subprocess.run(
        [*place, sys.executable, "-c", script.format(TWO)], capture_output=True, text=True, check=False
    )
    assert f"LabError: {FIN_TIMEOUT} may not be changed here: Read-only file system." in ended.stderr
    assert not folder.exists()


@namespaced
def test_a_folder_that_cannot_be_written_changes_nothing(folder):
    before = values()
    folder.write_text("a file")
    with pytest.raises(
        LabError, match=r"The journal of sysctls cannot be written to .*: .* CONNSTORM_STATE names another folder\.$"
    ):
        change_sysctls(TWO).__enter__()
    assert values() == before


@namespaced
def test_two_at_once_are_refused():
    before = values()
    with change_sysctls({FIN_TIMEOUT: "3"}):
        with pytest.raises(LabError, match=f"changed already, by process {os.getpid()} .*wait until it has ended"):
            change_sysctls({RETRIES: "2"}).__enter__()
        ended = doctor()
        assert ended.returncode == 3
        assert f"by process {os.getpid()} (" in ended.stderr
        assert values() == before | {FIN_TIMEOUT: "3"}
    assert values() == before


@namespaced
def test_the_folder_s_lock_is_waited_for_up_to_a_limit(folder, monkeypatch):
    before = values()
    monkeypatch.setattr(sysctl_journal, "LOCK_LIMIT_S", 0.05)
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(LabError, match="has been locked by another process"):
        change_sysctls(TWO).__enter__()
    os.close(descriptor)
    assert values() == before
    with change_sysctls(TWO):
        pass


@namespaced
def test_somebody_else_s_change_is_left_alone(folder):
    before = values()
    with (
        pytest.raises(LabError, match=f"{FIN_TIMEOUT} was set to 3, but is 17: somebody else .* before it was 60"),
        change_sysctls(TWO),
    ):
        sysctl.write(FIN_TIMEOUT, "17")
    assert values() == before | {FIN_TIMEOUT: "17"}
    assert files(folder) == []


def disturb():
    sysctl.write(FIN_TIMEOUT, "17")
    raise KeyboardInterrupt


@namespaced
def test_somebody_else_s_change_is_a_note_to_the_error_of_a_trial(folder):
    with pytest.raises(KeyboardInterrupt) as raised, change_sysctls(TWO):
        disturb()
    assert "somebody else" in raised.value.__notes__[0]
    assert files(folder) == []


@namespaced
def test_what_somebody_has_restored_already_is_no_fault():
    with change_sysctls(TWO):
        sysctl.write(FIN_TIMEOUT, "60")
    assert sysctl.read(FIN_TIMEOUT) == "60"
