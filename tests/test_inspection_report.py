# SPDX-License-Identifier: MIT
"""What inspections look like on a terminal."""

import json

import inspection_builders as examples
import jsonschema
import msgspec
import pytest
from house import REPOSITORY
from rich.console import Console

from stress.model.inspection import Ages, Check, Inspection
from stress.model.units import age_text
from stress.view.text.inspection_report import inspection_report
from stress.view.text.inspection_rows import (
    SHOWN,
    ages_text,
    destination_table,
    leak_table,
    listener_table,
    percent_text,
)
from stress.view.text.inspection_watch import watch_line, watch_table

WIDTH = 80
SCHEMA = REPOSITORY / "docs" / "inspection.schema.json"


def printed(renderable, width=WIDTH):
    console = Console(highlight=False, width=width)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_verdict_is_the_first_line():
    for inspection in (examples.FINE, examples.TROUBLE, examples.WATCHED):
        assert printed(inspection_report(inspection, WIDTH)).splitlines()[0] == inspection.verdict


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    text = printed(inspection_report(examples.WATCHED, width), width)
    assert max(map(len, text.splitlines())) <= width


def test_where_nothing_is_wrong_little_is_said_and_what_was_not_seen():
    text = printed(inspection_report(examples.FINE, WIDTH))
    assert len(text.splitlines()) < 10
    assert "processes of other users" in text


def test_findings_come_in_their_order_with_all_they_have():
    text = printed(inspection_report(examples.TROUBLE, 200), 200)
    places = []
    for finding in examples.TROUBLE.findings:
        places += [text.index(part) for part in (finding.text, *finding.commands, *finding.remedies)]
    assert places == sorted(places)


def test_a_finding_that_is_the_verdict_is_not_told_twice():
    first = examples.TROUBLE.findings[0]
    inspection = msgspec.structs.replace(
        examples.TROUBLE, verdict=f"No check fails. {first.text} 1 more finding below."
    )
    text = printed(inspection_report(inspection, 200), 200)
    assert text.count(first.text) == 1
    assert "as said above  [listener-queue]" in text


def test_an_ignored_check_is_told_as_such():
    assert "[close-wait-age]" in printed(inspection_report(examples.TROUBLE, WIDTH))
    assert "[close-wait-age, ignored]" in printed(inspection_report(examples.WATCHED, WIDTH))


def test_a_listener_in_trouble_comes_first_and_long_tables_are_cut():
    table, rest = listener_table(examples.TROUBLE)
    assert table.rows[0].cells[0].text == "127.0.0.1:8080"
    assert len(table.rows) == SHOWN
    assert rest == f"… and {len(examples.TROUBLE.listeners) - SHOWN} more, --json has all"


def test_destinations_that_are_not_listed_are_counted():
    ten = 10 * examples.TROUBLE.destinations[:1]
    for listed, rest in ((ten, "… and 3,992 more, of which --json has 2"), (ten[:8], "… and 3,990 more")):
        crowd = msgspec.structs.replace(examples.TROUBLE, destinations=listed, more_destinations=3_990)
        assert destination_table(crowd)[1] == rest


def test_several_listeners_of_one_port_do_not_share_its_drops():
    """A watch counts by endpoint; which of them dropped is told by what each has dropped since it was made."""
    table, _ = listener_table(examples.WATCHED)
    assert [row.cells[3].text for row in table.rows[:2]] == ["40 (+12)", "0"]


def test_a_leak_without_ages_says_so():
    leak = msgspec.structs.replace(examples.LEAK, ages=Ages(0, None, None, None), per_hour=None)
    (row,) = leak_table([leak])[0].rows
    assert row.cells[4].text == "not known"
    assert row.cells[5].text == "–"
    assert "the age of 4,012 is not known" in row.notes[0]


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [
        (0, "0 ns"),
        (1_004, "1 s"),
        (59_900, "59.9 s"),
        (60_000, "1 min"),
        (125_000, "2 min 5 s"),
        (3_599_999, "59 min 59 s"),
        (7_805_000, "2 h 10 min"),
        (86_400_000, "1 d"),
        (100 * 86_400_000 + 3_600_000, "100 d 1 h"),
    ],
)
def test_ages(age_ms, text):
    assert age_text(age_ms) == text


def test_one_age_is_no_range():
    assert ages_text(Ages(1, 5_000, 5_000, 5_000)) == "5 s"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0001, "<0.1 %"), (0.014, "1.4 %"), (0.5, "50 %"), (0.9999, ">99.9 %"), (1, "100 %")],
)
def test_a_share_is_never_said_to_be_all_or_nothing_when_it_is_not(share, text):
    assert percent_text(share) == text


def test_a_watch_shows_what_remains_of_it():
    assert "7 s remain" in printed(watch_table(examples.WATCHED, 7.2, WIDTH)).splitlines()[0]
    line = watch_line(examples.WATCHED, 7.2)
    assert line.startswith("10 s watched, 7 s remain; 4,012 CLOSE-WAIT at 127.0.0.1:8080")
    assert "127.0.0.1:8080 dropped 12 packets" in line
    assert "\n" not in line


def test_a_watch_fits_a_terminal_of_24_lines():
    many = msgspec.structs.replace(
        examples.WATCHED,
        states={f"STATE-{number}": 1 for number in range(11)},
        leaks=[examples.LEAK] * 40,
        listeners=[examples.LEAKING] * 40,
    )
    assert len(printed(watch_table(many, 3, WIDTH)).splitlines()) < 27


def test_an_inspection_fails_by_what_is_not_ignored():
    assert examples.TROUBLE.is_failing
    assert examples.WATCHED.is_failing  # by its queue
    assert not msgspec.structs.replace(examples.TROUBLE, ignored=list(Check)).is_failing
    assert not examples.FINE.is_failing


@pytest.mark.parametrize("name", ["FINE", "TROUBLE", "WATCHED"])
def test_an_inspection_follows_the_documented_schema(name):
    encoded = msgspec.json.encode(getattr(examples, name))
    jsonschema.validate(json.loads(encoded), json.loads(SCHEMA.read_text()))
    assert msgspec.json.decode(encoded, type=Inspection) == getattr(examples, name)
