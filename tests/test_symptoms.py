# SPDX-License-Identifier: MIT
"""connstorm explain SYMPTOM: what is asked, where it lies on the ladder, and everything that may be behind it."""

import contextlib
import errno
import itertools
import json
import os
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from builders import MS, SECOND, a_host, a_ladder, settings
from click.testing import CliRunner
from command import assert_one_sentence, connstorm
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced
from rich.console import Console

from stress.analysis.symptoms.answer import answer_query
from stress.analysis.symptoms.placement import place_latency
from stress.analysis.symptoms.query import ALIASES, HANDLED, UNITS_NS, parse_query
from stress.analysis.symptoms.seen import SYMPTOMS
from stress.analysis.symptoms.table import EXPLANATIONS, explanations_of, group_scenarios, symptoms_of
from stress.cli.main import connstorm as connstorm_group
from stress.model.errors import UsageError
from stress.model.symptom import Place
from stress.storm.catalogue import SCENARIOS
from stress.view.text.symptom_report import symptom_report

LINEAR = {"tcp_syn_retries": 6, "tcp_syn_linear_timeouts": 4}
SHORT = {"tcp_syn_retries": 1, "tcp_syn_linear_timeouts": 0}
SIGHTS = [(explanation, sight) for explanation in EXPLANATIONS for sight in explanation.sights]
COUNTERS = [
    name
    for one in EXPLANATIONS
    for command in one.commands
    for name in command.line.split()
    if "nstat" in command.line and name[0].isupper()
]
COLUMNS = 80


def answered(text, *, kernel="6.18.44", hz=250, ladder=LINEAR, **sysctls):
    return answer_query(parse_query(text), kernel, a_ladder(kernel=kernel, hz=hz, **ladder), settings(**sysctls))


def labels(answer):
    return {one.explanation.name for group in answer.groups for one in group.possibilities}


# What is asked


@given(
    st.decimals(min_value=0, max_value=10**6, places=3), st.sampled_from(sorted(UNITS_NS)), st.sampled_from(["", " "])
)
def test_a_time_is_read_in_any_unit(amount, unit, blank):
    query = parse_query(f"{amount}{blank}{unit}")
    assert query.latency_ns(4 * MS) == int(amount * UNITS_NS[unit])
    assert query.rounding_ns(4 * MS) == UNITS_NS[unit] // 2000
    assert query.error is query.symptom is query.resends is None


@given(st.integers(1, 1000), st.sampled_from([MS, 4 * MS, 10 * MS]))
def test_jiffies_are_those_of_the_kernel(count, jiffy_ns):
    assert parse_query(f"{count} jiffies").latency_ns(jiffy_ns) == count * jiffy_ns


@given(st.sampled_from(sorted(HANDLED)), st.integers(1, 500), st.booleans(), st.sampled_from([" ", " after ", ", "]))
def test_an_error_is_read_in_any_case_alone_and_with_a_time(name, tenths, lower, between):
    word = name.lower() if lower else name
    assert parse_query(word).error == name
    assert parse_query(f"errno {getattr(errno, name)}").error == name
    for text in (f"{word}{between}{tenths / 10}s", f"{tenths / 10}s {word}"):
        query = parse_query(text)
        assert (query.error, query.latency_ns(MS)) == (name, int(Decimal(tenths) / 10 * SECOND))


@pytest.mark.parametrize("name", sorted(HANDLED))
def test_an_error_may_be_asked_about_by_the_words_of_the_library(name):
    assert parse_query(os.strerror(getattr(errno, name))).error == name


@pytest.mark.parametrize("alias", ALIASES)
def test_a_symptom_is_known_by_its_name_and_other_words(alias):
    assert parse_query(alias.upper()).symptom is ALIASES[alias]
    assert parse_query(f"  {alias.replace(' ', '-')} ").symptom is ALIASES[alias]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1, 3, 7 s", "ladder"),
        ("1s 3s", "ladder"),
        ("1.02 s, 2.04 s and 3.06 s", "ladder"),
        ("1, 2, 3 … s", "ladder"),
        ("2, 3, 4 s", "late-ladder"),
    ],
)
def test_several_times_are_a_ladder(text, name):
    assert parse_query(text).symptom.name == name


