# SPDX-License-Identifier: MIT
"""What the program prints, to the letter: standard output, standard error and exit code of every verb.

After a change that is meant: UPDATE_GOLDEN=1 python -m pytest tests/test_golden.py; then read git diff tests/golden.
All of it is of stored runs, on the host of tests/fixed_host, so no storm and no machine shows; for the rest see NORMAL
of golden_files.
"""

import contextlib
import dataclasses
import io
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import checkup_builders
import click
import inspection_builders
import msgspec
import program_copies
import pytest
import scale_builders
import suite_builders
from command import assert_one_sentence, connstorm
from golden_files import GOLDEN, REPOSITORY, TESTS, agree, normal, page
from history_builders import store_all, wavering
from rich.console import Console
from stored import a_document, a_suite, copy_track, jittered
from test_profile_difference import even_difference

from stress.analysis.attribution.attempt_record import record_attempt
from stress.analysis.attribution.ladder import build_ladder
from stress.analysis.attribution.summary import analyse
from stress.analysis.history.history import HistoryFilter, build_history
from stress.analysis.symptoms.answer import answer_query
from stress.analysis.symptoms.query import parse_query
from stress.cli.doctor_scale import NOTHING_TO_COMPARE
from stress.cli.main import connstorm as group
from stress.cli.output import console, print_report
from stress.cli.profile import print_loop_times, print_profile
from stress.cli.suite import conclude
from stress.model.errors import UsageError
from stress.model.kernel import CachedKernel
from stress.model.record import Overhead
from stress.model.speed import Speed
from stress.run.peer.peer_checks import peer_checks
from stress.store import suite_folder
from stress.store.calibration import read as read_calibration
from stress.store.overview import read_overview
from stress.store.run_folder import read as read_run
from stress.store.runs import read_observations
from stress.store.stored_names import list_stored
from stress.storm.catalogue import SCENARIOS
from stress.suite.cell_results import read_cell_trials
from stress.view.export.inspection_metrics import metrics_text
from stress.view.text.attempt_report import attempt_report
from stress.view.text.demo_table import demo_table
from stress.view.text.doctor import checkup_table, speed_table
from stress.view.text.history_table import history_table
from stress.view.text.inspection_report import inspection_report
from stress.view.text.kernel_table import kernel_table
from stress.view.text.ladder_table import ladder_report
from stress.view.text.noise_table import noise_table
from stress.view.text.profile_difference import profile_difference
from stress.view.text.scale import scale_report
from stress.view.text.stored_table import stored_table
from stress.view.text.suite_plan import Forecast, plan_table
from stress.view.text.suite_table import suite_table
from stress.view.text.symptom_report import symptom_report

SEEN_BY_TERMINALS = ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "LINES")
WIDTH = 112  # of a text that is no terminal's

GATES = (
    {"expr": "body.p99 <= 1.10x", "scenario": None},
    {"expr": "retries_per_million <= +20%", "scenario": "closewait"},
    {"expr": "cause.unknown == 0", "scenario": None},
)
CALIBRATION = {
    "schema": 1,
    "program": "connstorm 0.1.0",
    "started_utc": "2026-01-01T00:00:00+00:00",
    "testbed": "0a1b2c3d",
    "kernel": "6.18.0",
    "cpu": "a CPU",
    "trials": 12,
    "scenarios": {
        "clean": {
            "body.p50": {"kind": "ratio", "floor": 0.04, "spread": 0.05, "median": 12_000.0},
            "retries_per_million": {"kind": "difference", "floor": 30.0, "spread": 20.0, "median": 100.0},
        }
    },
}
KERNEL = {
    "name": "linux-image-6.1.0-50-amd64_6.1.176-1",
    "package": "linux-image-6.1.0-50-amd64",
    "version": "6.1.176-1",
    "suite": "bookworm",
    "release": "6.1.0-50-amd64",
    "names": ["deb:bookworm"],
    "fetched_utc": "2026-01-01T00:00:00+00:00",
}
SUITE = 'trials = 2\n[[scenario]]\nname = "clean"\nport_range = [40000, 40031]\n'
STORED = {  # copies of what is in tests/data, under names as connstorm gives them
    "run-schema-2": "20261124T170010Z-closewait-a3ac99",
    "run-schema-3": "20261128T070355Z-closewait-eb92ff",
    "suite-schema-1": "20261124T202747Z-suite-a-suite-of-a-very-long-name-that-has-no-room-857d21",
}
GATE_FILES = ("verdict.json", "junit.xml", "summary.md")

