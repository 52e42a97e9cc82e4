# SPDX-License-Identifier: MIT
"""The noise of this machine, and what can be seen despite it: through the real command."""

import json
import math

import msgspec
import numpy as np
import pytest
from command import changed_connstorm, connstorm
from stored import a_suite, jittered
from suite_builders import a_summary, trials_of

from stress.analysis.statistics.noise import measure_noise, measure_sessions
from stress.compare.calibrate import build_calibration
from stress.model.calibration import CALIBRATION_SCHEMA, Calibration, Noise
from stress.model.errors import UsageError
from stress.store import calibration as stored
from stress.store import suite_folder
from stress.suite.cell_results import read_cell_trials
from stress.view.text.noise_table import sessions_text

UNSETTLED = """
import msgspec
from stress.compare import calibrate
settled = calibrate.calibration_suite
calibrate.calibration_suite = lambda *names, **fields: msgspec.structs.replace(settled(*names, **fields), settle_s=0.1)
"""  # other tests keep this machine busy: each trial would wait for ten seconds
NOISE = Noise(kind="ratio", floor=0.04, spread=0.05, median=12_000.0)
SHIFT = Noise(kind="difference", floor=30.0, spread=20.0, median=100.0)


def a_calibration(**changes):
    fields = {
        "schema": CALIBRATION_SCHEMA,
        "program": "connstorm 0.1.0",
        "started_utc": "2026-01-01T00:00:00+00:00",
        "testbed": "0a1b2c3d",
        "kernel": "6.18.0",
        "cpu": "a CPU",
        "trials": 12,
        "scenarios": {"clean": {"body.p50": NOISE, "retries_per_million": SHIFT}},
    }
    return Calibration(**(fields | changes))


def test_a_machine_is_calibrated_and_power_reads_it(tmp_path):
    arguments = ["calibrate", "clean", "--attempts", 64, "--trials", 6, "-o", tmp_path, "--json"]
    ended = changed_connstorm(UNSETTLED, *arguments, under=["unshare", "-Urn"])
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    calibration = stored.read(tmp_path / "calibration" / f"{document['calibration']['testbed']}.json")
    noise = calibration.scenarios["clean"]
    assert calibration.trials == 6
    assert noise["rate"].kind == "ratio"
    assert noise["rate"].floor > 0
    assert noise["rate"].spread > 0
    assert noise["retries_per_million"].floor == noise["errors_per_million"].floor == 0
    table = connstorm("power", "-o", tmp_path)
    assert table.returncode == 0, table.stderr
    assert "body p50" in table.stdout
    assert "trials" in table.stdout


def test_sessions_of_a_calibration_say_how_far_they_differ(tmp_path):
    done = []
    for number, rate in enumerate((40_000, 44_000, 38_000)):
        cells = {f"clean {arm}": jittered(6, rate=rate) for arm in "AB"}
        path = a_suite(tmp_path / str(number), cells, suite_id=f"{number:06x}")
        suite = json.loads((path / "suite.json").read_text())
        for cell in suite["cells"]:
            cell |= {"scenario": cell["name"], "plan": cell["plan"] | {"scenario": "clean"}}
        (path / "suite.json").write_text(json.dumps(suite))
        file = suite_folder.read(path)
        done.append((file, read_cell_trials(path, file)))
    calibration = build_calibration(done, pause_s=3600.0)
    noise = calibration.sessions["clean"]["rate"]
    assert (noise.df, noise.trials) == (2, 6)
    assert noise.sd == pytest.approx(np.log([40, 44, 38]).std(ddof=1))
    text = sessions_text(calibration)
    assert "clean: a rate per s of one session differs by a factor of 1.08 as a rule" in text
    assert text.endswith("with 60 minutes between two: sessions of other days may differ by more.")
    near = msgspec.structs.replace(calibration, pause_s=0.0)
    assert "one directly after the other: sessions of other days may differ by more." in sessions_text(near)
    assert sessions_text(build_calibration(done[:1])) == ""


def test_sessions_differ_by_what_both_of_their_cells_do():
    rates = [(1.0, 1.0), (1.2, 1.1), (0.9, 1.0)]
    sessions = [tuple(trials_of([a_summary(rate=1e4 * of_cell)] * 6) for of_cell in pair) for pair in rates]
    noise = measure_sessions(sessions)["rate"]
    assert (noise.df, noise.trials) == (2, 6)
    variances = np.log(rates).var(axis=0, ddof=1)
    assert noise.sd == pytest.approx(variances.mean() ** 0.5)
    assert measure_sessions(sessions[:1]) == {}


def test_a_calibration_without_sessions_reads_on(tmp_path):
    path = stored.write(tmp_path, a_calibration())
    document = json.loads(path.read_bytes())
    del document["sessions"], document["pause_s"]
    path.write_text(json.dumps(document))
    assert stored.read(path) == a_calibration()


def test_rates_need_attempts():
    """Of 10 and 20 per million: 7.85 * 30 / 100 million (statistics for Poisson rates, 5 % and 80 %)."""
    ended = connstorm("power", "--rates", 10, 20, "--json")
    assert json.loads(ended.stdout)["attempts"] == pytest.approx(7.849 * 30 / 100 * 1e6, rel=1e-3)
    twice = connstorm("power", "--rates", 10, 20, "--dispersion", 2, "--json")
    assert json.loads(twice.stdout)["attempts"] == pytest.approx(2 * json.loads(ended.stdout)["attempts"], abs=1)


@pytest.mark.parametrize("arguments", [["--rates", 5, 5], ["--rates", -1, 5], ["--rates", 1, 5, "--dispersion", 0]])
def test_rates_that_cannot_be_are_refused(arguments):
    ended = connstorm("power", *arguments)
    assert ended.returncode == 2
    assert "--rates takes two different rates per million" in ended.stderr


def test_without_a_calibration_power_says_how_to_get_one(tmp_path):
    ended = connstorm("power", "-o", tmp_path)
    assert ended.returncode == 2
    assert "connstorm calibrate makes one" in ended.stderr


def test_the_floor_is_how_far_the_interval_of_no_change_reaches():
    one = trials_of([a_summary(p50=p50) for p50 in (100, 110, 105, 100, 95, 100)])
    other = trials_of([a_summary(p50=p50) for p50 in (105, 100, 100, 100, 100, 98)])
    noise = measure_noise(one, other)["body.p50"]
    assert 0.01 < noise.floor < 0.11
    same = measure_noise(one, one)["body.p50"]
    assert (same.floor, same.spread) == (0, 0)
    swapped = measure_noise(other, one)["body.p50"]
    assert math.isclose(noise.floor, swapped.floor, rel_tol=1e-9)


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    written = a_calibration()
    path = stored.write(tmp_path, written)
    assert stored.read(path) == stored.find_calibration(tmp_path, "0a1b2c3d") == written
    assert stored.find_calibration(tmp_path, "another") is None
    assert written.floor("body.p50") == 0.04
    assert written.floor("rate") is None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"{", "is not a calibration"),
        (b"{}", "is not a calibration"),
        (msgspec.json.encode(a_calibration(schema=9)), "has schema 9, but this connstorm reads 1"),
    ],
)
def test_a_damaged_calibration_is_refused(tmp_path, data, sentence):
    file = tmp_path / "x.json"
    file.write_bytes(data)
    with pytest.raises(UsageError, match=sentence):
        stored.read(file)
