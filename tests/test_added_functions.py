# SPDX-License-Identifier: MIT
"""Functions that are seen in one storm and never in another: made-up samples, of which is known what was called."""

import numpy as np
import pytest

from stress.profile.added_functions import added_functions
from stress.profile.sampled_storm import SampledStorm

USUAL = [("client", "connect()", "tcp_v4_connect", f"usual_{number}") for number in range(200)]
RULE = ("client", "connect()", "tcp_v4_connect", "ip_output", "nf_hook_slow", "nft_do_chain")
TIMER = ("client", "connect()", "tcp_v4_connect", "asm_sysvec_apic_timer_interrupt", "run_timer_softirq", "tick")


def storm(rng, added=(), mean=4.0):
    counts = rng.poisson(mean, len(USUAL)).tolist()
    return SampledStorm(1.0, 1.0, {stack: n for stack, n in zip(USUAL, counts, strict=True) if n} | dict(added))


def names(steps):
    return {step: [function.name for function in functions] for step, functions in added_functions(steps).items()}


def test_what_is_added_is_named_with_its_samples_and_callers_come_first():
    rng = np.random.default_rng(1)
    base, new = [storm(rng), storm(rng)], [storm(rng, {RULE: 30}), storm(rng, {RULE: 25, RULE[:-1]: 5})]
    (added,) = added_functions({"rules-1": (base, new)}).values()
    assert [(one.name, one.samples) for one in added] == [("ip_output", 60), ("nf_hook_slow", 60), ("nft_do_chain", 55)]
    assert names({"back": (new, base)}) == {"back": []}


@pytest.mark.parametrize("below", [1, 40])
def test_what_is_seen_in_the_layer_below_too_is_not_added(below):
    rng = np.random.default_rng(2)
    assert names({"set": ([storm(rng, {RULE: below})], [storm(rng, {RULE: 60})])}) == {"set": []}


def test_few_samples_may_be_chance_and_of_more_functions_more_may_be():
    rng = np.random.default_rng(3)
    steps = {"few": ([storm(rng)], [storm(rng, {RULE: 5})])}
    assert names(steps) == {"few": []}
    enough = {"some": ([storm(rng)], [storm(rng, {RULE: 14})])}
    assert "nft_do_chain" in names(enough)["some"]
    others = {str(number): ([storm(rng)], [storm(rng)]) for number in range(100)}
    assert names(enough | others)["some"] == []


def test_one_burst_in_one_of_two_trials_is_not_added():
    rng = np.random.default_rng(4)
    assert names({"once": ([storm(rng)] * 2, [storm(rng, {RULE: 80}), storm(rng)])}) == {"once": []}


def test_what_the_kernel_does_of_its_own_accord_is_not_named():
    rng = np.random.default_rng(5)
    unasked = {TIMER: 90, ("client", "no call", "page_fault"): 90, ("server", "accept4()", "handle_softirqs"): 90}
    waits = {("server", "accept4()", "inet_csk_accept", "schedule", "pick_next"): 90}
    shared = {("server", "accept4()", "inet_csk_accept"): 20}
    assert names({"noise": ([storm(rng, shared)], [storm(rng, unasked | waits)])}) == {"noise": []}
    on_a_stack = ("client", "connect()", "do_softirq_own_stack", "asm_call_sysvec_on_stack", "nft_do_chain")
    assert "nft_do_chain" in names({"old": ([storm(rng)], [storm(rng, {on_a_stack: 60})])})["old"]


def test_a_storm_with_more_samples_is_held_to_more():
    rng = np.random.default_rng(6)
    longer = {("client", "connect()", "tcp_v4_connect", "usual_0"): 8_000}
    assert names({"slow": ([storm(rng)], [storm(rng, {RULE: 25} | longer)])}) == {"slow": []}


def test_of_steps_that_add_nothing_hardly_ever_one_is_said_to_add_something():
    rng = np.random.default_rng(7)
    wrong = [
        any(names({str(step): ([storm(rng, mean=2.0)], [storm(rng, mean=2.0)]) for step in range(5)}).values())
        for _ in range(40)
    ]
    assert sum(wrong) <= 6  # of 40 two are expected at most, and more than six are one in a hundred


def test_without_trials_nothing_is_said():
    assert names({"none": ([], [storm(np.random.default_rng(8))])}) == {"none": []}


def test_what_is_seen_below_in_an_interrupt_is_not_added():
    rng = np.random.default_rng(9)
    in_interrupt = ("client", "connect()", "tcp_v4_connect", "asm_sysvec_apic_timer_interrupt", "nft_do_chain")
    assert "nft_do_chain" not in names({"nat": ([storm(rng, {in_interrupt: 1})], [storm(rng, {RULE: 60})])})["nat"]
    no_call = ("server", "no call", "nft_do_chain")
    assert "nft_do_chain" not in names({"nat": ([storm(rng, {no_call: 1})], [storm(rng, {RULE: 60})])})["nat"]