# Arguments by the name of the golden file; {track} is the oldest suite of results/history, {later} the newest.
VERBS = {
    "compare": "compare base slow --no-draw",
    "compare-all": "compare base slow --no-draw --all",
    "compare-markdown": "compare base slow --no-draw --markdown",
    "compare-json": "compare base slow --no-draw --json",
    "compare-three": "compare base same slow --no-draw --base same --filter scenario=clean",
    "compare-sweep": "compare sweep --no-draw",
    "compare-metric": "compare before=base after=slow --no-draw --metric body.p99 --metric rate --rows scenario",
    "compare-columns": "compare reuse --no-draw --cols tcp_tw_reuse --base 2 --metric body.p50",
    "compare-frozen": "compare suite-schema-1 --no-draw --cols tcp_timestamps",
    "compare-kernel": "compare old slow --no-draw --allow-diff kernel",
    "compare-figures": "compare base slow --metric body.p99",
    "compare-track": "compare old={track} new={later} --no-draw",
    "gate-passed": "gate base same -o out",
    "gate-closed": "gate base slow -o out",
    "gate-closed-json": "gate base slow -o out --json",
    "gate-expr": "gate base slow -o out --expr 'body.p99 <= 1.10x' --expr 'errors == 0' --rows scenario",
    "gate-failed": "gate base failed -o out",
    "gate-burst": "gate base burst -o out --strict",
    "gate-allowed": "gate base failed -o out --allow-missing 3",
    "gate-inconclusive": "gate a=short b=short -o out",
    "gate-strict": "gate a=short b=short -o out --strict",
    "gate-no-baseline": "gate nowhere same -o out",
    "gate-require-baseline": "gate other same -o out --require-baseline",
    "gate-self-test": "gate base same -o out --self-test",
    "gate-self-test-unseen": "gate a=short b=short -o out --self-test",
    "gate-self-test-json": "gate base same -o out --self-test --json",
    "gate-track": "gate {track} {later} -o out",
    "suite-dry-run": "suite smoke.toml --dry-run",
    "suite-dry-run-links": "suite links.toml --dry-run",
    "suite-dry-run-json": "suite smoke.toml --dry-run --json --trials 1",
    "suite-dry-run-folder": "suite base --dry-run",
    "history": "history steps --figure history.png",
    "history-gate": "history steps --figure history.png --gate --metric rate",
    "history-json": "history steps --figure history.png --json --metric rate",
    "history-accept": "history steps --figure history.png --accepted let.toml --accept 000019 --reason 'a new kernel'",
    "history-threshold": "history steps --figure history.png --threshold 0.3",
    "history-add": "history kept --add suite-schema-1",
    "history-track": "history track --figure history.png",
    "calibrated-power": "power --calibration calibration.json",
    "calibrated-power-json": "power --calibration calibration.json --json",
    "power-rates": "power --rates 10 20",
    "power-rates-json": "power --rates 10 20 --dispersion 2 --json",
    "explain": "explain",
    "explain-set": "explain --set net.ipv4.tcp_syn_retries=2 --set net.ipv4.tcp_syn_linear_timeouts=0",
    "explain-latency": "explain 1.02s",
    "explain-latency-set": "explain 3.05s --set net.ipv4.tcp_syn_retries=1 --set net.ipv4.tcp_syn_linear_timeouts=0",
    "explain-error": "explain EHOSTUNREACH 3.05s",
    "explain-error-json": "explain refused --json",
    "explain-cause": "explain --cause accept_queue",
    "explain-cause-json": "explain --cause stalled --json",
    "explain-json": "explain --set net.ipv4.tcp_syn_retries=2 --json",
    "read": "read two.pcapng",
    "list": "list stored",
    "show": "show latest:closewait --results stored",
    "plot": "plot run-schema-2 run-schema-1 suite-schema-1 -o pictures",
    "export-pytest-benchmark": "export base --format pytest-benchmark --metric body.p50",
    "export-pytest-benchmark-columns": "export reuse --format pytest-benchmark --columns tcp_tw_reuse -o exported",
    "export-pyperf": "export suite-schema-1 --format pyperf",
    "export-benchfmt": "export suite-schema-1 --format benchfmt",
    "export-bmf": "export suite-schema-1 --format bmf",
    "export-github-smaller": "export suite-schema-1 --format github-smaller",
    "export-github-bigger": "export suite-schema-1 --format github-bigger",
    "export-otava": "export suite-schema-1 --format otava -o exported",
    "export-hlog": "export suite-schema-1 --format hlog",
    "export-csv": "export suite-schema-1 run-schema-2 --format csv",
    "export-parquet": "export suite-schema-1 --format parquet -o attempts.parquet",
    "kernels-list": "kernels list",
    "kernels-list-json": "kernels list --json",
    "kernels-remove": "kernels remove bookworm",
    "kernels-remove-json": "kernels remove bookworm --json",
    "doctor-restore": "doctor --restore",
    "doctor-restore-json": "doctor --restore --json",
}
# The same in this process, which is ten times faster.
STORED_VERBS = {
    "list-newest": "list stored stored/history -n 1",
    "list-json": "list stored --json",
    "show-profile": "show profiled --profile",
    "export-flamegraph": "export profiled --format flamegraph",
    "show-suite": "show suite-a-suite --results stored",
    "show-attempt": "show a3ac99 --attempt 1 --results stored",
    "show-attempt-json": "show latest~1 --attempt 10 --results stored --json",
    "show-trial": "show latest~2 --trial 1 --attempt 0 --results stored",
}
WRONG_NAMES = (
    "list nowhere",
    "list stored/20261124T170010Z-closewait-a3ac99",
    "show closewait --results stored",
    "show closwait --results stored",
    "show latest:closewait~2 --results stored",
    "show latest",
    "show stored",
    "show a3ac99 --attempt 12 --results stored",
    "show suite-a --attempt 12 --results stored",
    "show suite-a --trial 3 --results stored",
)
# Files that a verb leaves, of which the golden file has the text.
FILES = {
    **{
        f"gate-{verb}": tuple(f"out/gate/{new}/{name}" for name in GATE_FILES)
        for verb, new in (("passed", "same"), ("closed", "slow"), ("inconclusive", "short"), ("burst", "burst"))
    },
    "gate-failed": ("out/gate/failed/summary.md",),
    "gate-no-baseline": ("out/gate/same/summary.md",),
    "history-accept": ("let.toml",),
}
NEEDS = {"export-hlog": "hdrh", "export-parquet": "pyarrow"}

