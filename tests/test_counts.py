# SPDX-License-Identifier: MIT
"""The numbers of the command line, as people write them."""

from contextlib import suppress

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.cli.counts import COUNT, CountOption
from stress.suite.config import load as suite_file


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5000000", 5_000_000),
        ("5_000_000", 5_000_000),
        ("5e6", 5_000_000),
        ("5E+6", 5_000_000),
        ("1.5e3", 1500),
        ("5M", 5_000_000),
        ("2.5k", 2500),
        ("1G", 1_000_000_000),
        ("1000e-3", 1),
        ("-1", -1),
        (7, 7),
    ],
)
def test_a_count_is_read_as_people_write_it(text, number):
    assert COUNT.convert(text, None, None) == number


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1e-1", "1e-1 is not a whole number."),
        ("0.5k1", "is no number; write it like"),
        ("1,5", "is no number; write it like"),
        ("many", "'many' is no number; write it like 5000000, 5_000_000, 5e6 or 5M."),
        ("", "is no number"),
        ("1e999", "is larger than any count"),
        ("1e18", "is larger than any count"),
        ("٣", "is no number"),
        ("inf", "is no number"),
    ],
)
def test_what_is_no_count_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(click.BadParameter) as refusal:
        COUNT.convert(text, None, None)
    assert sentence in refusal.value.message


@given(st.integers(-(10**17), 10**17))
def test_every_count_comes_back_as_it_was_written(number):
    assert COUNT.convert(str(number), None, None) == COUNT.convert(f"{number:_}", None, None) == number


@given(st.text(max_size=12))
def test_any_text_is_a_count_or_refused_in_a_sentence(text):
    with suppress(click.BadParameter):
        assert isinstance(COUNT.convert(text, None, None), int)


def test_limits_are_said():
    with pytest.raises(click.BadParameter, match="0 must be 1 or more"):
        CountOption(1).convert("0", None, None)
    with pytest.raises(click.BadParameter, match="1e4 must be from 1 to 1,000"):
        CountOption(1, 1000).convert("1e4", None, None)


def test_a_suite_file_may_write_a_count_so_too(tmp_path):
    file = tmp_path / "small.toml"
    file.write_text('[[scenario]]\nname = "clean"\nattempts = 2e3\n')
    assert suite_file.read(file).entries[0].plan.attempts == 2000
