# SPDX-License-Identifier: MIT
"""The plan of a storm across a link: what is open in it, and what settles or bounds that."""

import os
import subprocess
import sys

import msgspec
import pytest
from command import assert_one_sentence, connstorm
from namespaced import namespaced

from stress.model.errors import UsageError
from stress.model.peer import ServeLimits
from stress.model.world import Topology
from stress.run.peer.plan import OPEN_BY_FAMILY, across_to, keep_within, left_out_acts, set_addresses, settle_addresses
from stress.storm.catalogue import find_scenario

LAB2 = "192.0.2.2"


def plan_of(scenario="clean", **given):
    return set_addresses(across_to(find_scenario(scenario).plan, "lab2"), given)


def test_a_plan_across_a_link_names_its_peer_and_leaves_its_addresses_open():
    plan = plan_of()
    assert (plan.peers, plan.host, plan.world.topology) == (["lab2"], True, Topology.PEER)
    assert (plan.source, plan.target) == ("", "")


@pytest.mark.parametrize(
    ("given", "family", "target"),
    [
        ({"target": "2001:db8::2"}, 6, "2001:db8::2"),
        ({"target": "192.0.2.9"}, 4, "192.0.2.9"),
        ({"family": 6}, 6, "::"),
        ({"source": "192.0.2.1"}, 4, OPEN_BY_FAMILY[4]),
    ],
)
def test_addresses_that_are_given_decide_the_family(given, family, target):
    plan = plan_of(**given)
    assert (plan.family, plan.target, plan.source) == (family, target, given.get("source", ""))


@namespaced
def test_open_addresses_are_those_of_the_control_channel_and_the_kernels_own():
    from stress.lab.network import open_route

    with open_route() as netlink:
        netlink.link("add", ifname="far", kind="veth", peer={"ifname": "farther", "state": "up"})
        (device,) = netlink.link_lookup(ifname="far")
        netlink.addr("add", index=device, address="192.0.2.1", prefixlen=24)
        netlink.link("set", index=device, state="up")
    settled = settle_addresses(plan_of(), LAB2)
    assert (settled.source, settled.target, settled.family) == ("192.0.2.1", LAB2, 4)
    for address, given, words in (
        ("192.0.2.1", {}, "is an address of this host itself"),
        ("198.51.100.2", {}, "there is no route to it (ENETUNREACH)"),
        (LAB2, {"family": 6}, "leads to 192.0.2.2, which is not IPv6"),
        ("", {}, "leads through a proxy"),
    ):
        with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
            settle_addresses(plan_of(**given), address)


def test_what_a_plan_leaves_open_is_kept_within_the_limits_of_the_peer():
    limits = ServeLimits(max_rate_per_s=1000, max_seconds=40)
    bounded, warnings = keep_within(plan_of(), limits)
    assert (bounded.rate_per_s, bounded.window) == (900, 150)
    assert bounded.deadline_s < 40
    because = ", because lab2 permits 1,000 connections a second."
    assert warnings == [
        f"The storm was paced at 900 attempts a second{because}",
        f"At most 150 attempts were in flight at once{because}",
    ]
    burst = msgspec.structs.replace(plan_of(), attempts=1000)
    bounded, warnings = keep_within(burst, limits)
    assert bounded.rate_per_s is None
    assert (bounded.duration_s or 0) + (bounded.deadline_s or 0) < 40
    assert warnings == []
    slow = msgspec.structs.replace(plan_of(), rate_per_s=20.0)
    bounded, warnings = keep_within(slow, limits)
    assert (bounded.rate_per_s, bounded.window, warnings) == (20, slow.window, [])
    fast = msgspec.structs.replace(plan_of(), rate_per_s=901.0)
    with pytest.raises(UsageError, match="give a --rate of 900 at most, nine tenths"):
        keep_within(fast, limits)
    long = msgspec.structs.replace(plan_of(), rest_s=50.0)
    with pytest.raises(UsageError, match="takes 50 s or more, and lab2 permits 40 s"):
        keep_within(long, limits)


def test_acts_that_need_a_router_are_left_out_and_named():
    base = find_scenario("policy").plan
    plan = across_to(base, "lab2")
    assert "at router" not in plan.acts
    assert left_out_acts(base, plan) == (
        "Across a link policy has no at router: 1 act for which there must be a router of connstorm's own."
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clean", "--peer", "lab2", "--against", "127.0.0.1:80"], "give one of them"),
        (["clean", "--join", "word"], "are for a storm across a link: --peer HOST"),
        (["clean", "--set-host"], "are for a storm across a link: --peer HOST"),
        (["clean", "--peer", "lab2:"], "'lab2:' is no host of the form [user@]name[:port]; write it so in --peer"),
        (["clean", "--peer", "lab2", "--peer", "lab2"], "Name each --peer once"),
        (["self-connect", "--peer", "lab2"], "self-connect does not run across a link"),
        (["clean", "--peer", "me@lab2", "--join", "storm1-x"], "names a user, who is for ssh"),
        (["clean", "--peer", "lab2", "--listen", "lab2"], "'lab2' is not an IP address"),
    ],
)
def test_what_cannot_be_across_a_link_is_refused_in_a_sentence(tmp_path, arguments, words):
    assert_one_sentence(connstorm("run", *arguments, cwd=tmp_path), words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("attempts", "mines", "is_paced"), [(600, 0, False), (600, 400, False), (600, 401, True)])
def test_only_what_is_no_more_than_a_second_of_connections_in_all_acts_may_come_at_once(attempts, mines, is_paced):
    plan = msgspec.structs.replace(plan_of(), acts={}, attempts=attempts, mines=mines)
    assert (keep_within(plan, ServeLimits(max_rate_per_s=1000))[0].rate_per_s is not None) is is_paced
    two = msgspec.structs.replace(plan, mines=0, acts={"first": {}, "second": {"attempts": 401 if is_paced else 400}})
    acts = keep_within(two, ServeLimits(max_rate_per_s=1000))[0].storms().values()
    assert [act.rate_per_s is not None for act in acts] == [is_paced, is_paced]


@pytest.mark.parametrize("verb", [("run", "clean"), ("doctor",)])
def test_a_join_word_that_is_no_utf8_is_refused_in_a_sentence(verb):
    ended = subprocess.run(
        [sys.executable, "-m", "stress", *verb, "--peer", "10.0.0.9:7000", "--join", "-"],
        input=b"storm1-\xff\n",
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8:strict"},  # as in most locales
        check=False,
    )
    assert ended.returncode == 2
    assert b"What was given as join word is none" in ended.stderr