WRONG = {
    "no-verb": "fly",
    "demo": "demo --seed -1",
    "run-scenario": "run closwait",
    "run-option": "run clean --atempts 3",
    "run-value": "run clean --port-range 50000-40000",
    "run-mines": "run closewait --port-range 40000-40031 --mines 33",
    "suite-nowhere": "suite nowhere.toml",
    "suite-key": "suite wrong.toml",
    "suite-folder": "suite base",
    "suite-name": "suite smok --dry-run",
    "suite-executor": "suite smoke.toml --executor moon",
    "suite-links": "suite wrong-links.toml --dry-run",
    "suite-resume": "suite smoke.toml --resume -o empty",
    "compare-same": "compare base base",
    "compare-one": "compare base",
    "compare-dimension": "compare base slow --cols colour",
    "compare-kernel": "compare old slow",
    "compare-cell": "compare base slow#dirty",
    "gate-metric": "gate base same --expr 'body.p98 <= 1.1x'",
    "gate-nowhere": "gate base nowhere",
    "bisect-option": "bisect smoke.toml --bad host",
    "bisect-order": "bisect smoke.toml --good b --bad a --kernels a,b",
    "history-empty": "history empty",
    "history-reason": "history steps --accept 000019",
    "history-metric": "history steps --metric body.p98",
    "calibrate": "calibrate closwait",
    "calibrate-trials": "calibrate --trials 5",
    "power": "power --rates 10 10",
    "power-calibration": "power --calibration nowhere.json",
    "scenarios": "scenarios clean",
    "explain-cause": "explain --cause acept-queue",
    "explain-symptom": "explain 2 jifies",
    "explain-unit": "explain 1.02",
    "explain-symptom-setting": "explain 1s --set net.ipv4.tcp_fin_timeout=3",
    "explain-both": "explain --cause closewait --set net.ipv4.tcp_syn_retries=2",
    "explain-setting": "explain --set net.ipv4.tcp_fin_timeout=3",
    "explain-value": "explain --set net.ipv4.tcp_syn_retries=many",
    "read": "read smoke.toml",
    "read-nowhere": "read nowhere.pcap",
    "read-port": "read two.pcapng --port 1",
    "plot": "plot nowhere",
    "plot-damaged": "plot run-schema-2 damaged",
    "export-format": "export base --format xml",
    "export-files": "export base --format otava",
    "export-nowhere": "export nowhere --format csv",
    "inspect-check": "inspect --ignore close-wait",
    "inspect-metrics": "inspect --metrics connstorm.txt",
    "inspect-namespace": "inspect --netns nowhere",
    "inspect-process": "inspect --pid 999999999",
    "inspect-watch": "inspect --watch 0.5",
    "kernels": "kernels install",
    "kernels-fetch": "kernels fetch Bookworm",
    "kernels-remove": "kernels remove trixie",
    "doctor": "doctor --speed --restore",
    "worker": "worker",
    "run-cell": "run-cell",
}


