# SPDX-License-Identifier: MIT
"""Suites run through the real command: every trial on disk at once, nothing lost, nothing half-written."""

import contextlib
import json
import os
import random
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import command
import msgspec
import pytest
from command import program
from namespaced import namespaced
from suite_builders import a_summary, trials_of

from stress.cli.interrupts import resume_command
from stress.cli.main import connstorm as group
from stress.lab import lock, sysctl, wait
from stress.model.errors import INTERRUPTED, StoreError, UsageError
from stress.model.plan import Ports
from stress.model.suite import Status
from stress.run import process
from stress.store import run_folder, suite_folder
from stress.storm.catalogue import find_scenario
from stress.suite import manifest
from stress.suite.cell_results import count_missing, rank_cells, read_cell_trials
from stress.suite.config import load as suite_file
from stress.suite.executor.local import Local
from stress.suite.scheduler import Scheduler

STORMING_TICKS = 150  # of CPU time (proc(5), utime and stime): to begin takes little of that
KILL_POINTS = 4
ALONE = ["unshare", "-Urn"]  # a network of its own, and with it a lock of its own
SMALL = """
trials = 2
warmup = 0
settle_s = 0.1
[defaults]
port_range = [40000, 40015]
[[scenario]]
name = "clean"
[[scenario]]
name = "closewait"
mines = 3
[scenario.matrix]
"net.ipv4.tcp_timestamps" = [1, 0]
"""


@pytest.fixture
def source(tmp_path):
    """Return the path of a small suite's file: 3 cells, 6 trials."""
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def connstorm(*arguments, alone=ALONE, **options):
    return command.connstorm("suite", *arguments, under=alone, **options)


def only_suite(results):
    (path,) = results.glob("*-suite-*")
    return path


def account(path):
    """Return what became of each trial: place, block, cell, seed, status."""
    return [
        (record.trial.number, record.trial.block, record.trial.cell, record.trial.seed, record.status)
        for record in suite_folder.read_records(path).values()
    ]


class Silent:
    """Is told how a suite gets on, and keeps it."""

    def __init__(self):
        self.told = []

    def opens(self, path, missing):
        self.told.append(f"opens {path.name} {len(missing)}")

    def stage(self, text):
        self.told.append(text)

    def storms(self, trial, text):
        pass

    def begins(self, trial):
        self.told.append(f"begins {trial.cell}")

    def ended(self, record, summary):
        self.told.append(f"ended {record.trial.cell} {summary is not None}")


