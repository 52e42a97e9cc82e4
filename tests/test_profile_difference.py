# SPDX-License-Identifier: MIT
"""Which functions a change came from: synthetic profiles whose truth is known, and real storms through the command."""

import json
import shutil
from collections import Counter

import msgspec
import numpy as np
import pytest
from command import UNDRAWN, assert_one_sentence, connstorm
from profiled_runs import profiled_run
from scipy.stats import ttest_ind
from test_profile import FROZEN, needs_perf, recording  # noqa: F401  # a fixture

from stress.compare.report import ReportQuestion, read_document
from stress.lab.firewall import has_nft
from stress.model.profile import CLIENT, SERVER
from stress.model.world import FilterRule, Hook, World
from stress.profile.across_kernels import judge_across_kernels
from stress.profile.change import interval, unit_means
from stress.profile.difference import compare_act
from stress.profile.loop_share import loop_share
from stress.profile.sampled_storm import SampledStorm
from stress.run import process
from stress.storm.catalogue import find_scenario
from stress.view.text.profile_wording import sentences

# Stacks of a trial, with the mean number of their samples.
USUAL = {
    (CLIENT, "connect()", "tcp_v4_connect"): 400,
    (CLIENT, "connect()", "tcp_v4_connect", "__inet_hash_connect"): 100,
    (CLIENT, "connect()", "do_softirq"): 50,
    (CLIENT, "close()", "tcp_close", "tcp_send_fin"): 300,
    (SERVER, "accept4()", "inet_accept"): 150,
}
HASH = (CLIENT, "connect()", "tcp_v4_connect", "__inet_hash_connect")


def storms(generator, trials, changed=None, factor=1.0):
    """Return an arm: units of one trial each, with counts by chance; ``factor`` is that of the whole machine."""
    means = USUAL | (changed or {})
    counts = [{stack: int(generator.poisson(mean * factor)) for stack, mean in means.items()} for _ in range(trials)]
    return [[SampledStorm(20.0, 20.0 * sum(one.values()), Counter(one))] for one in counts]


def compared(changed=None, *, trials=5, seed=1, factor=1.0):
    generator = np.random.default_rng(seed)
    return compare_act("storm", (storms(generator, trials), storms(generator, trials, changed, factor)))


def even_difference():
    """Return a difference that no chance is in: a function that is slower, and one that is called from elsewhere."""
    more = {HASH: 300, (CLIENT, "close()", "tcp_close", "tcp_send_fin"): 0, (CLIENT, "connect()", "tcp_send_fin"): 300}
    arms = [
        [[SampledStorm(20.0, loop_ns, {stack: n + trial for stack, n in stacks.items()})] for trial in range(5)]
        for loop_ns, stacks in ((22_000.0, USUAL), (26_100.0, USUAL | more))
    ]
    return compare_act("storm", arms)


def names(difference, what="named"):
    return {function.name for function in difference.functions if getattr(function, what)}


def test_the_function_whose_change_it_is_is_named_and_not_its_callers():
    difference = compared({HASH: 300})
    assert names(difference) == {"__inet_hash_connect"}
    (hashing,) = (one for one in difference.functions if one.named)
    assert hashing.change.low_ns < 4000 < hashing.change.high_ns
    assert hashing.client_ns == hashing.change.ns
    assert hashing.share.value == pytest.approx(1, abs=0.2)
    assert hashing.share.low < 1 < hashing.share.high


def test_the_share_is_that_of_the_client_in_the_change_of_its_loop():
    """What the server does more on another CPU is no part of it."""
    base = [[SampledStorm(20.0, 17_000.0, Counter(USUAL))] for _ in range(5)]
    more = USUAL | {HASH: 300, (SERVER, "accept4()", "inet_accept", "__inet_hash_connect"): 500}
    difference = compare_act("storm", (base, [[SampledStorm(20.0, 21_000.0, Counter(more))] for _ in range(5)]))
    (hashing,) = (one for one in difference.functions if one.name == "__inet_hash_connect")
    assert hashing.named
    assert (hashing.change.ns, hashing.client_ns) == (14_000, 4_000)
    assert hashing.share.value == 1


