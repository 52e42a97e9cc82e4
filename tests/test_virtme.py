# SPDX-License-Identifier: MIT
"""Kernels really booted: a cell in a guest, a panic, a hang, a guest without a word, and nothing that outlives us."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import connstorm
from kernel_to_boot import NAME, find_kernel_to_boot

from stress.analysis.attribution.summary import analyse
from stress.lab import wait
from stress.lab.kernel import boot, cache
from stress.lab.kernel.boot import STARTED, Boot, GuestEnd, Image, last_messages
from stress.model.errors import LabError
from stress.model.kernel import HOST
from stress.model.suite import Status
from stress.store import run_folder, suite_folder
from stress.storm.catalogue import find_scenario
from stress.suite.cell_results import read_cell_trials
from stress.suite.executor import guest
from stress.suite.executor.guest import GuestHandle
from stress.view.figure.save import save_figure
from stress.view.figure.suite.kernel_grid import kernel_grid_figure, outcome_text

ALONE = ["unshare", "-Urn"]  # a lock of its own
PANICS = f"{NAME} rdinit=/nowhere"
HANGS = ("rdinit=/bin/cat",)  # which waits for what nobody types
SUITE = f"""
trials = 1
warmup = 0
settle_s = 0
[defaults]
port_range = [40000, 40031]
[[scenario]]
name = "closewait"
mines = 8
attempts = 32
[matrix]
kernel = ["{HOST}", "{NAME}", "{PANICS}"]
"""

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def kernel():
    """Return a kernel to boot."""
    return find_kernel_to_boot()


@pytest.fixture(scope="module")
def suite(kernel, tmp_path_factory):
    assert kernel.release
    """Return the folder of a suite on the running kernel, a booted one, and one that panics; and what was said."""
    home = tmp_path_factory.mktemp("suite")
    (home / "kernels.toml").write_text(SUITE)
    ended = connstorm("suite", home / "kernels.toml", "-o", home / "results", under=ALONE)
    assert ended.returncode == LabError.exit_code, ended.stderr  # of the trial that failed
    (path,) = (home / "results").iterdir()
    return path, ended.stderr


def trials(path):
    file = suite_folder.read(path)
    return {file.cell(record.trial.cell).kernel: record for record in suite_folder.read_records(path).values()}


def guests(share):
    """Return the processes whose command lines name a folder that a guest shares."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(share).encode() in (process / "cmdline").read_bytes():
                pids.append(int(process.name))
        except OSError:
            continue  # it has ended meanwhile
    return pids


def share_of(tmp_path, text):
    """Return a folder to be shared, with a script."""
    share = tmp_path / "share"
    share.mkdir()
    (share / boot.GO).write_text(f"cd {boot.SHARE}; : >{STARTED}\n{text}\n")
    return share


def test_a_trial_ran_on_the_kernel_of_its_cell(suite, kernel):
    path, _ = suite
    record = trials(path)[NAME]
    assert record.status is Status.DONE, record.reason
    run, summary = run_folder.read(suite_folder.trial_run_folder(path, record))
    assert run.record.host.kernel == kernel.release == suite_folder.read(path).kernels[NAME].host.kernel
    assert summary.attempts == 32
    assert summary.causes["closewait"] == summary.mines.hit == 8
    assert all(claim.balanced for claim in summary.books)


def test_an_emulated_run_says_so_and_that_of_this_machine_does_not(suite):
    path, said = suite
    hosts = {name: suite_folder.trial_run_folder(path, record) for name, record in trials(path).items() if record.run}
    assert set(hosts) == {HOST, NAME}
    read = {name: run_folder.read(run)[0].record.host for name, run in hosts.items()}
    assert read[HOST].kernel == os.uname().release
    assert not read[HOST].emulated
    assert read[NAME].emulated is ("emulated" in said)


def test_where_kvm_does_not_come_up_it_is_emulated_and_not_tried_again(suite):
    _, said = suite
    if not boot.has_kvm():
        pytest.skip("no /dev/kvm here")
    assert f"booting {NAME} with KVM" in said
    if f"booting {NAME} emulated" in said:
        assert f"booting {PANICS} with KVM" not in said
        assert f"booting {PANICS} emulated" in said


def test_a_kernel_that_panics_fails_its_trials_with_the_reason_and_no_others(suite):
    path, _ = suite
    record = trials(path)[PANICS]
    assert record.status is Status.FAILED
    assert "Kernel panic - not syncing" in record.reason
    assert PANICS not in suite_folder.read(path).kernels


def test_emulated_kernels_are_entries_of_their_own_and_compared_with_nobody(suite):
    path, said = suite
    cells = {trials.cell.kernel: trials.cell for trials in read_cell_trials(path, suite_folder.read(path))}
    assert cells[HOST].scenario == "closewait"
    assert cells[NAME].scenario == ("closewait, emulated" if "emulated" in said else "closewait")