def conducted(source, results, executor, **options):
    """Run a suite in this process; return its folder, what is in it, and what was told."""
    file = manifest.begin_suite(suite_file.read(source), executor, host=False)
    path = suite_folder.create(file, source.read_text(), results)
    observer = Silent()
    Scheduler(path, file, executor, **options).run(observer)
    return path, file, observer.told


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return a small suite that ran to its end, and what was said."""
    home = tmp_path_factory.mktemp("undisturbed")
    (home / "small.toml").write_text(SMALL)
    ended = connstorm(home / "small.toml", "-o", home / "out")
    assert ended.returncode == 0, ended.stderr
    return only_suite(home / "out"), ended


def test_a_suite_leaves_a_folder_a_table_and_a_figure(undisturbed):
    path, ended = undisturbed
    assert {entry.name for entry in path.iterdir()} == {"suite.json", "suite.toml", "suite.png", "trials", "index.json"}
    assert "closewait" in ended.stdout
    assert "tcp_timestamps=0" in ended.stdout
    assert ended.stderr.count(" left\n") == 6  # a plain line a trial
    index = json.loads((path / "index.json").read_text())
    assert [row["trial"]["number"] for row in index["trials"]] == list(range(6))
    for row in index["trials"]:
        run, summary = run_folder.read(path / row["folder"] / row["run"])
        assert run.record.plan.seed == row["trial"]["seed"]
        assert summary.collisions == (0 if row["trial"]["cell"] == "clean" else 3)
        assert row["settle"]["settled"] in (True, False)
        assert not list((path / row["folder"] / row["run"]).glob("*.png"))  # connstorm plot makes them when asked


def test_json_is_one_object_and_nothing_else(source, tmp_path):
    ended = connstorm(source, "-o", tmp_path, "--json", "--trials", 1)
    document = json.loads(ended.stdout)
    assert ended.stderr == ""
    assert (document["suite"], document["missing"], document["failed"]) == ("small", 0, 0)
    closewait = next(cell for cell in document["cells"] if cell["cell"] == "closewait")
    assert closewait["done"] == 1
    assert closewait["metrics"]["collisions"]["median"] == 3


def test_cells_are_ranked_by_metrics_the_best_first():
    worst, best, silent = (
        trials_of([a_summary(retried=retried)] if retried else [], levels={"x": retried}) for retried in (9, 2, 0)
    )
    middle = trials_of([a_summary(retried=2, rate=10.0)], levels={"x": "slow"})
    names = ["retries_per_million", "rate"]
    assert rank_cells([worst, silent, middle, best], names) == [best, middle, worst, silent]
    assert rank_cells([worst, best], []) == [worst, best]


def test_dry_run_runs_nothing(source, tmp_path):
    ended = connstorm(source, "-o", tmp_path / "out", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "3 of 3 cells, 6 trials, about 96 attempts" in ended.stdout
    assert not (tmp_path / "out").exists()
    document = json.loads(connstorm(source, "-o", tmp_path / "out", "--dry-run", "--json").stdout)
    assert [trial["number"] for trial in document["trials"]] == list(range(6))
    assert len(document["cells"]) == 3


def test_killed_at_several_points_and_resumed_it_is_the_suite_of_one_that_was_not(source, undisturbed, tmp_path):
    """At a few points; ``make kill`` has hundreds."""
    disturbed = tmp_path / "disturbed"
    rng = random.Random(5)
    for _ in range(KILL_POINTS):
        begun = list(disturbed.glob("*-suite-*"))
        started = [*ALONE, *program("suite", begun[0] if begun else source, "-o", disturbed)]
        with subprocess.Popen(
            started + (["--resume"] if begun else []), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            time.sleep(rng.uniform(0.6, 4))
            process.kill()
    begun = list(disturbed.glob("*-suite-*"))  # none on a machine that was too busy for one to begin
    ended = connstorm(source, "-o", disturbed, *(["--resume"] if begun else []))
    assert ended.returncode == 0, ended.stderr
    path = only_suite(disturbed)
    assert account(path) == account(undisturbed[0])
    assert not list(path.glob("**/.*")), "something half-written was left"
    for record in suite_folder.read_records(path).values():
        homes = list(suite_folder.trial_folder(path, record.trial).iterdir())
        assert {home.name for home in homes} == {"trial.json", record.run}
        run, _ = run_folder.read(suite_folder.trial_run_folder(path, record))
        assert run.record.plan.seed == record.trial.seed


def test_an_interrupted_suite_says_how_to_go_on(source, tmp_path):
    with subprocess.Popen(
        [*ALONE, *program("suite", source, "-o", tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,  # noqa: PLW1509
    ) as process:
        seen = ""
        while "2/6" not in seen:
            seen += process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    assert process.returncode == 130
    path = only_suite(tmp_path / "out")
    assert f"interrupted; go on with: connstorm suite {path} --resume" in rest
    before = account(path)
    assert 2 <= len(before) < 6
    ended = connstorm(path, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert account(path)[: len(before)] == before
    assert len(account(path)) == 6


def test_a_trial_that_sigterm_ends_early_is_no_result(tmp_path):
    plan = msgspec.structs.replace(find_scenario("clean").plan, attempts=5_000_000, ports=Ports.KERNEL)
    cell = process.CellProcess(plan, tmp_path, process.trial_options(0))
    began = []

    def end_storm(stage):
        if "storm of" in stage:
            began.append(stage)
            cell.interrupt()

    result = cell.wait(end_storm)
    assert began
    assert result.path is None
    assert result.failure.exit_code == INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_trial_that_is_interrupted_alone_is_not_done_and_is_run_again(tmp_path, number):
    """One trial of a suite gets a signal in its storm: the suite ends, and nothing of the trial counts."""
    source = tmp_path / "long.toml"
    source.write_text('trials = 1\nwarmup = 0\nsettle_s = 0\n[[scenario]]\nname = "clean"\nduration_s = 30.0\n')
    with subprocess.Popen(
        [*ALONE, *program("suite", source, "-o", tmp_path / "out")], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (cells := storming_cells(process.pid)):
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(cells[0], number)
        _, said = process.communicate()
    assert process.returncode == 130, said
    path = only_suite(tmp_path / "out")
    assert account(path) == []
    assert f"connstorm suite {path} --resume" in said
    file = suite_folder.read(path)
    (cell,) = read_cell_trials(path, file)
    assert (len(cell.done), cell.missing) == (0, 1)


def storming_cells(suite):
    """Return the cells of a suite that have begun to storm, by the CPU time that they have used."""
    cells = []
    with contextlib.suppress(OSError):  # one has just ended
        for cell in copies_below(suite):
            fields = Path(f"/proc/{cell}/stat").read_text().rpartition(")")[2].split()
            if int(fields[11]) + int(fields[12]) > STORMING_TICKS:
                cells.append(cell)
    return cells


def copies_below(suite):
    """Return the cells of a suite that run: its grandchildren, the copies of its template."""
    return [copy for template in children_of(suite) for copy in children_of(template)]


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_command_that_goes_on_has_what_the_suite_was_given(tmp_path):
    given = ["--executor", "ssh", "--hosts", "lab1,root@lab2"]
    command = resume_command(tmp_path / "a suite", given, host=True, retry_failed=True)
    assert shlex.split(command)[:3] == ["connstorm", "suite", str(tmp_path / "a suite")]
    context = group.make_context("connstorm", shlex.split(command)[1:])
    verb = group.get_command(context, "suite")
    read = verb.make_context("suite", shlex.split(command)[2:]).params
    assert (read["engine"], read["hosts"]) == ("ssh", "lab1,root@lab2")
    assert all(read[name] for name in ("resume", "host", "retry_failed"))


def interruptible():
    """Let SIGINT end this process, as a terminal would have it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_more_trials_are_added_and_those_that_are_there_stay(source, tmp_path):
    connstorm(source, "-o", tmp_path / "out", "--trials", 1)
    path = only_suite(tmp_path / "out")
    before = {record.run for record in suite_folder.read_records(path).values()}
    ended = connstorm(source, "-o", tmp_path / "out", "--resume", "--trials", 2)
    assert ended.returncode == 0, ended.stderr
    after = [record.run for record in suite_folder.read_records(path).values()]
    assert len(after) == 6
    assert before == set(after[:3])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("mines = 3", "mines = 4", "The cell 'closewait' would now do something other"),
        ('[[scenario]]\nname = "clean"\n', "", "has a cell 'clean' that the suite no longer has"),
        ("[1, 0]", "[1, 0, 2]", "The suite has a cell 'closewait tcp_timestamps=2' that"),
        ("trials = 2", "trials = 2\nseed = 2", "was started with seed 1, and now it is 2"),
    ],
)
def test_resume_refuses_what_changed_in_a_way_that_matters(source, tmp_path, old, new, sentence):
    executor = Local()
    file = manifest.begin_suite(suite_file.read(source), executor, host=False)
    path = suite_folder.create(file, SMALL, tmp_path)
    source.write_text(SMALL.replace(old, new))
    with pytest.raises(UsageError, match=sentence):
        manifest.resume_suite(path, suite_file.read(source), executor, host=False)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"program": "connstorm 0.0.1"}, "another program on local: connstorm 0.0.1, and now"),
        ({"engine": "0123"}, "another compiled engine on local: 0123, and now"),
        ({"kernel": "5.10.0"}, "another kernel on local: 5.10.0, and now"),
    ],
)
def test_resume_refuses_another_program_or_host(source, tmp_path, change, what):
    executor = Local()
    suite = suite_file.read(source)
    file = manifest.begin_suite(suite, executor, host=False)
    attestation = file.fingerprints["local"]
    if kernel := change.pop("kernel", None):
        change = {"host": msgspec.structs.replace(attestation.host, kernel=kernel)}
    changed = msgspec.structs.replace(attestation, **change)
    path = suite_folder.create(msgspec.structs.replace(file, fingerprints={"local": changed}), SMALL, tmp_path)
    with pytest.raises(UsageError, match=what):
        manifest.resume_suite(path, suite, executor, host=False)


