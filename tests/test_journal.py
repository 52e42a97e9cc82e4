# SPDX-License-Identifier: MIT
"""Settings of a host that are changed and put back; a private network namespace plays the host."""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from command import connstorm
from hypothesis import given, settings
from hypothesis import strategies as st
from namespaced import another_network, namespaced

from stress.lab import doctor as checkup
from stress.lab import host_sysctls, namespace, signals, sysctl, sysctl_journal
from stress.lab.host_sysctls import change_sysctls
from stress.lab.sysctl_journal import Journal
from stress.model.errors import LabError, NotApplicableError, Terminated, UsageError

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
RETRIES = "net.ipv4.tcp_syn_retries"
RESERVED = "net.ipv4.ip_local_reserved_ports"
READ_ONLY = "net.ipv4.tcp_available_congestion_control"
TWO = {FIN_TIMEOUT: "3", RETRIES: "2"}
LONG_S = 60  # nobody waits so long: something else ends it
ROUNDS = 25


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep the journal of these tests apart."""
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
    found = Journal(
        pid=os.getpid(),
        started=1,
        boot=sysctl_journal.boot_id(),
        network=sysctl_journal.network_inode(),
        written_utc=datetime.now(UTC),
        old={FIN_TIMEOUT: "60"},
        new={FIN_TIMEOUT: "3"},
    )
    found = msgspec.structs.replace(found, **changes)
    sysctl_journal.write_journal(found)
    return found


@namespaced
def test_settings_are_changed_and_put_back(folder):
    before = values()
    with change_sysctls(TWO):
        assert values() == TWO
        found = sysctl_journal.read_journal()
        assert (found.old, found.new, found.pid, found.is_process_alive) == (before, TWO, os.getpid(), True)
    assert values() == before
    assert files(folder) == []


@namespaced
def test_the_journal_is_there_before_the_first_change(monkeypatch):
    seen = []
    write = sysctl.write

    def watched(name, value):
        seen.append(sysctl_journal.read_journal().new)
        write(name, value)

    monkeypatch.setattr(sysctl, "write", watched)
    with change_sysctls(TWO):
        pass
    assert seen == [TWO] * 6  # each twice when it is changed, once when it is put back


@namespaced
def test_the_kernel_may_spell_a_value_in_its_own_way(folder):
    with change_sysctls({RESERVED: "8080,8081", "net.ipv4.ip_local_port_range": " 40001\t40002 "}):
        assert sysctl.read(RESERVED) == "8080-8081"
    assert sysctl.read(RESERVED) == ""
    assert sysctl.read("net.ipv4.ip_local_port_range") == "40000 40003"
    assert files(folder) == []


@namespaced
def test_settings_that_depend_on_each_other_are_put_back_the_last_first():
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
def test_an_exception_puts_back(folder, error):
    before = values()
    with pytest.raises(error), change_sysctls(TWO):
        raise error
    assert values() == before
    assert files(folder) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@namespaced
def test_a_signal_that_ends_the_process_puts_back(folder, number):
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("call", range(6))
@namespaced
def test_a_signal_while_settings_are_written_waits_until_all_are_back(folder, monkeypatch, call, number):
    before = values()
    handlers = [signal.getsignal(each) for each in signals.SIGNALS]
    write = sysctl.write
    calls = iter(range(100))

    def interrupted(name, value):
        if next(calls) == call:
            signal.raise_signal(number)
        write(name, value)

    monkeypatch.setattr(sysctl, "write", interrupted)
    in_body = False
    with pytest.raises(Terminated if number == signal.SIGTERM else KeyboardInterrupt), change_sysctls(TWO):
        in_body = True
    assert in_body == (call >= 4)  # the first four writes make the changes
    assert values() == before
    assert files(folder) == []
    assert [signal.getsignal(each) for each in signals.SIGNALS] == handlers


def endlessly(wanted):
    """Change and put back in a child process until it is ended; return the child once it has begun."""
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
def test_what_a_kill_at_any_moment_leaves_is_put_back(folder):
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
def test_a_child_by_fork_puts_nothing_back():
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
def test_a_value_that_the_kernel_would_not_take_back_is_not_changed(folder, monkeypatch):
    before = values()
    write = sysctl.write

    def picky(name, value):
        if (name, value) == (RETRIES, before[RETRIES]):
            raise UsageError("The kernel refuses it.")
        write(name, value)

    monkeypatch.setattr(sysctl, "write", picky)
    with (
        pytest.raises(UsageError, match=f"^{RETRIES} is not changed, because it could not be put back"),
        change_sysctls(TWO),
    ):
        pytest.fail("the trial began")
    assert values() == before
    assert files(folder) == []


CAPABILITIES = struct.pack("Ii", 0x20080522, 0)  # linux/capability.h: version 3, of this process


def refused_to_nobody():
    """Return what a user without privilege is told, in an own network all the same; None where there can be none."""
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
    why = "may not be changed here: Permission denied. To change settings of the host needs root."
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
    with pytest.raises(LabError, match=r"cannot be written down in .*: .* CONNSTORM_STATE names another folder\.$"):
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
def test_the_folder_s_lock_is_waited_for_but_not_for_ever(folder, monkeypatch):
    before = values()
    monkeypatch.setattr(sysctl_journal, "LOCK_LIMIT_S", 0.05)
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(LabError, match="is held by another process"):
        change_sysctls(TWO).__enter__()
    os.close(descriptor)
    assert values() == before
    with change_sysctls(TWO):
        pass


@namespaced
def test_what_a_killed_process_left_is_put_back_by_the_doctor(folder):
    before = values()
    child, _ = killed(TWO)
    assert values() == TWO
    assert files(folder) == ["journal.json"]
    with pytest.raises(LabError, match=rf"left changed by process {child} .*connstorm doctor --restore\.$"):
        change_sysctls(TWO).__enter__()
    (point,) = checkup.check_changed_settings()
    assert f"{FIN_TIMEOUT}, {RETRIES} changed by process {child}" in point.state
    assert "connstorm doctor --restore" in point.advice

    ended = doctor()
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *lines = ended.stdout.splitlines()
    assert first.startswith(f"left by process {child} (at ")
    assert lines == [
        f"  put back: {RETRIES} is {before[RETRIES]} again; it was 2.",
        f"  put back: {FIN_TIMEOUT} is {before[FIN_TIMEOUT]} again; it was 3.",
    ]
    assert values() == before
    assert files(folder) == []
    assert list(checkup.check_changed_settings()) == []
    assert doctor().stdout == "nothing to put back\n"


@namespaced
def test_the_doctor_says_it_in_json_too(folder):
    killed(TWO)
    document = json.loads(doctor("--json").stdout)
    assert [(each["name"], each["outcome"]) for each in document["settings"]] == [
        (RETRIES, "put back"),
        (FIN_TIMEOUT, "put back"),
    ]
    assert json.loads(doctor("--json").stdout) == {"text": "nothing to put back", "settings": []}
    assert files(folder) == []


@namespaced
def test_a_zombie_is_dead():
    """A process that was killed is in /proc until its parent has asked how it ended."""
    child = os.fork()
    if child == 0:
        time.sleep(LONG_S)
        os._exit(0)
    started = sysctl_journal.process_start(child)
    assert started is not None
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert Path(f"/proc/{child}/stat").exists()
    assert sysctl_journal.process_start(child) is None
    os.waitpid(child, 0)


def test_a_process_with_blanks_and_brackets_in_its_name_has_a_start():
    script = "import time; open('/proc/self/comm', 'w').write('a) b (c'); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert sysctl_journal.process_start(process.pid) >= sysctl_journal.process_start(os.getpid())
        process.kill()


def test_a_later_process_with_the_number_of_a_dead_one_is_not_taken_for_it():
    assert not left_behind(started=sysctl_journal.process_start(os.getpid()) - 1).is_process_alive


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
def test_what_somebody_has_put_back_already_is_no_fault():
    with change_sysctls(TWO):
        sysctl.write(FIN_TIMEOUT, "60")
    assert sysctl.read(FIN_TIMEOUT) == "60"


@namespaced
def test_the_doctor_leaves_somebody_else_s_change_alone(folder):
    before = values()
    killed(TWO)
    sysctl.write(FIN_TIMEOUT, "17")
    ended = doctor()
    assert ended.returncode == 0
    assert f"left alone: {FIN_TIMEOUT} was set to 3, but is 17: somebody else" in ended.stdout
    assert values() == before | {FIN_TIMEOUT: "17"}
    assert files(folder) == []


@namespaced
def test_a_setting_that_has_gone_is_left_alone(folder):
    name = "net.ipv4.conf.gone0.rp_filter"
    left_behind(old={name: "0"}, new={name: "1"})
    ended = doctor()
    assert ended.returncode == 0
    assert f"left alone: {name} is not there any more." in ended.stdout
    assert files(folder) == []


@namespaced
def test_a_setting_that_cannot_be_put_back_keeps_the_journal_and_does_not_stop_the_others(folder):
    sysctl.write(FIN_TIMEOUT, "3")
    sysctl.write(RETRIES, "2")
    left_behind(old={FIN_TIMEOUT: "60", RETRIES: "soon"}, new=TWO)
    ended = doctor()
    assert ended.returncode == 3
    assert f"failed: {RETRIES} is 2 and could not be put back: The kernel refuses" in ended.stdout
    assert "connstorm doctor --restore as root" in ended.stderr
    assert values() == {FIN_TIMEOUT: "60", RETRIES: "2"}
    assert files(folder) == ["journal.json"]


@namespaced
def test_a_setting_that_is_none_of_the_network_is_never_written():
    before = sysctl.read("kernel.hostname")
    left_behind(old={"kernel.hostname": "other"}, new={"kernel.hostname": before})
    ended = doctor()
    assert ended.returncode == 3
    assert "is not a network setting" in ended.stdout
    assert sysctl.read("kernel.hostname") == before


@namespaced
def test_the_journal_of_another_boot_is_removed(folder):
    sysctl.write(FIN_TIMEOUT, "3")
    found = left_behind(boot="another", started=sysctl_journal.process_start(os.getpid()))
    assert not found.is_process_alive
    (point,) = checkup.check_changed_settings()
    assert "earlier boot" in point.advice
    with pytest.raises(LabError, match="put them back first: connstorm doctor --restore"):
        change_sysctls(TWO).__enter__()
    ended = doctor()
    assert ended.returncode == 0
    assert ended.stdout.startswith("nothing to put back: what process ")
    assert ended.stdout.endswith("went with an earlier boot\n")
    assert sysctl.read(FIN_TIMEOUT) == "3"
    assert files(folder) == []


@namespaced
def test_the_journal_of_another_network_is_not_used_here(folder):
    killed(TWO)
    there = sysctl_journal.network_inode()
    another_network(ports=(40000, 40003))
    before = values()
    ended = doctor()
    assert ended.returncode == 3
    assert (
        f"in another network namespace, net:[{there}]; here is net:[{sysctl_journal.network_inode()}]" in ended.stderr
    )
    assert values() == before
    assert files(folder) == ["journal.json"]


GOOD = {
    "pid": 1,
    "started": 1,
    "boot": "",
    "network": 1,
    "written_utc": "2026-01-01T00:00:00Z",
    "old": {FIN_TIMEOUT: "60"},
    "new": {FIN_TIMEOUT: "3"},
}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"pid": "\xff"}',
        b"[" * 100_000,
        json.dumps(GOOD)[:-9].encode(),
        json.dumps(GOOD | {"old": {}}).encode(),
        json.dumps(GOOD | {"new": {FIN_TIMEOUT: 3}}).encode(),
        json.dumps(GOOD | {"written_utc": "2026-01-01T00:00:00"}).encode(),
        json.dumps(GOOD | {"more": 1}).encode(),
    ],
    ids=lambda data: data[:20].decode(errors="replace") + f"…{len(data)}",
)
@namespaced
def test_a_damaged_journal_is_said_in_a_sentence(folder, data):
    before = values()
    folder.mkdir()
    (folder / "journal.json").write_bytes(data)
    with pytest.raises(LabError, match=r"journal\.json is damaged \("):
        change_sysctls(TWO).__enter__()
    (point,) = checkup.check_changed_settings()
    assert "is damaged" in point.advice
    ended = doctor()
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "is damaged" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert values() == before
    assert files(folder) == ["journal.json"]


def test_a_journal_that_is_a_folder_is_said_in_a_sentence(folder):
    (folder / "journal.json").mkdir(parents=True)
    with pytest.raises(LabError, match=r"journal\.json cannot be read: Is a directory"):
        sysctl_journal.read_journal()


def test_only_its_own_journal_is_removed(folder):
    found = left_behind()
    sysctl_journal.remove_journal(msgspec.structs.replace(found, pid=found.pid + 1))
    assert files(folder) == ["journal.json"]
    sysctl_journal.remove_journal(found)
    assert files(folder) == []
    folder.rmdir()
    sysctl_journal.remove_journal(found)


def test_the_doctor_does_one_thing_at_a_time():
    ended = doctor("--speed")
    assert ended.returncode == 2
    assert "Give --speed or --restore, not both." in ended.stderr


def test_where_nothing_was_ever_changed_the_doctor_has_nothing_to_do(folder):
    """This is the real host, which is only looked at."""
    assert not folder.exists()
    ended = doctor()
    assert (ended.returncode, ended.stdout) == (0, "nothing to put back\n")
    assert not folder.exists()


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PAIRS = st.dictionaries(TEXT, st.tuples(TEXT, TEXT), max_size=4)


@contextlib.contextmanager
def own_folder():
    """Give a folder to each example."""
    with tempfile.TemporaryDirectory() as path, pytest.MonkeyPatch.context() as patch:
        patch.setenv(sysctl_journal.FOLDER_VARIABLE, path)
        yield Path(path)


JOURNALS = st.builds(
    lambda pairs, **fields: Journal(
        old={name: old for name, (old, _) in pairs.items()},
        new={name: new for name, (_, new) in pairs.items()},
        **fields,
    ),
    PAIRS,
    pid=st.integers(0, 2**22),
    started=st.integers(0, 2**64 - 1),
    boot=TEXT,
    network=st.integers(0, 2**64 - 1),
    written_utc=st.datetimes(timezones=st.just(UTC)),
)


@settings(max_examples=60, deadline=None)
@given(JOURNALS)
def test_what_is_written_down_is_read_again(written):
    with own_folder() as path:
        sysctl_journal.write_journal(written)
        found = sysctl_journal.read_journal()
        assert found == written
        assert list(found.old) == list(written.old)  # they are put back in the reverse of this order
        sysctl_journal.remove_journal(written)
        assert files(path) == []


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_file_with_any_damage_is_read_as_a_journal_or_refused(data):
    with own_folder() as path:
        left_behind(written_utc=datetime(2026, 1, 31, 12, tzinfo=UTC))  # its length does not depend on the clock
        whole = (path / "journal.json").read_bytes()
        start = data.draw(st.integers(0, len(whole)))
        end = data.draw(st.integers(start, len(whole)))
        (path / "journal.json").write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:])
        with contextlib.suppress(LabError):
            assert isinstance(sysctl_journal.read_journal(), Journal)
