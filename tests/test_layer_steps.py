# SPDX-License-Identifier: MIT
"""The costs of layers against those below, on numbers whose truth is known; and the ladder that shows them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from layer_suites import COSTS_NS, SHIPPED, layer_cells
from suite_builders import made_up

from stress.analysis.comparison.layer_steps import has_layers, layer_steps
from stress.analysis.statistics.two_sample import paired_shift
from stress.analysis.statistics.typical_times import typical_times
from stress.model.attempt import ATTEMPT
from stress.model.layer import LAYER, LAYERS
from stress.view.figure.suite.layer_ladder import LOOKS, layer_ladder_figure
from stress.view.figure.suite.suite_figure import suite_figure
from stress.view.text.layer_wording import NOTHING, cost_text, layers_headline, range_text

SCREEN_PIXELS = (1920, 1080)


def test_costs_are_found_within_blocks_whatever_the_mood_of_the_machine():
    steps = {step.layer.name: step for step in layer_steps(layer_cells())}
    assert list(steps) == [name for name in SHIPPED if name != "loopback"]
    for name, step in steps.items():
        assert step.cost.low <= COSTS_NS.get(name, 0) + 100
        assert step.cost.high >= COSTS_NS.get(name, 0) - 100
    assert {name for name, step in steps.items() if step.is_sure} == {name for name, cost in COSTS_NS.items() if cost}


def test_of_layers_that_cost_nothing_hardly_ever_one_is_sure():
    names = [name for name in SHIPPED if name not in COSTS_NS and LAYERS[name].below not in COSTS_NS]
    wrong = [any(step.is_sure for step in layer_steps(layer_cells(names=names, seed=seed))) for seed in range(40)]
    assert sum(wrong) <= 6  # of 40 two are expected at most, and more than six are one in a hundred


def test_twelve_blocks_can_be_sure_of_28_steps_and_ten_cannot():
    sure = [len([step for step in layer_steps(layer_cells(blocks)) if step.is_sure]) for blocks in (10, 12)]
    assert sure[0] == 0 < sure[1]


def test_a_layer_without_the_one_below_has_no_step():
    names = ["loopback", "veth", "masquerade", "rules-10"]
    assert [step.layer.name for step in layer_steps(layer_cells(names=names))] == ["veth"]


def test_only_blocks_that_both_have_count():
    loopback, veth = layer_cells(names=["loopback", "veth"])
    veth = replace(veth, typical={block: veth.typical[block] for block in (3, 4, 7)})
    (step,) = layer_steps([loopback, veth])
    assert (step.blocks, step.level.trials) == ((3, 4, 7), 3)
    assert not layer_steps([loopback, replace(veth, typical={})])


def test_trials_that_ran_at_the_same_time_have_no_cost():
    cells = [replace(trials, cell=msgspec.structs.replace(trials.cell, measures=False)) for trials in layer_cells()]
    assert not layer_steps(cells)


def test_the_cost_has_its_parts():
    step = layer_steps(layer_cells())[0]
    parts = [step.part_ns(name) for name in ("connect_ns", "close_ns", "rest_ns")]
    assert parts == pytest.approx([1500, 750, 250], abs=80)


def test_an_attempt_takes_what_most_take_whatever_a_few_waited_for():
    attempts = np.zeros(101, ATTEMPT)
    attempts["start_ns"] = 1_000 * np.arange(101)
    attempts["start_ns"][50:] += 4_000_000
    attempts["latency_ns"], attempts["close_ns"] = 600, 300
    attempts["latency_ns"][49] = 4_000_000
    times = typical_times(attempts)
    assert (times.attempt_ns, times.connect_ns, times.close_ns, times.rest_ns) == (1000, 600, 300, 100)
    attempts["worker"] = np.arange(101) % 2  # each worker has a loop of its own
    assert typical_times(attempts).attempt_ns == 2000
    assert typical_times(attempts[:1]) is None is typical_times(attempts[:0])


def test_with_too_few_blocks_the_headline_says_how_many_it_takes():
    assert layers_headline(layer_steps(layer_cells(6))) == (
        "6 blocks cannot be sure of a single one of 28 layers; it takes 11"
    )


def test_one_block_that_was_disturbed_moves_the_cost_little():
    base = [14_000.0 + number for number in range(12)]
    new = [value + 500 for value in base]
    disturbed = [*new[:-1], 90_000.0]
    usual, moved = paired_shift(base, new), paired_shift(base, disturbed)
    assert usual.effect == pytest.approx(500) == moved.effect
    assert moved.p == usual.p == pytest.approx(2 / 2**12)
    assert (usual.low, usual.high) == pytest.approx((500, 500))


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_a_shift_agrees_with_its_test(seed):
    rng = np.random.default_rng(seed)
    for _ in range(200):
        base, new = rng.normal(0, 1, (2, 9))
        shift = paired_shift(base, new + 0.5)
        assert (shift.low > 0 or shift.high < 0) is (shift.p <= 1 - shift.level + 1e-9)
        assert shift.level >= 0.95


def test_the_ladder_shows_each_step_with_its_number_on_one_screen():
    steps = layer_steps(layer_cells())
    figure = layer_ladder_figure(steps, "layers: what they cost", ["Linux 6.18"], "the machine was busy")
    width, height = (figure.get_size_inches() * figure.dpi).round()
    assert width == SCREEN_PIXELS[0]
    assert height <= SCREEN_PIXELS[1]
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    for step in steps:
        assert {step.layer.name, f"on {step.layer.below}", cost_text(step), f"({range_text(step)})"} <= set(texts)
    assert texts.count(NOTHING) == len(steps) - 4
    labels = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert labels == {look.label for look in LOOKS.values()}
    assert len({look.marker for look in LOOKS.values()}) == len(LOOKS)  # shapes repeat what colours say


def test_the_figure_of_a_suite_of_layers_is_the_ladder():
    cells = layer_cells()
    figure = suite_figure(cells, "layers", [])
    assert figure.texts[0].get_text().startswith("layers: 4 of 28 layers surely cost or save time")
    assert [axes.get_label() for axes in figure.axes] == ["steps"]
    assert has_layers(cells)
    assert not has_layers(made_up())
    other = made_up(entries={"clean": (43_000, 11_400, 18_100, 0)})
    assert not has_layers([*cells, *other])


def test_a_suite_without_any_step_is_said_to_have_none():
    cells = layer_cells(names=["loopback", "rules-10"])
    assert LAYER in cells[0].cell.levels
    assert suite_figure(cells, "layers", []).texts[0].get_text() == f"layers: {layers_headline([])}"
