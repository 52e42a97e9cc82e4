# SPDX-License-Identifier: MIT
"""Mines in other states than CLOSE_WAIT: laid exactly, on free ports, and what the counters say of each."""

import msgspec
import numpy as np
import pytest
from namespaced import namespaced

from stress._fastconnect import now_ns, storm
from stress.lab import census, counters, firewall
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts
from stress.model.errors import UsageError
from stress.model.mine import UNHEARD_STATES, Isn, Laying, MineState, Release
from stress.model.plan import LOOPBACK, Plan
from stress.model.world import CLIENT2, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.storm import minefield
from stress.storm.check import plan_rules
from stress.storm.environment import Environment

PLACES = np.array([40000, 40002, 40003], np.uint32)
NOFILE = 1024
MASQUERADE = World(
    topology=Topology.TWO_CLIENTS,
    rules=[FilterRule(name="masquerade", hook=Hook.POSTROUTING, match="", action="masquerade", on=ROUTER, nat=True)],
)
# What a SYN on such a mine raises, once each; all raise TCPSynRetrans, and OutRsts for the RST that clears it.
CHALLENGED = {"TCPSYNChallenge": 1, "TCPChallengeACK": 1}
COUNTERS = {
    MineState.CLOSE_WAIT: CHALLENGED | {"EstabResets": 1},
    MineState.ESTABLISHED: CHALLENGED | {"EstabResets": 1, "InErrs": 1},
    MineState.FIN_WAIT_1: CHALLENGED,
    MineState.FIN_WAIT_2: CHALLENGED,
    MineState.LAST_ACK: CHALLENGED,
    MineState.SYN_RECEIVED: {"EmbryonicRsts": 1, "AttemptFails": 1},
}
WATCHED = ("TCPSYNChallenge", "TCPChallengeACK", "EstabResets", "InErrs", "EmbryonicRsts", "AttemptFails")
both_families = pytest.mark.parametrize("family", [4, 6])


def plan_for(state, family=4, **changes):
    return Plan(
        scenario="test",
        family=family,
        mine_state=state,
        **({"source": LOOPBACK[family], "target": LOOPBACK[family]} | changes),
    )


def skip_without_nft(state):
    if state in UNHEARD_STATES and not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")


def connect_from(port, family):
    """Make one attempt from a port; return its record, and what the counters say of it."""
    record = allocate_attempts(1)
    before = counters.read()
    storm(
        record,
        target=LOOPBACK[family],
        target_port=5000,
        source=LOOPBACK[family],
        ports="list",
        port_list=np.array([port], np.uint16),
        attempts=1,
        epoch_ns=now_ns(),
    )
    return record[0], counters.counter_changes(before, counters.read())


@pytest.mark.parametrize("state", COUNTERS)
@both_families
@namespaced
def test_each_state_has_its_own_counters(state, family):
    """
    40000 (free)  ->  5000 STATE
    40001 (free)      -             no mine here
    40002 (free)  ->  5000 STATE
    40003 (free)  ->  5000 STATE
    """
    skip_without_nft(state)
    plan = plan_for(state, family)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, PLACES, NOFILE)
        assert minefield.list_mines(plan)["local_port"].tolist() == [40000, 40002, 40003]
        assert census.take_census(family, range(5000, 5001)) == {"client": {}, "server": {state: 3, "LISTEN": 1}}

        server.start()
        attempt, usual = connect_from(40001, family)
        assert (attempt["error"], attempt["retransmits"]) == (0, 0)
        for port in PLACES.tolist():
            attempt, moved = connect_from(port, family)
            assert (attempt["error"], attempt["retransmits"], moved["TCPSynRetrans"]) == (0, 1, 1)
            assert moved["OutRsts"] == usual["OutRsts"] + 1
            assert {name: moved[name] - usual[name] for name in WATCHED} == dict.fromkeys(WATCHED, 0) | COUNTERS[state]
        assert not len(minefield.list_mines(plan))


@both_families
@namespaced
def test_a_time_wait_socket_is_reborn_by_a_syn_that_is_ahead_of_it(family):
    plan = plan_for(MineState.TIME_WAIT, family)
    with Listener(LOOPBACK[family], 5000) as server:
        minefield.lay_mines(plan, server, PLACES, NOFILE)
        assert census.take_census(family, range(5000, 5001))["server"] == {"TIME-WAIT": 3, "LISTEN": 1}
        server.start()
        assert [connect_from(port, family)[0]["retransmits"] for port in PLACES.tolist()] == [0, 0, 0]


@both_families
@namespaced
def test_the_server_sees_the_router_where_that_hides_the_client_that_lays(family):
    skip_without_nft(MineState.SYN_RECEIVED)
    plan = plan_for(
        MineState.TIME_WAIT, mines=3, mines_from=CLIENT2, world=MASQUERADE, source="", target=""
    ).with_family(family)
    plan = msgspec.structs.replace(plan, **dict(zip(("source", "target"), plan.usual_addresses(family), strict=True)))
    with Environment(plan, lambda _: None) as environment:
        with environment.network.inside(SERVER):
            mines = minefield.list_mines(plan)
            sockets = list(census.iterate_sockets(family, ["TIME-WAIT"]))
        assert environment.network.address(ROUTER) == {entry.remote_address for entry in sockets}.pop()
        assert sorted(entry.remote_port for entry in sockets) == mines["local_port"].tolist()
        assert (len(mines), mines["address"].any()) == (3, False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"mines_from": CLIENT2}, "there is no 'client2' in loopback"),
        (
            {"mines_from": CLIENT2, "world": World(topology=Topology.TWO_CLIENTS)},
            "only behind a router that translates",
        ),
        ({"host": True}, "leave out --host"),
        ({"laying": Laying.CLIENTS}, "ports drawn from the seed"),
        ({"release": Release.KEEP}, "which are free at once"),
        ({"isn": Isn.RANDOM}, "sequence numbers of their own"),
        ({"world": MASQUERADE}, "The router would answer"),
    ],
)
def test_what_cannot_be_laid_is_refused(changes, sentence):
    plan = plan_for(MineState.LAST_ACK, mines=3, **changes)
    with pytest.raises(UsageError, match=sentence):
        plan_rules.refuse(plan_rules.plan_faults(plan))


def test_a_rule_needs_nft():
    for state in MineState:
        plan = plan_for(state, mines=3)
        sentences = list(plan_rules.missing_kernel_features(plan, has_local_port_range=True, has_nft=False))
        assert bool(sentences) is (state in UNHEARD_STATES)