def test_names_and_other_words_of_symptoms_are_unique():
    words = [word for symptom in SYMPTOMS for word in (symptom.name.replace("-", " "), *symptom.aliases)]
    assert len(words) == len(set(words)) == len(ALIASES)
    names = [explanation.name for explanation in EXPLANATIONS]
    assert len(names) == len(set(names))


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(["1s", "etimedout", "2", "jiffies", "after", "no", "resend", "errno", "-", "9.s", "∞ms"])
    ).map(" ".join)
)
def test_any_other_text_is_one_sentence(text):
    with contextlib.suppress(UsageError):
        parse_query(text)
        return
    with pytest.raises(UsageError, match=r"[.?]$"):
        parse_query(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ECONREFUSED", ["did you mean 'ECONNREFUSED'?"]),
        ("2 jifies", ["did you mean '2 jiffies'?"]),
        ("etimeout", ["did you mean 'ETIMEDOUT'?"]),
        ("1.02", ["has no unit", "1.02s"]),
        ("8ms 9ms", ["asks about two at once"]),
        ("EPERM EACCES", ["asks about two at once"]),
        ("errno 999", ["There is no errno 999"]),
        ("ENOBUFS", ["No cause of ENOBUFS has been measured"]),
        ("accept queue", ["is a cause, not a symptom", "--cause accept_queue"]),
        ("rain today", ["ask for example about 1.02s"]),
    ],
)
def test_what_is_no_symptom_is_refused_in_one_sentence(text, words):
    with pytest.raises(UsageError) as error:
        parse_query(text)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("text", ["bla", "1.02", "", "1e3 s", "-1s", "٣s"])
def test_the_command_refuses_with_code_2(text):
    if text:
        assert_one_sentence(connstorm("explain", "--", text), "symptom" if text != "1.02" else "unit")


# Where it lies


@given(st.integers(0, 8), st.integers(1, 6), st.data())
def test_a_time_on_a_rung_is_placed_there_and_others_are_not(linear, retries, data):
    ladder = a_ladder(tcp_syn_retries=retries, tcp_syn_linear_timeouts=linear)
    rungs = [ladder.fast, *ladder.rungs]
    rung = data.draw(st.sampled_from(rungs))
    latency_ns = data.draw(st.integers(rung.from_ns, rung.to_ns))
    places = place_latency(latency_ns, 0, ladder)
    expected = (
        Place.FAST
        if rung is ladder.fast
        else [Place.FIRST, Place.SECOND, Place.THIRD, Place.LATER][min(rung.retransmits, 4) - 1]
    )
    assert expected in places
    assert Place.BETWEEN not in places


@given(st.integers(0, 8), st.integers(1, 6), st.data())
def test_a_time_between_two_rungs_is_that_of_no_timer_or_of_a_busy_client(linear, retries, data):
    ladder = a_ladder(tcp_syn_retries=retries, tcp_syn_linear_timeouts=linear)
    rungs = [ladder.fast, *ladder.rungs]
    below, above = data.draw(st.sampled_from(list(itertools.pairwise(rungs))))
    latency_ns = data.draw(st.integers(below.to_ns + 1, above.from_ns - 1))
    places = place_latency(latency_ns, 0, ladder)
    is_late = latency_ns <= below.to_ns + 100 * MS
    assert Place.NEIGHBOUR in places or (Place.BETWEEN in places and len(places) == 1 + is_late)


def test_an_error_that_comes_at_once_may_be_seen_late_by_a_busy_client():
    answer = answered("6997466 ns EHOSTUNREACH")
    assert "refused_by_host" in {
        cause for group in answer.groups for one in group.possibilities for cause in one.explanation.causes
    }
    assert answer.reading[Place.AT_ONCE].startswith("a busy client")
    assert answer.reading[Place.FAST].endswith("the second ended with EHOSTUNREACH")
    assert Place.AT_ONCE not in answered("137 ms EHOSTUNREACH").reading
    assert Place.AT_ONCE not in answered("7 ms").reading