def loop_arms(generator, *, hash_samples, loop_ns, noise):
    """Return arms of four trials, slow and fast by chance in all they do: ns of the loop, samples of one function."""
    arms = []
    for samples, ns in zip(hash_samples, loop_ns, strict=True):
        speeds = generator.normal(1, noise, 4)
        counts = [{**USUAL, HASH: int(generator.poisson(samples * speed))} for speed in speeds]
        arms.append([[SampledStorm(20.0, ns * v, Counter(c))] for v, c in zip(speeds, counts, strict=True)])
    return tuple(arms)


def share_of_hash(arms):
    """Return the share of one function in the change of the loop, with its interval."""
    return loop_share(arms, HASH[-1], interval(unit_means(arms, lambda storm: storm.measured_ns), 0.0))


@pytest.mark.parametrize("noise", [0.002, 0.03])
@pytest.mark.parametrize(("more", "truth"), [(400, 0.8), (100, 0.2)])
def test_the_interval_of_a_share_has_the_truth(more, truth, noise):
    """Of 400 differences 95 % should; the chance of 364 or fewer is one in a thousand."""
    generator = np.random.default_rng(1954)
    is_in = []
    for _ in range(400):
        arms = loop_arms(generator, hash_samples=(100, 100 + more), loop_ns=(20_000, 30_000), noise=noise)
        share = share_of_hash(arms)
        is_in.append(share.low <= truth <= share.high)
    assert sum(is_in) >= 365


def test_the_interval_of_a_share_is_that_of_the_values_that_cannot_be_excluded():
    """Its ends are where the function less that share of the loop changed with p = 0.05."""
    generator = np.random.default_rng(3)
    arms = loop_arms(generator, hash_samples=(10_000, 20_000), loop_ns=(2e5, 5e5), noise=0.05)
    share = share_of_hash(arms)
    for end in (share.low, share.high):
        rest = [
            np.array([20.0 * s.client_counts["__inet_hash_connect"] - end * s.measured_ns for (s,) in arm])
            for arm in arms
        ]
        assert ttest_ind(*rest).pvalue == pytest.approx(0.05, abs=1e-6)


def test_nothing_is_named_where_nothing_changed():
    wrong = sum(bool(names(compared(seed=seed))) for seed in range(100))
    assert wrong <= 5


def test_a_machine_that_is_slower_in_all_it_does_is_no_function():
    wrong = sum(bool(names(compared(seed=seed, factor=1.3))) for seed in range(100))
    assert wrong <= 5
    assert compared(factor=1.3).whole.is_sure


def test_work_that_moves_to_another_system_call_only_moved():
    moved = {HASH: 1, (CLIENT, "close()", "tcp_close", "__inet_hash_connect"): 99}
    difference = compared(moved | {(SERVER, "accept4()", "inet_accept", "__inet_hash_connect"): 100}, trials=8)
    assert "__inet_hash_connect" not in names(difference, "moved")  # there is more of it
    difference = compared(moved, trials=8)
    assert "__inet_hash_connect" in names(difference, "moved")
    assert "__inet_hash_connect" not in names(difference)


def test_callers_of_what_moved_are_not_named():
    """The same function, called from another one in the same system call: neither caller is the reason."""
    base = {(CLIENT, "connect()", "one", "work"): 300, (CLIENT, "connect()", "other", "work"): 10}
    new = {(CLIENT, "connect()", "one", "work"): 10, (CLIENT, "connect()", "other", "work"): 300}
    generator = np.random.default_rng(1)
    difference = compare_act("storm", (storms(generator, 5, base), storms(generator, 5, new)))
    assert names(difference, "changed") >= {"one", "other"}
    assert not names(difference)


def test_what_turns_interrupts_on_is_never_named():
    difference = compared({(CLIENT, "connect()", "do_softirq"): 500})
    assert "do_softirq" in names(difference, "displaced")
    assert "do_softirq" not in names(difference) | names(difference, "changed")


@pytest.mark.parametrize("trials", [1, 2])
def test_one_trial_has_no_interval_and_names_nothing(trials):
    generator = np.random.default_rng(1)
    difference = compare_act("storm", (storms(generator, 1), storms(generator, trials, {HASH: 5000})))
    assert difference.whole.low_ns is None
    assert {function.share for function in difference.functions} == {None}
    assert not names(difference)


def test_equal_counts_are_not_taken_for_more_than_their_chance():
    base = [[SampledStorm(20.0, 1.0, Counter(USUAL | {HASH: 100}))] for _ in range(3)]
    new = [[SampledStorm(20.0, 1.0, Counter(USUAL | {HASH: 110}))] for _ in range(3)]
    difference = compare_act("storm", (base, new))
    assert not names(difference)


