# SPDX-License-Identifier: MIT
"""The journal of changed sysctls, and the doctor that restores what a killed process changed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from changed_sysctls import FIN_TIMEOUT, LONG_S, RETRIES, TWO, doctor, files, folder, killed, left_behind, values
from hypothesis import given, settings
from hypothesis import strategies as st
from namespaced import another_network, namespaced

from stress.lab import doctor as machine
from stress.lab import sysctl, sysctl_journal
from stress.lab.host_sysctls import change_sysctls
from stress.lab.sysctl_journal import Journal
from stress.model.errors import LabError

__all__ = ["folder"]


@namespaced
def test_what_a_killed_process_left_is_restored_by_the_doctor(folder):
    before = values()
    child, _ = killed(TWO)
    assert values() == TWO
    assert files(folder) == ["journal.json"]
    with pytest.raises(LabError, match=rf"still modified by process {child} .*connstorm doctor --restore\.$"):
        change_sysctls(TWO).__enter__()
    (check,) = machine.check_changed_settings()
    assert f"{FIN_TIMEOUT}, {RETRIES} changed by process {child}" in check.state
    assert "connstorm doctor --restore" in check.advice

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
    assert list(machine.check_changed_settings()) == []
    assert doctor().stdout == "nothing to restore\n"


@namespaced
def test_the_doctor_prints_it_as_json_too(folder):
    killed(TWO)
    document = json.loads(doctor("--json").stdout)
    assert [(setting["name"], setting["outcome"]) for setting in document["settings"]] == [
        (RETRIES, "put back"),
        (FIN_TIMEOUT, "put back"),
    ]
    assert json.loads(doctor("--json").stdout) == {"text": "nothing to restore", "settings": []}
    assert files(folder) == []


@namespaced
def test_a_zombie_is_dead():
    """A process that was killed is in /proc until its parent has waited for it."""
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
    assert f"left alone: {name} no longer exists." in ended.stdout
    assert files(folder) == []


@namespaced
def test_a_setting_that_cannot_be_restored_leaves_the_journal_and_does_not_stop_the_others(folder):
    sysctl.write(FIN_TIMEOUT, "3")
    sysctl.write(RETRIES, "2")
    left_behind(old={FIN_TIMEOUT: "60", RETRIES: "soon"}, new=TWO)
    ended = doctor()
    assert ended.returncode == 3
    assert f"failed: {RETRIES} is 2 and could not be restored: The kernel refuses" in ended.stdout
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
    journal = left_behind(boot="another", started=sysctl_journal.process_start(os.getpid()))
    assert not journal.is_process_alive
    (check,) = machine.check_changed_settings()
    assert "before the last boot" in check.advice
    with pytest.raises(LabError, match="restore them first: connstorm doctor --restore"):
        change_sysctls(TWO).__enter__()
    ended = doctor()
    assert ended.returncode == 0
    assert ended.stdout.startswith("nothing to restore: process ")
    assert ended.stdout.endswith("changed sysctls before the last boot\n")
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
        f"in another network namespace, net:[{there}]; this is net:[{sysctl_journal.network_inode()}]" in ended.stderr
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
    (check,) = machine.check_changed_settings()
    assert "is damaged" in check.advice
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
    journal = left_behind()
    sysctl_journal.remove_journal(msgspec.structs.replace(journal, pid=journal.pid + 1))
    assert files(folder) == ["journal.json"]
    sysctl_journal.remove_journal(journal)
    assert files(folder) == []
    folder.rmdir()
    sysctl_journal.remove_journal(journal)


def test_the_doctor_does_one_thing_at_a_time():
    ended = doctor("--speed")
    assert ended.returncode == 2
    assert "Give one of --speed, --scale, --restore and --peer." in ended.stderr


def test_where_nothing_was_ever_changed_the_doctor_has_nothing_to_do(folder):
    """This is the real host, and nothing is changed."""
    assert not folder.exists()
    ended = doctor()
    assert (ended.returncode, ended.stdout) == (0, "nothing to restore\n")
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


@settings(max_examples=60)
@given(JOURNALS)
def test_what_is_written_down_is_read_again(written):
    with own_folder() as path:
        sysctl_journal.write_journal(written)
        journal = sysctl_journal.read_journal()
        assert journal == written
        assert list(journal.old) == list(written.old)  # they are restored in the reverse of this order
        sysctl_journal.remove_journal(written)
        assert files(path) == []


@settings(max_examples=100)
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
