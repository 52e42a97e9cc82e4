# SPDX-License-Identifier: MIT
"""Disks that are too small, each a real file system in memory of its own, and what else comes in the way of a cell."""

import subprocess

import pytest
from command import UNDRAWN, program

from stress.model.plan import Plan
from stress.model.suite import Status
from stress.run.process import RUN_CELL, CellProcess
from stress.store import run_folder, suite_folder

APART = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
STRAY = 'echo "a library greets"; echo; exec "$@"'


SUITE = """
trials = 1
warmup = 0
settle_s = 0
[[scenario]]
name = "clean"
attempts = 200
"""


def run_on_disk(tmp_path, options, *arguments):
    """Run connstorm with its results on a disk; return how it ended, and the paths that are left there."""
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare of a mount namespace is refused here")
    (disk := tmp_path / "disk").mkdir()
    script = f'mount -t tmpfs -o {options} small {disk} && "$@"; status=$?; cp -r {disk} {tmp_path}/left; exit $status'
    command = [*APART, "sh", "-c", script, "sh", *program(*arguments, "--output", str(disk))]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return ended, list((tmp_path / "left").iterdir())


def test_a_disk_that_is_too_small_is_told_with_numbers_before_the_storm(tmp_path):
    ended, left = run_on_disk(tmp_path, "size=8m", "run", "clean", "--attempts", "2000000", UNDRAWN)
    assert ended.returncode == 2, ended.stderr
    assert "2,000,000 records need 66 MiB" in ended.stderr
    assert "where 8 are free" in ended.stderr
    assert "storm of" not in ended.stderr
    assert left == []


@pytest.mark.parametrize("inodes", [5, 6])
def test_a_disk_that_figures_fill_loses_no_run(tmp_path, inodes):
    """By the number of files: figures take the last, and one of them has none, or run.json."""
    ended, left = run_on_disk(tmp_path, f"size=8m,nr_inodes={inodes}", "run", "clean", "--attempts", "200")
    assert ended.returncode == 0, ended.stderr
    assert "connstorm plot draws" in ended.stderr
    assert len(left) == 1
    run_folder.read(left[0])
    assert not [path for path in left[0].iterdir() if path.suffix == ".png"]


@pytest.mark.parametrize(
    ("inodes", "code", "told"), [(10, 2, "make room and resume with --resume."), (11, 0, "suite.png")]
)
def test_a_disk_that_the_last_files_of_a_suite_fill_loses_no_trial(tmp_path, inodes, code, told):
    """By the number of files: its index is the last but one, its figure the last."""
    (tmp_path / "suite.toml").write_text(SUITE)
    ended, left = run_on_disk(tmp_path, f"size=8m,nr_inodes={inodes}", "suite", tmp_path / "suite.toml")
    assert ended.returncode == code, ended.stderr
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    (record,) = suite_folder.read_records(left[0]).values()
    assert record.status is Status.DONE
    assert len(left) == 1
    assert not (left[0] / "suite.png").exists()


def test_a_line_of_another_program_on_its_output_does_not_end_a_cell(tmp_path):
    cell = CellProcess(
        Plan(scenario="clean", attempts=20), tmp_path, ("--no-draw",), starter=("sh", "-c", STRAY, "sh", *RUN_CELL)
    )
    told = []
    result = cell.wait(told.append)
    if result.failure is not None and "namespace" in result.failure.text:
        pytest.skip("this kernel refuses private network namespaces")
    assert result.failure is None
    assert result.path is not None
    assert [text for text in told if "a library greets" in text]
