# SPDX-License-Identifier: MIT
"""Routers that drop SYNs with MP_CAPABLE or with Fast Open: the exact number of resends, and what counts them."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from namespaced import namespaced
from scenario_runs import run_of
from test_scenarios import skip_without_nft

from stress._fastconnect import now_ns, storm
from stress.analysis.attribution.findings import analyse_act
from stress.lab import counters, host, sysctl
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.protocol import Protocol
from stress.model.world import CLIENT

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs


def acts_of(name):
    skip_without_nft("nft")
    if name.startswith("mptcp") and sysctl.read("net.mptcp.blackhole_timeout") is None:
        pytest.skip("this kernel has no Multipath TCP that leaves out its option (Linux 6.12)")
    return {act.storm.act.name: act for act in run_of(name).acts}


@pytest.mark.parametrize("name", ["mptcp", "mptcp 6"])
def test_a_black_hole_for_mptcp_costs_each_attempt_exactly_three_resends(name):
    first, again, plain = acts_of(name).values()
    moved = first.storm.act.hosts[CLIENT].counters
    assert first.storm.attempts["retransmits"].tolist() == [3] * 100
    assert not first.storm.attempts["error"].any()
    for counter in ("MPCapableSYNTX", "MPCapableSYNTXDrop", "Blackhole"):
        assert moved[f"MPTcpExt{counter}"] == 100
    assert first.storm.act.dropped["syn"] == moved["TCPSynRetrans"] == 300
    assert {(proof.rule, proof.attempts) for proof in first.proofs} == {("mptcp_dropped", 100)}
    moved = again.storm.act.hosts[CLIENT].counters
    assert (moved["MPTcpExtMPCapableSYNTX"], moved["MPTcpExtMPCapableSYNTXDisabled"]) == (0, 100)
    for act in (again, plain):
        assert not act.storm.attempts["error"].any()
        assert not act.storm.attempts["retransmits"].any()
        assert act.storm.act.dropped["syn"] == 0


@pytest.mark.parametrize("name", ["tfo", "tfo 6"])
def test_a_black_hole_for_fast_open_costs_each_attempt_exactly_one_resend(name):
    asking, plain = acts_of(name).values()
    assert asking.storm.attempts["retransmits"].tolist() == [1] * 100
    assert not asking.storm.attempts["error"].any()
    assert asking.storm.act.dropped["syn"] == asking.storm.act.hosts[CLIENT].counters["TCPSynRetrans"] == 100
    assert not plain.storm.attempts["retransmits"].any()
    assert plain.storm.act.dropped["syn"] == 0
    assert {(proof.rule, proof.attempts) for proof in asking.proofs} == {("tfo_dropped", 100)}


@pytest.mark.parametrize("name", ["mptcp", "tfo"])
def test_without_the_act_of_plain_tcp_nothing_tells_what_dropped_the_syns(name):
    acts = list(acts_of(name).values())
    suspect, control = acts[0].storm, acts[-1].storm
    learnt = msgspec.structs.replace(control.act.plan, fresh=False)
    for others in ([], [replace(control, act=msgspec.structs.replace(control.act, plan=learnt))]):
        (proof,) = analyse_act(suspect, others, use_events=False).proofs
        assert proof.rule == "lost_on_the_way"


@pytest.mark.parametrize("name", ["mptcp", "tfo"])
def test_one_attempt_with_another_number_of_resends_makes_all_of_them_merely_lost(name):
    acts = list(acts_of(name).values())
    attempts = np.array(acts[0].storm.attempts)
    attempts["retransmits"][0] -= 1
    proofs = analyse_act(replace(acts[0].storm, attempts=attempts), [acts[-1].storm], use_events=False).proofs
    assert {proof.rule for proof in proofs} <= {"lost_on_the_way"}


@pytest.mark.parametrize(
    ("protocol", "counter"), [(Protocol.MPTCP, "MPTcpExtMPCapableSYNTX"), (Protocol.TFO, "TCPFastOpenCookieReqd")]
)
@namespaced(ports=(40000, 40015))
def test_the_client_speaks_what_it_is_told_to(protocol, counter):
    if protocol is Protocol.MPTCP and not host.has_mptcp():
        pytest.skip("this kernel has no Multipath TCP")
    with Listener("127.0.0.1", 5000) as server:
        server.start()
        before = counters.read()
        records = allocate_attempts(12)
        storm(records, target="127.0.0.1", target_port=5000, attempts=12, epoch_ns=now_ns(), protocol=protocol.value)
        moved = counters.counter_changes(before, counters.read())
    assert not records["error"].any()
    assert moved[counter] == moved["ActiveOpens"] == 12
