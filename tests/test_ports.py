# SPDX-License-Identifier: MIT
"""The port range, and the order in which a storm walks through it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab import sysctl
from stress.lab.sysctl import parse_ports
from stress.model.plan import Plan, Ports
from stress.storm.four_tuples import draw_order
from stress.storm.ports import PortRange, read_port_range, seeded_generators

RANGES = st.lists(st.tuples(st.integers(1, 65535), st.integers(0, 30)), max_size=8)


def range_of(count, low=40000):
    return PortRange(low, low + count - 1, np.arange(low, low + count, dtype=np.uint16))


def plan_for(ports):
    return Plan(scenario="test", ports=ports)


@given(RANGES)
def test_a_list_of_ports_is_read_as_the_kernel_writes_it(ranges):
    text = ",".join(f"{low}-{low + width}" if width else f"{low}" for low, width in ranges)
    there = {port for low, width in ranges for port in range(low, low + width + 1)}
    assert parse_ports(text) == there & set(range(65_536))


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_no_text_is_no_port(text):
    assert parse_ports(text) == set()


@pytest.mark.parametrize("text", ["a", "1,,2", "1-b", "-"])
def test_text_that_is_no_port_is_an_error(text):
    with pytest.raises(ValueError, match="invalid literal"):
        parse_ports(text)


@namespaced
def test_all_ports_of_the_range_are_usable():
    ports = read_port_range(range(5000, 5001))
    assert (ports.low, ports.high, len(ports)) == (40000, 40003, 4)
    assert ports.usable.tolist() == [40000, 40001, 40002, 40003]
    assert ports.usable.dtype == np.uint16


@namespaced
def test_the_server_s_port_and_reserved_ports_are_left_out():
    sysctl.write("net.ipv4.ip_local_reserved_ports", "8080,39999-40000")
    assert read_port_range(range(40002, 40003)).usable.tolist() == [40001, 40003]


@namespaced
def test_a_range_may_have_no_port_left():
    sysctl.write("net.ipv4.ip_local_reserved_ports", "40000-40002")
    assert len(read_port_range(range(40003, 40004))) == 0


@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 2**32))
def test_a_shuffled_storm_uses_every_port_once_a_sweep(count, attempts, seed):
    ports = range_of(count)
    drawn = draw_order(plan_for(Ports.SHUFFLE), ports, 0, attempts, seeded_generators(seed)[1])
    assert attempts <= len(drawn) < attempts + count
    for sweep in drawn.reshape(-1, count):
        assert sorted(sweep) == ports.usable.tolist()


def test_every_sweep_is_shuffled_anew():
    drawn = draw_order(plan_for(Ports.SHUFFLE), range_of(1000), 0, 2000, seeded_generators(1)[1]).reshape(2, 1000)
    assert (drawn[0] != drawn[1]).any()
    assert (drawn[0] != np.sort(drawn[0])).any()


def test_the_seed_decides_the_order():
    drawn = [
        draw_order(plan_for(Ports.SHUFFLE), range_of(1000), 0, 1000, seeded_generators(seed)[1]).tolist()
        for seed in (1, 1, 2)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_plain_sweep_is_ascending():
    ports = range_of(5)
    assert draw_order(plan_for(Ports.SWEEP), ports, 0, 100, seeded_generators(1)[1]).tolist() == ports.usable.tolist()


@pytest.mark.parametrize("ports", [Ports.KERNEL, Ports.BIND])
def test_the_kernel_s_choice_has_no_order(ports):
    assert not ports.is_sweeping
    assert draw_order(plan_for(ports), range_of(5), 0, 100, seeded_generators(1)[1]) is None


@given(st.integers(0, 2**32), st.integers(0, 50))
def test_the_mines_places_do_not_depend_on_what_the_storm_draws(seed, drawn_before):
    """A storm of any length meets the same minefield, and the two streams are not the same numbers."""
    mines, storm = seeded_generators(seed)
    storm.random(drawn_before)
    again, untouched = seeded_generators(seed)
    places = mines.integers(0, 2**62, 8).tolist()
    assert places == again.integers(0, 2**62, 8).tolist()
    assert places != untouched.integers(0, 2**62, 8).tolist()
