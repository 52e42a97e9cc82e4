# SPDX-License-Identifier: MIT
"""Nobody who has not agreed is stormed: what leaves the host is captured, for every way in which a target can be named.

A second network is joined to that of the program, and has a route for every address: whatever were sent to another host
would come there, and be counted.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import msgspec
import pytest
from command import program
from private_network import AS_ONESELF, beside, network

from stress.model.plan import Plan
from stress.run.peer.join_word import draw_word

OUTSIDE = {4: "203.0.113.9", 6: "2001:db8::9"}  # for documentation (RFC 5737, RFC 3849)
NEAR = {4: "203.0.113.1/24", 6: "2001:db8::1/64"}
SSH, JOIN = 22, 7411
SOME = ["--port-range", "40000-40015", "--attempts", "16"]
SUITE = 'trials = 1\nwarmup = 0\nsettle_s = 0\n[[scenario]]\nname = "clean"\nattempts = 16\nfamily = {}\n{}\n'
FIXTURE = "def test_it(storm):\n    storm({target!r}, 80, attempts=16)\n"
CONNECT = "import socket\ns = socket.socket({})\ns.settimeout(0.5)\ns.connect_ex(({!r}, 80))"
API = "from stress import api\napi.{}\n"
WORD = draw_word(b"a certificate of nobody").text
COUNT = """
import json, select, socket, struct, sys
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
sniffer.bind(("outside", 0))
print("ready", flush=True)
ports = []
while True:
    ready, _, _ = select.select([sniffer, sys.stdin], [], [])
    if sniffer not in ready:
        break
    packet, (_, kind, origin, *_) = sniffer.recvfrom(128)
    first = {0x800: 34, 0x86DD: 54}.get(kind)
    protocol = packet[{34: 23, 54: 20}.get(first, 0)]
    if first and origin != 4 and protocol in (6, 17):  # not what is sent from there; TCP, UDP
        ports.append(struct.unpack_from("!H", packet, first + 2)[0])
print(json.dumps(ports), flush=True)
"""


@pytest.fixture(scope="module")
def site():
    """Yield what runs a command on a host whose default route leads to another, and what does on that other one."""
    with network(AS_ONESELF) as (_, inside), beside(inside) as (other, outside):
        run_all(inside, f"ip link add inside type veth peer name outside netns {other}", "ip link set inside up")
        run_all(outside, "ip link set outside up")
        for family in (4, 6):
            no_dad = ["nodad"] if family == 6 else []
            run_all(outside, " ".join(["ip address add", f"{OUTSIDE[family]}/24", "dev outside", *no_dad]))
            run_all(inside, " ".join(["ip address add", NEAR[family], "dev inside", *no_dad]))
            run_all(inside, f"ip -{family} route add default via {OUTSIDE[family]}")
        yield inside, outside


def run_all(where, *commands):
    for command in commands:
        subprocess.run([*where, *command.split()], check=True)


@contextmanager
def counted(outside):
    """Capture what comes to the other host; the list that is yielded gets the ports of TCP and UDP at the end."""
    ports = []
    with subprocess.Popen(
        [*outside, sys.executable, "-c", COUNT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sniffer:
        assert sniffer.stdout.readline() == "ready\n"
        yield ports
        sniffer.stdin.close()
        ports += json.loads(sniffer.stdout.readline())


def options(target):
    """Yield commands whose options name a host, and what each reads on standard input."""
    place = f"[{target}]:80" if ":" in target else f"{target}:80"
    family = ["--family", "6" if ":" in target else "4"]
    yield program("run", "clean", *SOME, *family, "--listen", target), None
    yield program("run", "clean", "--attempts", "16", *family, "--host", "--listen", target), None
    yield program("run", "clean", "--attempts", "16", *family, "--host", "--source", target), None
    yield program("run", "clean", "--against", place, "--attempts", "16"), None


def suites(target, folder):
    family = 6 if ":" in target else 4
    for number, line in enumerate((f'target = "{target}"', f'source = "{target}"')):
        suite = folder / f"{number}-{family}.toml"
        suite.write_text(SUITE.format(family, line))
        yield program("suite", suite, "-o", folder / f"private-{number}-{family}"), None
        yield program("suite", suite, "--host", "-o", folder / f"host-{number}-{family}"), None


def plans(target, folder):
    """Yield ``run-cell`` with plans as they may be stored, or made by hand."""
    usual = Plan(scenario="clean", attempts=16).with_family(6 if ":" in target else 4)
    for number, changes in enumerate(
        (
            {"target": target},
            {"target": target, "host": True},
            {"scenario": "visit", "target": target, "target_port": 80, "host": True, **BOUNDS},
            {"host": True, "acts": {"one": {"target": target}}},
            {"host": True, "acts": {"one": {}, "two": {"source": target, "fresh": False}}},
        )
    ):
        plan = msgspec.structs.replace(usual, **changes)
        yield program("run-cell", "--no-draw", "-o", folder / f"cell-{number}"), msgspec.json.encode(plan)


def callers(target, folder):
    """Yield programs that call the API, and a test that uses the fixture."""
    test = folder / f"test_{'six' if ':' in target else 'four'}.py"
    test.write_text(FIXTURE.format(target=target))
    yield [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(test)], None
    family = 6 if ":" in target else 4
    for call in (
        f"storm_server(({target!r}, 80), attempts=16)",
        f"storm_server_here(({target!r}, 80), attempts=16)",
        f"run('clean', attempts=16, target={target!r}, family={family}, host=True)",
    ):
        yield [sys.executable, "-c", API.format(call)], None


BOUNDS = {"duration_s": 1.0, "deadline_s": 1.0}


def is_private(command, given):
    """Return whether a command makes a network of its own, in which every address is its own or nobody's."""
    return not ({"--host", "--against"} & set(command) or b'"host":true' in (given or b"") or "-c" in command)