def test_nothing_to_go_on_with_is_said(source, tmp_path):
    ended = connstorm(source, "-o", tmp_path / "out", "--resume")
    assert ended.returncode == 2
    assert "There is no suite small under" in ended.stderr
    ended = connstorm(tmp_path, "-o", tmp_path / "out", "--resume")
    assert ended.returncode == 2
    assert "is not a suite folder" in ended.stderr


class FirstKilled(Local):
    """Kills the first trial with SIGKILL, as the kernel does when memory runs out."""

    def __init__(self):
        self.killed = False

    def submit(self, job, host):
        handle = super().submit(job, host)
        if not self.killed:
            self.killed = True
            handle.running.kill()
        return handle


def test_a_trial_that_dies_is_recorded_and_the_rest_goes_on(source, tmp_path):
    path, file, _ = conducted(source, tmp_path, FirstKilled())
    first, *others = suite_folder.read_records(path).values()
    assert first.status is Status.FAILED
    assert "ended with SIGKILL, which the kernel sends when memory runs out" in first.reason
    assert {record.status for record in others} == {Status.DONE}
    assert count_missing(read_cell_trials(path, file)) == 0
    Scheduler(path, file, Local(), retry_failed=True).run(Silent())
    assert {record.status for record in suite_folder.read_records(path).values()} == {Status.DONE}


