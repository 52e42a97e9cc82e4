# SPDX-License-Identifier: MIT
"""Comparisons as a table and as Markdown: what they say, in which order, and what they leave out."""

import dataclasses
import itertools
import re

import pytest
from comparison_builders import compared, made_up
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.verdict import Unit, Verdict
from stress.view.text import comparison_wording as words
from stress.view.text.comparison_markdown import ROWS_MAX, markdown
from stress.view.text.comparison_table import table
from stress.view.text.markdown import escape

WIDTH = 112
REGRESSED, IMPROVED = ([1000.0 + trial for trial in range(8)], [1500.0 + trial for trial in range(8)])


def printed(comparisons, **options):
    console = Console(highlight=False, width=WIDTH)
    with console.capture() as capture:
        console.print(table(comparisons, **options))
    return capture.get()


def rows(comparisons, **options):
    return [" ".join(line.split()) for line in printed(comparisons, **options).splitlines()]


def styles(comparisons, text):
    console = Console(highlight=False, width=WIDTH, force_terminal=True, color_system="standard")
    segments = console.render_lines(table(comparisons), console.options)
    return {str(segment.style) for line in segments for segment in line if segment.text.strip().startswith(text)}


def one(verdict, **changes):
    """A decided comparison of the rate of one row with a verdict."""
    factor = {Verdict.REGRESSED: 0.5, Verdict.IMPROVED: 2, Verdict.EQUIVALENT: 1, Verdict.INCONCLUSIVE: 1.06}[verdict]
    spread = [1, 1.2, 0.8, 1.1, 0.9, 1.3, 0.7, 1] if verdict is Verdict.INCONCLUSIVE else [1] * 8
    base = [1000.0 + trial for trial in range(8)]
    new = [value * factor * off for value, off in zip(base, spread, strict=True)]
    (comparison,) = decide([compared(changes.pop("row", "closewait"), "rate", base, new, **changes)])
    assert comparison.verdict is verdict
    return comparison


