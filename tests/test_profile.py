# SPDX-License-Identifier: MIT
"""Profiles: real ones of a storm by perf, their text, their book, and what is said where there can be none."""

import contextlib
import io
import json
import os
import shutil
import signal
import string
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from builders import a_run, the_attempts
from click.testing import CliRunner
from command import UNDRAWN, assert_one_sentence, connstorm
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced
from profiled_runs import profiled_run
from test_namespace_state import NOBODY, of_child

from stress.analysis.comparison.arm_pair import pair_arms
from stress.cli.main import connstorm as connstorm_group
from stress.cli.profile import take_profile_choice
from stress.compare.arms import untimed_rows
from stress.lab.perf import Recording, read_version, sampling_refusal
from stress.lab.perf_script import Sample, ScriptReader, fold_frames
from stress.model.errors import LabError, UsageError
from stress.model.plan import Plan
from stress.model.profile import (
    CLIENT,
    CLIENT_CPU,
    IDLE,
    NO_CALL,
    OTHER,
    OTHER_CPU,
    PROFILER,
    SERVER,
    USER_MODE,
    ActProfile,
    ProfileReport,
    folded_text,
    parse_folded,
)
from stress.model.record import Phase
from stress.profile.costs import run_costs
from stress.profile.loop_times import loop_times
from stress.run.cell import PROFILED, with_profile
from stress.store import profile_file, run_folder
from stress.store.runs import read_observation
from stress.storm.profiler import Profiler, Window, count_stacks

FROZEN = Path(__file__).parent / "data" / "run-schema-3-profile"  # what the first connstorm with profiles wrote
SECOND = 10**9
needs_perf = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("perf") is None, reason="needs root, and perf (apt-get install linux-perf)"
)

PARANOID = Path("/proc/sys/kernel/perf_event_paranoid")
for_root_alone = pytest.mark.skipif(
    not PARANOID.exists() or int(PARANOID.read_text()) < 1, reason="everybody may sample whole CPUs here"
)


@pytest.fixture
def recording(tmp_path):
    """Return perf, ready to record; a kernel that refuses it, as that of a container may, is a skip."""
    try:
        started = Recording(tmp_path, 499)
    except UsageError as error:
        pytest.skip(str(error))
    with started:
        yield started


def a_report(*acts, rate_hz=500):
    return ProfileReport(program="perf 1", rate_hz=rate_hz, lost=0, failure="", acts=list(acts))


def a_window(start_ns=0, end_ns=SECOND, *, clients=(1,)):
    return Window("storm", clients, servers=(2,), cpus=(0,), start_ns=start_ns, end_ns=end_ns)


def some_attempts(count, **columns):
    return the_attempts(*[(40000, 0, 0)] * count, **columns)


def costs_of(stacks, *, attempts=100, duration_ns=SECOND, cpus=(0,)):
    """Return the costs of one storm with these stacks."""
    profile = ActProfile(act="storm", cpus=list(cpus), duration_ns=duration_ns, samples=sum(stacks.values()))
    run = a_run(some_attempts(attempts), name="storm", profiled=a_report(profile))
    (costs,) = run_costs(run.record, stacks)
    return costs


