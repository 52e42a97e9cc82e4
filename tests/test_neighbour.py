# SPDX-License-Identifier: MIT
"""The neighbour towards a target: known for good in a world, asked for where a host is silent, none on the loopback."""

import socket
import time

import pytest
from namespaced import namespaced

from stress.lab.neighbour import UNANSWERED, read_next_hop_state
from stress.lab.network import Network
from stress.model.world import ADDRESSES, CLIENT, SERVER, Route, Topology, World

DOMAINS = {4: socket.AF_INET, 6: socket.AF_INET6}


def send_to(family, address):
    """Send a packet that nobody answers, so that the host asks for the hardware address."""
    with socket.socket(DOMAINS[family], socket.SOCK_DGRAM) as sender:
        sender.sendto(b"", (address, 9))


@pytest.mark.parametrize("family", [4, 6])
@namespaced
def test_a_neighbour_of_a_world_is_known_for_good(family):
    with Network(World(topology=Topology.ROUTER), family):
        send_to(family, ADDRESSES[family][SERVER])
        assert read_next_hop_state(ADDRESSES[family][SERVER]) == "PERMANENT"  # the router's


@namespaced
def test_a_silent_neighbour_is_asked_for_in_vain():
    with Network(World(topology=Topology.LINK, silent=[SERVER]), 4) as network:
        address = ADDRESSES[4][SERVER]
        assert read_next_hop_state(address) is None  # nobody has asked yet
        send_to(4, address)
        time.sleep(0.1)
        assert read_next_hop_state(address) in UNANSWERED
        with network.inside(SERVER):  # which knows the client
            send_to(4, ADDRESSES[4][CLIENT])
            assert read_next_hop_state(ADDRESSES[4][CLIENT]) == "PERMANENT"


@namespaced
def test_there_is_no_neighbour_without_a_route_or_on_the_loopback():
    with Network(World(topology=Topology.LINK, routes=[Route(to=SERVER, kind="throw", on=CLIENT)]), 4):
        assert read_next_hop_state(ADDRESSES[4][SERVER]) is None
        assert read_next_hop_state("127.0.0.1") in (None, "NOARP")
