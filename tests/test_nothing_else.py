# SPDX-License-Identifier: MIT
"""Nobody who has not agreed is stormed: what leaves the host is captured, for every way in which a target can be named.

A second network is joined to that of the program, and has a route for every address: whatever were sent to another host
would come there, and be counted.
"""

import subprocess
import sys
from contextlib import contextmanager

import msgspec
import pytest
from command import program
from private_network import AS_ONESELF, beside, network

from stress.model.plan import Plan

OUTSIDE = "203.0.113.9"  # for documentation (RFC 5737)
NEAR = "203.0.113.1"
ETH_P_IP = 0x0800
ELSEWHERE = (OUTSIDE, "198.51.100.7", "8.8.8.8")
SOME = ["--port-range", "40000-40015", "--attempts", "16"]
SUITE = 'trials = 1\nwarmup = 0\nsettle_s = 0\n[[scenario]]\nname = "clean"\nattempts = 16\n{}\n'
FIXTURE = "def test_it(storm):\n    storm({target!r}, {port}, attempts=16)\n"
CONNECT = f"import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect_ex(({OUTSIDE!r}, 80))"
API = "from stress import api\napi.{call}\n"
LISTEN = """
import socket, struct, sys
sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons({protocol}))
sniffer.bind(("outside", 0))
print("ready", flush=True)
count = 0
sniffer.settimeout(0.2)
import select
while True:
    ready, _, _ = select.select([sniffer, sys.stdin], [], [])
    if sniffer in ready:
        packet = sniffer.recv(128)
        count += packet[12:14] == b"\\x08\\x00"
    elif sys.stdin in ready:
        break
print(count, flush=True)
"""


@pytest.fixture(scope="module")
def site():
    """Yield what runs a command on a host whose default route leads to another, and what counts what comes there."""
    with network(AS_ONESELF) as (_, inside), beside(inside) as (other, outside):
        for command in (
            f"ip link add inside type veth peer name outside netns {other}",
            f"ip address add {NEAR}/24 dev inside",
            "ip link set inside up",
            f"ip route add default via {OUTSIDE}",
        ):
            subprocess.run([*inside, *command.split()], check=True)
        for command in ("ip link set outside up", f"ip address add {OUTSIDE}/24 dev outside"):
            subprocess.run([*outside, *command.split()], check=True)
        yield inside, outside


@contextmanager
def counted(outside):
    """Count the IPv4 packets that come to the other host; the list that is yielded gets their number at the end."""
    counts = []
    with subprocess.Popen(
        [*outside, sys.executable, "-c", LISTEN.format(protocol=ETH_P_IP)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as sniffer:
        assert sniffer.stdout.readline() == "ready\n"
        yield counts
        sniffer.stdin.close()
        counts.append(int(sniffer.stdout.readline()))


def ways(tmp_path):
    """Yield commands, each of which names a host that has not agreed, and what they read on standard input."""
    for target in ELSEWHERE:
        yield program("run", "clean", *SOME, "--listen", target), None
        yield program("run", "clean", *SOME, "--host", "--listen", target), None
        yield program("run", "--against", f"{target}:80", "--attempts", "16"), None
        yield program("run", "against", "--against", f"{target}:80", "--attempts", "16"), None
        for number, line in enumerate((f'target = "{target}"', f'listen = "{target}"', f'source = "{target}"')):
            suite = tmp_path / f"{number}-{target}.toml"
            suite.write_text(SUITE.format(line))
            yield program("suite", suite, "-o", tmp_path / "results"), None
            yield program("suite", suite, "--host", "-o", tmp_path / "results"), None
        for plan in (
            Plan(scenario="clean", attempts=16, target=target),
            Plan(scenario="clean", attempts=16, target=target, host=True),
            Plan(scenario="against", attempts=16, target=target, target_port=80, host=True),
            Plan(scenario="clean", attempts=16, host=True, acts={"one": {"target": target}}),
            Plan(scenario="clean", attempts=16, host=True, acts={"one": {"source": target}}),
        ):
            yield program("run-cell", "--no-draw", "-o", tmp_path / "results"), msgspec.json.encode(plan)
        test = tmp_path / f"test_{target.replace('.', '_')}.py"
        test.write_text(FIXTURE.format(target=target, port=80))
        yield [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", str(test)], None
        for call in (
            f"storm_server({target!r}, 80, attempts=16)",
            f"run('clean', attempts=16, target={target!r}, host=True)",
        ):
            yield [sys.executable, "-c", API.format(call=call)], None


def is_outside(command, given):
    """Return whether a command would storm from the host itself: in a private namespace, any address is its own."""
    return "--host" in command or "--against" in command or b'"host":true' in (given or b"") or "-c" in command


def test_no_packet_leaves_whatever_names_another_host(site, tmp_path):
    inside, outside = site
    with counted(outside) as counts:
        for command, given in ways(tmp_path):
            ended = subprocess.run([*inside, *command], input=given, cwd=tmp_path, capture_output=True, check=False)
            assert ended.returncode != 70, (command, ended.stderr)
            if is_outside(command, given):
                assert ended.returncode != 0, (command, ended.stdout)
    assert counts == [0]


def test_what_is_sent_there_would_be_counted(site):
    inside, outside = site
    with counted(outside) as counts:
        subprocess.run([*inside, sys.executable, "-c", CONNECT], check=True)
    assert counts[0] > 0
