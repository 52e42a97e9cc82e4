# SPDX-License-Identifier: MIT
"""A suite as a table: what it says, and that it fits where there is no terminal."""

import pytest
from rich.console import Console
from suite_builders import a_summary, made_up, trials_of

from stress.analysis.metric import METRICS
from stress.analysis.statistics.trials import Effect, median_interval
from stress.model.errors import UsageError
from stress.view.text import metric_wording as words
from stress.view.text.suite_markdown import suite_markdown
from stress.view.text.suite_table import heading, suite_table

WIDTH = 112
USUAL = {"net.ipv4.tcp_x": 1}
OTHER = {"net.ipv4.tcp_x": 2}


def printed(cells, **options):
    console = Console(highlight=False, width=WIDTH)
    with console.capture() as capture:
        console.print(suite_table(cells, **options))
    return capture.get()


def rows(cells, **options):
    return [" ".join(line.split()) for line in printed(cells, **options).splitlines()]


def styles(cells, text):
    """The colours in which a text is printed."""
    console = Console(highlight=False, width=WIDTH, force_terminal=True, color_system="standard")
    segments = console.render_lines(suite_table(cells), console.options)
    return {str(segment.style) for line in segments for segment in line if text in segment.text}


def two_cells(new, old, **cell):
    return [
        trials_of([a_summary(**old)] * 9, levels=USUAL, baseline=True, **cell),
        trials_of([a_summary(**new)] * 9, levels=OTHER, **cell),
    ]


def test_a_suite_of_many_settings_fits_a_console_that_is_none():
    lines = printed(made_up()).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not any("…" in line for line in lines)


def test_entries_are_headed_by_their_name_and_begin_with_the_baseline():
    shown = rows([*two_cells({}, {})[::-1], trials_of([a_summary()], scenario="clean", baseline=True)])
    names = [line for line in shown if line.startswith(("closewait", "clean", "baseline 9", "baseline 1", "tcp_x"))]
    assert [line.split()[0] for line in names] == ["closewait", "baseline", "tcp_x=2", "clean", "baseline"]


def test_a_row_holds_medians_with_their_intervals():
    summaries = [a_summary(rate=rate, p50=11_000, p99=18_000 + rate, retried=3) for rate in range(40_000, 47_000, 1000)]
    shown = "\n".join(rows([trials_of(summaries, levels=USUAL, baseline=True)]))
    assert "baseline 7 43k 11 µs 61 µs 106 0" in shown
    assert "balanced 40k–46k 58–64 µs" in shown


def test_a_change_has_a_mark_a_size_and_a_word():
    shown = rows(two_cells({"p99": 27_000, "rate": 60_000.0, "retried": 565}, {"p99": 18_000}))
    assert "tcp_x=2 9 ▲ 60k 11 µs ▲ 27 µs ▲ 20k 0" in shown
    assert "balanced ×1.50 better ×1.50 worse +20k worse" in shown


def test_a_change_is_red_for_worse_and_green_for_better():
    cells = two_cells({"p99": 27_000, "rate": 60_000.0}, {"p99": 18_000})
    assert styles(cells, "▲ 27 µs") == {"bold red"}
    assert styles(cells, "▲ 60k") == {"bold green"}


def test_the_baseline_and_what_stays_have_no_mark():
    cells = two_cells({"p99": 18_100}, {"p99": 18_000})
    marked = [line for line in rows(cells) if "▲" in line or "▼" in line]
    assert [line[:11] for line in marked] == ["▲ ▼ changes"]  # what they mean


def test_causes_stand_below_with_their_median():
    causes = [{"closewait": 500, "unknown": count} for count in (0, 0, 0, 2, 0)]
    shown = "\n".join(rows([trials_of([a_summary(causes=cause) for cause in causes], levels=USUAL, baseline=True)]))
    assert "500 closewait" in shown
    assert "0–2 unknown" in shown
    assert "none" not in shown


def test_books_that_do_not_balance_are_counted():
    summaries = [a_summary(), a_summary(unbalanced=2), a_summary(unbalanced=1)]
    cells = [trials_of(summaries, levels=USUAL, baseline=True)]
    assert "2 unbal." in printed(cells)
    assert styles(cells, "2 unbal.") == {"bold red"}


def test_failed_trials_are_counted_and_explained():
    cells = two_cells({}, {})
    cells.append(trials_of([a_summary()], failed={1: "boom", 2: "boom", 3: "no [space]"}, levels={"net.ipv4.tcp_x": 3}))
    shown = rows(cells)
    assert "3 failed" in "\n".join(shown)
    assert any(line.startswith("tcp_x=3 1 of 4") for line in shown)
    assert "failed: closewait, tcp_x=3, blocks 1, 2: boom" in shown
    assert "failed: closewait, tcp_x=3, block 3: no [space]" in shown
    assert styles(cells, "3 failed") == {"bold red"}


def test_a_cell_that_cannot_be_is_one_grey_row_with_the_reason():
    cells = [*two_cells({}, {}), trials_of(not_applicable="this kernel has no tcp_y", levels={"net.ipv4.tcp_x": 3})]
    shown = "\n".join(rows(cells))
    assert "tcp_x=3 –" in shown
    assert "not applicable: this" in shown
    assert styles(cells, "tcp_x=3") == {"dim"}


def test_a_cell_that_was_not_run_says_so():
    assert any("tcp_x=3 not run" in line for line in rows([trials_of(levels={"net.ipv4.tcp_x": 3})]))


