# SPDX-License-Identifier: MIT
"""Every scenario names its own cause, from real runs: a confusion matrix, books that balance, and the signatures."""

import errno
from collections import Counter

import numpy as np
import pytest
from scenario_runs import RUNS, WITNESS, begin_all, ended_run, is_translated, run_of

from stress.analysis.attribution.cause import CAUSES
from stress.analysis.attribution.ends import server_counter
from stress.analysis.attribution.ladder import kernel_version
from stress.analysis.attribution.outcome import OUTCOMES, is_self_connected
from stress.analysis.attribution.port_cost import measure_port_cost
from stress.analysis.attribution.port_reuse import reuse_delays_ns
from stress.analysis.symptoms.answer import answer_query
from stress.analysis.symptoms.query import parse_query
from stress.lab import firewall, namespace
from stress.lab.counters import LO_DROPPED
from stress.model.errors import LabError
from stress.model.mine import UNHEARD, MineState
from stress.model.outcome import Cause, Outcome
from stress.model.symptom import Place
from stress.model.world import Drop
from stress.storm.catalogue import SCENARIOS
from stress.storm.check.world_rules import QUEUE_KINDS

pytestmark = pytest.mark.timeout(1200)

DROPS = (
    *("TCP_INVALID_SYN", "NETFILTER_DROP", "CPU_BACKLOG", "IP_RPFILTER", "XFRM_POLICY", "QDISC_DROP", "NO_SOCKET"),
    "SOCKET_FILTER",
)
RESETS = ("NO_SOCKET", "TCP_INVALID_ACK_SEQUENCE")
DROPPING = ("drop", "reject")
MIXED = {Cause.CLOSEWAIT, Cause.ACCEPT_QUEUE, Cause.PORT_EXHAUSTED}


@pytest.fixture(scope="module", autouse=True)
def _networks():
    import os

    child = os.fork()
    if child == 0:
        try:
            namespace.enter_namespace()
        except LabError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        pytest.skip("this kernel refuses private network namespaces")
    begin_all()


def skip_without_nft(name):
    plan = SCENARIOS[RUNS[name][0]].plan if name in RUNS else None
    by_rules = plan is not None and any(storm.world.rules for storm in plan.storms().values())
    needs = by_rules or "nft" in name or "conntrack" in name
    if needs and not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")


def expected_causes(name):
    return MIXED if name.startswith("mixed") else SCENARIOS[RUNS[name][0]].causes


@pytest.fixture(params=RUNS)
def name(request):
    skip_without_nft(request.param)
    return request.param


def test_it_ends_by_itself_and_well(name):
    ended = ended_run(name)
    assert (ended.code, ended.said if ended.code else "") == (0, "")


def test_its_slow_attempts_have_the_cause_it_was_built_for_and_no_other(name):
    findings = run_of(name)
    if (findings.summary.verdict or "").startswith("Inconclusive"):
        pytest.skip(findings.summary.verdict)  # a cause by chance did not show
    late = findings.outcomes != OUTCOMES.index(Outcome.CONNECTED)  # others may wait for a busy machine
    if len(findings.run.uses):
        late |= findings.run.uses["error"] != 0
    causes = {CAUSES[code]: count for code, count in enumerate(np.bincount(findings.causes[late]).tolist()) if count}
    causes.pop(Cause.STALLED, None)  # a machine that was suspended is nobody's fault
    built_for = {cause: count for cause, count in causes.items() if cause in expected_causes(name)}
    others = {cause: count for cause, count in causes.items() if cause not in built_for and cause != Cause.UNKNOWN}
    assert others == {}
    # Where the client did not run for a while, an answer may have been late, and the attempt stays unknown.
    assert causes.get(Cause.UNKNOWN, 0) <= max(2, 0.01 * sum(causes.values()))
    assert bool(built_for) == bool(expected_causes(name))


def what_was_seen(storm, row):
    """Return what a person would ask about an attempt: its time and its error; the error of its use, if that failed."""
    attempt = storm.attempts[row]
    if len(storm.uses) and storm.uses["error"][row]:
        return errno.errorcode[int(storm.uses["error"][row])]
    return f"{attempt['latency_ns']} ns {errno.errorcode.get(int(attempt['error']), '')}"