def test_a_trial_that_takes_too_long_is_ended(source, tmp_path):
    source.write_text(f"limit_s = 0.2\n{SMALL}")
    path, _, _ = conducted(source, tmp_path, Local())
    reasons = {record.reason for record in suite_folder.read_records(path).values()}
    assert len(reasons) == 2  # one a scenario
    assert all("did not end within 0.2 s and was ended" in reason for reason in reasons)


def test_the_command_says_that_trials_failed(source, tmp_path):
    source.write_text(f"limit_s = 0.2\n{SMALL}")
    ended = connstorm(source, "-o", tmp_path, "--trials", 1)
    assert ended.returncode == 3
    assert "did not end within 0.2 s" in ended.stdout


def test_a_setting_that_this_kernel_lacks_makes_a_cell_not_applicable(source, tmp_path):
    missing_name = next((name for name in sysctl.RECORDED if sysctl.read(name) is None), None)
    if missing_name is None:
        pytest.skip("this kernel has every setting that connstorm knows")
    source.write_text(
        f'trials = 2\nwarmup = 0\n[[scenario]]\nname = "clean"\nattempts = 10\n[matrix]\n"{missing_name}" = [1, 2]'
    )
    path, file, _ = conducted(source, tmp_path, Local())
    assert {record.status for record in suite_folder.read_records(path).values()} == {Status.NOT_APPLICABLE}
    cells = read_cell_trials(path, file)
    assert all(f"has no {missing_name}" in trials.not_applicable for trials in cells)
    assert count_missing(cells) == 0
    assert "not applicable" in connstorm(source, "--dry-run").stdout


