# SPDX-License-Identifier: MIT
"""Scenarios of paths and refusals: the counters that prove them, as equations that hold without a remainder."""

import errno

import numpy as np
import pytest
from scenario_runs import WITNESS, run_of

from stress.model.world import CLIENT, SERVER

pytestmark = pytest.mark.timeout(1200)  # the first test carries out all runs


def acts_of(name):
    """Return the storms of a run by the names of their acts."""
    return {act.storm.act.name: act.storm for act in run_of(name).acts}


def count_syns(storm):
    """Return how many SYNs the attempts of a storm sent."""
    return int((storm.attempts["retransmits"].astype(np.int64) + 1).sum())


@pytest.mark.parametrize("name", ["no-route-back", "no-route-back 6"])
def test_an_answer_without_a_route_is_dropped_by_the_listener(name):
    without, with_it = acts_of(name).values()
    client, server = (without.act.hosts[name].counters for name in (CLIENT, SERVER))
    no_routes = server["Ip6OutNoRoutes" if name.endswith("6") else "IpOutNoRoutes"]
    assert (without.attempts["error"] == errno.ETIMEDOUT).all()
    assert server["ListenDrops"] == no_routes == server["InSegs"] == count_syns(without) == 400
    assert (server["ListenOverflows"], server["TCPReqQFullDrop"], client["InSegs"]) == (0, 0, 0)
    assert (with_it.attempts["error"] == 0).all()


# What connect() says of an ICMP error by its code: over IPv4 (icmp_err_convert), over IPv6 (icmpv6_err_convert()).
BY_CODE = {
    "port unreachable": (errno.ECONNREFUSED, errno.ECONNREFUSED),
    "host unreachable": (errno.EHOSTUNREACH, errno.EHOSTUNREACH),
    "network unreachable": (errno.ENETUNREACH, errno.ENETUNREACH),
    "prohibited": (errno.EHOSTUNREACH, errno.EACCES),
    "protocol unreachable": (errno.ENOPROTOOPT, 0),  # no such code in IPv6: the rule matches nothing
}
BY_ROUTE = {
    "own route unreachable": errno.EHOSTUNREACH,
    "own route prohibit": errno.EACCES,
    "own route blackhole": errno.EINVAL,
    "no route": errno.ENETUNREACH,
}


def icmp_sums(storm):
    """Return how many ICMP errors came in, were sent, and were withheld, on all hosts."""
    counters = [host.counters for host in storm.act.hosts.values()]

    def total(*names):
        return sum(host.get(name, 0) for host in counters for name in names)

    return (
        total("IcmpInDestUnreachs", "Icmp6InDestUnreachs"),
        total("IcmpOutDestUnreachs", "Icmp6OutDestUnreachs"),
        total("IcmpOutRateLimitHost", "IcmpOutRateLimitGlobal", "Icmp6OutRateLimitHost"),
    )


@pytest.mark.parametrize("name", ["rejected", "rejected 6"])
def test_each_icmp_error_has_its_errno(name):
    is_ipv6 = name.endswith("6")
    for act, errnos in BY_CODE.items():
        storm, expected = acts_of(name)[act], errnos[is_ipv6]
        assert (storm.attempts["error"] == expected).all(), act
        # Over IPv6 the error that answers the first SYN finds the socket locked by connect(), and is lost.
        assert (storm.attempts["retransmits"] == (1 if is_ipv6 and expected else 0)).all(), act
        syns = count_syns(storm) if expected else 0
        assert (storm.act.dropped["reject"], *icmp_sums(storm)) == (syns, syns, syns, 0), act


@pytest.mark.parametrize("name", ["rejected", "rejected 6"])
def test_a_router_that_limits_its_icmp_errors_gives_one_cause_two_errnos(name):
    storm = acts_of(name)["a router that prohibits"]
    errors, counts = np.unique(storm.attempts["error"], return_counts=True)
    assert set(errors.tolist()) == {errno.EACCES if name.endswith("6") else errno.EHOSTUNREACH, errno.ETIMEDOUT}
    received, sent, withheld = icmp_sums(storm)
    assert received == sent >= 20 - int(counts[errors == errno.ETIMEDOUT].sum())  # over IPv6 the first may be lost
    assert sent + withheld == storm.act.dropped["reject"] == count_syns(storm)
    assert withheld > sent
    assert storm.act.hosts[SERVER].counters["InSegs"] == 0


@pytest.mark.parametrize("name", ["rejected", "rejected 6"])
def test_a_closed_port_and_a_firewall_differ_by_who_sends_the_rst(name):
    by_rule, closed = (acts_of(name)[act] for act in ("tcp reset", "nobody listens"))
    for storm, sent in ((by_rule, 0), (closed, 20)):
        assert (storm.attempts["error"] == errno.ECONNREFUSED).all()
        assert (storm.act.hosts[SERVER].counters["OutRsts"], storm.act.hosts[CLIENT].counters["InSegs"]) == (sent, 20)
    assert by_rule.act.dropped == {"reject": 20}
    assert (closed.act.hosts[CLIENT].counters["AttemptFails"], closed.act.listening) == (20, [])


@pytest.mark.parametrize("name", ["rejected", "rejected 6"])
def test_a_route_of_the_own_host_refuses_before_any_syn(name):
    for act, expected in BY_ROUTE.items():
        storm = acts_of(name)[act]
        assert (storm.attempts["error"] == expected).all()
        assert storm.act.hosts[CLIENT].counters["ActiveOpens"] == 0
        assert storm.act.hosts[CLIENT].counters["OutSegs"] == 0