@pytest.mark.parametrize(
    ("text", "ladder", "places"),
    [
        ("8ms", LINEAR, {Place.FAST}),
        ("40.1ms", LINEAR, {Place.BETWEEN, Place.FAST}),
        ("137ms", LINEAR, {Place.BETWEEN}),
        ("2 jiffies", LINEAR, {Place.FAST}),
        ("20 µs", LINEAR, {Place.AT_ONCE}),
        ("1s", LINEAR, {Place.FIRST}),
        ("1.02s", LINEAR, {Place.FIRST}),
        ("1.5s", LINEAR, {Place.BETWEEN}),
        ("3.07s", LINEAR, {Place.THIRD, Place.NEIGHBOUR}),
        ("3.07s", {"tcp_syn_retries": 6, "tcp_syn_linear_timeouts": 0}, {Place.SECOND, Place.NEIGHBOUR}),
        ("3.02s", SHORT, {Place.GIVE_UP, Place.NEIGHBOUR}),
        ("2.0s", SHORT, {Place.CHALLENGED_GIVE_UP}),
        ("130s", LINEAR, {Place.CHALLENGED_GIVE_UP}),
        ("500s", LINEAR, {Place.BETWEEN}),
        ("2 resends", LINEAR, {Place.SECOND}),
        ("no resend", LINEAR, {Place.AT_ONCE, Place.BETWEEN}),
        ("one resend", SHORT, {Place.FAST, Place.FIRST, Place.GIVE_UP}),
        ("one resend 1s", SHORT, {Place.FIRST}),
    ],
)
def test_times_that_were_measured_lie_where_they_belong(text, ladder, places):
    assert set(answered(text, ladder=ladder).reading) == places


# What may be behind it


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.name)
def test_a_symptom_has_explanations_and_names_no_time_of_a_ladder_twice(symptom):
    assert explanations_of(symptom)
    for kernel in ("5.4.0", "6.18.44"):
        for group in answered(symptom.name, kernel=kernel).groups:
            assert group.symptom is symptom
            assert "{" not in group.here


@pytest.mark.parametrize(("explanation", "sight"), SIGHTS, ids=lambda value: getattr(value, "name", ""))
def test_every_explanation_is_reached_by_name_by_time_and_by_error(explanation, sight):
    kernel = "5.4.0" if sight.before else "6.18.44"
    sysctls = {sight.setting.name.removeprefix("net.ipv4."): sight.setting.values[0]} if sight.setting else {}
    ladder = a_ladder(kernel=kernel, **LINEAR)
    times = {
        Place.AT_ONCE: MS // 2,
        Place.FAST: 8 * MS,
        Place.BETWEEN: 1500 * MS,
        Place.CHALLENGED_GIVE_UP: ladder.challenged_give_up_ns,
        Place.GIVE_UP: ladder.give_up_ns,
        Place.NEIGHBOUR: 3070 * MS,
        Place.FIRST: 1020 * MS,
        Place.SECOND: 2040 * MS,
        Place.THIRD: 3060 * MS,
        Place.LATER: 5100 * MS,
    }
    errors = sight.symptom.errnos if sight.errnos is None else sight.errnos
    texts = [sight.symptom.name, *errors]
    for place in sight.symptom.places if sight.places is None else sight.places:
        if times[place] is not None:
            texts += [f"{times[place]} ns {error}" for error in errors or [""]]
    for text in texts:
        assert explanation.name in labels(answered(text, kernel=kernel, **sysctls)), text


def test_a_collision_takes_a_second_before_5_6_and_two_jiffies_since():
    assert "leaked-sockets" in labels(answered("8ms"))
    assert "leaked-sockets" not in labels(answered("1.02s"))
    assert "leaked-sockets" in labels(answered("1.02s", kernel="5.4.0", ladder={"tcp_syn_retries": 6}))
    assert {one.explanation.name: one.why for one in answered("1.02s").elsewhere}[
        "leaked-sockets"
    ] == "before Linux 5.6"


def test_a_setting_of_the_client_decides_and_one_of_the_server_is_only_named():
    assert "ecn" not in labels(answered("1s", tcp_ecn=2))
    assert [one.why for one in answered("1s", tcp_ecn=2).elsewhere if one.explanation.name == "ecn"] == [
        "net.ipv4.tcp_ecn=1 or 3 or 4 on the client (here 2)"
    ]
    assert "ecn" in labels(answered("1s", tcp_ecn=1))
    assert "syn-queue" in labels(answered("1s", tcp_syncookies=1))


def test_errors_tell_routes_apart():
    (group,) = answered("EACCES").groups
    (route,) = [one for one in group.possibilities if one.explanation.name == "local-route"]
    assert [sight.when for sight in route.sights] == ["a route or rule of kind prohibit"]


def test_a_late_unreachable_host_is_told_from_one_at_once():
    assert labels(answered("EHOSTUNREACH 3.05s")) == {"neighbour"}
    assert labels(answered("EHOSTUNREACH 20us")) == {"local-route", "icmp"}
    assert labels(answered("EHOSTUNREACH")) == {"neighbour", "local-route", "icmp"}


# Scenarios


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_a_scenario_that_shows_a_symptom_is_named_where_the_symptom_is_explained(name):
    for symptom in symptoms_of(name, (6, 18)):
        shown = {scenario for explanation in explanations_of(symptom) for scenario in explanation.scenarios}
        assert name in shown


