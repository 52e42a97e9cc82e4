# SPDX-License-Identifier: MIT
"""Tables as values, and their two renderers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stress.view.text.markdown import SIGNS, escape, escape_pipes, markdown_table
from stress.view.text.rich_table import STYLES, grouped_table
from stress.view.text.table import Cell, Column, Row, Table, Tone

COLUMNS = (Column("name"), Column("value", is_number=True), Column(""))
TABLE = Table(
    COLUMNS,
    (
        Row("b", (Cell("x"), Cell("1", "0–2"), Cell("worse", tone=Tone.WORSE))),
        Row("a", (Cell("y"), Cell("2"), Cell("a_b", code=True))),
        Row("b", (Cell("z"), Cell("3"), Cell(""))),
    ),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


def printed(*parts):
    console = Console(highlight=False, width=80)
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return capture.get()


def test_groups_come_in_the_order_of_their_first_rows():
    assert [(group, [row.cells[0].text for row in rows]) for group, rows in TABLE.groups()] == [
        ("b", ["x", "z"]),
        ("a", ["y"]),
    ]


def test_markdown_puts_details_in_brackets_and_leaves_code_alone():
    assert markdown_table(TABLE).splitlines() == [
        "| name | value |  |",
        "| --- | ---: | --- |",
        "| x | 1 (0–2) | worse |",
        "| y | 2 | `a_b` |",
        "| z | 3 |  |",
    ]


@given(TEXTS, st.sampled_from([escape, escape_pipes]))
def test_no_text_ends_a_cell_of_a_markdown_table(text, escape_text):
    table = Table(COLUMNS, (Row("", (Cell(text), Cell("1"), Cell(""))),))
    *_, line = markdown_table(table, escape_text).split("\n")
    assert len(re.findall(r"(?<!\\)\|", line)) == len(COLUMNS) + 1


@pytest.mark.parametrize("is_tall", [False, True])
def test_a_terminal_shows_each_group_above_its_rows(is_tall):
    words = printed(grouped_table(TABLE, is_tall=is_tall)).split()
    assert [word for word in words if word in ("a", "b", "x", "y", "z")] == ["b", "x", "z", "a", "y"]
    assert ("0–2" if is_tall else "(0–2)") in words


def test_every_tone_has_a_style_and_every_sign_a_tone():
    assert set(STYLES) == set(Tone)
    assert set(SIGNS) < set(Tone)
