# SPDX-License-Identifier: MIT
"""Packets across hosts: tcpdump, which is not ours, shows the hop that lost one, and so does the summary."""

import re
import shutil
import subprocess

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import FOUR_PORTS, namespaced

from stress.analysis.attribution.hops import Hops
from stress.analysis.attribution.journey import join_sightings
from stress.lab import firewall
from stress.lab.capture import SNAP_BYTES, Packets
from stress.lab.device import device_index, hardware_address
from stress.model.plan import Plan, Ports
from stress.model.summary import Fate, Packet
from stress.model.world import ADDRESSES, CLIENT, CLIENT2, ROUTER, SERVER, FilterRule, Hook, Topology, World
from stress.run import cell
from stress.store import run_folder
from stress.storm.scenario import SHORT_LADDER
from stress.view.text.packet_wording import held_text

THERE = [CLIENT, ROUTER, SERVER]
PLACES = {40001: (CLIENT, Hook.OUTPUT), 40002: (ROUTER, Hook.FORWARD), 40003: (SERVER, Hook.INPUT)}
SYN = "tcp flags & (syn | ack) == syn tcp sport"
SYN_ACK = "tcp flags & (syn | ack) == (syn | ack) tcp dport"
# Every device that a packet from the client to the server passes, and in which direction.
WAY = [
    ("Out", device_index(CLIENT, ROUTER), hardware_address(CLIENT, ROUTER)),
    ("In", device_index(ROUTER, CLIENT), hardware_address(CLIENT, ROUTER)),
    ("Out", device_index(ROUTER, SERVER), hardware_address(ROUTER, SERVER)),
    ("In", device_index(SERVER, ROUTER), hardware_address(ROUTER, SERVER)),
]
HIDE = FilterRule(name="hide", hook=Hook.POSTROUTING, match="", action="masquerade random", on=ROUTER, nat=True)
LINE = re.compile(r"\S+ \S+\s+(In|Out)\s+ifindex (\d+) (\S+) ethertype .* (\S+) > (\S+): Flags \[([^\]]*)\]")


def plan_of(family=4, topology=Topology.ROUTER, rules=(), **changes):
    """Return the plan of a storm with a capture."""
    fields = {
        "scenario": "clean",
        "world": World(topology=topology, rules=list(rules)),
        "ports": Ports.SHUFFLE,
        "port_range": FOUR_PORTS,
        "capture": True,
        "family": family,
        "source": ADDRESSES[family][CLIENT],
        "target": ADDRESSES[family][SERVER],
        "sysctls": SHORT_LADDER,
        "deadline_s": 1.5,  # after the first resend
    }
    return Plan(**(fields | changes))


def drop(port, host, hook, segment=SYN, action="drop"):
    return FilterRule(name=f"lossy-{port}", hook=hook, match=f"{segment} {port}", action=action, on=host)


@namespaced
def store_run(plan, results):
    if plan.world.rules and not firewall.has_nft():
        pytest.skip("nft is not installed")
    cell.run(plan, results, lambda _: None, draw=False)


def stored_run(plan, results):
    """Carry out a plan in a namespace; return the run folder and the evidence by port."""
    store_run(plan, results)
    (path,) = results.iterdir()
    return path, {item.local_port: item for item in run_folder.read_summary(path).evidence}