@pytest.mark.parametrize("name", ["rejected", "rejected 6"])
def test_each_way_to_be_refused_has_one_cause(name):
    late = {"none", "stalled"}  # a busy machine may delay an attempt
    summaries = zip(acts_of(name), run_of(name).summary.acts, strict=True)
    causes = {act: {cause for cause, count in summary.causes.items() if count} - late for act, summary in summaries}
    by_icmp = {*BY_CODE, "a router that prohibits"} - ({"protocol unreachable"} if name.endswith("6") else set())
    assert {act for act, names in causes.items() if names == {"rejected_by_icmp"}} == by_icmp
    assert {act for act, names in causes.items() if names == {"refused_by_host"}} == set(BY_ROUTE)
    assert (causes["tcp reset"], causes["nobody listens"]) == ({"rejected_by_rst"}, {"no_listener"})


@pytest.mark.parametrize("name", ["neighbour", "neighbour 6"])
def test_a_syn_without_a_neighbour_is_never_sent_nor_sent_again(name):
    long, short, open_ = acts_of(name).values()
    assert (long.attempts["error"] == errno.EHOSTUNREACH).all()
    assert set(short.attempts["error"].tolist()) <= {errno.ETIMEDOUT, errno.EHOSTUNREACH}  # whichever timer is first
    for storm in (long, short):
        client, server = (storm.act.hosts[host].counters for host in (CLIENT, SERVER))
        assert not storm.attempts["retransmits"].any()
        assert (client["TCPSynRetrans"], client["RetransSegs"], server["InSegs"]) == (0, 0, 0)
        timed_out = int((storm.attempts["error"] == errno.ETIMEDOUT).sum())
        assert client["TCPAbortOnTimeout"] == timed_out
        assert client["TCPTimeouts"] - timed_out == client["TCPSpuriousRtxHostQueues"] >= 40
        assert icmp_sums(storm)[0] == icmp_sums(storm)[1]  # the host's own errors to itself
        assert storm.act.next_hop in ("FAILED", "INCOMPLETE")
    assert icmp_sums(long)[0] == 40
    assert long.act.hosts[CLIENT].counters["TCPTimeouts"] == long.act.hosts[CLIENT].counters["TCPSpuriousRtxHostQueues"]
    assert (open_.attempts["error"] == 0).all()


def test_a_reverse_path_filter_drops_every_syn():
    filtered, open_ = acts_of("rp-filter").values()
    server = filtered.act.hosts[SERVER].counters
    assert (filtered.attempts["error"] == errno.ETIMEDOUT).all()
    assert server["IPReversePathFilter"] == count_syns(filtered) == 200
    assert (server["InSegs"], server["ListenDrops"]) == (0, 0)
    assert (open_.attempts["error"] == 0).all()


def test_no_counter_tells_of_a_martian():
    martians, open_ = acts_of("martian").values()
    assert (martians.attempts["error"] == errno.ETIMEDOUT).all()
    assert not any(count for name, count in martians.act.hosts[SERVER].counters.items() if not name.startswith("Ip6"))
    assert (open_.attempts["error"] == 0).all()


def test_a_martian_has_its_name_by_the_kernel_s_own_word():
    if not WITNESS:
        pytest.skip("the kernel's own word needs root of the host")
    martians, _ = acts_of("martian").values()
    assert martians.act.kernel_word.counts["drop IP_LOCAL_SOURCE"] == count_syns(martians)
    assert run_of("martian").summary.causes["martian"] == 100


@pytest.mark.parametrize("name", ["self-connect", "self-connect 6"])
def test_who_draws_the_port_of_a_service_that_is_down_connects_to_itself(name):
    inside, reserved = acts_of(name).values()
    connected = inside.attempts["error"] == 0
    assert connected.any()
    assert (inside.attempts["local_port"][connected] == 5000).all()
    assert (inside.attempts["error"][~connected] == errno.ECONNREFUSED).all()
    assert inside.act.counters["OutRsts"] == len(inside.attempts)  # a refusal, or the reset of such a connection
    assert inside.act.counters["AttemptFails"] == int((~connected).sum())
    assert inside.act.counters["EstabResets"] == int(connected.sum())
    assert (reserved.attempts["error"] == errno.ECONNREFUSED).all()
    assert run_of(name).summary.outcomes["self_connected"] == int(connected.sum())


def test_reserved_ports_are_not_chosen():
    everything, most, nothing = acts_of("reserved-ports").values()
    assert [int((storm.attempts["error"] == errno.EADDRNOTAVAIL).sum()) for storm in (everything, most, nothing)] == [
        *(20, 18, 0)
    ]
    assert (everything.act.ports, everything.act.reserved, everything.act.counters["ActiveOpens"]) == (0, 20, 0)
    assert sum(sum(states.values()) for states in everything.act.census_after.values()) == 1  # the listener alone
    causes = [{cause for cause, count in act.causes.items() if count} for act in run_of("reserved-ports").summary.acts]
    assert causes[0] == {"port_reserved"}
    assert "port_exhausted" in causes[1]


def test_without_a_source_address_no_port_is_searched():
    without, with_it = acts_of("no-source").values()
    assert (without.attempts["error"] == errno.EADDRNOTAVAIL).all()
    assert (without.act.source_error, without.act.counters["ActiveOpens"]) == ("EADDRNOTAVAIL", 0)
    assert (with_it.attempts["error"] == 0).all()
    assert with_it.act.source_error is None
