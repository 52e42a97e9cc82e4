# SPDX-License-Identifier: MIT
"""How a suite gets on: lines where there is no terminal, and a display on one."""

import io
from pathlib import Path

from rich.console import Console
from suite_builders import a_summary

from stress.model.suite import Settle, Status, Trial, TrialRecord
from stress.view.text.suite_plan import time_text
from stress.view.text.suite_progress import SuiteProgress

TRIALS = [Trial(number=number, block=number // 2, cell="ab"[number % 2], seed=1) for number in range(4)]
QUIET = Settle(waited_s=0.1, settled=True, load=0.1, running=0, time_wait=0)


def ended(trial, status=Status.DONE, reason=None, took_s=2.0, settle=QUIET, **profiled):
    record = {"trial": trial, "status": status, "reason": reason, "run": "run", "host": "local", "settle": settle}
    return TrialRecord(**record, started_utc="", took_s=took_s, **profiled)


def told(*, terminal):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, highlight=False)
    with SuiteProgress(console, {"a": 1.0, "b": 1.0}) as progress:
        progress.opens(Path("results/x"), TRIALS)
        progress.begins(TRIALS[0])
        progress.ended(ended(TRIALS[0]), a_summary(causes={"closewait": 7}))
        progress.begins(TRIALS[1])
        progress.ended(ended(TRIALS[1], Status.FAILED, "it died"), None)
        progress.ended(
            ended(TRIALS[2], settle=Settle(waited_s=9, settled=False, load=3, running=2, time_wait=0)), a_summary()
        )
        left_s = progress.left_s()
    return stream.getvalue(), left_s


def test_without_a_terminal_each_trial_is_a_line():
    text, left_s = told(terminal=False)
    lines = text.splitlines()
    assert lines[0] == "results/x: 4 trials to run"
    assert lines[1].startswith("   1/4  a: 40,000/s, p50 11 µs, 7 closewait in 2.0 s, about ")
    assert lines[2].startswith("   2/4  b: FAILED: it died, about ")
    assert "(the machine was busy)" in lines[3]
    assert len(lines) == 4
    assert left_s == 2.0  # one of b's, as long as b's took


def test_a_long_message_of_another_host_is_one_line_and_no_markup():
    stream = io.StringIO()
    message = f"lab9 cannot be reached by ssh: [red]Errno -3[/red] {'of the resolver ' * 9}"
    SuiteProgress(Console(file=stream, width=80), {}).stage(message)
    assert stream.getvalue() == f"{message}\n"


def test_on_a_terminal_the_bar_and_what_came_last_have_lines_of_their_own():
    text, _ = told(terminal=True)
    assert "1 of 4 trials" in text
    rows = [row for row in text.replace("\r", "\n").split("\n") if "━" in row]
    assert rows
    assert not any("closewait" in row or "trials" in row for row in rows)


def told_of_profiles(*, terminal):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, highlight=False)
    with SuiteProgress(console, {}) as progress:
        progress.opens(Path("results/x"), TRIALS)
        progress.begins(TRIALS[0])
        progress.profiles(TRIALS[0])
        progress.storms(TRIALS[0], "half of it")
        progress.ended(ended(TRIALS[0], profile="run"), a_summary())
        progress.begins(TRIALS[1])
        progress.storms(TRIALS[1], "a third of it")
        progress.profiles(TRIALS[1])
        progress.ended(ended(TRIALS[1], unprofiled="perf did not end."), a_summary())
    return stream.getvalue()


def test_it_is_said_which_trial_is_being_profiled_and_what_came_of_it():
    _, storm, first, plain, second = told_of_profiles(terminal=False).splitlines()
    assert storm.strip() == "a: profiling trial 1 of 4: half of it"
    assert " in 2.0 s, profiled, about " in first
    assert plain.strip() == "b: a third of it"
    assert " in 2.0 s, NO profile: perf did not end, about " in second
    shown = told_of_profiles(terminal=True)
    assert "block 1: a: profiling trial 1 of 4" in shown
    assert "block 1: b: profiling trial 2 of 4" in shown


def test_times_are_said_as_people_say_them():
    assert [time_text(seconds) for seconds in (0.4, 59.6, 200, 3600, 7500)] == [
        "0 s", "1 min 00 s", "3 min 20 s", "1 h 00 min", "2 h 05 min",
    ]  # fmt: skip
