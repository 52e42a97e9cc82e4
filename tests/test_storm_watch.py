# SPDX-License-Identifier: MIT
"""How far a storm is, read from its records while they are written, without a word of the process that writes."""

import errno
import os
import re
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_profile import needs_perf, recording  # noqa: F401  # a fixture

from stress.cli import output
from stress.model.attempt import ATTEMPT
from stress.model.plan import Ports
from stress.model.progress import StormUnderway
from stress.run import process, storm_watch
from stress.run.storm_watch import Look, RecordReader, StormTeller, count_begun
from stress.store import run_folder
from stress.storm.buffer import Buffer
from stress.storm.catalogue import find_scenario

A_STORM = StormUnderway(attempts=5_000_000, descriptor=0, parts=[(0, 5_000_000)], duration_s=None, cpus=[])


@given(st.integers(1, 300), st.data())
def test_the_attempts_that_were_begun_are_counted_wherever_one_looks(attempts, data):
    begun = data.draw(st.integers(0, attempts))
    known = data.draw(st.integers(0, begun))
    starts = np.zeros(attempts, np.int64)
    starts[:begun] = 7
    assert count_begun(starts, known) == begun


@given(st.lists(st.tuples(st.sampled_from([0, errno.EINPROGRESS, errno.ETIMEDOUT]), st.integers(0, 2)), max_size=60))
def test_looks_at_any_moment_agree_with_the_whole_at_the_end(attempts):
    """Attempts end late and out of order; what is in flight at one look is looked at again at the next."""
    records = np.zeros(len(attempts) + 3, ATTEMPT)
    reader = RecordReader(records, [(0, len(records))])
    for row, (error, _) in enumerate(attempts):
        records[row]["start_ns"] = row + 1
        records[row]["error"] = error
        reader.look()
    for row, (error, resent) in enumerate(attempts):
        records[row]["retransmits"] = resent if error == errno.EINPROGRESS else 0
        records[row]["error"] = 0 if error == errno.EINPROGRESS else error
    records["start_ns"][len(attempts) :] = 9  # so that none of them is the newest
    look = reader.look()
    failed = sum(error == errno.ETIMEDOUT for error, _ in attempts)
    late = sum(error == errno.EINPROGRESS and resent > 0 for error, resent in attempts)
    assert look == Look(begun=len(records), in_flight=1, slow=failed + late)


def test_pages_that_were_not_written_are_not_allocated_by_looking():
    buffer = Buffer(1_000_000, None)
    buffer.records["start_ns"][:1000] = 1
    written = os.fstat(buffer.descriptor).st_blocks
    reader = RecordReader(storm_watch.map_records(Path(f"/proc/self/fd/{buffer.descriptor}")), [(0, 1_000_000)])
    assert reader.look().begun == 1000
    assert os.fstat(buffer.descriptor).st_blocks <= written + 16 * 8  # as the gallop comes to, and what is around it
    buffer.close()


@pytest.mark.parametrize(
    ("storm", "looks", "text"),
    [
        (
            A_STORM,
            [Look(200_000, 1, 3)],
            "200,000 of 5,000,000 attempts, 40,000/s, about 2 min 00 s left, 3 retried or",
        ),
        (A_STORM, [Look(4_500_000, 1, 0)], None),
        (
            A_STORM,
            [Look(100, 1, 0), Look(5_000_000, 12, 3)],
            "5,000,000 of 5,000,000 attempts, 12 not ended, 3 retried",
        ),
        (A_STORM, [Look(0, 0, 0), Look(0, 0, 0)], None),
        (msgspec.structs.replace(A_STORM, duration_s=8.0), [Look(9, 1, 0)], None),
        (
            msgspec.structs.replace(A_STORM, duration_s=60.0),
            [Look(50, 1, 0)],
            "50 of at most 5,000,000 attempts, 10/s, a",
        ),
        (
            msgspec.structs.replace(A_STORM, attempts=6_000_000),
            [Look(50, 1, 0)],
            "50 of 5,000,000 attempts of this host",
        ),
    ],
)
def test_it_is_told_in_a_sentence_what_is_done_and_how_long_it_takes(storm, looks, text):
    teller = StormTeller(storm)
    *_, told = [teller.tell(look) for look in looks]
    assert (told or "").startswith(text) if text else told is None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_real_storm_is_watched_from_outside(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(storm_watch, "INTERVAL_S", 0.1)
    monkeypatch.setattr(storm_watch, "LONG_S", 0.1)
    plan = find_scenario("clean").plan
    plan = msgspec.structs.replace(plan, rate_per_s=4000.0, attempts=4000, ports=Ports.KERNEL, workers=workers)
    stages, told, threads = [], [], set()

    def watch(text):
        told.append(text)
        threads.add(threading.get_ident())

    path = process.run(plan, tmp_path, stages.append, ("--no-draw",), watch=watch)
    run, _ = run_folder.read(path)
    counts = [int(re.match(r"([0-9,]+) of 4,000 attempts", text)[1].replace(",", "")) for text in told[:-1]]
    assert counts == sorted(counts)
    assert counts[0] < 4000 == len(run.attempts)
    assert len(counts) >= 3
    assert told[-1] == ""  # by the thread that waits
    assert stages[-2:] == ["settling", "analysing"]


@needs_perf
@pytest.mark.usefixtures("recording")
def test_a_profiled_storm_is_watched_as_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(storm_watch, "INTERVAL_S", 0.1)
    monkeypatch.setattr(storm_watch, "LONG_S", 0.1)
    plan = msgspec.structs.replace(find_scenario("clean").plan, rate_per_s=4000.0, attempts=4000, ports=Ports.KERNEL)
    stages, told = [], []
    process.run(plan, tmp_path, stages.append, ("--no-draw", "--profile", "99"), watch=told.append)
    assert any(re.match(r"[0-9,]+ of 4,000 attempts, ", text) for text in told)
    assert stages[-3:] == ["settling", "reading the profile", "analysing"]


def test_what_cannot_be_read_is_not_told():
    with storm_watch.watch_storm(os.getpid(), msgspec.structs.replace(A_STORM, descriptor=9999), pytest.fail):
        pass


def test_json_stays_alone():
    assert output.Progress("clean", quiet=True).watch is None


class Terminal:
    """A standard error that is a terminal of some columns."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass

    def isatty(self):
        return True


def test_a_terminal_shows_one_line_that_is_drawn_again_and_never_broken(monkeypatch):
    monkeypatch.setattr(output.sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("COLUMNS", "60")
    progress = output.Progress("clean")
    for count in ("200,000", "400,000"):
        progress.watch(f"{count} of 5,000,000 attempts, 40,000/s, about 2 min 00 s left, 3 retried or failed")
    progress.watch("")
    progress("settling")
    drawn = terminal.text.split(output.CLEAR)
    assert [line.split("clean: ")[-1] for line in drawn] == [
        "",
        "200,000 of 5,000,000 attempts, 40,000/s",
        "400,000 of 5,000,000 attempts, 40,000/s",
        "settling\n",
    ]
    assert all(len(line) < 60 for line in drawn)


def test_a_pipe_gets_a_line_each_time(capsys):
    progress = output.Progress("clean")
    progress.watch("200,000 of 5,000,000 attempts")
    progress.watch("")
    progress("settling")
    assert re.fullmatch(
        r" +[0-9.]+ s  clean: 200,000 of 5,000,000 attempts\n +[0-9.]+ s  clean: settling\n", capsys.readouterr().err
    )