LINKS = {  # suite files
    "links.toml": """
trials = 2
[[scenario]]
name = "closewait"
[matrix]
link = ["loopback", "veth", "peer:lab2", "peer:root@lab3:2222/198.51.100.3"]
""",
    "wrong-links.toml": """
[[scenario]]
name = "clean"
link = "vet"
[[scenario]]
name = "snat-race"
link = "peer:lab2"
[[scenario]]
name = "half-open"
link = "loopback"
[[scenario]]
name = "loss"
link = "veth"
[[scenario]]
name = "self-connect"
[scenario.matrix]
link = ["veth"]
""",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a folder of stored runs and suites."""
    home = tmp_path_factory.mktemp("inputs")
    for name in ("run-schema-1", "run-schema-2", "run-schema-3", "suite-schema-1"):
        shutil.copytree(TESTS / "data" / name, home / name)
    copy_track(home / "track")
    shutil.copy(REPOSITORY / "stress" / "suites" / "smoke.toml", home)
    for name, text in LINKS.items():
        (home / name).write_text(text)
    shutil.copy(TESTS / "data" / "captures" / "two.pcapng", home)
    shutil.copytree(home / "run-schema-2", home / "damaged")
    os.truncate(home / "damaged" / "attempts.npy", 200)
    # Of one session, or times could not be compared.
    of_session = {"suite_id": "5e5510", "gates": GATES}
    for number, (name, changes) in enumerate({"slow": {"p99": 25_000, "refused": 400}, "base": {}, "same": {}}.items()):
        cells = {"clean": jittered(14, **({"p99": 18_000} | changes)), "closewait": jittered(14, retried=20)}
        a_suite(home / name, cells, first_block=14 * number, **of_session)
    short = {"clean": jittered(2), "closewait": jittered(2, retried=20)}
    shutil.copytree(TESTS / "data" / "run-schema-3-profile", home / "profiled")
    for name, copy in STORED.items():
        shutil.copytree(TESTS / "data" / name, home / "stored" / copy)
    (home / "stored" / "20261128T070356Z-clean-0a1b2c").mkdir()
    a_suite(home / "stored" / "history" / "20261101T000000Z-suite-old-00aa11", {"clean": [a_document()]})
    a_suite(home / "short", short, suite_id="short", gates=GATES)
    failed = {"clean": jittered(3), "closewait": ["its process ended with SIGKILL"] * 3}
    a_suite(home / "failed", failed, **of_session)
    burst = [*jittered(5, p99=18_000), a_document(refused=17, stalled=17)]
    burst = {"clean": burst, "closewait": [*jittered(3, retried=20), None, "it took longer than 900 s", "it died"]}
    gates = [{"expr": expr, "scenario": None} for expr in ("errors == 0", "body.p99 <= 5 ms", "band.1s == 0")]
    a_suite(home / "burst", burst, suite_id="burst", gates=gates)
    a_suite(home / "other", {"clean": [a_document(plan={"window": 7})] * 10}, suite_id="other", gates=GATES)
    a_suite(home / "old", {"clean": [a_document(kernel="5.10.0")] * 2}, suite_id="5e5510", first_block=40)
    reused = {
        f"clean tcp_tw_reuse={reuse}": [
            a_document(p50=p50 + trial, settings={"net.ipv4.tcp_tw_reuse": reuse}) for trial in range(8)
        ]
        for reuse, p50 in (("0", 10_000), ("2", 20_000))
    }
    a_suite(home / "reuse", reused, suite_id="reuse")
    a_suite(home / "sweep", swept(), suite_id="sweep")
    rates = wavering((25, 40_000), (25, 34_000))
    store_all(home / "steps", rates[:25], program="connstorm 1.0", kernel="6.12.1")
    store_all(home / "steps", rates[25:], first=25, program="connstorm 1.1", kernel="6.18.44")
    (home / "calibration.json").write_text(json.dumps(CALIBRATION))
    (home / "wrong.toml").write_text(SUITE.replace("trials", "trails"))
    (home / "empty").mkdir()
    return home


def swept():
    """Return the trials of a suite of long names and large numbers, by cell."""
    trials = {}
    for scenario in ("clean", "challenge-intercepted-by-a-firewall"):
        for setting, changes in {
            "": {},
            " tcp_syn_linear_timeouts=0": {"p99": 18_400},
            " ip_local_port_range=1024 65535": {"p99": 24_000, "rate": 1_234_567.8},
            " tcp_challenge_ack_limit=2147483647": {"retried": 1_234_567, "unknown": 1_234},
        }.items():
            common = {"attempts": 12_345_678, "rate": 1_500_000.0, "plan": {"mines": 500}}
            trials[scenario + setting] = jittered(14, **(common | changes))
    return trials


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Return the environment of each process: no terminal, and nothing of whoever runs the tests."""
    home = tmp_path_factory.mktemp("environment")
    kept = {name: value for name, value in os.environ.items() if name not in SEEN_BY_TERMINALS}
    paths = [TESTS / "fixed_host", REPOSITORY, os.environ.get("PYTHONPATH", "")]
    variables = kept | {
        "COLUMNS": str(WIDTH),
        "CONNSTORM_STATE": str(home / "state"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "OPENBLAS_NUM_THREADS": "1",  # of numpy: to start as many as there are CPUs takes longer than all else
        "PYTHONPATH": os.pathsep.join(map(str, filter(None, paths))),
        "PYTHONUTF8": "1",
        "TZ": "UTC",
    }
    program_copies.KNOWN.add(program_copies.of_start(variables))
    return variables


@pytest.fixture
def run(inputs, environment, tmp_path):
    """Return a function that runs the program in a folder of its own, in which the inputs are."""
    for entry in inputs.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    cache = tmp_path / "kernels" / KERNEL["name"]
    cache.mkdir(parents=True)
    (cache / "kernel.json").write_text(json.dumps(KERNEL))
    suites = sorted(f"track/{entry.name}" for entry in (inputs / "track").iterdir())
    environment = environment | {"CONNSTORM_KERNELS": str(tmp_path / "kernels")}

    def run(line, *, files=(), columns=WIDTH, **options):
        arguments = shlex.split(line.format(track=suites[0], later=suites[-1]))
        settings = {"cwd": tmp_path, "env": environment | {"COLUMNS": str(columns)}}
        ended = connstorm(*arguments, **(settings | options))
        places = ((tmp_path, "<tmp>"), (inputs, "<tmp>"))
        texts = {file: normal((tmp_path / file).read_text("utf-8"), *places) for file in files}
        stdout, stderr = (normal(text, *places) for text in (ended.stdout, ended.stderr))
        parts = [(f"connstorm {line}", ""), (f"exit code {ended.returncode}", ""), ("standard output", stdout)]
        text = page(*parts, ("standard error", stderr), *texts.items())
        return SimpleNamespace(ended=ended, text=text, stdout=stdout, folder=tmp_path)

    return run


@pytest.fixture
def printed(capsys, monkeypatch, inputs):
    """Return a function that returns what is printed in this process, as a verb prints it after its storms."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for name in SEEN_BY_TERMINALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(inputs)

    def printed(show, *arguments, **options):
        capsys.readouterr()
        code = show(*arguments, **options)
        out, err = capsys.readouterr()
        assert not err
        return code, normal(out, (inputs, "<tmp>"))

    return printed


# Verbs


@pytest.mark.parametrize("name", VERBS)
def test_verb(name, run):
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    agree(name, run(VERBS[name], files=FILES.get(name, ())).text)


def test_the_scenarios_of_json_are_those_of_the_table(run):
    document = json.loads(run("scenarios --json").ended.stdout)
    assert list(document) == list(SCENARIOS)
    keys = ("summary", "expect", "group", "symptoms", "causes", "plan")
    assert {tuple(scenario) for scenario in document.values()} == {keys}
    words = run("scenarios").ended.stdout.split()
    assert all(set(f"{name} {scenario['summary']}".split()) <= set(words) for name, scenario in document.items())


@pytest.mark.parametrize("columns", [60, 160])
def test_the_width_of_what_is_no_terminal(columns, run):
    agree(f"compare-{columns}-columns", run(VERBS["compare"], columns=columns).text)


def test_without_a_verb(run):
    agree("nothing", run("").text)


def test_no_kernel_was_fetched(run):
    run("kernels remove bookworm")
    agree("kernels-none", run("kernels list").text)


def test_doctor_looks_at_the_same_points_everywhere(run):
    """What it finds is the machine's; the names of what it looks at are not."""
    ended = run("doctor")
    points = re.findall(r"^ \S   (\S+(?: \S+)*)(?:  |$)", ended.stdout, re.MULTILINE)
    heading = next(line.split("  ") for line in ended.stdout.splitlines() if line.strip())
    document = json.loads(run("doctor --json").ended.stdout)
    assert [point["name"] for point in document["points"]] == points
    lines = [
        ("exit code", str(ended.ended.returncode)),
        ("columns", " | ".join(word.strip() for word in heading if word)),
    ]
    lines += [("fields", ", ".join([*document, *document["points"][0]]))]
    agree("doctor", page(*lines, ("points", "\n".join(points)), ("standard error", ended.ended.stderr)))


# What verbs print after storms


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("run", "run-schema-2"),
        ("run-schema-1", "run-schema-1"),
        ("run-schema-3", "run-schema-3"),
        ("run-of-a-suite", "suite-schema-1/trials/0000-closewait/20261124T202749Z-closewait-8f58ea"),
    ],
)
def test_run(name, path, printed):
    observed, summary = read_run(Path(path))
    _, text = printed(print_report, observed.record, summary, Path(path))
    agree(name, text)


