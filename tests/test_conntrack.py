# SPDX-License-Identifier: MIT
"""What conntrack counts: the format of the kernel's file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.lab import conntrack

NAMES = ["entries", "searched", "insert", "insert_failed", "drop", "early_drop"]
numbers = st.integers(0, 2**32 - 1)


@given(st.lists(st.lists(numbers, min_size=6, max_size=6), min_size=1, max_size=8))
def test_the_counters_of_all_cpus_are_added_and_entries_left_out(cpus):
    text = "".join(" ".join(line) + " \n" for line in [NAMES, *([f"{number:08x}" for number in cpu] for cpu in cpus)])
    sums = {name: sum(cpu[column] for cpu in cpus) for column, name in enumerate(NAMES)}
    del sums["entries"]
    assert conntrack.parse_statistics(text) == sums


def test_a_line_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        conntrack.parse_statistics("entries insert\n00000001\n")
