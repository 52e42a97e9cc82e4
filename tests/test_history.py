# SPDX-License-Identifier: MIT
"""connstorm history on stored runs: what it finds, what it draws, what is accepted, and its exit codes."""

import contextlib
import io
import json
import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import command
import msgspec
import pytest
from boxes import outside, overlapping
from history_builders import BEGIN, DAY, a_series, drawn_series, levels, store_all, times, wavering
from hypothesis import given
from hypothesis import strategies as st
from stored import FROZEN, a_document, a_suite, jittered

from stress.analysis.history.change import State
from stress.analysis.history.change_point import find_change_points
from stress.analysis.history.history import HistoryFilter, build_history, find_place
from stress.cli.main import main
from stress.model.acceptance import Acceptance
from stress.model.errors import UsageError
from stress.store import accepted, run_folder
from stress.store.accepted import line_text
from stress.store.history_folder import copy_to_history
from stress.store.runs import read_observations
from stress.view.figure.history.history_sheets import history_figures, split_into_sheets
from stress.view.figure.save import save_sheets
from stress.view.text.history_wording import history_headline, too_short_line

SLOWER = wavering((25, 40_000), (25, 34_000))
STEP = "000019"  # the id of the first run after it


def connstorm(*arguments):
    """Run the program in this process, which has loaded already what it takes seconds to load."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["connstorm", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return SimpleNamespace(returncode=ended.value.code, **dict(zip(("stdout", "stderr"), texts, strict=True)))


def report_of(*arguments, code=0):
    """Return what ``connstorm history --json`` says."""
    ended = connstorm("history", *arguments, "--json")
    assert ended.returncode == code, ended.stderr
    return json.loads(ended.stdout), ended.stderr


def series_in(report, metric):
    return [series for series in report["series"] if series["metric"] == metric]


@pytest.fixture(scope="module")
def slower(tmp_path_factory):
    """A folder of fifty runs, the second half of which is slower, on another kernel."""
    path = tmp_path_factory.mktemp("slower")
    store_all(path, SLOWER[:25], program="connstorm 1.0", kernel="6.12.1")
    store_all(path, SLOWER[25:], first=25, program="connstorm 1.1", kernel="6.18.44")
    return path


@pytest.fixture
def copied(slower, tmp_path):
    """The same folder, to be written to."""
    for run in slower.iterdir():
        if run.is_dir():
            copy_to_history(run, tmp_path / "history")
    return tmp_path / "history"


def test_a_regression_is_found_where_it_is(slower):
    report, _ = report_of(slower, "--gate", code=1)
    assert report["runs"] == 50
    assert report["regressions"] == 1
    (rate,) = series_in(report, "rate")
    (change,) = rate["changes"]
    assert change["at"].endswith(STEP)
    assert change["time"] == (BEGIN + 25 * DAY).isoformat().replace("+00:00", "Z")
    assert (change["program"], change["kernel"]) == ("connstorm 1.1", "6.18.44")
    assert (change["state"], change["direction"]) == ("confirmed", "regressed")
    assert change["before"] == pytest.approx(40_000, rel=0.01)
    assert change["after"] == pytest.approx(34_000, rel=0.01)
    assert [segment["points"] for segment in rate["segments"]] == [25, 25]
    for name in ("body.p50", "body.p99", "retries_per_million", "errors_per_million"):
        assert not any(series["changes"] for series in series_in(report, name))


def test_as_a_program_of_its_own_it_ends_with_the_same_code(slower):
    ended = command.connstorm("history", slower, "--gate")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "regressed" in ended.stdout


def test_without_a_gate_a_regression_is_no_failure(slower, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # no cell of the table is folded
    ended = connstorm("history", slower)
    assert ended.returncode == 0
    assert "39.8k → 34.2k" in ended.stdout
    assert "×0.86" in ended.stdout
    assert STEP in ended.stdout
    assert "connstorm 1.1" in ended.stdout
    assert "1 confirmed regression neither accepted nor undone." in ended.stdout


def test_the_picture_is_drawn(slower, tmp_path):
    picture = tmp_path / "here.png"
    report, _ = report_of(slower, "--figure", picture)
    assert report["figures"] == [str(picture)]
    assert picture.read_bytes().startswith(b"\x89PNG")
    ended = connstorm("history", slower, "--figure", tmp_path / "nowhere" / "here.png")
    assert ended.returncode == 2
    assert "choose another place by --figure" in ended.stderr


def test_the_threshold_decides_what_matters(slower):
    report, _ = report_of(slower, "--gate", "--threshold", "0.3")
    assert not any(series["changes"] for series in report["series"])


def test_only_what_is_asked_for_is_looked_at(slower):
    report, _ = report_of(slower, "--gate", "--metric", "body.p99", "--metric", "errors")
    assert [series["metric"] for series in report["series"]] == ["body.p99", "errors"]
    (rate,) = report_of(slower, "--metric", "rate")[0]["series"]
    report, _ = report_of(slower, "--cell", rate["cell"], "--testbed", rate["testbed"])
    assert len(report["series"]) == 5


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--metric", "body.p98"), "There is no metric 'body.p98'"),
        (("--cell", "closewit"), "This history has no cell 'closewit'; it has closewait"),
        (("--testbed", "x"), "This history has no testbed 'x'"),
        (("--accept", STEP), "--accept and --reason go together"),
        (("--accept", "000003", "--reason", "none"), "No change that can be accepted is at '000003'; there is one at "),
        (("--add", "/dev"), "neither a run folder nor a suite folder"),
        (("--threshold", "-1"), "Invalid value for '--threshold'"),
    ],
)
def test_wrong_use_says_what_is_wrong(slower, arguments, text):
    ended = connstorm("history", slower, *arguments)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert not (slower / "accepted.toml").exists()


def test_an_empty_folder_and_no_folder_are_wrong(tmp_path):
    ended = connstorm("history", tmp_path)
    assert (ended.returncode, "holds no run that is done" in ended.stderr) == (2, True)
    assert connstorm("history", tmp_path / "nowhere").returncode == 2


def test_an_accepted_regression_passes_the_gate_with_its_reason(copied):
    file = copied / "accepted.toml"
    file.write_text("# Reviewed by hand.\n")
    ended = connstorm("history", copied, "--accept", STEP, "--reason", 'a "new" kernel: 6.18\n')
    assert ended.returncode == 0
    text = file.read_text()
    assert text.startswith("# Reviewed by hand.\n")
    ((_, entry),) = accepted.read(file)
    assert (entry.metric, entry.reason) == ("rate", 'a "new" kernel: 6.18\n')
    report, warnings = report_of(copied, "--gate")
    assert not warnings
    (change,) = series_in(report, "rate")[0]["changes"]
    assert (change["state"], change["reason"], change["gates"]) == ("accepted", entry.reason, False)
    again = connstorm("history", copied, "--accept", STEP, "--reason", "twice")
    assert again.returncode == 2
    assert file.read_text() == text


def test_what_comes_after_an_accepted_change_is_found(copied):
    report_of(copied, "--accept", STEP, "--reason", "known")
    store_all(copied, wavering((20, 25_000)), first=50, kernel="6.18.44")
    report, _ = report_of(copied, "--gate", code=1)
    states = [change["state"] for change in series_in(report, "rate")[0]["changes"]]
    assert states == ["accepted", "confirmed"]


def test_a_change_is_accepted_by_its_time_in_another_file(slower, tmp_path):
    report, _ = report_of(slower)
    (rate,) = series_in(report, "rate")
    file = tmp_path / "other.toml"
    noon = f"{BEGIN + 24 * DAY + timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}"  # TOML has a type for that
    file.write_text(
        f'[[accepted]]\ncell = "{rate["cell"]}"\ntestbed = "{rate["testbed"]}"\nmetric = "rate"\nat = {noon}\n'
        'reason = "known"\n'
    )
    report, warnings = report_of(slower, "--gate", "--accepted", file)
    assert not warnings
    assert [change["state"] for change in series_in(report, "rate")[0]["changes"]] == ["accepted"]


def test_an_entry_that_is_about_nothing_is_named_with_its_line(copied):
    (copied / "accepted.toml").write_text(
        '# one\n[[accepted]]\ncell = "gone"\ntestbed = "x"\nmetric = "rate"\nat = "000001"\nreason = "r"\n'
    )
    report, warnings = report_of(copied)
    assert "accepted.toml, line 2: no run of this history is '000001' of gone on x" in warnings
    assert len(report["warnings"]) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[accepted]]\ncell = "c"\nmetrc = "rate"\n', "accepted.toml, line 1, an [[accepted]]: Object "),
        (
            '\n[[accepted]]\ncell = "c"\nwhy = "w"',
            "accepted.toml, line 2, an [[accepted]]: Object contains unknown field",
        ),
        ("[[accept]]\n", "unknown field `accept`"),
        ("accepted = 1\n", "it holds [[accepted]] tables and nothing else"),
        ("[[accepted]\n", "is not TOML"),
        (
            '[[accepted]]\ncell = "c"\ntestbed = "t"\nmetric = "p98"\nat = "a"\nreason = "r"',
            "line 1: There is no metric",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(copied, text, message):
    (copied / "accepted.toml").write_text(text)
    ended = connstorm("history", copied)
    assert ended.returncode == 2
    assert message in ended.stderr


def test_a_file_to_which_nothing_can_be_added_is_left_alone(tmp_path):
    entry = Acceptance(cell="c", testbed="t", metric="rate", at="a", reason="r")
    file = tmp_path / "accepted.toml"
    file.write_text(old := 'accepted = [{cell="c", testbed="t", metric="rate", at="b", reason="r"}]\n')
    assert len(accepted.read(file)) == 1
    with pytest.raises(UsageError, match=r"Nothing can be added at the end of"):
        accepted.append_accepted(file, [entry])
    assert file.read_text() == old
    assert list(tmp_path.iterdir()) == [file]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
entries = st.builds(Acceptance, cell=texts, testbed=texts, metric=texts, at=texts, reason=texts)


@given(first=st.lists(entries, max_size=3), more=st.lists(entries, min_size=1, max_size=3), end=st.sampled_from("\n# "))
def test_entries_are_read_as_they_were_written(tmp_path_factory, first, more, end):
    file = tmp_path_factory.mktemp("accepted") / "accepted.toml"
    if first:
        accepted.append_accepted(file, first)
        file.write_text(file.read_text() + end)
    before = file.read_text() if first else ""
    accepted.append_accepted(file, more)
    assert file.read_text().startswith(before)
    assert [entry for _, entry in accepted.read(file)] == [*first, *more]


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(UsageError):
        assert accepted.parse_accepted(text, "it") == []


def test_a_line_is_told_only_when_it_is_sure():
    text = '[[accepted]]\nreason = """\n[[accepted]]\n"""\n'
    assert line_text(text, 0, 1) == ""
    assert line_text('x = 1\n  [[ "accepted" ]] # here\n', 0, 1) == ", line 2"


def test_a_run_is_found_by_its_folder_its_id_or_a_time():
    series = a_series([1.0] * 5)
    assert find_place(series, "20260101T000000Z-closewait-000003") == 3
    assert find_place(series, "000003") == 3
    assert find_place(series, "2026-01-03T12:00:00") == 3  # the first at or after it
    assert find_place(series, "2026-01-04T00:00:00Z") == 3
    for nothing in ("3", "nonsense", "2027-01-01", "2025-01-01"):
        assert find_place(series, nothing) == 0


def test_a_kept_suite_is_small_and_says_the_same(tmp_path):
    source = a_suite(tmp_path / "suite", {"closewait": jittered(6, rate=40_000)})
    report, _ = report_of(tmp_path / "history", "--add", source)
    (rate,) = series_in(report, "rate")
    assert (rate["points"], report["runs"]) == (1, 6)
    kept = tmp_path / "history" / "suite"
    of = {
        path: sorted(observation.summary.rate_per_s for observation in read_observations(path, ""))
        for path in (source, kept)
    }
    assert of[source] == of[kept]
    again = connstorm("history", tmp_path / "history", "--add", source)
    assert (again.returncode, "has suite already; nothing was copied" in again.stderr) == (2, True)


def test_a_real_run_is_kept_without_its_arrays(tmp_path):
    """One that the program has just made."""
    # A process that has threads cannot enter a namespace; this one has some of numpy.
    made = json.loads(
        command.connstorm("run", "clean", "--attempts", 2000, "-o", tmp_path / "results", "--json", "--no-draw").stdout
    )
    report, _ = report_of(tmp_path / "history", "--add", made["path"], "--metric", "rate")
    assert report["series"][0]["segments"][0]["level"] == made["summary"]["rate_per_s"]
    (kept,) = (path for path in (tmp_path / "history").iterdir() if path.is_dir())
    assert [file.name for file in kept.iterdir()] == ["run.json"]
    assert (kept / "run.json").stat().st_size < 30_000
    assert run_folder.read_summary(kept).rate_per_s == made["summary"]["rate_per_s"]


def test_a_damaged_file_is_not_kept(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"schema": 2')
    with pytest.raises(UsageError, match="is not JSON"):
        copy_to_history(tmp_path / "run", tmp_path / "history")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_frozen_suite_has_a_history(tmp_path):
    report, _ = report_of(tmp_path / "history", "--add", FROZEN)
    assert {series["points"] for series in report["series"]} == {1}


def test_a_plan_that_changes_begins_anew_and_old_regressions_do_not_gate(copied, tmp_path):
    suite = a_document(rate=40_000.0, plan={"mines": 7}, started=(BEGIN + 90 * DAY).isoformat())
    runs = [*read_observations(copied, "")]
    cell = runs[0].cell
    a_suite(tmp_path / "later", {cell: [suite]})
    both = [*runs, *read_observations(tmp_path / "later", "")]
    old, new = build_history(both, HistoryFilter(["rate"]), []).tracks
    assert not old.series.current
    assert old.changes
    assert new.series.current
    assert not build_history(both, HistoryFilter(["rate"]), []).open_regressions
    assert build_history(runs, HistoryFilter(["rate"]), []).open_regressions


def test_changed_series_come_first_and_all_of_them_are_drawn(tmp_path):
    quiet = [find_change_points(a_series([1.0] * 10, cell=f"quiet {number}"), {}) for number in range(60)]
    changed = [
        find_change_points(a_series([9.0] * 20 + [5.0] * 20, cell=f"changed {number}"), {}) for number in range(30)
    ]
    assert all(track.changes for track in changed)
    sheets = split_into_sheets([*quiet, *changed])
    assert [len(sheet) for sheet in sheets] == [12, 12, 12]
    assert all(track.changes for sheet in sheets for track in sheet[:6])
    assert {track.series.cell for sheet in sheets for track in sheet if track.changes} == {
        track.series.cell for track in changed
    }
    picture = tmp_path / "history.png"
    paths = save_sheets(history_figures([*quiet[:2], *changed[:25]], "many", []), picture)
    assert [path.name for path in paths] == ["history.png", "history-2.png", "history-3.png"]
    assert save_sheets(history_figures(quiet[:2], "few", []), picture) == [picture]
    assert [path.name for path in tmp_path.iterdir()] == ["history.png"]


def test_every_kind_of_step_and_ten_thousand_points_can_be_drawn(tmp_path):
    heights = drawn_series(1, 90) + levels((30, 0), (30, 10), (28, 20), (2, 45))
    of_all = find_change_points(a_series(times(heights), trials=7, width=300.0), {30: "known"})
    assert {change.state for change in of_all.changes} == {*State}
    long = find_change_points(a_series(times(drawn_series(2, 10_000) + levels((5000, 0), (5000, 8)))), {})
    (picture,) = save_sheets(history_figures([of_all, long], "all", ["a caption"]), tmp_path / "history.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_headline_says_whether_anything_changed_and_whether_that_can_be_said():
    still, few, changed = (
        find_change_points(a_series(values), {}) for values in ([1.0] * 10, [1.0] * 4, [9.0] * 20 + [5.0] * 20)
    )
    assert history_headline([still]) == "nothing changed: 1 of 1 series stayed at their level"
    assert history_headline([few]) == "no change seen, but 4 points can confirm none: 6 are needed"
    assert history_headline([still, changed]).startswith("1 of 2 series changed: ")


def test_series_of_zeros_are_a_line_and_a_sheet_fits_a_laptop_screen():
    zero = find_change_points(a_series([0.0] * 10, "errors_per_million", cell="calm"), {})
    others = [find_change_points(a_series([1.0] * 10, cell=f"cell {number}"), {}) for number in range(12)]
    (figure,) = history_figures([zero, *others], "history: nothing changed", ["a caption"])
    assert len(figure.axes) == 12
    assert "zero at every point: calm errors per million" in {text.get_text() for text in figure.texts}
    width, height = figure.get_size_inches()
    assert height <= width * 768 / 1366 * 1.15
    assert overlapping(figure, spare=3) == []
    assert outside(figure) == []
    (only_zeros,) = history_figures([zero], "history", [])
    assert only_zeros.axes == []


def test_below_the_axis_stand_the_programs_and_kernels_that_made_the_points():
    series = a_series(times([0.0] * 20))
    points = [
        msgspec.structs.replace(
            point, program=f"connstorm 1.{place // 10}+gab12cd{place // 10}", kernel=f"6.{place // 10}.0"
        )
        for place, point in enumerate(series.points)
    ]
    (figure,) = history_figures([find_change_points(replace(series, points=tuple(points)), {})], "history", [])
    written = {text.get_text() for text in figure.axes[0].texts}
    assert {"version 1.0+gab12cd0", "1.1+gab12cd1", "Linux 6.0.0", "6.1.0"} <= written


def test_series_that_are_too_short_are_said_to_show_nothing():
    assert too_short_line([2, 2]).startswith("2 points can show nothing: a step is suspected from 4 points on")
    assert too_short_line([1]).startswith("1 point can show nothing")
    assert too_short_line([3, 9, 1]).startswith("2 of them have fewer than 4 points, which can show nothing")
    assert too_short_line([4, 9]) == too_short_line([]) == ""