def cells(text):
    """The cells of each line of the Markdown tables."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]


# The table.


def test_a_line_has_both_arms_the_change_its_interval_p_and_the_verdict():
    (line,) = [line for line in rows(made_up()) if line.startswith("• body p99") and "regressed" in line]
    assert re.fullmatch(
        r"• body p99 1\d(\.\d)? µs [23]\d(\.\d)? µs ×1\.\d\d ×1\.\d\d to ×1\.\d\d 0\.\d+ 12 regressed", line
    )


def test_it_fits_a_console_that_is_none():
    long = made_up(rows=("closewait net.ipv4.tcp_challenge_ack_limit=100, net.ipv4.tcp_syn_retries=1", "clean"))
    lines = printed(long, everything=True).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not any("…" in line for line in lines)
    assert sum(line.startswith("closewait net.ipv4.tcp_chall") for line in lines) == 1


def test_rows_and_lines_that_matter_come_first():
    comparisons = made_up()
    body = rows(comparisons)
    assert [line for line in body if line in ("closewait", "clean", "rst-dropped")] == [
        "closewait",
        "clean",
        "rst-dropped",
    ]
    verdicts = [[comparison.verdict for comparison in row] for row in words.group_by_row(comparisons).values()]
    for row in verdicts:
        assert [words.SEVERITY.index(verdict) for verdict in row] == sorted(map(words.SEVERITY.index, row))
    backwards = words.group_by_row(list(reversed(comparisons)))
    assert next(iter(backwards)) == "closewait"


def test_what_changes_most_comes_first_among_equals():
    two = [one(Verdict.IMPROVED), dataclasses.replace(one(Verdict.IMPROVED), metric="duration", effect=9.0)]
    assert [comparison.metric for comparison in words.order_comparisons(two)] == ["duration", "rate"]
    halved = dataclasses.replace(one(Verdict.IMPROVED), effect=0.5)
    assert words.effect_size(halved) == words.effect_size(dataclasses.replace(halved, effect=2.0)) == pytest.approx(20)


@pytest.mark.parametrize(
    ("verdict", "style"),
    [
        (Verdict.REGRESSED, "bold red"),
        (Verdict.IMPROVED, "bold green"),
        (Verdict.EQUIVALENT, "dim"),
        (Verdict.INCONCLUSIVE, "yellow"),
    ],
)
def test_verdicts_have_their_colour(verdict, style):
    assert styles([one(verdict)], verdict) == {style}


def test_what_is_inconclusive_says_how_many_more_trials_would_tell():
    comparisons = one(Verdict.INCONCLUSIVE)
    assert f"inconclusive, +{comparisons.more_trials:,} trials" in printed([comparisons])
    single = dataclasses.replace(comparisons, more_trials=1)
    assert re.search(r"inconclusive, \+1 trial\s*\n", printed([single]))
    never = printed([dataclasses.replace(comparisons, more_trials=None)])
    assert "inconclusive" in never
    assert "+" not in never


def test_the_head_says_how_many_tests_were_made_and_how_they_were_corrected():
    head = " ".join(printed(made_up()).split())
    tests = sum(comparison.p is not None for comparison in made_up())
    assert (
        f"v6.18 against v6.12. {tests} tests: 15 that gate, corrected by Holm; {tests - 15} explored, corrected by "
        "Benjamini-Hochberg (level 0.05); trials compared within blocks." in head
    )
    only = " ".join(printed([one(Verdict.REGRESSED, paired=False)]).split())
    assert "1 test: 1 that gate, corrected by Holm (level 0.05); arms compared as a whole, not within blocks." in only
    mixed = [one(Verdict.REGRESSED, paired=False), one(Verdict.EQUIVALENT)]
    assert "within blocks in 1, as a whole in 1." in " ".join(printed(mixed).split())


BUSY = "the machine was busy in 5 of 14 trials of new"


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_held_back_says_why_below_the_table(width):
    rates = [dataclasses.replace(one(Verdict.REGRESSED), held_back=BUSY, row=row) for row in ("clean", "closewait")]
    held = decide([*rates, dataclasses.replace(rates[0], metric="body.p99")])
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(table(held))
    assert all(comparison.p is None for comparison in held)
    text = " ".join(capture.get().split())
    note = f"Inconclusive ({BUSY}): rate per s and body p99 in 2 rows."
    assert note in text
    assert text.count(BUSY) == 1
    assert note in markdown(held)


def test_trials_of_sessions_are_counted_in_sessions():
    comparison = dataclasses.replace(one(Verdict.INCONCLUSIVE, paired=False), unit=Unit.SESSION, more_trials=3)
    text = " ".join(printed([comparison]).split())
    assert "inconclusive, +3 sessions" in text
    assert "arms compared by sessions (8 against 8)." in text
    assert "+N sessions: so many more of each arm" in text


def test_what_is_zero_in_both_arms_and_only_explored_is_hidden_and_counted():
    zeros = [0.0] * 12
    explored = compared("clean", "cause.unknown", zeros, zeros, gating=False)
    gates = compared("clean", "errors", zeros, zeros)
    empty = compared("clean", "body.p90", [], [], gating=False)
    lost = compared("clean", "body.p50", [5.0] * 12, [], gating=False)
    comparisons = decide([explored, gates, empty, lost])
    few = printed(comparisons)
    assert "errors" in few
    assert "no data in new" in few
    assert "cause unknown" not in few
    assert "Hidden: 2 comparisons of nothing" in few
    every = printed(comparisons, everything=True)
    assert "cause unknown" in every
    assert "no data in base or new" in every
    assert "Hidden" not in every


def test_a_single_burst_is_not_hidden():
    burst = compared("clean", "cause.unknown", [0.0] * 20, [0.0] * 19 + [10_000.0], gating=False)
    assert "cause unknown" in printed(decide([burst]))


@pytest.mark.parametrize(
    ("base", "new", "paired", "text"),
    [
        ([], [1.0], True, "no data in base"),
        ([1.0], [], True, "no data in new"),
        ([0.0, 5.0], [5.0, 0.0], True, "no block with both"),
        ([0.0], [5.0], False, "no value above 0"),
    ],
)
def test_what_has_no_data_says_whose(base, new, paired, text):
    assert text in printed(decide([compared("clean", "rate", base, new, paired=paired)]))


def test_arms_are_named_at_each_row_where_they_are_several():
    two = [one(Verdict.REGRESSED, labels=("old", "new")), one(Verdict.IMPROVED, labels=("old", "newer"))]
    assert [line for line in rows(two) if line.startswith("closewait:")] == [
        "closewait: new against old",
        "closewait: newer against old",
    ]


def contradicting():
    """Return a comparison whose medians rise while the ratios within its blocks fall."""
    base = [20_000.0, 20_500.0, 21_000.0, 23_400.0, 31_000.0, 31_500.0, 32_000.0]
    new = [18_900.0, 19_300.0, 19_800.0, 29_200.0, 29_300.0, 29_600.0, 30_000.0]
    return decide([compared("closewait", "rate", base, new)])


@pytest.mark.parametrize("width", [80, 120])
def test_a_change_that_is_not_that_of_the_medians_is_marked_and_explained(width):
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(table(contradicting()))
    text = " ".join(capture.get().split())
    assert "23.4k 29.2k ×0.94*" in text
    assert "* the median of the ratios within blocks, which is not the change between the medians shown." in text
    assert "×0.94\\*" in markdown(contradicting())
    assert "within blocks, which is not the change" in markdown(contradicting())


@pytest.mark.parametrize(
    ("base", "new", "is_paired", "what"),
    [
        ([0.0] * 9, [0.0] * 8 + [9000.0], True, "the mean of the differences within blocks"),
        ([0.0] * 9, [0.0] * 8 + [9000.0], False, "the difference of the means"),
        ([5.0] * 9, [6.0] * 9, True, None),
        ([100.0] * 9, [100.0] * 8 + [109.0], True, None),  # by less than matters
    ],
)
def test_the_mark_says_what_the_change_is(base, new, is_paired, what):
    text = " ".join(printed(decide([compared("clean", "errors", base, new, paired=is_paired)])).split())
    assert ("* " in text) == (what is not None)
    assert what is None or f"* {what}, which" in text


def test_settings_that_all_rows_share_are_said_once():
    names = ("clean mines=500 tcp_tw_reuse=0", "closewait tcp_tw_reuse=1 mines=500 ip_local_port_range=1024 65535")
    comparisons = made_up(rows=names)
    shown = rows(comparisons)
    assert "closewait tcp_tw_reuse=1 ip_local_port_range=1024 65535" in shown
    assert "clean tcp_tw_reuse=0" in shown
    assert " ".join(shown).count("mines=500") == 1
    assert "All with mines=500." in " ".join(shown)
    assert markdown(comparisons).count("mines=500") == 1
    assert words.constants_text(made_up(rows=names[:1])) == ""


def test_the_worst_row_comes_first():
    worse = dataclasses.replace(one(Verdict.REGRESSED, row="worse"), effect=0.2)
    equally = [one(Verdict.REGRESSED, row="bad"), worse, one(Verdict.INCONCLUSIVE, row="maybe")]
    assert list(words.group_by_row(equally)) == ["worse", "bad", "maybe"]


def test_cells_of_one_scenario_are_named_by_what_sets_them_apart():
    two = [
        one(Verdict.REGRESSED, row="clean", labels=("clean", "clean tcp_tw_reuse=0")),
        one(Verdict.REGRESSED, row="clean", labels=("clean", "clean tcp_tw_reuse=1")),
    ]
    assert [line for line in rows(two) if line.startswith("clean:")] == [
        "clean: tcp_tw_reuse=0 against the baseline",
        "clean: tcp_tw_reuse=1 against the baseline",
    ]
    assert "(rate per s of clean: tcp_tw_reuse=0 against the baseline, ×0.50; " in words.sentence(two)


def test_nothing_compared_is_said():
    assert printed([]).strip() == "Nothing was compared."
    assert markdown([]) == "**Nothing was compared.**\n"


@pytest.mark.parametrize("everything", [False, True])
def test_without_any_data_there_is_no_test(everything):
    text = printed(decide([compared("clean", "rate", [], [])]), everything=everything)
    assert "No test was made: no comparison has data." in text
    assert "0 comparison" not in text


# The sentence.


def test_the_sentence_names_what_regressed():
    comparisons = [one(Verdict.REGRESSED), one(Verdict.EQUIVALENT, row="clean"), one(Verdict.INCONCLUSIVE, row="full")]
    assert (
        words.sentence(comparisons) == "1 of 3 comparisons that gate regressed (rate per s of closewait, ×0.50); "
        "1 inconclusive and 1 equivalent."
    )
    assert words.sentence(comparisons[1:2]) == "None of 1 comparison that gates regressed; 1 equivalent."
    many = words.sentence([one(Verdict.REGRESSED, row=str(number)) for number in range(6)])
    assert many.startswith("6 of 6 comparisons that gate regressed (rate per s of 0, ×0.50; ")
    assert many.endswith("; 3 more).")


def test_the_sentence_tells_what_gates_from_what_is_explored():
    comparisons = [one(Verdict.EQUIVALENT), one(Verdict.REGRESSED, gating=False), one(Verdict.EQUIVALENT, gating=False)]
    assert words.sentence(comparisons) == (
        "None of 1 comparison that gates regressed; 1 equivalent. Of 2 others explored, 1 regressed."
    )
    assert words.sentence(comparisons[1:]).startswith("1 of 2 explored regressed (")


def test_absence_of_data_is_never_passed_over_in_the_sentence():
    comparisons = decide([compared("clean", "rate", [], [])])
    assert words.sentence(comparisons) == "None of 1 comparison that gates regressed; 1 without data."


# Markdown.


def test_markdown_begins_with_the_verdict_then_what_changed_then_the_rest_folded_away():
    text = markdown(made_up())
    sentence, method, first, folded = text.split("\n\n", 3)
    assert sentence.startswith("**2 of 15 comparisons that gate regressed (")
    assert method.startswith("v6.18 against v6.12. ")
    assert first.startswith("| row | metric | base | new | change |")
    assert folded.startswith("<details>\n<summary>")
    assert "</summary>\n\n| row |" in folded  # GitHub wants the empty line
    assert "|\n\n</details>" in folded
    shown = [line[-1] for line in cells(first)[2:]]
    assert shown[:2] == ["🔴 regressed", "🔴 regressed"]
    assert not any("equivalent" in verdict for verdict in shown)
    assert not any("gressed" in line[-1] for line in cells(folded)[2:])


def test_all_comparisons_are_in_the_markdown_or_counted_as_left_out():
    comparisons = made_up()
    text = markdown(comparisons)
    lines = [line for line in cells(text) if line[0] != "row" and not line[0].startswith("---")]
    left_out = int(re.search(r"Left out: (\d+)", text)[1])
    assert len(lines) + left_out == len(comparisons)
    assert left_out == sum(map(words.is_of_nothing, comparisons))
    (folded,) = re.findall(r"<summary>(\d+) other comparisons</summary>", text)
    assert int(folded) == len(cells(text.split("<summary>")[1])) - 2


def test_gates_without_a_decision_are_not_folded_away():
    comparisons = [one(Verdict.INCONCLUSIVE), *decide([compared("clean", "rate", [], [])])]
    text = markdown(comparisons)
    assert "<details>" not in text
    assert [line[-1].split(",")[0] for line in cells(text)[2:]] == ["inconclusive", "no data in base or new"]


def test_very_many_comparisons_are_cut_with_a_word():
    comparisons = [one(Verdict.EQUIVALENT)] * (ROWS_MAX + 5)
    assert "\n\n5 more are not shown.\n" in markdown(comparisons)
    assert len(cells(markdown(comparisons))) == ROWS_MAX + 2


@given(st.text(max_size=30))
def test_no_name_breaks_the_table(name):
    try:
        comparisons = dataclasses.replace(one(Verdict.REGRESSED), row=name, base=name)
    except UnicodeEncodeError:
        return
    (line,) = [line for line in markdown([comparisons]).split("\n") if "| 🔴 regressed |" in line]
    assert line.count("|") == 9
    assert line.startswith(f"| {escape(name)} | rate per s |")
    assert not re.search(r"(?<!\\)[*_`~\[]|<", escape(name).replace("\\\\", ""))


def test_every_pair_of_verdicts_has_an_order():
    assert set(words.SEVERITY) == set(Verdict)
    for first, second in itertools.permutations((Verdict.REGRESSED, Verdict.EQUIVALENT, Verdict.INCONCLUSIVE), 2):
        expected = min(first, second, key=words.SEVERITY.index)
        assert words.order_comparisons([one(first), one(second)])[0].verdict is expected