@pytest.mark.parametrize("name", ["fine", "trouble", "watched"])
def test_inspection(name, printed):
    """At 80 columns, for a person in trouble."""
    _, text = printed(lambda: Console(highlight=False, width=80).print(report_of(name)))
    agree(f"inspection-{name}", text)


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_stored(columns, printed):
    """The list, and all of one attempt, as wide as terminals are."""
    lines = [(entry, read_overview(entry)) for entry in list_stored(Path("stored"))]
    path = lines[1][0].path
    record = record_attempt(*read_run(path), 1)
    terminal = Console(highlight=False, width=columns)
    _, table = printed(lambda: terminal.print(stored_table(lines, columns)))
    _, report = printed(lambda: terminal.print(attempt_report(record, path)))
    agree(f"stored-{columns}-columns", page(("connstorm list", table), ("connstorm show --attempt", report)))
    assert max(map(len, (table + report).splitlines())) <= columns


@pytest.mark.parametrize("name", STORED_VERBS)
def test_a_verb_of_what_is_stored(name, printed):
    _, text = printed(group.main, shlex.split(STORED_VERBS[name]), standalone_mode=False)
    agree(name, page((f"connstorm {STORED_VERBS[name]}", text)))


def test_names_of_what_is_not_stored(inputs, monkeypatch):
    monkeypatch.chdir(inputs)
    parts = []
    for line in WRONG_NAMES:
        with pytest.raises(UsageError) as error:
            group.main(shlex.split(line), standalone_mode=False)
        parts.append((f"connstorm {line}", f"{error.value}"))
    agree("wrong/stored", page(*parts))