@needs_perf
@pytest.mark.usefixtures("recording")
def test_a_storm_is_profiled(tmp_path):
    done = connstorm("run", "clean", "--attempts", 20_000, "--profile", UNDRAWN, "-o", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").iterdir()  # and nothing else is left there
    observed, _ = run_folder.read(path)
    stacks = profile_file.read(path)
    (act,) = observed.record.profiled.acts
    assert sum(stacks.values()) == act.samples
    (costs,) = run_costs(observed.record, stacks)
    calls = {cost.name for cost in costs.calls}
    assert {"connect()", "close()"} <= calls <= {USER_MODE, NO_CALL} | {call for call in calls if call.endswith("()")}
    assert "tcp_v4_connect" in {cost.name for cost in costs.functions}
    assert "accept4()" in {cost.name for cost in costs.server_calls}
    period_ns = observed.record.profiled.period_ns
    assert costs.unsampled_ns > -2 * len(costs.cpus) * period_ns / costs.attempts  # no more samples than time
    assert PROFILED in observed.record.warnings
    assert "connect()" in done.stdout
    assert "measured by the clock" in done.stdout
    assert not read_observation(path, "").timed


@needs_perf
def test_a_run_whose_perf_was_killed_has_no_profile_and_says_so(recording):
    profiler = Profiler(recording)
    profiler.begin()
    recording.process.send_signal(signal.SIGKILL)
    profiler.end(a_window())
    run, stacks = with_profile(a_run(some_attempts(1)), profiler)
    assert stacks == {}
    assert run.record.profiled.failure == "perf ended by itself by signal 9."
    assert run.record.profiled.acts == []
    assert run.record.warnings[-1] == "It has no profile. perf ended by itself by signal 9."


@needs_perf
def test_nothing_is_left_of_a_recording(tmp_path, recording):
    process = recording.process
    recording.stack.close()
    assert process.returncode is not None
    assert list(tmp_path.iterdir()) == []


@namespaced
def refused_recording(folder):
    with pytest.raises(UsageError, match=r"^The kernel cannot be profiled here\. perf ended by itself with code"):
        Recording(folder, 499)
    assert list(folder.iterdir()) == []


@needs_perf
@for_root_alone
@pytest.mark.usefixtures("recording")
def test_where_the_kernel_refuses_perf_nothing_starts(tmp_path):
    folder = tmp_path / "refused"
    folder.mkdir()
    refused_recording(folder)


def test_without_perf_nothing_starts(tmp_path):
    done = connstorm("run", "clean", "--profile", "-o", tmp_path / "runs", env=os.environ | {"PATH": str(tmp_path)})
    assert_one_sentence(done, "--profile needs perf", "apt-get install linux-perf")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--profile-rate", "99"], "--profile-rate is for a profile"),
        (["--profile", "--against", "127.0.0.1:1"], "leave out --peer"),
        (["--profile", "--profile-rate", "0"], "1<=x<=10000"),
    ],
)
def test_options_that_make_no_profile_are_refused(options, words):
    said = CliRunner().invoke(connstorm_group, ["run", "clean", *options])
    assert words in said.output + str(said.exception)
    assert isinstance(said.exception, UsageError) or said.exit_code == UsageError.exit_code


@needs_perf
@for_root_alone
def test_others_than_root_are_told_why_there_is_no_profile():
    refusal = of_child(NOBODY, sampling_refusal)
    assert refusal.startswith("kernel.perf_event_paranoid is ")
    choice, said = of_child(NOBODY, chosen_profile)
    assert (choice.refusal, choice.options) == (refusal, ())
    assert said == f"warning: there will be no profile: {refusal}.\n"


