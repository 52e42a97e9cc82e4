# SPDX-License-Identifier: MIT
"""No table cuts a number or breaks a name: what stands in a terminal without an end stands in one of 80 columns."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios

import comparison_builders
import inspection_builders
import msgspec
import pytest
import suite_builders
from builders import a_run, an_act, the_attempts
from comparison_builders import compared
from history_builders import a_series
from hypothesis import given
from hypothesis import strategies as st
from link_builders import a_report, across
from rich.console import Console
from rich.text import Text
from test_calibrate import a_calibration
from test_run_report import a_claim, a_listener, a_proof

from stress.analysis.attribution.expectation import describe_expectation
from stress.analysis.attribution.ladder import build_ladder
from stress.analysis.attribution.summary import analyse
from stress.analysis.comparison.compare import decide
from stress.analysis.gate.case import Case
from stress.analysis.gate.condition import parse_condition
from stress.analysis.gate.evaluate import evaluate_cases
from stress.analysis.history.change import ChangePoint, Direction, Segment, State, Track
from stress.analysis.history.history import History
from stress.model.calibration import Noise
from stress.model.kernel import CachedKernel
from stress.model.record import Pair
from stress.model.suite import Entry, Suite
from stress.model.summary import ActSummary, Body, Figure, Mines
from stress.storm.catalogue import SCENARIOS
from stress.view.text.catalogue import catalogue_text
from stress.view.text.comparison_table import table as comparison_table
from stress.view.text.demo_table import demo_table
from stress.view.text.fitting import fit_widths
from stress.view.text.gate_table import table as gate_table
from stress.view.text.history_table import history_table
from stress.view.text.inspection_report import inspection_report
from stress.view.text.kernel_table import kernel_table
from stress.view.text.ladder_table import ladder_report
from stress.view.text.noise_table import noise_table, power_table
from stress.view.text.row_table import Line, RowTable, Section
from stress.view.text.run_report import run_report
from stress.view.text.suite_plan import Forecast, plan_table
from stress.view.text.suite_table import suite_table
from stress.view.text.whole_table import WholeTable

ENDLESS = 2000  # columns
LONG = "challenge-intercepted-by-a-firewall net.ipv4.tcp_syn_linear_timeouts=2147483647"
HUGE = 123_456_789_012.0
EXACT = re.compile(r"[\w=]*[\d._=/][\w.,=:/%–×+-]*\w")  # what may not be broken: numbers, names, paths
VALUE = re.compile(r"(?<!\S)[\d.,]+(?:[kM]| (?:ns|µs|ms|s))(?!\S)")  # a number with its unit


def printed(renderable, width):
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def comparisons():
    long, more = [value * 1e9 for value in range(1, 13)], [value * 3e9 for value in range(1, 13)]
    some = [compared(LONG, name, long, more) for name in ("rate", "body.p99", "errors", "duration")]
    some += [compared(f"{LONG} tcp_tw_reuse=1", f"cause.{cause}.per_million", long, more) for cause in ("martian",)]
    return comparison_table(decide([*some, *comparison_builders.made_up(rows=(f"{LONG} mines=5", "clean mines=5"))]))


def gate():
    exprs = ("body.p99 <= 1.10x", "cause.challenge_intercepted <= +1234567890", "errors == 0")
    base, new = {n: HUGE + n for n in range(9)}, {n: HUGE * 3 + n for n in range(9)}
    return gate_table(evaluate_cases([Case(parse_condition(expr), LONG, base, new) for expr in exprs]))


def history():
    series = a_series(
        [HUGE] * 3 + [HUGE * 3] * 3, "errors", cell=f"{LONG} ip_local_port_range=1024", program=f"p {LONG}"
    )
    change = ChangePoint(3, State.CONFIRMED, Direction.REGRESSED, HUGE, HUGE * 3, undone=True, reason="a new kernel")
    return history_table(History((Track(series, (Segment(0, 3, HUGE), Segment(3, 6, HUGE * 3)), (change,)),), ()))


def suite():
    entries = {LONG.split(maxsplit=1)[0]: (HUGE, 123_456_789, 987_654_321, 28_000)}
    return suite_table(suite_builders.made_up(entries=entries))


def plan():
    suite = Suite(name="s", entries=[Entry(label="clean", plan=SCENARIOS["clean"].plan, axes={})], trials=1000)
    cells = [trials.cell for trials in suite_builders.made_up(1, entries={LONG.split(maxsplit=1)[0]: (1, 1, 1, 0)})]
    return plan_table(suite, [Forecast(cell, 123_456_789_012, 1e9, "no net.ipv4.tcp_rto_max_ms") for cell in cells])


def run():
    counts = {"connected": 123_456_789_012, "timed_out": 987_654_321}
    causes = {"challenge_intercepted": 123_456_789_012, "lost_on_the_way": 987_654_321}
    body = Body(10_000, 11_000, 987_654_321, 9_876_543_210, 98_765_432_100)
    acts = [
        ActSummary(f"tcp_abort_on_overflow={n}", 123_456_789_012, counts, causes, body, Mines(1, 1, 0)) for n in "01"
    ]
    books = [
        msgspec.structs.replace(a_claim("ListenOverflows + dropped_by_the_loopback + OutRsts"), value=123_456_789_012),
        msgspec.structs.replace(a_claim(balanced=False), delta=987_654_321_098),
    ]
    listener = a_listener(address="2001:db8:1234:5678:9abc:def0:1234:5678", waiting=987_654_321, limit=2**31)
    pair = Pair(10**9, "127.123.123.123:60999", "127.123.123.124:65535", "SYN-SENT", "CLOSE-WAIT", 1_234_567)
    whole = a_run(the_attempts((40000, 0, 0)))
    summary = msgspec.structs.replace(
        analyse(whole).summary,
        acts=acts,
        books=books,
        proofs=[a_proof(attempts=123_456_789_012, text=f"TCPSYNChallenge rose by 123,456,789,012 {LONG}")],
        figures=[Figure(act.act, "tcp_syn_linear_timeouts_of_each", HUGE, "connections/s") for act in acts],
    )
    record = msgspec.structs.replace(whole.record, acts=[an_act(listening=[listener], pairs=[pair])])
    return run_report(record, summary, "results/run", with_books=True)


def link():
    client, server = a_report(ActiveOpens=123_456_789_012), a_report(PassiveOpens=987_654_321_098)
    whole = a_run(the_attempts((40000, 0, 0)))
    record = msgspec.structs.replace(whole.record, acts=[across(client, server)])
    return run_report(record, analyse(whole).summary, "results/run")


def demo():
    findings = analyse(a_run(the_attempts((40000, 0, 0))))
    mines = msgspec.structs.replace(findings.summary.mines, laid=1_234_567, left=1_234_567)
    summary = msgspec.structs.replace(findings.summary, attempts=12_345_678, rate_per_s=1_234_567.0, mines=mines)
    return demo_table([(letter, type(findings)(**(vars(findings) | {"summary": summary}))) for letter in "abcde"])


def kernels():
    name = "linux-image-6.1.0-50-cloud-amd64-unsigned"
    fields = {"name": name, "package": name, "version": "6.1.176-1+deb12u1~bpo11+1", "suite": "bookworm-backports"}
    kernel = CachedKernel(**fields, release="6.1.0-50-cloud-amd64", names=["deb:bookworm-backports"], fetched_utc="")
    return kernel_table([(kernel, 10**15)])


def noise(table):
    noises = {"cause.challenge_intercepted": Noise(kind="ratio", floor=0.04, spread=0.05, median=HUGE)}
    return table(a_calibration(scenarios={LONG.split(maxsplit=1)[0]: noises}))


def ladder():
    record = a_run(the_attempts((40000, 0, 0))).record
    return ladder_report(record.host, record.acts[0].sysctls, build_ladder(record.host, record.acts[0].sysctls))


def catalogue():
    record = a_run(the_attempts((40000, 0, 0))).record
    seen = {name: describe_expectation(one, record.host, record.acts[0].sysctls) for name, one in SCENARIOS.items()}
    return catalogue_text({"": [(name, one.summary, seen[name]) for name, one in SCENARIOS.items()]})


TABLES = {
    "compare": comparisons,
    "gate": gate,
    "history": history,
    "suite": suite,
    "plan": plan,
    "run": run,
    "link": link,
    "demo": demo,
    "kernels": kernels,
    "calibrate": lambda: noise(noise_table),
    "power": lambda: noise(power_table),
    "ladder": ladder,
    "scenarios": catalogue,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_number_and_every_name_stands_whole(name):
    table = TABLES[name]()
    endless = printed(table, ENDLESS)
    for width in (80, 100, 120):
        text = printed(table, width)
        assert max(map(len, text.splitlines())) <= width
        words = set(text.split())
        exact = [word for word in endless.split() if EXACT.fullmatch(word) and len(word) < width - 8]
        assert [word for word in exact if word not in words] == []
        if name in ("compare", "gate", "history", "suite", "plan", "demo"):
            values = set(VALUE.findall(text))
            assert set(VALUE.findall(endless)) <= values


@pytest.mark.parametrize("name", ["FINE", "TROUBLE", "WATCHED"])
def test_every_word_of_an_inspection_stands_whole(name):
    inspection = getattr(inspection_builders, name)
    listeners = [
        msgspec.structs.replace(one, address="2001:db8:1234:5678:9abc:def0:1234:5678", drops=123_456_789_012)
        for one in inspection.listeners
    ]
    huge = msgspec.structs.replace(inspection, listeners=listeners)
    text = printed(inspection_report(huge, 80), 80)
    words = printed(inspection_report(huge, ENDLESS), ENDLESS).split()
    assert max(map(len, text.splitlines())) <= 80
    assert [word for word in words if word not in text.split()] == []


ASK = "from stress.cli.output import console; print(console().width)"


@pytest.mark.parametrize(
    ("columns", "is_behind_a_pager", "width"), [("77", False, 77), ("77", True, 77), ("", True, 91), ("", False, 120)]
)
def test_what_is_piped_is_as_wide_as_the_environment_or_the_terminal_says(columns, is_behind_a_pager, width):
    terminal, other_end = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 91, 0, 0))
    environment = os.environ | {"COLUMNS": columns, "TERM": "xterm"}
    stdin = other_end if is_behind_a_pager else subprocess.DEVNULL
    options = {"stdin": stdin, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment, "text": True}
    ended = subprocess.run([sys.executable, "-c", ASK], check=False, **options)
    os.close(terminal)
    os.close(other_end)
    assert ended.stdout.strip() == str(width), ended.stderr


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=25).filter(
    lambda word: Text(word).cell_len < 30
)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


@given(st.data(), st.integers(1, 7), st.integers(40, 200))
def test_any_table_keeps_any_words_whole(data, columns, width):
    """Those of one line stay in the order in which they are read."""
    heads = data.draw(st.lists(CELLS, min_size=columns, max_size=columns))
    rows = data.draw(st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=1, max_size=4))
    numbers = data.draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    lines = [Line([*map(Text, row)]) for row in rows]
    whole = WholeTable(*heads)
    for column, is_number in zip(whole.columns, numbers, strict=True):
        column.justify = "right" if is_number else "left"
    for row in rows:
        whole.add_row(*map(Text, row))
    for table in (RowTable([*map(Text, heads)], numbers, [Section(Text("title"), lines)]), whole):
        text = printed(table, width)
        assert max(Text(line).cell_len for line in text.splitlines()) <= width
        for row in rows:
            assert set(" ".join(row).split()) <= set(text.split())


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1), st.integers(0, 400))
def test_widths_fill_the_room_and_no_more(pairs, room):
    ranges = [(least, least + more) for least, more in pairs]
    widths = fit_widths(ranges, room)
    if sum(least for least, _ in ranges) > room:
        assert widths is None
        return
    assert all(least <= width <= natural for width, (least, natural) in zip(widths, ranges, strict=True))
    assert sum(widths) <= room
