# SPDX-License-Identifier: MIT
"""Frames of profiles: their times are those of the stacks, and their differences those of stress.profile."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiled_runs import SAMPLE_NS, frozen_stacks, trials_of
from test_profile_difference import HASH, storms

from stress.model.profile import CLIENT, SERVER
from stress.profile.change import time_change
from stress.profile.difference import SAMPLES_MIN
from stress.profile.flame import compared_flame, mean_flame
from stress.profile.frames import merge_stacks
from stress.profile.mean_costs import function_costs
from stress.profile.sampled_storm import SampledStorm

STACKS = st.dictionaries(
    st.tuples(st.sampled_from([CLIENT, SERVER]), st.sampled_from(["connect()", "close()"])).flatmap(
        lambda head: st.lists(st.sampled_from("abc"), max_size=4).map(lambda rest: (*head, *rest))
    ),
    st.integers(1, 50),
    min_size=1,
    max_size=12,
)


def sampled(stacks, ns=20.0):
    return SampledStorm(ns, 1.0, stacks)


def real_trials(name, count, seed=1):
    """Return trials of a real storm, as units of one storm each."""
    return [
        [sampled({stack[2:]: n for stack, n in stacks.items() if stack[2] in (CLIENT, SERVER)}, SAMPLE_NS)]
        for stacks in trials_of(name, count, seed)
    ]


def paths(frames):
    """Return the path of each frame of a tree in preorder, () for the whole attempt."""
    known, open_ = [], []
    for name, depth in zip(frames.names, frames.depths, strict=True):
        del open_[depth:]
        open_.append(name)
        known.append(tuple(open_[1:]))
    return known


def below(stacks, path):
    return sum(count for stack, count in stacks.items() if stack[: len(path)] == path)


@given(st.lists(STACKS, min_size=1, max_size=3))
def test_a_frame_has_the_samples_of_all_stacks_that_begin_with_it(trials):
    frames = merge_stacks([sampled(stacks) for stacks in trials])
    known = paths(frames)
    assert len(set(known)) == len(known)
    assert set(known) == {stack[:n] for stacks in trials for stack in stacks for n in range(len(stack) + 1)}
    for path, samples, own in zip(known, frames.samples.tolist(), frames.own.tolist(), strict=True):
        assert samples == [below(stacks, path) for stacks in trials]
        assert own == [stacks.get(path, 0) for stacks in trials]
    totals = {path: sum(samples) for path, samples in zip(known, frames.samples.tolist(), strict=True)}
    for first, second in itertools.pairwise(known):
        if first[:-1] == second[:-1]:
            assert totals[first] >= totals[second]


@given(STACKS, st.integers(1, 6))
def test_what_is_left_out_stays_with_its_callers(stacks, most):
    frames = merge_stacks([sampled(stacks)], most)
    whole = merge_stacks([sampled(stacks)])
    assert len(frames.names) <= max(most, 1)
    assert frames.left_out == len(whole.names) - len(frames.names)
    kept = dict(zip(paths(whole), whole.samples[:, 0].tolist(), strict=True))
    assert all(kept[path] == count for path, count in zip(paths(frames), frames.samples[:, 0].tolist(), strict=True))
    assert frames.own.sum() == sum(stacks.values())


def test_times_are_means_over_trials_and_errors_those_of_counts():
    trials = [sampled({(CLIENT, "connect()", "a"): 90, (SERVER, "close()"): 10}, 20.0)]
    trials.append(sampled({(CLIENT, "connect()", "a"): 40}, 40.0))  # of half as many attempts
    flame = mean_flame(trials)
    (side,) = flame.sides
    place = paths(flame.frames).index((CLIENT, "connect()", "a"))
    assert side.ns[place] == pytest.approx((90 * 20 + 40 * 40) / 2)
    assert side.error_ns[place] == pytest.approx(1.96 * np.hypot(90**0.5 * 20, 40**0.5 * 40) / 2)
    assert side.samples[place] == 130
    assert side.ns[0] == pytest.approx((100 * 20 + 40 * 40) / 2)
    functions = {(whose, cost.name): cost for whose, cost in function_costs(trials)}
    assert functions[CLIENT, "a"].ns == pytest.approx(side.ns[place])
    assert functions[CLIENT, "a"].error_ns == pytest.approx(side.error_ns[place])
    assert set(functions) == {(CLIENT, "a")}


def test_frames_that_turn_interrupts_on_are_marked_where_they_have_samples_of_their_own():
    frames = merge_stacks([sampled({(CLIENT, "close()", "net_rx_action", "do_softirq.part.0"): 3})])
    assert dict(zip(frames.names, frames.are_displaced, strict=True)) == {
        "an attempt": False,
        CLIENT: False,
        "close()": False,
        "net_rx_action": False,
        "do_softirq.part.0": True,
    }


def test_differences_of_frames_are_those_of_their_samples():
    arms = real_trials("plain", 4), real_trials("rules", 4, seed=2)
    flame = compared_flame(arms)
    assert flame.has_trials
    compared = 0
    for number, path in enumerate(paths(flame.frames)):
        wanted = time_change(arms, lambda storm, path=path: below(storm.stacks, path))
        assert [side.ns[number] for side in flame.sides] == pytest.approx([wanted.base_ns, wanted.new_ns])
        own = flame.changes[number]
        assert (own is None) == (flame.frames.samples[number].sum() < SAMPLES_MIN * 8)
        if own is not None:
            compared += 1
            assert own.change == wanted
            assert not own.is_sure or own.change.is_sure
    assert compared > 50
    sure = {
        path[-1] for path, change in zip(paths(flame.frames)[1:], flame.changes[1:], strict=True) if is_sure(change)
    }
    assert {"nft_do_chain", "__sys_connect"} <= sure
    assert "__sys_socket" not in sure


def is_sure(change):
    return change is not None and change.is_sure


def test_no_frame_is_sure_where_nothing_changed():
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        flame = compared_flame((storms(random, 5), storms(random, 5)))
        wrong += any(map(is_sure, flame.changes))
    assert wrong <= 5


def test_with_one_trial_on_a_side_the_interval_is_that_of_sampling_alone():
    random = np.random.default_rng(1)
    flame = compared_flame((storms(random, 1), storms(random, 3, {HASH: 1000})))
    assert not flame.has_trials
    place = paths(flame.frames).index(HASH)
    change = flame.changes[place].change
    one, *_ = flame.frames.samples[place].tolist()
    others = sum(flame.frames.samples[place].tolist()[1:])
    assert change.high_ns - change.low_ns == pytest.approx(2 * 1.96 * 20 * (one + others / 9) ** 0.5)
    assert flame.changes[place].is_sure
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        wrong += any(map(is_sure, compared_flame((storms(random, 1), storms(random, 1))).changes))
    assert wrong <= 6


def test_a_tree_of_a_real_storm_has_the_samples_of_its_file():
    stacks = {stack[2:]: n for stack, n in frozen_stacks("rules").items() if stack[2] in (CLIENT, SERVER)}
    frames = merge_stacks([sampled(stacks)])
    assert frames.samples[0, 0] == frames.own.sum() == sum(stacks.values())