def chosen_profile():
    """Return what is chosen where a profile is asked for, and what is said of it."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        return take_profile_choice({"with_profile": True, "profile_hz": None}, is_local=True), said.getvalue()


def test_the_times_of_the_loop_add_up():
    phases = [Phase("set-up", -7, 0), Phase("storm", 0, 3000), Phase("stragglers", 3000, 4000)]
    plan = Plan(scenario="test", workers=2)
    attempts = some_attempts(4, latency_ns=600, close_ns=400, worker=[0, 1, 0, 1])  # they start each 1 µs
    (times,) = loop_times(a_run(attempts, plan=plan, phases=phases))
    assert (times.connect_ns, times.close_ns, times.measured_ns, times.rest_ns) == (600, 400, 2000, 1000)
    attempts["close_ns"][0] += 1001
    assert not list(loop_times(a_run(attempts, plan=plan, phases=phases)))


def test_times_of_a_profiled_run_are_compared_with_none(tmp_path):
    assert not read_observation(FROZEN, "").timed
    unprofiled = Path(shutil.copytree(FROZEN, tmp_path / "unprofiled"))
    document = json.loads((unprofiled / "run.json").read_text())
    del document["profiled"], document["digest"]
    (unprofiled / "run.json").write_text(json.dumps(document))
    assert read_observation(unprofiled, "").timed
    pair = pair_arms("clean", "old", "new", [read_observation(unprofiled, "")], [read_observation(FROZEN, "")])
    assert untimed_rows([pair]) == [
        "times are not compared of clean: they ran on an emulated machine, under a profiler, or in parallel with others"
    ]


def test_a_frozen_profile_is_still_read():
    observed, _ = run_folder.read(FROZEN)
    stacks = profile_file.read(FROZEN)
    report = observed.record.profiled
    assert sum(stacks.values()) == sum(act.samples for act in report.acts)
    assert {stack[2] for stack in stacks} >= {CLIENT, SERVER}
    (costs,) = run_costs(observed.record, stacks)
    assert costs.calls[0].name == "connect()"


def test_a_run_without_a_profile_has_no_stacks():
    other = FROZEN.parent / "run-schema-3"
    assert profile_file.read(other) == {}
    said = CliRunner().invoke(connstorm_group, ["show", str(other), "--profile"])
    assert isinstance(said.exception, UsageError)
    assert "was not profiled" in str(said.exception)


def test_a_changed_profile_is_refused(tmp_path):
    copy = Path(shutil.copytree(FROZEN, tmp_path / "copy"))
    with (copy / profile_file.NAME).open("a") as stream:
        stream.write("storm;clients' CPUs;client;connect() 1\n")
    with pytest.raises(UsageError, match="is cut short or changed"):
        profile_file.read(copy)


FRAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
STACKS = st.dictionaries(st.lists(FRAMES, min_size=3, max_size=6).map(tuple), st.integers(1, 10**9), max_size=8)


@given(STACKS)
def test_folded_text_keeps_the_samples_and_the_depth_of_every_stack(stacks):
    read = parse_folded(folded_text(stacks))
    assert sum(read.values()) == sum(stacks.values())
    assert {len(stack) for stack in read} == {len(stack) for stack in stacks}
    assert parse_folded(folded_text(read)) == read


@given(st.text(string.printable, max_size=60))
def test_a_text_is_stacks_or_refused_with_its_line(text):
    try:
        stacks = parse_folded(text)
    except ValueError as error:
        assert str(error).startswith("line ")  # noqa: PT017  # a text of either kind is drawn
    else:
        assert parse_folded(folded_text(stacks)) == stacks


HEADS = f"storm;{CLIENT_CPU};{CLIENT}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{HEADS} 5", "line 1 is no stack"),  # a client's sample without what it did
        (f"{HEADS};connect();a -5", "line 1 is no stack"),
        (f"{HEADS};connect();a {'9' * 5000}", "line 1 is no stack"),
        (f"{HEADS};connect();\x1b[2Ja 5", "line 1 is no stack"),
        (f"{HEADS};connect();{'a' * 2000} 5", "line 1 is no stack"),
        (f"{HEADS};connect();{';'.join('ab' * 1000)} 5", "line 1 is no stack"),
        (f"{HEADS};connect();a {5 * 10**11}\n" * 3, "more than 1,000,000,000,000 samples, from line 3 on"),
        (f"{HEADS};connect();a {10**11}", "more than an hour for each of 2,000 attempts"),
    ],
)
def test_stacks_that_no_kernel_has_are_refused_in_one_sentence(tmp_path, line, words):
    stored = profiled_run(tmp_path / "run", text=f"{line.rstrip()}\n")
    for arguments in (("show", stored), ("report", stored), ("export", stored, "--format", "pprof")):
        assert_one_sentence(in_process(*arguments), "profile.folded", words)


def in_process(*arguments):
    """Run a verb in this process; return how it ended, as ``command.connstorm`` does."""
    said = CliRunner().invoke(connstorm_group, [*map(str, arguments)])
    assert isinstance(said.exception, UsageError), said.exception
    return CompletedProcess(arguments, said.exception.exit_code, "", str(said.exception))


def test_a_rate_that_perf_never_had_is_refused(tmp_path):
    for rate_hz in (0, -1, 10**12):
        report = json.loads((FROZEN / "run.json").read_text())["profiled"] | {"rate_hz": rate_hz}
        stored = profiled_run(tmp_path / f"at {rate_hz}", profiled=report)
        with pytest.raises(UsageError, match="rate_hz"):
            run_folder.read(stored)


def program_named_perf(folder, *lines):
    """Put a program into a folder that is found in place of perf; return its path."""
    folder.mkdir(exist_ok=True)
    (folder / "perf").write_text("\n".join(lines))
    (folder / "perf").chmod(0o755)
    return str(folder / "perf")


@pytest.mark.parametrize("lines", [["echo a script without the name of its shell"], ["\x7fELF, cut short"]])
def test_a_perf_that_cannot_be_run_is_told_in_one_sentence(tmp_path, lines):
    perf = program_named_perf(tmp_path, *lines)
    with pytest.raises(UsageError, match=r"perf cannot be run: Exec format error; install it again"):
        read_version(perf)


def test_a_perf_without_a_version_is_told_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("stress.lab.perf.ANSWER_LIMIT_S", 0.2)
    with pytest.raises(UsageError, match=r"did not say its version within 0\.2 s; install it again"):
        read_version(program_named_perf(tmp_path, "#!/bin/sh", "exec sleep 60"))


def test_what_perf_says_in_place_of_its_version_is_cut_short(tmp_path):
    said = read_version(program_named_perf(tmp_path, "#!/bin/sh", r"printf '\377 version %0500d\n2' 1"))
    assert len(said) == 80
    assert said.startswith("\N{REPLACEMENT CHARACTER} 000")


@needs_perf
def test_samples_are_read_while_perf_prints_them(tmp_path, monkeypatch, recording):
    recording.stack.close()
    perf = program_named_perf(
        tmp_path / "bin",
        *("#!/bin/sh", f'[ "$1" = script ] || exec {shutil.which("perf")} "$@"'),
        *(
            "printf ' 1 [000] 5.000000000:\\n\\tff a\\n\\n 1 [000] 6.000000000:\\n'",
            "head -c 100000 /dev/zero",
            "exec sleep 60",
        ),
    )
    monkeypatch.setenv("PATH", f"{Path(perf).parent}:{os.environ['PATH']}")
    with Recording(tmp_path, 499) as slow:
        samples = slow.samples(ScriptReader())
        assert next(samples).frames == (NO_CALL, "a")
        slow.reader.kill()
        with pytest.raises(LabError, match=r"^perf could not read what it had recorded, and ended with -9\.$"):
            list(samples)


@needs_perf
def test_a_recording_that_takes_too_long_to_read_is_given_up(monkeypatch, recording):
    monkeypatch.setattr("stress.lab.perf.READ_LIMIT_S", 0.0)
    recording.reader.send_signal(signal.SIGSTOP)
    with pytest.raises(LabError, match=r"^perf did not print what it had recorded within 0 s\.$"):
        list(recording.samples(ScriptReader()))


PRINTED = """\
 4711 [001]  3243.474083408:
\tffffffff8162d35b tcp_v4_connect
\tffffffff81636719 __sys_connect
\tffffffff81355205 __x64_sys_connect
\tffffffff821ed511 do_syscall_64
\tffffffff81000130 entry_SYSCALL_64_after_hwframe

    0 [000]  3243.475000000:
\tffffffff8162d35b pv_native_safe_halt

 4711 [001]  3243.475000001:

    0 [000]  3243.476000000: PERF_RECORD_LOST lost 12
"""


def test_what_perf_prints_is_read_as_samples():
    reader = ScriptReader()
    assert list(reader.read(PRINTED.splitlines())) == [
        Sample(4711, 1, 3243474083408, ("connect()", "__sys_connect", "tcp_v4_connect")),
        Sample(0, 0, 3243475000000, (NO_CALL, "pv_native_safe_halt")),
        Sample(4711, 1, 3243475000001, (USER_MODE,)),
    ]
    assert reader.lost == 12


def test_numbers_that_perf_never_prints_are_no_samples():
    nines = "9" * 5000
    lines = [f" 1 [000] {nines}.000000000:", "\tff a", f" 0 [000] 1.000000000: PERF_RECORD_LOST lost {nines}"]
    reader = ScriptReader()
    assert list(reader.read(lines)) == []
    assert reader.lost == 0


@pytest.mark.parametrize(
    "name", ["__x64_sys_connect", "__arm64_sys_connect", "__se_sys_connect", "__s390x_sys_connect"]
)
def test_a_system_call_is_named_on_each_architecture(name):
    assert fold_frames(["inner", name, "entry"]) == ("connect()", "inner")


def test_samples_are_those_of_the_storm_and_have_an_owner():
    samples = [
        Sample(1, 0, 10, ("connect()", "a")),
        Sample(1, 1, 19, ("connect()", "a")),
        Sample(2, 1, 15, ("close()",)),
        Sample(3, 0, 15, ("read()",)),
        Sample(9, 0, 15, ("poll()",)),
        Sample(0, 0, 15, (NO_CALL, "halt")),
        Sample(1, 0, 9, ("connect()", "before")),
        Sample(1, 0, 20, ("connect()", "after")),
    ]
    own, other = count_stacks([a_window(10, 20), a_window(20, 21)], iter(samples), profiler=9)
    assert own == {
        ("storm", CLIENT_CPU, CLIENT, "connect()", "a"): 1,
        ("storm", OTHER_CPU, CLIENT, "connect()", "a"): 1,
        ("storm", OTHER_CPU, SERVER, "close()"): 1,
        ("storm", CLIENT_CPU, OTHER): 1,
        ("storm", CLIENT_CPU, PROFILER): 1,
        ("storm", CLIENT_CPU, IDLE): 1,
    }
    assert other == {("storm", CLIENT_CPU, CLIENT, "connect()", "after"): 1}


def test_a_function_that_calls_itself_is_counted_once():
    costs = costs_of({("storm", CLIENT_CPU, CLIENT, "connect()", "a", "b", "a"): 3})
    assert [(cost.name, cost.samples, cost.own) for cost in costs.functions] == [("a", 3, 3), ("b", 3, 0)]
    assert costs.functions[0].ns == 3 * 2_000_000 / 100


def test_functions_that_turn_interrupts_on_are_marked_where_they_have_samples_of_their_own():
    costs = costs_of({("storm", CLIENT_CPU, CLIENT, "close()", "net_rx_action", "finish_task_switch.isra.0"): 3})
    assert {cost.name: cost.is_displaced for cost in costs.functions} == {
        "net_rx_action": False,
        "finish_task_switch.isra.0": True,
    }


ROLES = st.sampled_from([CLIENT, SERVER, PROFILER, OTHER, IDLE])
PLACES = st.sampled_from([CLIENT_CPU, OTHER_CPU])


@given(st.dictionaries(st.tuples(st.just("storm"), PLACES, ROLES, st.just("x()")), st.integers(1, 500), max_size=8))
def test_the_book_adds_up(stacks):
    costs = costs_of(stacks)
    shown = costs.client.ns + sum(cost.ns for cost in costs.here) + costs.unsampled_ns
    assert shown == pytest.approx(costs.measured_ns)
    assert sum(cost.samples for cost in costs.calls) == costs.client.samples
    on_clients_cpus = sum(count for stack, count in stacks.items() if stack[1] == CLIENT_CPU)
    assert costs.client.samples + sum(cost.samples for cost in costs.here) == on_clients_cpus