def test_kernels_are_drawn_side_by_side_and_those_that_failed_say_so(suite, tmp_path):
    path, _ = suite
    runs = {
        name: analyse(run_folder.read(suite_folder.trial_run_folder(path, record))[0])
        if record.run
        else str(record.status)
        for name, record in trials(path).items()
    }
    picture = tmp_path / "kernels.png"
    heads = {name: name for name in runs}
    save_figure(
        kernel_grid_figure({("closewait", name): run for name, run in runs.items()}, heads, "kernels", ["a caption"]),
        picture,
    )
    assert runs[PANICS] == "failed"
    assert outcome_text(runs[HOST]) == outcome_text(runs[NAME]) == "8 retried"
    assert int.from_bytes(picture.read_bytes()[16:20]) == 1920  # the width, as a PNG begins


def test_a_guest_has_all_settings_of_its_kernel_to_itself(suite):
    path, _ = suite
    attestation = suite_folder.read(path).kernels[NAME]
    assert "net.core.netdev_max_backlog" in attestation.settings
    assert attestation.host_settings == []


def test_a_boot_that_hangs_is_noticed_and_nothing_of_it_is_left(kernel, tmp_path):
    share = share_of(tmp_path, "")
    hung = Boot(Image(cache.kernel_image(kernel), HANGS), share, kvm=False)
    assert wait.wait_until(lambda: any("Run /bin/cat" in line for line in hung.console()), 200, 0.1)
    hung.quiet_s = 1  # before, a busy machine may be as quiet as that
    assert hung.wait(60) is GuestEnd.HUNG
    assert any("Run /bin/cat" in line for line in last_messages(hung.console()))
    assert wait.wait_until(lambda: guests(share) == [], 30, 0.1)


def test_a_cell_that_writes_nothing_has_failed(kernel, tmp_path, monkeypatch):
    monkeypatch.setattr(guest, "RUN_CELL", "raise SystemExit('nothing to say')")
    plan = find_scenario("clean").plan
    image = Image(cache.kernel_image(kernel))
    handle = GuestHandle(image, plan, tmp_path, kernel.release, kvm=False, limit_s=60, settle=None)
    ended = handle.fetch(lambda _: None)
    assert ended.path is None
    assert ended.failure.text == f"run-cell on {kernel.release} ended before it had a result: nothing to say."
    assert [file.name for file in tmp_path.iterdir()] == [boot.CONSOLE]


def test_a_script_that_takes_too_long_is_ended(kernel, tmp_path):
    share = share_of(tmp_path, "sleep 1000")
    (share / STARTED).touch()  # as the script does, some ten seconds later
    late = Boot(Image(cache.kernel_image(kernel)), share, kvm=False)
    assert late.wait(0.5) is GuestEnd.LATE
    assert wait.wait_until(lambda: guests(share) == [], 30, 0.1)


def test_no_guest_outlives_the_process_that_started_it(kernel, tmp_path):
    share = share_of(tmp_path, "sleep 1000")
    program = (
        "import sys, time; from pathlib import Path; from stress.lab.kernel.boot import Boot, Image\n"
        "Boot(Image(Path(sys.argv[1])), Path(sys.argv[2]), kvm=False); time.sleep(1000)"
    )
    ours = subprocess.Popen([sys.executable, "-c", program, str(cache.kernel_image(kernel)), str(share)])
    try:
        assert wait.wait_until(
            lambda: any("qemu" in command(guest) for guest in guests(share) if guest != ours.pid), 200, 0.1
        )
    finally:
        ours.send_signal(signal.SIGKILL)
        ours.wait()
    assert wait.wait_until(lambda: guests(share) == [], 30, 0.1)


def command(process):
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def test_a_trial_that_is_given_up_is_ended_at_once(kernel, tmp_path):
    image = Image(cache.kernel_image(kernel))
    told = []
    handle = GuestHandle(
        image,
        find_scenario("clean").plan,
        tmp_path,
        kernel.release,
        kvm=False,
        limit_s=60,
        settle=None,
        watch=told.append,
    )
    share = handle.share
    handle.cancel()
    begun = time.monotonic()
    ended = handle.fetch(lambda _: None)
    assert ended.path is None
    assert told[-1] == "", "how long it has been running is taken off the screen"
    assert wait.wait_until(lambda: guests(share) == [], 30, 0.1)
    assert not share.exists()
    assert time.monotonic() - begun < 60  # it did not wait for the boot


def test_what_is_missing_is_said_with_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    missing = list(boot.list_missing())
    assert "virtme-ng: pip install 'connstorm[kernels]'" in missing
    assert any("qemu-system-x86" in advice for advice in missing)
    with pytest.raises(LabError, match="Booting a kernel needs virtme-ng"):
        Boot(Image(tmp_path / "vmlinuz"), tmp_path, kvm=False)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], []),
        (["a", "b", "c", "d"], ["b", "c", "d"]),
        (["a", "Kernel panic - not syncing: x", "b", "c", "d", "e"], ["Kernel panic - not syncing: x"]),
    ],
)
def test_what_the_console_says_of_the_end(lines, told):
    assert last_messages(lines) == told