def test_a_setting_of_the_whole_host_needs_host():
    attestation = manifest.begin_suite(
        suite_file.build_suite({"scenario": [{"name": "clean"}]}), Local(), host=False
    ).fingerprints["local"]
    name = next((name for name in attestation.host_settings if "netdev_max_backlog" in name), None)
    if name is None:
        pytest.skip("this kernel has no setting of the whole host alone")
    suite = suite_file.build_suite({"scenario": [{"name": "clean"}], "matrix": {name: [1000, 2000]}})
    with pytest.raises(UsageError, match="belongs to the whole host"):
        manifest.begin_suite(suite, Local(), host=False)


def test_trials_that_do_not_measure_run_beside_each_other(tmp_path):
    source = tmp_path / "other.toml"
    source.write_text(
        "trials = 2\nwarmup = 0\nsettle_s = 0.1\n"
        '[[scenario]]\nname = "clean"\nport_range = [40000, 40003]\nmeasures = false\n'
        "[scenario.matrix]\nwindow = [1, 2, 3]\n"
    )
    executor = Local()
    path, file, told = conducted(source, tmp_path, executor)
    assert executor.parallel_trials > 1
    assert [word.split()[0] for word in told[: 2 * executor.parallel_trials]] == [
        "begins"
    ] * executor.parallel_trials + ["ended"] * executor.parallel_trials
    assert {record.status for record in suite_folder.read_records(path).values()} == {Status.DONE}
    assert [len(trials.done) for trials in read_cell_trials(path, file)] == [2, 2, 2]


FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
ON_THE_HOST = f"""
trials = 1
warmup = 0
settle_s = 0.1
[[scenario]]
name = "clean"
attempts = 20
rate_per_s = 20
[matrix]
"{FIN_TIMEOUT}" = [50, 1, 2]
"""


def settings():
    """Return all settings of this network namespace that stay as they are by themselves."""
    return {name: sysctl.read(name) for name in sysctl.list_names() if name.startswith(("net.ipv4.", "net.core."))}


def test_a_suite_leaves_the_hosts_settings_alone_also_when_it_is_killed(source, tmp_path):
    before = settings()
    with subprocess.Popen([*ALONE, *program("suite", source, "-o", tmp_path)], stderr=subprocess.PIPE) as process:
        while b"1/6" not in process.stderr.readline():
            pass
        process.kill()
    assert settings() == before
    assert len(before) > 100


@namespaced(ports=(40000, 40015))
def test_with_host_settings_are_changed_for_each_trial_and_put_back(tmp_path):
    """The namespace of this test plays the host."""
    source = tmp_path / "host.toml"
    source.write_text(ON_THE_HOST)
    os.environ["CONNSTORM_STATE"] = str(tmp_path / "state")
    before = settings()

    ended = connstorm(source, "-o", tmp_path / "whole", "--host", alone=[])
    assert ended.returncode == 0, ended.stderr
    path = only_suite(tmp_path / "whole")
    for record in suite_folder.read_records(path).values():
        run, _ = run_folder.read(suite_folder.trial_run_folder(path, record))
        level = suite_folder.read(path).cell(record.trial.cell).levels[FIN_TIMEOUT]
        assert run.record.acts[0].sysctls[FIN_TIMEOUT] == str(level)
        assert run.record.plan.host
    assert settings() == before

    with changing(source, tmp_path / "killed") as process:
        process.kill()
    assert wait.wait_until(lambda: settings() == before, 30), "the trial's own process restores what it changed"

    with changing(source, tmp_path / "both killed") as process:
        for cell in copies_below(process.pid):
            os.kill(cell, signal.SIGKILL)
        process.communicate()
    assert process.returncode == 3
    assert settings() != before
    reasons = [
        record.reason or "" for record in suite_folder.read_records(only_suite(tmp_path / "both killed")).values()
    ]
    assert "SIGKILL" in reasons[0]
    assert "connstorm doctor --restore" in reasons[1]
    restored = command.connstorm("doctor", "--restore")
    assert restored.returncode == 0, restored.stderr
    assert settings() == before