def report_of(name, width=80):
    return inspection_report(getattr(inspection_builders, name.upper()), width)


@pytest.mark.parametrize("name", ["fine", "trouble", "refused"])
def test_peer_doctor(name, printed):
    """At 80 columns."""
    checks = list(peer_checks(getattr(checkup_builders, name.upper())))
    _, text = printed(lambda: Console(highlight=False, width=80).print(checkup_table(checks)))
    agree(f"doctor-peer-{name}", text)


def test_inspection_metrics(printed):
    _, text = printed(lambda: Console(highlight=False).out(metrics_text(inspection_builders.WATCHED).decode(), end=""))
    agree("inspection-metrics", text)


def test_demo(printed):
    panels = [(letter, analyse(read_run(Path(name))[0])) for letter, name in (("a", "run-schema-2"),)]
    _, text = printed(lambda: console().print(demo_table(panels)))
    agree("demo", text)


@pytest.mark.usefixtures("printed")
def test_five_storms_fit_a_terminal_of_80_columns():
    """No row needs a second line, and nothing is cut."""
    scenarios = ("clean", "closewait", "one-second", "challenge-limit", "rst-dropped")
    findings = analyse(read_run(Path("run-schema-2"))[0])
    panels = []
    for letter, scenario in zip("abcde", scenarios, strict=True):
        record = findings.run.record
        named = msgspec.structs.replace(record, plan=msgspec.structs.replace(record.plan, scenario=scenario))
        run = dataclasses.replace(findings.run, record=named)
        mines = msgspec.structs.replace(findings.summary.mines, laid=500, left=500)
        summary = msgspec.structs.replace(findings.summary, attempts=28_232, mines=mines)
        panels.append((letter, dataclasses.replace(findings, run=run, summary=summary)))
    narrow = Console(width=80, file=io.StringIO())
    narrow.print(demo_table(panels))
    lines = narrow.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("…" in line for line in lines) == 0
    assert [line.count("500 / 500") for line in lines if "mines laid / left" in line] == [5]
    assert all(
        not line.startswith("    ") for line in lines[lines.index(next(line for line in lines if "─" in line)) : -1]
    )


