# SPDX-License-Identifier: MIT
"""Which points become cells, and in which order their trials run."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.model.errors import UsageError
from stress.model.mine import Release
from stress.model.plan import Plan
from stress.model.suite import Design, Entry, Suite
from stress.suite import matrix, order

TW_REUSE, SYN_RETRIES = "net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_syn_retries"
AXES = {TW_REUSE: [0, 1, 2], "mines": [0, 5]}


def suite(design=Design.FULL, axes=AXES, **fields):
    entry = Entry(label="closewait", plan=Plan(scenario="closewait", ports="shuffle"), axes=axes)
    return Suite(**({"name": "test", "design": design, "entries": [entry]} | fields))


def names(cells):
    return [cell.name for cell in cells]


def test_full_has_every_combination_the_baseline_first():
    cells = matrix.build_cells(suite(baseline={TW_REUSE: 2}))
    assert names(cells) == [
        "closewait",
        "closewait mines=5",
        "closewait tcp_tw_reuse=0",
        "closewait tcp_tw_reuse=0 mines=5",
        "closewait tcp_tw_reuse=1",
        "closewait tcp_tw_reuse=1 mines=5",
    ]
    assert [cell.baseline for cell in cells] == [True] + [False] * 5
    assert cells[0].levels == {TW_REUSE: 2, "mines": 0}


def test_one_at_a_time_changes_one_thing():
    cells = matrix.build_cells(suite(Design.ONE_AT_A_TIME))
    assert names(cells) == [
        "closewait",
        "closewait tcp_tw_reuse=1",
        "closewait tcp_tw_reuse=2",
        "closewait mines=5",
    ]


axes_strategy = st.lists(st.integers(1, 4), min_size=1, max_size=5).map(
    lambda sizes: {f"net.ipv4.axis_{place}": list(range(size)) for place, size in enumerate(sizes)}
)


@given(axes_strategy)
def test_pairwise_has_every_pair_once_at_least_and_the_baseline_first(axes):
    cells = matrix.build_cells(suite(Design.PAIRWISE, axes))
    assert cells[0].baseline
    for (one, these), (other, those) in itertools.combinations(axes.items(), 2):
        pairs = {(cell.levels[one], cell.levels[other]) for cell in cells}
        assert pairs == set(itertools.product(these, those))
    assert len(cells) <= max(len(matrix.build_cells(suite(Design.FULL, axes))), 1)
    assert len(set(names(cells))) == len(cells)


@pytest.mark.parametrize("design", list(Design))
@given(axes_strategy)
def test_one_cell_is_the_baseline_in_every_design(design, axes):
    cells = matrix.build_cells(suite(design, axes))
    assert [cell.baseline for cell in cells].count(True) == 1
    assert len(set(names(cells))) == len(cells)


def test_excluded_points_are_left_out():
    cells = matrix.build_cells(suite(exclude=[{TW_REUSE: 1, "mines": 5}, {"scenario": "closewait", TW_REUSE: 2}]))
    assert names(cells) == ["closewait", "closewait mines=5", "closewait tcp_tw_reuse=1"]
    with pytest.raises(UsageError, match="has no cell left: all are excluded"):
        matrix.build_cells(suite(exclude=[{"scenario": "closewait"}]))


def test_a_cells_plan_has_its_values():
    plan = matrix.build_cells(suite())[-1].plan
    assert plan.mines == 5
    assert plan.sysctls == {TW_REUSE: "2"}
    assert not plan.host


def test_on_the_host_mines_are_released_without_changing_a_setting():
    mined = Entry(label="closewait", plan=Plan(scenario="closewait", mines=5), axes={"mines": [0, 5]})
    plan = matrix.build_cells(suite(entries=[mined]), host=True)[1].plan
    assert (plan.host, plan.release) == (True, Release.LINGER2)


def test_ipv6_comes_with_its_addresses():
    assert matrix.build_cells(suite(axes={"family": [4, 6]}))[1].plan.source == "::1"


def test_identity_is_that_of_all_but_the_seed():
    plan = Plan(scenario="clean")
    same = msgspec.structs.replace(plan, seed=9)
    other = msgspec.structs.replace(plan, window=9)
    assert plan.identity == same.identity != other.identity


def test_two_cells_of_one_name_are_refused():
    entry = suite().entries[0]
    with pytest.raises(UsageError, match="has two cells named 'closewait'; give their scenarios labels"):
        matrix.build_cells(suite(entries=[entry, entry]))


@given(st.integers(0, 2**40), st.integers(1, 6), st.integers(1, 6))
def test_each_block_runs_every_cell_once_with_one_seed(seed, trials, more):
    cells = matrix.build_cells(suite())
    trials_in_order = order.ordered_trials(suite(seed=seed, trials=trials), cells)
    assert [trial.number for trial in trials_in_order] == list(range(trials * len(cells)))
    for _, block in itertools.groupby(trials_in_order, key=lambda trial: trial.block):
        trials_of_block = list(block)
        assert sorted(trial.cell for trial in trials_of_block) == sorted(names(cells))
        assert len({trial.seed for trial in trials_of_block}) == 1
    longer = order.ordered_trials(suite(seed=seed, trials=trials + more), cells)
    assert longer[: len(trials_in_order)] == trials_in_order


def test_blocks_differ_in_order_and_seed():
    cells = matrix.build_cells(suite())
    trials_in_order = order.ordered_trials(suite(trials=20), cells)
    orders = {tuple(trial.cell for trial in trials_in_order if trial.block == block) for block in range(20)}
    assert len(orders) > 10
    assert len({trial.seed for trial in trials_in_order}) == 20
    places = [np.mean([trial.number % 6 for trial in trials_in_order if trial.cell == name]) for name in names(cells)]
    assert max(places) - min(places) < 3  # no cell is always early


@pytest.mark.parametrize(("axes", "count"), [(6, "1,000,000"), (12, "1,000,000,000,000")])
def test_too_many_cells_are_refused_with_their_number_before_they_are_made(axes, count):
    many = {f"net.ipv4.tcp_a{number}": list(range(10)) for number in range(axes)}
    with pytest.raises(UsageError, match=f"The matrix has {count} cells, and a suite has 10,000 at most"):
        matrix.build_cells(suite(axes=many))


def test_too_many_trials_are_refused_with_their_number():
    with pytest.raises(UsageError, match="250,000 trials of 6 cells are 1,500,000"):
        matrix.build_cells(suite(trials=250_000))


@given(st.sampled_from(Design), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_the_number_of_points_is_known_beforehand(design, sizes):
    points = list(matrix.design_points(design, [list(range(size)) for size in sizes]))
    counted = matrix.count_points(design, sizes)
    assert len(points) == counted if design is not Design.PAIRWISE else len(points) >= counted