@contextmanager
def changing(source, results):
    """Start a suite on this namespace, and wait until it has changed a setting."""
    started = program("suite", source, "-o", results, "--host")
    before = sysctl.read(FIN_TIMEOUT)
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert wait.wait_until(lambda: sysctl.read(FIN_TIMEOUT) != before, 30)
        yield process


@namespaced
def test_a_second_suite_is_refused_with_the_name_of_the_first():
    with lock.hold_lock():
        ended = connstorm("--help", alone=[])
        assert ended.returncode == 0
        ended = connstorm("smoke", alone=[])
    assert ended.returncode == 2
    assert f"Another suite runs on this machine, process {os.getpid()} (" in ended.stderr
    with lock.hold_lock():
        pass


def test_a_full_disk_stops_the_suite_and_loses_nothing(source, tmp_path):
    """The results lie on a file system of their own, which is too small at first."""
    (tmp_path / "small").mkdir()
    script = """
        mount -t tmpfs -o size=130k tmpfs small || exit 99
        "$@" -o small/out; echo "first $?" >&2
        ls -d small/out/*/trials/*/trial.json | wc -l
        mount -t tmpfs -o remount,size=50m tmpfs small  # both are named: mount would pass on ids of no user here
        "$@" -o small/out --resume; echo "second $?" >&2
        cp -r small/out kept
    """
    ended = connstorm(source, alone=["unshare", "-Urnm", "sh", "-c", script, "sh"], cwd=tmp_path)
    if "99" in str(ended.returncode):
        pytest.skip("no file system can be mounted here")
    assert "No space left on device" in ended.stderr
    assert "first 2" in ended.stderr
    assert "second 0" in ended.stderr, ended.stderr
    assert {status for *_, status in account(only_suite(tmp_path / "kept"))} == {Status.DONE}
    assert len(account(only_suite(tmp_path / "kept"))) == 6


def test_where_no_namespace_can_be_made_that_is_said_once_and_no_trial_begins(source, tmp_path):
    script = """
        echo 0 > /proc/sys/user/max_user_namespaces
        exec setpriv --bounding-set=-all --inh-caps=-all "$@"
    """
    ended = connstorm(source, "-o", tmp_path, alone=[*ALONE, "sh", "-c", script, "sh"])
    if "setpriv" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.count("refuses a private network namespace") == 1
    assert "user.max_user_namespaces is 0; as root, sysctl -w user.max_user_namespaces=" in ended.stderr
    assert "--host would run" in ended.stderr
    assert ended.stdout == ""
    assert list(tmp_path.glob("*-suite-*")) == []


def test_a_folder_that_cannot_be_written_is_said_before_anything_runs(source, tmp_path):
    (tmp_path / "file").write_text("")
    ended = connstorm(source, "-o", tmp_path / "file")
    assert ended.returncode == 2
    assert "Results cannot be written to" in ended.stderr


def test_damaged_records_are_named(source, tmp_path):
    path, _, _ = conducted(source, tmp_path, FirstKilled())
    record = next(iter(suite_folder.read_records(path).values()))
    damaged = suite_folder.trial_folder(path, record.trial) / "trial.json"
    damaged.write_text('{"trial": 1}')
    with pytest.raises(UsageError, match="does not follow schema 1"):
        suite_folder.read_records(path)
    damaged.write_text("{")
    with pytest.raises(UsageError, match="remove it, and --resume repeats that trial"):
        suite_folder.read_records(path)
    with pytest.raises(StoreError, match="could not be written"):
        suite_folder.write_json(path / "missing" / "file.json", {})