def test_runs_without_a_profile_are_refused(tmp_path):
    for name in ("a", "b"):
        shutil.copytree(FROZEN.parent / "run-schema-3", tmp_path / name)
    done = connstorm("compare", tmp_path / "a", tmp_path / "b", "--profile", UNDRAWN, cwd=tmp_path)
    assert_one_sentence(done, "No pair of these arms has a profile on both sides", "profile = true")


def test_two_single_profiles_are_shown_without_an_interval(tmp_path):
    for name in ("a", "b"):
        shutil.copytree(FROZEN, tmp_path / name)
    done = connstorm("compare", tmp_path / "a", tmp_path / "b", "--profile", UNDRAWN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 and 1 profiled trial\nWith one trial on a side no interval can be given" in done.stdout
    assert "__sys_connect" in done.stdout


def test_profiles_of_different_rates_are_not_compared_and_the_page_says_so(tmp_path):
    report = json.loads((FROZEN / "run.json").read_text())["profiled"]
    arms = [tmp_path / "slow", tmp_path / "fast"]
    for arm, rate_hz in zip(arms, (499, 9999), strict=True):
        for number in range(2):
            profiled_run(arm / f"{number}", id=f"{rate_hz % 10}{number}", profiled=report | {"rate_hz": rate_hz})
    words = "sampled at different rates (499, 9,999 a second), for each sample makes what runs slower."
    done = connstorm("compare", *arms, "--profile", UNDRAWN, cwd=tmp_path)
    assert_one_sentence(done, words)
    page = read_document(ReportQuestion(arguments=list(map(str, arms))))
    assert [note for note in page.profile.notes if note.endswith(words)]
    assert not page.profile.parts


@needs_perf
@pytest.mark.skipif(not has_nft(), reason="needs nft")
@pytest.mark.usefixtures("recording")
def test_rules_of_a_firewall_are_named_by_their_function(tmp_path):
    plan = msgspec.structs.replace(find_scenario("clean").plan, attempts=2000)
    ports = range(1, 401)
    rules = [FilterRule(name=f"r{port}", hook=Hook.OUTPUT, match=f"tcp dport {port}", action="") for port in ports]
    slow = msgspec.structs.replace(plan, world=World(rules=rules))
    for name in ("fast", "slow"):
        (tmp_path / name).mkdir()
    for _ in range(4):
        for name, one in (("fast", plan), ("slow", slow)):
            process.run(one, tmp_path / name, lambda _: None, ("--profile", "1999", "--no-draw"))
    options = ("--profile", "--json", "--allow-diff", "plan", UNDRAWN)
    done = connstorm("compare", tmp_path / "fast", tmp_path / "slow", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ((act,),) = (pair["acts"] for pair in json.loads(done.stdout)["profiles"])
    named = {function["name"]: function for function in act["functions"] if function["named"]}
    assert "nft_do_chain" in named, act
    assert named["nft_do_chain"]["change"]["low_ns"] > 0


def across(base, new, *, trials=8):
    """Return the difference of profiles of different kernels; the counts are the means of their samples."""
    generator = np.random.default_rng(1)
    arms = (storms(generator, trials, base), storms(generator, trials, new))
    return judge_across_kernels(arms, compare_act("storm", arms))


def test_a_function_that_is_inlined_in_one_kernel_is_not_named():
    caller = (CLIENT, "connect()", "tcp_v4_connect", "ip_route")
    split = {caller: 100, (*caller, "fib_lookup"): 300}
    inlined = {caller: 400, (*caller, "fib_lookup"): 0}
    for base, new in ((split, inlined), (inlined, split)):
        difference = across(base, new)
        assert "fib_lookup" in names(difference, "changed")
        assert not names(difference)
        assert any("for the kernels differ" in text for text in sentences(difference, "trial"))


def test_a_function_that_costs_more_in_another_kernel_is_named_for_its_callers_do_too():
    caller = (CLIENT, "connect()", "tcp_v4_connect", "ip_route")
    assert names(across({caller: 100}, {caller: 100, (*caller, "fib_lookup"): 400})) == {"fib_lookup"}
    assert names(across({}, {(CLIENT, "fsync()", "vfs_fsync"): 400})) == {"vfs_fsync"}  # which has no caller