def test_who_asks_about_what_was_seen_is_told_its_cause(name):
    """Of each cause, wherever connect() ended when a timer or the server said so, and no busy machine delayed it."""
    if name.startswith("mixed"):
        return  # collisions that then find a full queue have the time of the queue, and the cause that came first
    findings = run_of(name)
    for act in findings.acts:
        for code, cause in enumerate(CAUSES):
            if cause in (Cause.NONE, Cause.UNKNOWN, Cause.STALLED):
                continue
            itself = is_self_connected(act.storm.attempts, act.storm.act.address)  # asked about by its name alone
            rows = np.flatnonzero((act.causes == code) & ~itself)
            for row in rows[:: len(rows) // 20 + 1]:
                query = parse_query(what_was_seen(act.storm, row))
                answer = answer_query(query, findings.run.record.host.kernel, act.ladder, act.storm.act.sysctls)
                explanations = [one.explanation for group in answer.groups for one in group.possibilities]
                if Place.BETWEEN not in answer.reading:
                    assert any(cause in one.causes for one in explanations), (cause, query)


def test_outcomes_and_causes_each_add_up(name):
    findings = run_of(name)
    for summary in (findings.summary, *findings.summary.acts):
        assert sum(summary.outcomes.values()) == sum(summary.causes.values()) == summary.attempts
    assert sum(len(act.outcomes) for act in findings.acts) == findings.summary.attempts


def test_the_books_balance(name):
    summary = run_of(name).summary
    assert [claim for claim in summary.books if not claim.balanced] == []
    assert summary.warnings == []
    assert any(claim.value for claim in summary.books) or name.startswith("translator")


@pytest.mark.parametrize("name", ["closewait", "closewait 6", "conntrack-invalid", "conntrack-invalid 6"])
def test_each_mine_costs_exactly_one_attempt_one_retry(name):
    skip_without_nft(name)
    findings = run_of(name)
    assert (findings.summary.collisions, findings.summary.mines.hit, findings.summary.mines.left) == (60, 60, 0)
    assert (findings.run.attempts["retransmits"][findings.collided] == 1).all()
    if name.startswith("conntrack"):
        assert findings.summary.verdict.startswith("Pass: the rule dropped nothing, and each of 60 ")


@pytest.mark.parametrize("family", ["4", "6"])
@pytest.mark.parametrize("made_of", ["nft", "bpf"])
def test_a_lost_rst_and_a_lost_challenge_ack_are_told_apart_by_the_first_gap(made_of, family):
    skip_without_nft(made_of)
    lost_rst, lost_ack = (run_of(f"{name} {made_of} {family}") for name in ("rst-dropped", "challenge-dropped"))
    for findings in (lost_rst, lost_ack):
        assert (
            findings.summary.outcomes["timed_out"] == findings.summary.mines.laid == findings.summary.mines.left == 60
        )
        assert (findings.run.attempts["error"][findings.collided] == errno.ETIMEDOUT).all()
    slow_rst, slow_ack = (findings.run.attempts["latency_ns"][findings.collided] for findings in (lost_rst, lost_ack))
    assert slow_rst.max() < lost_rst.ladder.give_up_ns <= slow_ack.min() + lost_ack.ladder.jiffy_ns
    assert slow_rst.min() >= lost_rst.ladder.challenged_give_up_ns - lost_rst.ladder.fast.from_ns
    dropped = [findings.run.record.acts[0].dropped for findings in (lost_rst, lost_ack)]
    assert dropped == ([{"rst": 60}, {"challenge": 120}] if made_of == "nft" else [{}, {}])


@pytest.mark.parametrize("name", ["challenge-limit", "challenge-limit 6"])
def test_who_missed_the_first_ration_waits_for_the_ladder(name):
    findings = run_of(name)
    retransmits = findings.run.attempts["retransmits"]
    limited = findings.causes == CAUSES.index(Cause.CHALLENGE_LIMITED)
    lucky = findings.causes == CAUSES.index(Cause.CLOSEWAIT)
    assert limited.any()
    assert (retransmits[limited] > 1).all()
    assert (retransmits[lucky] == 1).all()
    assert {band.label: band.count for band in findings.summary.bands}["1 s"] == 0


@pytest.mark.parametrize("name", ["accept-queue", "accept-queue 6"])
def test_a_queue_takes_its_backlog_and_one_more_whatever_abort_on_overflow_says(name):
    acts = run_of(name).summary.acts
    assert [act.outcomes["connected"] for act in acts] == [129, 129]
    assert [act.causes["accept_queue"] for act in acts] == [171, 171]


@pytest.mark.parametrize("name", ["fd-exhaustion", "fd-exhaustion 6"])
def test_descriptors_run_out_before_the_queue_is_full(name):
    (act,) = run_of(name).run.record.acts
    assert act.listener.errors["EMFILE"] > 0
    assert act.waiting == 257
    assert act.listener.accepted < 128


@pytest.mark.parametrize("name", ["translator", "translator 6"])
def test_a_port_in_fin_wait_2_is_taken_over_by_old_kernels_only(name):
    findings = run_of(name)
    (act,) = findings.run.record.acts
    if kernel_version(findings.run.record.host.kernel) >= (6, 12):
        assert act.counters["TWRecycled"] == 0
        assert findings.summary.outcomes["no_port"] == 100
    assert ("never takes over" in findings.summary.verdict) == (act.counters["TWRecycled"] == 0)


def test_fin_wait_2_lasts_as_long_as_it_is_told():
    delays_s = {act.storm.act.name: reuse_delays_ns(act.storm.attempts) / 1e9 for act in run_of("fin-wait-2").acts}
    assert [len(delays) for delays in delays_s.values()] == [20] * 4
    short, long = (
        np.concatenate([delay_s for name, delay_s in delays_s.items() if timeout in name]) for timeout in ("1 s", "3 s")
    )
    assert 1 <= short.min() < short.max() < 3 <= long.min()


def test_a_port_in_time_wait_is_taken_over_as_tcp_tw_reuse_allows():
    acts = {act.name: act.counters["TWRecycled"] for act in run_of("port-exhaustion").run.record.acts}
    assert acts["tcp_tw_reuse 0"] == 0
    assert min(acts["tcp_tw_reuse 1"], acts["tcp_tw_reuse 2"]) >= 1000


REUSE_DELAY_S = 1.0  # net.ipv4.tcp_tw_reuse_delay


def duration_s(act):
    """Return how long an act's attempts were started."""
    return int(np.ptp(act.storm.attempts["start_ns"])) / 1e9


@pytest.mark.parametrize("name", ["port-cost", "port-cost 6"])
def test_a_crowded_range_is_dearer_than_an_empty_one_by_what_occupies_it(name):
    for act in run_of(name).acts:
        cost = measure_port_cost(act.storm)
        assert cost.below_ns < cost.above_ns
        assert cost.even[cost.occupancy < 0.49].all()
        assert not cost.even[cost.occupancy > 0.51].any()
        assert act.storm.act.ports == 4000
    used = [len(np.unique(act.storm.attempts["local_port"])) for act in run_of(name).acts]
    assert used[:2] == [4000] * 2
    assert used[2] == 4000 or duration_s(run_of(name).acts[2]) > REUSE_DELAY_S  # TIME_WAIT: of itself, after a second
    occupied = [act.census_after["client"] for act in run_of(name).run.record.acts]
    assert [max(states, key=states.get) for states in occupied] == ["ESTABLISHED", "FIN-WAIT-2", "TIME-WAIT"]
    assert [sum(states.values()) for states in occupied] == used  # one or two may be on their way there


@pytest.mark.parametrize("name", ["port-choice", "port-choice 6"])
def test_each_way_to_a_port_has_its_parity(name):
    odd = {act.storm.act.name: int((act.storm.attempts["local_port"] % 2).sum()) for act in run_of(name).acts}
    assert odd["connect()"] == odd["bind(), no port"] == 0
    assert odd["bind() to port 0"] == 8000
    assert odd["IP_LOCAL_PORT_RANGE"] in range(1, 8000) or kernel_version_of(name) < (6, 8)


def kernel_version_of(name):
    return kernel_version(run_of(name).run.record.host.kernel)


def test_keepalive_clears_the_mines_before_anybody_meets_them():
    without, with_it = run_of("keepalive-cure").acts
    assert (len(without.storm.mines), int(without.syns.met_mine.sum())) == (60, 60)
    assert (with_it.storm.act.mines_laid, len(with_it.storm.mines), int(with_it.syns.met_mine.sum())) == (60, 0, 0)


def test_the_article_s_pair_of_sockets_is_seen_while_a_client_hangs():
    findings = run_of("article")
    assert all(act.syns.met_mine.any() for act in findings.acts)
    assert [act.storm.act.mines_laid for act in findings.acts] == [799, 799 - int(findings.acts[0].syns.met_mine.sum())]
    pairs = [pair for act in findings.run.record.acts for pair in act.pairs]
    assert pairs
    assert {(pair.client_state, pair.server_state, pair.receive_queue) for pair in pairs} == {
        ("SYN-SENT", "CLOSE-WAIT", 1)
    }
    mined = Counter(f"127.0.0.1:{port}" for port in findings.run.mines["local_port"])
    assert all(mined[pair.client] for pair in pairs)


@pytest.mark.parametrize("name", ["mixed", "mixed 6"])
def test_three_causes_at_once_are_told_apart(name):
    causes = run_of(name).summary.causes
    assert all(causes[cause] > 0 for cause in MIXED)
    assert causes["unknown"] < 0.01 * sum(causes.values())


def names_of_rules_that_drop(act):
    """Return the names of the rules of an act whose packets the kernel drops, reject included."""
    others = {rule.name for rule in act.plan.world.rules if not rule.action.startswith(DROPPING)}
    return set(act.dropped) - others - names_of_queues(act)


def names_of_queues(act):
    """Return the names under which the drops of an act's queues are counted."""
    return {name for name in act.dropped if name.partition(" ")[0] in QUEUE_KINDS}


@pytest.mark.parametrize("name", [name for name in RUNS if not is_translated(name)])  # else 4-tuples differ by host
def test_the_kernel_s_own_word_agrees_with_its_counters(name):
    """An independent witness: what the kernel says of each packet, compared with counters and rules.

    It says nothing of a SYN that finds a queue full, nor of a search for a port: there the absence is asserted.
    """
    skip_without_nft(name)
    if not WITNESS:
        pytest.skip("the kernel's own word needs root of the host")
    for act in run_of(name).run.record.acts:
        word, counters = act.kernel_word, act.counters
        if word is None:
            pytest.fail(f"the kernel was not heard: {run_of(name).run.record.warnings}")
        if word.lost:
            continue  # more events than the ring holds prove nothing
        drops = {reason: word.counts.get(f"drop {reason}", 0) for reason in DROPS}
        resets = {reason: word.counts.get(f"reset {reason}", 0) for reason in RESETS}
        # On a busy machine a few drops of some are at times missing from the word (116 of 120, 37 of 40).
        assert 0.9 * counters["TCPSYNChallenge"] <= drops["TCP_INVALID_SYN"] <= counters["TCPSYNChallenge"]
        dropped = sum(act.dropped[name] for name in names_of_rules_that_drop(act))
        # Old sockets send FINs again all the time, and the kernel is heard before the rule's counter is read.
        assert dropped * 0.9 <= drops["NETFILTER_DROP"]
        assert drops["NETFILTER_DROP"] <= dropped or UNHEARD in act.dropped
        # The kernel is heard from before the counters are read until after: a busy CPU may drop more there (once 9).
        assert drops["CPU_BACKLOG"] >= counters[LO_DROPPED]
        assert (drops["IP_RPFILTER"], drops["XFRM_POLICY"]) == (counters["IPReversePathFilter"], 0)
        # A queue counts packets of IPv6's own as well.
        assert drops["QDISC_DROP"] <= sum(act.dropped[name] for name in names_of_queues(act))
        # The reset of a connection to oneself meets no socket, and is not answered.
        itself = int(is_self_connected(run_of(name).run.attempts, act.address).sum()) if "self-connect" in name else 0
        # Nor is one that comes when its socket has gone: once 3 in tfo, on a busy machine.
        late = len(run_of(name).run.attempts) // 20
        assert resets["NO_SOCKET"] <= drops["NO_SOCKET"] <= resets["NO_SOCKET"] + itself + late
        # Each challenge ACK arrives, and the client answers it by an RST; so it does the ACK of a mine in SYN_RECEIVED.
        if act.plan.drop is Drop.NOTHING and not act.plan.world.interceptors:
            requests = counters["EmbryonicRsts"] if act.plan.mine_state is MineState.SYN_RECEIVED else 0
            assert resets["TCP_INVALID_ACK_SEQUENCE"] == server_counter(act, "TCPChallengeACK")[1] + requests
            assert drops["SOCKET_FILTER"] == 0


def test_the_kernel_names_each_packet_that_a_rule_drops():
    if not WITNESS:
        pytest.skip("the kernel's own word needs root of the host")
    for name in ("rst-dropped nft 4", "rst-dropped nft 6", "challenge-dropped nft 4", "challenge-dropped bpf 6"):
        skip_without_nft(name)
        summary = run_of(name).summary
        (proof,) = (proof for proof in summary.proofs if proof.cause.endswith("_dropped"))
        assert (proof.grade, proof.attempts) == ("kernel", 60)
