# SPDX-License-Identifier: MIT
"""The measures of benchmarks/annotated.py, and a small part of what it holds steps against."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import annotated


def test_f1_counts_the_first_point_and_a_margin_of_five():
    assert annotated.f1_score([set()], []) == 1
    assert annotated.f1_score([{50}], []) == pytest.approx(2 * 0.5 / 1.5)
    assert annotated.f1_score([{50}], [55]) == 1
    assert annotated.f1_score([{50}], [56]) == pytest.approx(0.5)
    assert annotated.f1_score([{50}, set()], [50]) == 1
    assert annotated.f1_score([{50}, {52}], [51]) == pytest.approx(1)


def test_covering_is_the_jaccard_index_weighted_by_length():
    assert annotated.covering([set()], [], 100) == 1
    assert annotated.covering([{50}], [], 100) == 0.5
    assert annotated.covering([{50}], [50], 100) == 1
    assert annotated.covering([{50}, set()], [50], 100) == pytest.approx(0.75)


def test_steps_agree_with_annotators_better_than_none():
    said, none = (annotated.score(find, 2) for find in (annotated.confirmed_steps, lambda _: ()))
    (f1, cover), (f1_none, cover_none) = annotated.mean_of(said), annotated.mean_of(none)
    assert f1 > f1_none + 0.05
    assert cover > cover_none + 0.05