def test_calibrate(printed):
    _, text = printed(lambda: console().print(noise_table(read_calibration(Path("calibration.json")))))
    agree("calibrate", text)


@pytest.mark.parametrize("suite", ["suite-schema-1", "slow", "failed"])
@pytest.mark.parametrize("as_json", [False, True])
def test_suite(suite, as_json, printed):
    code, text = printed(conclude, Path(suite), as_json=as_json)
    agree(f"suite-{suite}{'-json' if as_json else ''}", page((f"exit code {code}", ""), ("standard output", text)))


def test_a_suite_that_is_gone_on_with(run):
    """It was begun on another machine, with another engine; here it says of itself that it was begun on this one."""
    alone = ("unshare", "-Urn")  # next to other tests' suites
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives no private network to be alone in")
    attested = run("run-cell --attest", under=alone)
    folder = attested.folder / "begun"
    shutil.copytree(attested.folder / "suite-schema-1", folder)
    suite = json.loads((folder / "suite.json").read_text())
    suite["attestations"]["local"] = json.loads(attested.ended.stdout)
    (folder / "suite.json").write_text(json.dumps(suite))
    last = json.loads(run("suite begun --dry-run --json").ended.stdout)["trials"][-1]  # the one that is missing
    like = folder / "trials" / f"0001-{last['cell'].replace(' ', '-')}"
    made = Path(shutil.copytree(like, like.with_name(like.name.replace("0001", f"{last['number']:04d}"))))
    record = json.loads((like / "trial.json").read_text()) | {"trial": last}
    (made / "trial.json").write_text(json.dumps(record))
    agree("suite-resume", run("suite begun --resume", under=alone).text)


# Tables at 80 and at 120 columns


TABLES = (
    *("compare", "compare-sweep", "compare-three", "compare-columns", "compare-all"),
    *("gate-closed", "gate-failed", "gate-burst", "gate-self-test", "gate-self-test-unseen"),
    *("calibrated-power", "explain-cause"),
)


@pytest.fixture
def at_widths(printed, monkeypatch):
    """Return a function that returns what is printed in this process at 80 and at 120 columns."""

    def at_widths(show, *arguments, **options):
        parts = []
        for columns in (80, 120):
            monkeypatch.setenv("COLUMNS", str(columns))
            _, text = printed(show, *arguments, **options)
            assert not re.search(r"[\w.,]…", text.replace("any…", "")), text
            parts.append((f"{columns} columns", text))
        return page(*parts)

    return at_widths


def test_scenarios(run):
    agree(
        "scenarios", page(*((f"{columns} columns", run("scenarios", columns=columns).stdout) for columns in (80, 120)))
    )


@pytest.mark.parametrize("name", TABLES)
def test_verb_at_widths(name, at_widths, inputs, tmp_path, monkeypatch):
    for entry in inputs.iterdir():
        (tmp_path / entry.name).symlink_to(entry)

    def show():
        monkeypatch.chdir(tmp_path)
        warnings = contextlib.redirect_stderr(io.StringIO())  # they and the exit code are in the other golden file
        with warnings, contextlib.suppress(SystemExit):
            group.main(shlex.split(VERBS[name]), "connstorm", standalone_mode=False)

    agree(f"widths/{name}", at_widths(show))