@pytest.mark.parametrize("family", [4, 6])
def test_no_packet_leaves_whatever_names_another_host(site, family, tmp_path):
    inside, outside = site
    target = OUTSIDE[family]
    ways = [
        *options(target),
        *suites(target, tmp_path),
        *plans(target, tmp_path),
        *callers(target, tmp_path),
        (program("run", "clean", "--against", "somebody.example:80"), None),
    ]

    def call(way):
        command, given = way
        return subprocess.run([*inside, *command], input=given, cwd=tmp_path, capture_output=True, check=False)

    with counted(outside) as ports, ThreadPoolExecutor(4) as several:
        ends = list(several.map(call, ways))
    assert ports == []
    for (command, given), ended in zip(ways, ends, strict=True):
        assert ended.returncode in {0, 1, 2, 3}, (command, ended.stderr)
        if not is_private(command, given):
            assert ended.returncode != 0, (command, ended.stdout)


@pytest.mark.parametrize(
    ("way", "permitted"),
    [
        (["run", "clean", "--peer", OUTSIDE[4]], SSH),
        (["run", "clean", "--peer", OUTSIDE[6]], SSH),
        (["run", "clean", "--peer", f"{OUTSIDE[4]}:{JOIN}", "--join", WORD], JOIN),
    ],
)
def test_who_does_not_answer_for_a_peer_is_asked_and_not_stormed(site, way, permitted, tmp_path):
    inside, outside = site
    with counted(outside) as ports:
        ended = subprocess.run(
            [*inside, *program(*way, "-o", tmp_path, "--attempts", 16)], capture_output=True, text=True, check=False
        )
    assert ended.returncode in {2, 3}, ended.stderr
    assert set(ports) == {permitted}


@pytest.mark.parametrize("family", [4, 6])
def test_what_is_sent_there_would_be_counted(site, family):
    inside, outside = site
    kind = "socket.AF_INET6" if family == 6 else ""
    with counted(outside) as ports:
        subprocess.run([*inside, sys.executable, "-c", CONNECT.format(kind, OUTSIDE[family])], check=True)
    assert set(ports) == {80}
