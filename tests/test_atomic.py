# SPDX-License-Identifier: MIT
"""Files and folders that are complete or absent, whatever ends the writing of them."""

import contextlib
import os
import signal
import stat
from pathlib import Path

import pytest

from stress.model import atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_in_place_of_an_older_one(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"old and longer")
    atomic.write(file, b"new")
    assert file.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]


def test_a_new_file_has_the_mode_that_open_gives(tmp_path):
    atomic.write(tmp_path / "file", b"")
    (tmp_path / "other").touch()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, ValueError])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with contextlib.suppress(error), atomic.open_file(file) as stream:
        stream.write(b"new")
        raise error
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    with atomic.open_file(file) as stream:
        stream.write(b"new")
        stream.flush()
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    file = tmp_path / "file"
    flushed = []

    def fsync(descriptor):
        flushed.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), file.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write(file, b"new")
    (partial, there), (folder, then) = flushed
    assert partial.startswith(f"{tmp_path}/.file.")
    assert folder == str(tmp_path)
    assert (there, then) == (False, True)


def test_a_link_that_waits_under_the_other_name_is_not_followed(tmp_path):
    victim, partial = tmp_path / "victim", tmp_path / "partial"
    victim.write_bytes(b"untouched")
    partial.symlink_to(victim)
    atomic.write(tmp_path / "file", b"new", partial)
    assert victim.read_bytes() == b"untouched"
    assert names(tmp_path) == ["file", "victim"]


def test_a_folder_is_absent_until_it_is_complete(tmp_path):
    path = tmp_path / "results" / "run"
    with atomic.open_folder(path) as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_bytes(b"new")
        assert not path.exists()
    assert (path / "inside" / "file").read_bytes() == b"new"
    assert names(path.parent) == ["run"]


def test_an_exception_leaves_no_folder(tmp_path):
    with contextlib.suppress(KeyboardInterrupt), atomic.open_folder(tmp_path / "run") as folder:
        (folder / "file").touch()
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="not empty"), atomic.open_folder(tmp_path / "run") as folder:
        (folder / "file").write_bytes(b"new")
    assert (tmp_path / "run" / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["run"]


def test_what_a_killed_process_has_left_is_gone_with_the_next_try(tmp_path):
    path = tmp_path / "run"
    child = os.fork()
    if child == 0:
        with atomic.open_folder(path) as folder:
            (folder / "half").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert not path.exists()
    with atomic.open_folder(path) as folder:
        (folder / "file").touch()
    assert names(path) == ["file"]
    assert names(tmp_path) == ["run"]


def test_what_a_killed_process_has_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with atomic.open_folder(tmp_path / "folder") as folder:
            (folder / "file").write_text("half")
            os.write(write, b".")
            signal.pause()
    os.read(read, 1)
    try:
        atomic.remove_abandoned(tmp_path)
        assert names(tmp_path) == [".folder.partial"]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)
    atomic.remove_abandoned(tmp_path)
    assert names(tmp_path) == []
    atomic.remove_abandoned(tmp_path / "absent")


def test_a_complete_folder_and_hidden_files_of_others_stay(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / ".other").mkdir()
    (tmp_path / ".file.partial").touch()
    atomic.remove_abandoned(tmp_path)
    assert names(tmp_path) == [".file.partial", ".other", "run"]