SOME_AXES = {
    name: values
    for name, values in suite_builders.AXES.items()
    if name.endswith(("challenge_ack_limit", "linear_timeouts", "port_range"))
}
SETTINGS = {  # that symptoms depend on
    f"net.ipv4.tcp_{name}": value
    for name, value in {"syn_retries": "6", "syn_linear_timeouts": "4", "rfc1337": "0", "timestamps": "1"}.items()
}
SPEEDS = [Speed(close, 123_456.7, 98_765.4, 0.987, (0.981, 0.993)) for close in ("rst", "fin")]
OVERHEAD = Overhead(clock_ns=28.5, getsockname_ns=312.5, record_ns=4.5, tcp_info_ns=400.0, bind_ns=300.0)
HISTORY = HistoryFilter(("rate", "body.p99"), (), ())
RENDERED = {
    "run": lambda: print_run("run-schema-3"),
    "run-books": lambda: print_run("run-schema-3", with_books=True),
    "profile": lambda: print_profile(read_run(Path("profiled"))[0], Path("profiled")),
    "loop-times": lambda: print_loop_times(read_run(Path("profiled"))[0], "perf may not be used here"),
    "profile-difference": lambda: console().print(
        profile_difference("clean: new against base", [even_difference()], "trial", everything=False)
    ),
    "history": lambda: console().print(
        history_table(build_history([*read_observations(Path("steps"), "")], HISTORY, ()))
    ),
    "suite": lambda: console().print(table_of("slow")),
    "suite-settings": lambda: console().print(suite_table(suite_builders.made_up(axes=SOME_AXES))),
    "suite-plan": lambda: console().print(plan_of("sweep")),
    "calibrate": lambda: console().print(noise_table(read_calibration(Path("calibration.json")))),
    "demo": lambda: console().print(demo_table([("a", analyse(read_run(Path("run-schema-2"))[0]))])),
    "kernels": lambda: console().print(kernel_table([(msgspec.convert(KERNEL, CachedKernel), 1 << 28)])),
    "doctor-peer": lambda: console().print(checkup_table(list(peer_checks(checkup_builders.TROUBLE)))),
    "inspect": lambda: console().print(report_of("watched", console().width)),
    "symptom": lambda: console().print(symptom_of("run-schema-2", "2 jiffies")),
    "speed": lambda: console().print(speed_table(SPEEDS, OVERHEAD)),
    "scale": lambda: console().print(scale_report(scale_builders.STEPS, scale_builders.lock_grows(), "")),
    "scale-one": lambda: console().print(scale_report(scale_builders.STEPS[:1], None, NOTHING_TO_COMPARE)),
    "ladder": lambda: console().print(ladder_of("run-schema-2")),
}


@pytest.mark.parametrize("name", RENDERED)
def test_table_at_widths(name, at_widths):
    agree(f"widths/{name}", at_widths(RENDERED[name]))


def print_run(path, **options):
    observed, summary = read_run(Path(path))
    print_report(observed.record, summary, Path(path), **options)


def table_of(path):
    return suite_table(read_cell_trials(Path(path), suite_folder.read(Path(path))))


def plan_of(path):
    suite = suite_folder.read(Path(path)).suite
    forecasts = [
        Forecast(trials.cell, 28_232, 12.5, trials.not_applicable)
        for trials in suite_builders.made_up(1, axes=SOME_AXES)
    ]
    return plan_table(suite, forecasts)


def symptom_of(path, text):
    host = read_run(Path(path))[0].record.host
    ladder = build_ladder(host, SETTINGS)
    answer = answer_query(parse_query(text), host.kernel, ladder, SETTINGS)
    return symptom_report(answer, host, SETTINGS, ladder, SCENARIOS)


def ladder_of(path):
    record = read_run(Path(path))[0].record
    sysctls = record.acts[0].sysctls
    return ladder_report(record.host, sysctls, build_ladder(record.host, sysctls))


# Wrong use


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use(name, run):
    ended = run(WRONG[name])
    assert_one_sentence(ended.ended)
    agree(f"wrong/{name}", ended.text)


def test_a_plan_that_is_none(run):
    agree("wrong/run-cell-plan", run("run-cell -o out", input="{}").text)


# Help


def commands(command=group, path=()):
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


@pytest.mark.parametrize("path", [*commands()], ids=lambda path: "-".join(path) or "connstorm")
def test_help(path, printed, monkeypatch):
    parts = []
    for columns in (80, 120):
        monkeypatch.setenv("COLUMNS", str(columns))
        _, text = printed(group.main, [*path, "--help"], "connstorm", standalone_mode=False)
        parts.append((f"{columns} columns", text))
    agree(f"help/{'-'.join(path) or 'connstorm'}", page(*parts))


def test_no_golden_file_is_left_over():
    assert {file.stem for file in (GOLDEN / "wrong").iterdir()} == {*WRONG, "run-cell-plan", "stored"}
    assert {file.stem for file in (GOLDEN / "help").iterdir()} == {"-".join(path) or "connstorm" for path in commands()}
    assert {file.stem for file in (GOLDEN / "widths").iterdir()} == {*TABLES, *RENDERED}
    assert {*VERBS} <= {file.stem for file in GOLDEN.iterdir()}