def tcpdump(file, *arguments):
    """Return (direction, device, sender's hardware address, source, destination, flags) of what tcpdump prints."""
    program = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/bin:/sbin")
    if program is None:
        pytest.skip("tcpdump is not installed")
    command = [program, "-nn", "-e", "-r", str(file), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "LINUX_SLL2" in done.stderr
    lines = [LINE.match(line).groups() for line in done.stdout.splitlines()]
    return [(direction, int(device), *rest) for direction, device, *rest in lines]


@pytest.fixture(scope="module", params=[4, 6])
def lossy_run(request, tmp_path_factory):
    """Return a run that loses the SYNs of one port at each of three places."""
    rules = [drop(port, *place) for port, place in PLACES.items()]
    return stored_run(plan_of(request.param, rules=rules), tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize(
    ("port", "devices", "fate"),
    [(40001, 0, None), (40002, 2, Fate.LOST_IN_HOST), (40003, 4, Fate.UNANSWERED)],
    ids=["client-output", "router-forward", "server-input"],
)
def test_tcpdump_shows_the_hop_that_lost_a_syn(lossy_run, port, devices, fate):
    path, evidence = lossy_run
    syns = tcpdump(path / "evidence.pcap", "port", str(port))
    # The SYN and its one resend, each at every device until the one where the rule is; nothing comes back.
    assert [line[:3] for line in syns] == 2 * WAY[:devices]
    assert all(flags == "S" for *_, flags in syns)
    lost, (host, _) = evidence[port], PLACES[port]
    assert lost.hosts == THERE
    if fate is None:
        assert lost.packets == []
    else:
        assert [(packet.flags, packet.fate) for packet in lost.packets] == [("S", fate)] * 2
        assert all(packet.hosts == THERE[: THERE.index(host) + 1] for packet in lost.packets)


def test_tcpdump_selects_what_one_host_saw(lossy_run):
    file = lossy_run[0] / "evidence.pcap"
    assert len(tcpdump(file, f"port 40002 and ifindex {device_index(ROUTER, CLIENT)} and inbound")) == 2
    assert tcpdump(file, f"port 40002 and ifindex {device_index(ROUTER, SERVER)}") == []


@pytest.mark.parametrize("topology", [Topology.LINK, Topology.ROUTER, Topology.TWO_CLIENTS])
def test_every_packet_of_a_good_connection_is_seen_by_every_host(topology, tmp_path):
    path, evidence = stored_run(plan_of(topology=topology), tmp_path)
    assert evidence
    there = [host for host in topology.hosts if host != CLIENT2]
    for good in evidence.values():  # more than one where the machine was busy, and something was slow
        assert good.hosts == there
        assert [(packet.flags, packet.hosts, packet.fate) for packet in good.packets] == [
            ("S", there, Fate.ARRIVED),
            ("S.", there[::-1], Fate.ARRIVED),
            (".", there, Fate.ARRIVED),
        ]
    assert len(tcpdump(path / "evidence.pcap")) == len(evidence) * 3 * 2 * (len(there) - 1)


def test_packets_of_a_second_client_come_from_there(tmp_path):
    plan = plan_of(topology=Topology.TWO_CLIENTS, source=ADDRESSES[4][CLIENT], sources=2, workers=2)
    _, evidence = stored_run(plan, tmp_path)
    items = [item for item in evidence.values() if item.packets]
    assert items
    for item in items:
        assert item.hosts[0] in (CLIENT, CLIENT2)
        assert all(packet.hosts[0 if packet.from_client else -1] == item.hosts[0] for packet in item.packets)


def test_a_lost_syn_ack_is_followed_back_to_the_client_that_a_router_hides(tmp_path):
    """Behind the router the client's address is another one, and no SYN-ACK to the client's own is ever seen."""
    lossy = drop(40001, ROUTER, Hook.FORWARD, SYN_ACK)
    path, evidence = stored_run(plan_of(rules=[HIDE, lossy]), tmp_path)
    lost = evidence[40001]
    assert {packet.flags for packet in lost.packets} == {"S", "S."}
    for packet in lost.packets:
        if packet.from_client:
            assert (packet.hosts, packet.fate) == (THERE, Fate.ARRIVED)
        else:
            assert (packet.hosts, packet.fate) == ([SERVER, ROUTER], Fate.LOST_IN_HOST)
    hidden = ADDRESSES[4][ROUTER]
    behind = tcpdump(path / "evidence.pcap", f"ifindex {device_index(SERVER, ROUTER)} and inbound")
    assert behind
    assert all(source.startswith(hidden) for *_, source, _, _ in behind)


def test_an_rst_that_a_router_sends_begins_there(tmp_path):
    reject = drop(40001, ROUTER, Hook.FORWARD, action="reject with tcp reset")
    _, evidence = stored_run(plan_of(rules=[reject]), tmp_path)
    syn, rst = evidence[40001].packets
    assert (syn.hosts, syn.fate) == ([CLIENT, ROUTER], Fate.LOST_IN_HOST)
    assert (rst.flags, rst.hosts, rst.fate) == ("R.", [ROUTER, CLIENT], Fate.ARRIVED)


@pytest.mark.parametrize(
    ("family", "action", "shown"),
    [
        (4, "reject with icmp type admin-prohibited", "ICMP 3/13"),
        (6, "reject with icmpv6 type addr-unreachable", "ICMP 1/3"),
    ],
)
def test_an_icmp_error_of_a_router_is_shown_on_its_way_to_the_client(family, action, shown, tmp_path):
    path, evidence = stored_run(
        plan_of(family, rules=[drop(40001, ROUTER, Hook.FORWARD, action=action), HIDE]), tmp_path
    )
    syn, error, *_ = evidence[40001].packets
    assert (syn.flags, syn.hosts, syn.fate) == ("S", [CLIENT, ROUTER], Fate.LOST_IN_HOST)
    assert (error.flags, error.from_client, error.hosts, error.fate) == (shown, False, [ROUTER, CLIENT], Fate.ARRIVED)
    file = path / "evidence.pcap"
    program = shutil.which("tcpdump", path="/usr/bin:/usr/sbin:/bin:/sbin")
    if program is None:
        pytest.skip("tcpdump is not installed")
    lines = subprocess.run([program, "-nn", "-r", file, "icmp or icmp6"], capture_output=True, text=True, check=True)
    assert re.search("Out IP6? .* unreachable", lines.stdout), lines.stdout


def test_an_icmp_error_of_the_server_comes_through_a_router_that_translates(tmp_path):
    action = "reject with icmp type host-prohibited"
    reject = FilterRule(name="reject", hook=Hook.INPUT, match="tcp dport {port}", action=action, on=SERVER)
    _, evidence = stored_run(plan_of(rules=[HIDE, reject]), tmp_path)
    syn, error, *_ = next(item for item in evidence.values() if item.packets).packets
    assert (syn.flags, syn.hosts, syn.fate) == ("S", THERE, Fate.ARRIVED)  # for it was answered
    assert (error.flags, error.hosts, error.fate) == ("ICMP 3/10", THERE[::-1], Fate.ARRIVED)


def sightings(*seen, hosts=(CLIENT, ROUTER, SERVER), missed=0):
    """Return a capture of (host, leaves, from the client, the packet's number, the client's port), in this order."""
    rows = len(seen)
    headers = np.zeros((rows, SNAP_BYTES), np.uint8)
    for row, (*_, number, _) in enumerate(seen):
        headers[row, 12:14] = 0x08, 0x00
        headers[row, 14], headers[row, 23] = 0x45, 6
        headers[row, 38:42] = np.frombuffer(np.uint32(number).tobytes(), np.uint8)  # sequence number
        headers[row, 46:48] = 0x50, 0x02  # SYN
        headers[row, 22] = 64 - row % 3  # TTL
    clients = np.zeros((rows, 16), np.uint8)
    clients[:, :4] = 198, 18, 0, 2
    times_ns = np.arange(rows, dtype=np.int64)
    return Packets(
        time_ns=times_ns,
        realtime_ns=times_ns,
        client=clients.view("V16").ravel(),
        client_port=np.array([port for *_, port in seen], np.uint16),
        from_client=np.array([line[2] for line in seen], bool),
        length=np.full(rows, 54, np.uint32),
        headers=headers,
        missed=missed,
        device=np.zeros(rows, np.int32),
        outgoing=np.array([line[1] for line in seen], bool),
        host=np.array([hosts.index(line[0]) for line in seen], np.uint8),
        hosts=hosts,
    )


SIGHTINGS = [(CLIENT, True), (ROUTER, False), (ROUTER, True), (SERVER, False)]  # by stage


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_packets_that_differ_are_told_apart_however_they_are_mixed(ends, random):
    """Each of several packets is seen until a hop of its own, and all at the same time."""
    left = {number: [*SIGHTINGS[:end]] for number, end in enumerate(ends)}
    seen = []
    while left:
        number = random.choice([*left])
        host, leaves = left[number].pop(0)
        seen.append((host, leaves, True, number, 40000 + number))
        if not left[number]:
            del left[number]
    journeys = join_sightings(sightings(*seen))
    assert {journey.client[1] - 40000: len(journey.rows) for journey in journeys} == dict(enumerate(ends))
    assert not any(journey.is_ambiguous for journey in journeys)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_equal_packets_one_after_the_other_end_where_each_of_them_ended(ends):
    seen = [(*place, True, 7, 40000) for end in ends for place in SIGHTINGS[:end]]
    journeys = join_sightings(sightings(*seen))
    assert [len(journey.rows) for journey in journeys] == ends


def test_equal_packets_of_two_clients_that_a_router_hides_are_not_told_apart():
    seen = [(*place, True, 7, port) for place in SIGHTINGS[:2] for port in (40000, 40001)]
    journeys = join_sightings(sightings(*seen, (*SIGHTINGS[2], True, 7, 50000)))
    assert [len(journey.rows) for journey in journeys] == [2, 2, 1]
    assert all(journey.is_ambiguous for journey in journeys)


def fates(packets):
    """Return the fate of each packet of the one connection of a capture."""
    hops = object.__new__(Hops)
    hops.packets, hops.last_stage = packets, 3
    journeys = join_sightings(packets)
    return [hops.fate_of(journey, journeys) for journey in journeys]


def test_a_capture_that_is_not_complete_says_of_no_packet_that_it_was_lost():
    seen = [(*place, True, 7, 40000) for place in SIGHTINGS[:2]]
    assert fates(sightings(*seen)) == [Fate.LOST_IN_HOST]
    assert fates(sightings(*seen, missed=1)) == [Fate.UNKNOWN]


def test_a_packet_that_left_one_host_and_did_not_come_to_the_next_was_lost_between_them():
    assert fates(sightings((*SIGHTINGS[0], True, 7, 40000))) == [Fate.LOST_ON_LINK]
    assert fates(sightings(*((*place, True, 7, 40000) for place in SIGHTINGS[:3]))) == [Fate.LOST_ON_LINK]


def test_an_answer_counts_only_until_the_next_packet_has_arrived():
    first, second = ([(*place, True, number, 40000) for place in SIGHTINGS] for number in (1, 2))
    answer = (SERVER, True, False, 3, 40000)
    assert fates(sightings(*first, *second, answer))[:2] == [Fate.UNANSWERED, Fate.ARRIVED]
    assert fates(sightings(*first, answer, *second))[0] == Fate.ARRIVED
    begun_at_router = (ROUTER, True, False, 3, 40000)
    assert fates(sightings(*first, begun_at_router))[0] == Fate.UNANSWERED


def test_a_packet_says_which_host_held_it_and_how_long():
    hops = object.__new__(Hops)
    hops.packets = sightings(*((*place, True, 7, 40000) for place in SIGHTINGS))
    hops.packets.time_ns[2:] += 5_000
    (journey,) = join_sightings(hops.packets)
    assert hops.longest_hold(journey) == (5_001, ROUTER)
    assert held_text(Packet(0, True, "S", THERE, Fate.ARRIVED, 14_100_000, ROUTER)) == "held 14.1 ms at router"
    assert held_text(Packet(0, True, "S", THERE, Fate.ARRIVED, 5_001, ROUTER)) == ""


def test_a_packet_of_a_run_from_before_has_no_hosts():
    old = msgspec.json.decode(b'{"time_ns": 0, "from_client": true, "flags": "S"}', type=Packet)
    assert (old.hosts, old.fate) == ([], Fate.UNKNOWN)
