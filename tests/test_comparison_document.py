# SPDX-License-Identifier: MIT
"""What the page of a comparison says next to its figures: units, reasons, marks, and what all rows set."""

import dataclasses

from comparison_builders import compared, made_up

from stress.analysis.comparison.compare import decide
from stress.analysis.comparison.verdict import Unit, Verdict
from stress.view.page.comparison_document import ComparedSides, comparison_document

HELD = "one session on either side: says nothing about times"


def document_of(comparisons):
    return comparison_document(ComparedSides(comparisons, (), (), (), (), "connstorm compare a b"))


def table_of(comparisons):
    (table,) = document_of(comparisons).tables
    heads = [column.head for column in table.columns]
    return [dict(zip(heads, row, strict=True)) for row in table.rows], " ".join(table.notes)


def test_sessions_are_called_sessions_and_an_undecided_one_says_why():
    (one,) = decide([compared("clean", "body.p99", [11_000.0], [12_000.0])])
    held = dataclasses.replace(one, verdict=Verdict.INCONCLUSIVE, unit=Unit.SESSION, held_back=HELD)
    (row,), notes = table_of([held])
    assert row["trials"].text == "1 session"
    assert "Medians over 1 session with" in notes
    assert f"Inconclusive ({HELD}): body p99." in document_of([held]).details


def test_trials_sort_by_the_arm_that_has_fewer():
    rows, _ = table_of(decide([compared("clean", "body.p99", [11_000.0] * 14, [12_000.0] * 9, paired=False)]))
    assert (rows[0]["trials"].text, rows[0]["trials"].order) == ("14, 9", 9)


def test_further_trials_are_explained():
    _, notes = table_of(made_up(trials=4, factors={("clean", "body.p99"): 1.2}))
    assert "+N trials: so many more of each arm would probably decide" in notes


def test_a_change_that_is_not_that_of_the_medians_is_marked_and_explained():
    base, new = [10_000.0, 20_000.0, 30_000.0, 40_000.0, 50_000.0], [30_000.0, 40_000.0, 50_000.0, 10_000.0, 20_000.0]
    new = [value * 1.2 for value in new]
    (row,), notes = table_of(decide([compared("clean", "body.p99", base, new)]))
    assert row["change"].text.endswith("*")
    assert "* the median of the ratios within blocks" in notes


def test_what_all_rows_set_is_said_since_their_names_leave_it_out():
    comparisons = made_up(rows=("clean mines=500", "closewait mines=500"))
    assert {row["row"].text for row in table_of(comparisons)[0]} == {"clean", "closewait"}
    assert "All with mines=500." in document_of(comparisons).details