@given(st.tuples(st.integers(3, 7), st.integers(0, 30)))
def test_every_scenario_is_in_one_group_on_every_kernel(version):
    groups = group_scenarios(SCENARIOS, version)
    assert sorted(name for names in groups.values() for name in names) == sorted(SCENARIOS)


def test_explanations_name_scenarios_that_exist():
    assert {scenario for one in EXPLANATIONS for scenario in one.scenarios} <= set(SCENARIOS)


def test_causes_of_a_scenario_are_those_of_its_explanations():
    for name, scenario in SCENARIOS.items():
        causes = {cause for one in EXPLANATIONS if name in one.scenarios for cause in one.causes}
        assert scenario.causes <= causes, name


# What is printed


def printed(text, **options):
    answer = answered(text, **options)
    console = Console(width=COLUMNS, highlight=False, force_terminal=False)
    ladder = a_ladder(**LINEAR)
    with console.capture() as capture:
        console.print(symptom_report(answer, a_host(), settings(**LINEAR), ladder, SCENARIOS))
    return capture.get()


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: symptom.name)
def test_the_report_fits_80_columns_and_says_all(symptom):
    text = printed(symptom.name, tcp_ecn=1)
    assert max(map(len, text.splitlines())) <= COLUMNS
    words = " ".join(text.split())
    for group in answered(symptom.name, tcp_ecn=1).groups:
        for one in group.possibilities:
            assert one.explanation.label in words
            assert all(f" {command.line.split()[0]} " in words for command in one.explanation.commands)


def test_only_scenarios_that_exist_are_shown():
    text = " ".join(printed(symptom.name, tcp_ecn=1) for symptom in SYMPTOMS)
    assert set(re.findall(r"connstorm run ([\w-]+)", text)) <= set(SCENARIOS)
    (one,) = [one for one in EXPLANATIONS if one.name == "accept-queue"]
    assert "connstorm run accept-queue" in printed("ladder")
    assert one.scenarios == ("accept-queue",)


def test_json_has_the_same_explanations():
    result = CliRunner().invoke(connstorm_group, ["explain", "1.02s", "--json"], catch_exceptions=False)
    document = json.loads(result.output)
    assert document["latency_ns"] == 1_020_000_000
    assert document["places"]["first"].startswith("on the rung of 1 s")
    explanations = [one for symptom in document["symptoms"] for one in symptom["explanations"]]
    assert {"accept-queue", "loss"} <= {one["name"] for one in explanations}
    assert all(set(one["scenarios"]) <= set(SCENARIOS) for one in explanations)


@pytest.mark.parametrize("name", sorted(set(COUNTERS)))
def test_counters_of_commands_are_those_of_the_kernel(name):
    """By the names of nstat: those of /proc/net/netstat and snmp with their group in front; snmp6 has its own."""
    kernel = {name.split()[0] for name in Path("/proc/thread-self/net/snmp6").read_text().splitlines()}
    for file in ("netstat", "snmp"):
        lines = Path(f"/proc/thread-self/net/{file}").read_text().splitlines()
        kernel |= {f"{line.partition(':')[0]}{word}" for line in lines[::2] for word in line.split()[1:]}
    if name not in kernel and name.startswith("MPTcpExt"):
        pytest.skip("this kernel has no Multipath TCP")
    assert name in kernel


def fill_in(line):
    """Return a command with an address, a port and a process in place of the words for these."""
    words = {"CLIENT": "127.0.0.1", "SERVER": "127.0.0.1", "PORT": "5000", "PID": str(os.getpid())}
    return re.sub("|".join(words), lambda word: words[word[0]], line)


@namespaced
def test_commands_are_accepted_by_the_programs_that_they_name():
    """What would not end, or reads what this kernel or user does not have, is left out."""
    parts = {part.strip() for one in EXPLANATIONS for command in one.commands for part in command.line.split(";")}
    refused, tried = [], 0
    for line in sorted(map(fill_in, parts)):
        program, *words = line.split()
        if program in ("tcpdump", "perf", "vmstat", "dmesg") or shutil.which(program) is None:
            continue
        if program == "cat" and not Path(words[0]).exists():
            continue
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        tried += 1
        if done.stderr and not any(word in done.stderr for word in ("cannot stat", "unreachable", "permission denied")):
            refused.append((line, done.stderr))
    assert refused == []
    assert tried > 10