def test_times_of_trials_beside_each_other_are_not_shown():
    shown = rows([trials_of([a_summary()], measures=False, baseline=True)])
    assert "baseline 1 – – – 0 0" in shown


def test_notes_say_how_sure_it_is_and_how_many_were_compared():
    shown = " ".join(rows(two_cells({}, {})))
    assert "with 96 % confidence" in shown
    assert "Of all marks 5 % are wrong on average, at most (Benjamini-Hochberg, 7 comparisons)." in shown
    assert "block" not in shown.partition("Benjamini")[2]
    single = " ".join(rows([trials_of([a_summary()], baseline=True)]))
    assert "Single trials: how far others would differ is not known." in single


@pytest.mark.parametrize(
    ("blocks", "text"),
    [
        (5, "5 blocks can never reach 0.05: nothing can be marked; 9 can mark a single one."),
        (7, "7 blocks mark a change only where 3 of 7 comparisons change; 9 can mark a single one."),
        (9, None),
    ],
)
def test_what_so_few_blocks_cannot_show_is_said(blocks, text):
    usual, other = (
        trials_of([a_summary(p50=p50)] * blocks, levels={"net.ipv4.tcp_x": number}, baseline=not number)
        for number, p50 in enumerate((100, 900))
    )
    shown = " ".join(rows([usual, other]))
    assert text is None or text in shown
    assert ("single one" in shown) == (text is not None)
    assert ("▲ 900 ns" in shown) == (text is None)
    assert text is None or text in suite_markdown([usual, other])


def test_the_columns_are_the_callers():
    cells = two_cells({"timed_out": 9}, {})
    shown = rows(cells, headline=["errors", "outcome.timed_out"])
    assert "tcp_x=2 9 ▲ 9 ▲ 9" in shown
    with pytest.raises(UsageError, match=r"no metric 'p50'"):
        suite_table(cells, headline=["p50"])


def test_nothing_makes_an_empty_table():
    assert "scenario" in printed([])
    assert suite_markdown([]).count("\n") == 2


def test_headings_are_narrow():
    assert [heading(METRICS[name]).strip() for name in words.HEADLINE] == [
        "rate\nper s",
        "body\np50",
        "body\np99",
        "retries\nper million",
        "errors\nper million",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (35.4206, "35.4"),
        (999.7, "1,000"),
        (9876.4, "9,876"),
        (9996, "10k"),
        (17_710, "17.7k"),
        (999_600, "1M"),
        (2_500_000, "2.5M"),
    ],
)
def test_numbers_are_short(value, text):
    assert words.count_text(value) == text


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("ratio", 1.5, "×1.50"),
        ("ratio", 12.34, "×12.3"),
        ("ratio", 1234.5, "×1,234"),
        ("ratio", 0.0031, "×0.0031"),
        ("difference", 17_710, "+17.7k"),
        ("difference", -3, "−3"),
        ("difference", 0, "0"),
    ],
)
def test_changes_say_in_which_direction(kind, value, text):
    shown = Effect(kind, value, value, value, 7, 0.98, changes=True)
    assert words.change_text(shown, value) == text
    assert words.change_interval_text(shown) == ""


def test_an_interval_has_its_unit_once():
    texts = [words.interval_text(METRICS["body.p50"], median_interval(ends)) for ends in ((8e3, 9.5e3), (8e5, 2e6))]
    assert texts == ["8–9.5 µs", "800 µs–2 ms"]


def markdown_rows(cells):
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in suite_markdown(cells).splitlines()]


def test_markdown_has_a_row_a_cell():
    head, rule, usual, other, *_ = markdown_rows(two_cells({"p99": 27_000}, {"p99": 18_000}))
    assert head[:4] == ["scenario", "setting", "value", "rate per s"]
    assert len(head) == len(rule) == len(usual) == len(other)
    assert usual[:3] == ["closewait", "baseline", ""]
    assert other[:3] == ["closewait", "`tcp_x`", "2"]
    assert other[5] == "27 µs"
    assert (usual[-1], other[-1]) == ("", "▲ body p99 ×1.50, worse")


def test_markdown_gives_intervals_of_values_and_of_changes():
    olds = [a_summary(p99=value) for value in range(10_000, 19_000, 1000)]
    news = [a_summary(p99=value * 2 + 500) for value in range(10_000, 19_000, 1000)]
    cells = [trials_of(olds, levels=USUAL, baseline=True), trials_of(news, levels=OTHER)]
    (other,) = [row for row in markdown_rows(cells) if row[1:2] == ["`tcp_x`"]]
    assert other[5] == "28.5 µs (22.5–34.5 µs)"
    assert other[-1] == "▲ body p99 ×2.04 (×2.03 to ×2.04), worse"


def test_markdown_says_what_is_missing():
    cells = [
        trials_of([a_summary()], failed={1: "a|b"}, levels=USUAL, baseline=True),
        trials_of(not_applicable="no tcp_x here", levels=OTHER),
    ]
    text = suite_markdown(cells)
    assert "1 of 2 trials failed: a\\|b" in text
    assert "| – | – | – | – | – | not applicable: no tcp_x here |" in text


def test_markdown_names_several_settings_in_order():
    usual = {"x": 1, "net.ipv4.ip_local_port_range": [1, 5]}
    cells = [
        trials_of([a_summary()], levels=usual, baseline=True),
        trials_of([a_summary()], levels={"x": 2, "net.ipv4.ip_local_port_range": [1, 9]}),
    ]
    assert markdown_rows(cells)[3][:3] == ["closewait", "`x`, `ip_local_port_range`", "2, 1 9"]
