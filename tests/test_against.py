# SPDX-License-Identifier: MIT
"""Storms against a server that is there: ``run clean --against``, the API and the pytest fixture."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from command import UNDRAWN, connstorm
from namespaced import namespaced
from private_network import ROOT, network
from test_pytest_plugin import PYTEST

from stress import api
from stress.lab import host_names, sysctl
from stress.lab.firewall import has_nft, run_nft
from stress.lab.listening import list_listening
from stress.lab.network_namespace import read_inode
from stress.lab.translation import Target, find_translating_chain, list_rules
from stress.lab.wait import wait_until
from stress.model.errors import ConnstormError, UsageError
from stress.run import against
from stress.store import run_folder
from stress.storm.external_storm import describe_bounds
from stress.storm.external_target import settle_target
from stress.view.text.run_wording import slow_texts

PORTS = (40000, 40999)
ETH_P_ALL = 3
FROZEN = Path(__file__).parent / "data" / "run-schema-3"
IFF_LOWER_UP = 1 << 16  # linux/if.h


def test_a_place_is_a_host_and_a_port():
    assert against.split_place("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert against.split_place("[::1]:8080") == ("::1", 8080)
    assert against.split_place("localhost:1") == ("localhost", 1)
    for place in ("127.0.0.1", "::1:8080", ":80", "host:", "host:http", "host:65536", "host:0", "[host]:80", "[::1]"):
        with pytest.raises(UsageError, match="is not of the form HOST:PORT"):
            against.split_place(place)


def test_a_storm_is_bounded_and_its_bounds_have_caps():
    plan = against.against_plan("clean", "127.0.0.1:8080", {}, [])
    assert (plan.attempts, plan.duration_s, plan.rate_per_s, plan.deadline_s) == (10_000, 30.0, 2000.0, 10.0)
    longer = against.against_plan("clean", "h:1", {"until_slow": 3, "duration_s": 60.0}, [])
    assert (longer.attempts, longer.capture) == (120_000, True)
    for given in ({"attempts": 10**7}, {"duration_s": 3600.0}, {"deadline_s": 600.0}):
        with pytest.raises(UsageError, match="must be above 0 and at most"):
            against.against_plan("clean", "127.0.0.1:8080", given, [])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--set", "net.ipv4.tcp_syn_retries=2"], "--set changes a setting"),
        (["--port-range", "40000-40003"], "--port-range changes a setting"),
        (["--mines", "5", "--serve", "leak"], "--mines is of a server or a world of connstorm's own"),
        (["--drop", "rst"], "--drop is of a server"),
        (["--backlog", "5"], "--backlog is of a server"),
        (["--listeners", "2", "--stuck", "1"], "--stuck is of a server"),
        (["--act", "one"], "--act is of a server"),
        (["--listen", "127.0.0.2"], "--listen is said by HOST:PORT"),
        (["--listen-port", "80"], "--listen-port is said by HOST:PORT"),
        (["--use"], "--use sends a byte"),
        (["--strict"], "--strict asks for books"),
        (["--sweeps", "2"], "--sweeps has no bound"),
    ],
)
def test_what_needs_a_server_or_a_world_of_our_own_is_refused(tmp_path, options, words):
    ended = connstorm("run", "clean", "--against", "127.0.0.1:9", *options, "-o", tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_root_of_the_host_asks_the_kernel_and_root_of_a_namespace_does_not():
    plan = against.against_plan("clean", "127.0.0.1:8080", {}, [])
    assert plan.evidence == ("kernel" if against.UID_MAP.read_text().split()[2] == "4294967295" and ROOT else "counts")
    assert against.against_plan("clean", "127.0.0.1:8080", {"evidence": "counts"}, []).evidence == "counts"


def test_other_scenarios_and_options_without_against_are_refused(tmp_path):
    ended = connstorm("run", "closewait", "--against", "127.0.0.1:9", "-o", tmp_path)
    assert "use connstorm run clean --against 127.0.0.1:9" in ended.stderr
    ended = connstorm("run", "clean", "--until-slow", "3", "-o", tmp_path)
    assert "are for a storm against a server that is there" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_are_looked_up_in_the_file_of_host_names_alone(tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("# 192.0.2.9 box\n127.0.0.2  Box box.example # mine\nnonsense box\n::1 box\n127.0.0.2 box\n\n")
    texts = [str(address) for address in host_names.find_addresses("BOX", hosts)]
    assert texts == ["127.0.0.2", "::1"]
    assert [str(address) for address in host_names.find_addresses("box.example.", hosts)] == ["127.0.0.2"]
    assert [str(address) for address in host_names.find_addresses("localhost", hosts)] == ["127.0.0.1", "::1"]
    assert [str(address) for address in host_names.find_addresses("::ffff:127.0.0.3", hosts)] == ["127.0.0.3"]
    for name in ("example.org", "2130706433", "127.1", "0x7f000001", "mine"):
        with pytest.raises(UsageError, match="a name server is not asked"):
            host_names.find_addresses(name, hosts)
    for link in ("fe80::1", "fe80::1%lo"):
        with pytest.raises(UsageError, match="belongs to one link only"):
            host_names.find_addresses(link, hosts)


def test_a_container_and_a_named_namespace_have_files_of_their_own():
    assert host_names.find_hosts_file() == host_names.HOSTS
    assert host_names.find_hosts_file(str(os.getpid())) == Path(f"/proc/{os.getpid()}/root/etc/hosts")
    assert host_names.find_hosts_file("/run/netns/there-is-none") == host_names.HOSTS


class Wire:
    """What leaves a namespace by any device but lo, as the devices see it."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.settimeout(0.05)

    def read(self):
        """Return the packets of IP that left since the last call, but for what IPv6 says of itself."""
        frames = []
        try:
            while True:
                frame, (device, protocol, kind, *_) = self.socket.recvfrom(2048)
                own = protocol == 0x86DD and frame[20] in (0, 58)  # neighbour discovery, multicast listener reports
                if device != "lo" and kind == socket.PACKET_OUTGOING and protocol in (0x0800, 0x86DD) and not own:
                    frames.append((device, frame[14:54].hex()))
        except TimeoutError:
            return frames


@contextmanager
def with_neighbour():
    """Join this namespace to another one by a veth device, with a default route to it; yield what leaves."""
    from pyroute2 import IPRoute  # only inside a namespace: its threads

    if shutil.which("ip") is None:
        pytest.skip("ip is missing (Debian: iproute2)")
    far = "until ip link set in up 2>/dev/null; do sleep 0.02; done; exec sleep 100"
    with subprocess.Popen(["unshare", "--net", "sh", "-c", far]) as holder:
        try:
            own = read_inode()
            with IPRoute() as netlink:
                while os.stat(f"/proc/{holder.pid}/ns/net").st_ino == own:  # noqa: PTH116  # a link to no path
                    time.sleep(0.01)
                netlink.link("add", ifname="out", kind="veth", peer={"ifname": "in", "net_ns_pid": holder.pid})
                (index,) = netlink.link_lookup(ifname="out")
                netlink.link("set", index=index, state="up")
                netlink.addr("add", index=index, address="198.18.0.1", prefixlen=24, broadcast="198.18.0.255")
                netlink.addr("add", index=index, address="2001:db8::1", prefixlen=64, flags=2)
                for gateway in ("198.18.0.2", "2001:db8::2"):
                    netlink.neigh("add", dst=gateway, lladdr="02:00:00:00:00:02", ifindex=index, state="permanent")
                    family = socket.AF_INET6 if ":" in gateway else socket.AF_INET
                    netlink.route("add", dst="default", gateway=gateway, oif=index, family=family)
                assert wait_until(lambda: netlink.get_links(index)[0]["flags"] & IFF_LOWER_UP, 30)
            yield Wire()
        finally:
            holder.kill()


def by_command(host, port, tmp_path):
    """Storm by the command line; return what it said when it refused, or None."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    storm = ["--attempts", "5", "--duration", "1", "--deadline", "0.5", "--no-pin"]
    ended = connstorm("run", "clean", "--against", place, *storm, "-o", tmp_path, UNDRAWN)
    assert "Traceback" not in ended.stderr, ended.stderr
    assert ended.returncode in (0, 2), ended.stderr
    return ended.stderr if ended.returncode else None


def by_api(host, port, _):
    """Storm by the API, in a process of its own."""
    try:
        api.storm_server((host, port), attempts=5, duration_s=1.0, deadline_s=0.5, pin=False)
    except ConnstormError as error:
        return str(error)
    return None


def by_fixture(hosts, port, folder):
    """Storm by the fixture in the tests of a user, one for each host; return what pytest printed."""
    text = f"import pytest\n\n@pytest.mark.parametrize('host', {list(hosts)})\n"
    text += f"def test_storm(storm, host):\n    storm((host, {port}), trials=1, attempts=5, deadline_s=0.5)\n"
    (folder / "test_storm.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(PYTEST, cwd=folder, capture_output=True, text=True, check=False).stdout


def by_plan(host, port, _):
    """Storm by the API with a plan that was changed by hand, in this process."""
    plan = msgspec.structs.replace(api.server_plan(("127.0.0.1", port), attempts=5, deadline_s=0.5), target=host)
    try:
        api.storm_server_here(plan)
    except ConnstormError as error:
        return str(error)
    return None


FOREIGN = (
    *("192.0.2.1", "198.18.0.2", "2001:db8::2", "2001:db8:1::1", "::ffff:192.0.2.1", "example.org", "198.18.0.255"),
    *("127.255.255.255", "255.255.255.255", "224.0.0.1", "ff02::1", "fe80::1", "fe80::1%out", "0.0.0.1"),
)


@namespaced(ports=PORTS)
def test_nothing_leaves_for_an_address_that_is_not_local(tmp_path):
    """By every way in. Everywhere somebody listens, and everything that is sent is seen."""
    with with_neighbour() as wire, socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # the capture sees what leaves
            probe.sendto(b"x", ("198.18.0.2", 9))
        assert len(wire.read()) == 1
        for host in FOREIGN:
            for storm in (by_api, by_plan):
                assert storm(host, 7000, tmp_path), host
        for host in ("192.0.2.1", "example.org", "fe80::1%out"):
            assert by_command(host, 7000, tmp_path), host
        assert f"{len(FOREIGN)} failed" in by_fixture(FOREIGN, 7000, tmp_path)
        assert wire.read() == []
        for host in ("198.18.0.1", "2001:db8::1", "::", "::ffff:127.0.0.1"):
            assert by_plan(host, 7000, tmp_path) is None, host
        assert wire.read() == []


@namespaced(ports=PORTS)
def test_nothing_leaves_by_a_rule_that_carries_it_off(tmp_path):
    if not has_nft():
        pytest.skip("nft is missing (Debian: nftables)")
    with with_neighbour() as wire, socket.create_server(("::", 7000), family=socket.AF_INET6, dualstack_ipv6=True):
        run_nft(
            ["-f", "-"],
            "table inet nat {\n chain services {\n tcp dport 7000 dnat ip to 198.18.0.2:80\n }\n"
            "chain out {\n type nat hook output priority -100;\n"
            "ip daddr != 127.0.0.0/8 fib daddr type local jump services\n }\n }\n",
        )
        for storm in (by_plan, by_command):
            assert "inet nat services" in storm("198.18.0.1", 7000, tmp_path)
        assert by_plan("127.0.0.1", 7000, tmp_path) is None  # to which the rule does not apply
        assert by_plan("2001:db8::1", 7000, tmp_path) is None
        assert wire.read() == []
        with socket.socket() as client:  # as it would have been
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                client.connect(("198.18.0.1", 7000))
        assert wire.read()


LEAK = """
import socket
server = socket.create_server(("127.0.0.1", 7000), backlog=512)
connections = []
while True:
    connections.append(server.accept()[0])
"""
STORM = ["--no-pin", "--ports", "sweep", "--deadline", "1"]


@contextmanager
def leaking_server(*inside):
    """Run a server that never closes a connection, in this namespace or in another one."""
    with subprocess.Popen([*inside, sys.executable, "-c", LEAK]) as process:
        try:
            yield process
        finally:
            process.kill()


@namespaced(ports=(40000, 40099))
def test_a_storm_goes_on_until_slow_attempts_were_caught(tmp_path):
    with leaking_server():
        assert wait_until(lambda: is_listening(7000), 30)
        clients = [socket.socket() for _ in range(9)]
        for port, client in enumerate(clients, 40000):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
            client.bind(("127.0.0.1", port))
            client.connect(("127.0.0.1", 7000))
        for client in clients:
            client.close()
        time.sleep(1.3)
        storm = ["run", "clean", "--against", "localhost:7000", *STORM, "-o", tmp_path]
        ended = connstorm(*storm, "--until-slow", "5", "--rate", "150", "--json")
        assert ended.returncode == 0, ended.stderr
        document = json.loads(ended.stdout)
        summary = document["summary"]
        assert (summary["attempts"], summary["outcomes"]["retried"]) == (
            150,
            9,
        )  # of 4,500; the first part had all nine
        assert [evidence["cause"] for evidence in summary["evidence"]].count("closewait") == 5
        assert {"run.json", "attempts.npy", "evidence.pcap", "timeline.png"} <= {
            file.name for file in Path(document["path"]).iterdir()
        }


def test_what_a_storm_waits_for_and_has_caught_is_said():
    plan = against.against_plan("clean", "127.0.0.1:8080", {"until_slow": 2, "duration_s": 0.5}, [])
    assert describe_bounds(plan) == (
        "at most 1,000 attempts, 2,000 a second, none later than 0.5 s after the first, each given up after 10 s, "
        "until 2 slow ones are caught"
    )
    _, summary = run_folder.read(FROZEN)
    late = summary.attempts - summary.outcomes["connected"]
    assert list(slow_texts(None, summary)) == []
    ((_, text),) = slow_texts(late + 1, summary)
    assert text.startswith(f"{late:,} caught, {late + 1:,} asked for; the bounds came first")


def is_listening(port):
    """Return whether somebody listens on a port, without connecting to it."""
    return any(entry.port == port for entry in list_listening())


def test_a_storm_in_the_namespace_of_a_process_meets_the_server_there(tmp_path):
    with network() as (pid, inside), leaking_server(*inside) as server:
        storm = ["run", "clean", "--against", "127.0.0.1:7000", "--attempts", "20", "--no-pin", "-o", tmp_path]
        for _ in range(50):  # it starts
            ended = connstorm(*storm, "--netns", pid)
            if "Nobody listens" not in ended.stderr:
                break
        assert ended.returncode == 0, ended.stderr
        assert f"[{server.pid}] on 127.0.0.1:7000 was met: " in " ".join(ended.stdout.split())
        assert len(list(tmp_path.iterdir())) == 1
        ended = connstorm(*storm, "--netns", "/etc/hosts")
        assert "is no network namespace" in ended.stderr
        assert len(list(tmp_path.iterdir())) == 1


@namespaced(ports=PORTS, sysctls={"net.ipv6.conf.all.disable_ipv6": "1"})
def test_localhost_is_where_somebody_listens_also_where_ipv6_is_off(tmp_path):
    with socket.create_server(("127.0.0.1", 7000)):
        plan = msgspec.structs.replace(api.server_plan(("localhost", 7000), attempts=5), pin=False)
        assert api.storm_server_here(plan).summary.outcomes["connected"] == 5
        assert "ENETUNREACH" in by_plan("::1", 7000, tmp_path)
        hosts = tmp_path / "hosts"
        hosts.write_text("127.0.0.1 box\n192.0.2.7 box\n")
        with pytest.raises(UsageError, match=r"192\.0\.2\.7:7000 is not an address of this network namespace"):
            settle_target(msgspec.structs.replace(plan, target="box"), hosts)


@namespaced(ports=PORTS)
def test_where_nobody_listens_nothing_is_stored(tmp_path):
    with socket.create_server(("127.0.0.2", 7000)):
        ended = connstorm("run", "clean", "--against", "127.0.0.1:7000", "-o", tmp_path)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "Nobody listens on 127.0.0.1:7000 in this network namespace; somebody does on 127.0.0.2:7000." in (
            ended.stderr
        )
        assert list(tmp_path.iterdir()) == []


@namespaced(ports=PORTS)
def test_where_rules_cannot_be_seen_only_the_loopback_is_stormed(tmp_path):
    if not has_nft() or shutil.which("setpriv") is None:
        pytest.skip("nft or setpriv is missing (Debian: nftables, util-linux)")
    with with_neighbour() as wire, socket.create_server(("0.0.0.0", 7000)):  # noqa: S104
        run_nft(
            ["-f", "-"],
            "table ip nat {\n chain out {\n type nat hook output priority -100;\n"
            "ip daddr 198.18.0.1 tcp dport 7000 dnat to 198.18.0.2:80\n }\n }\n",
        )
        unprivileged = ["setpriv", "--bounding-set=-net_admin"]
        storm = ["--attempts", "5", "--no-pin", "-o", tmp_path]
        ended = connstorm("run", "clean", "--against", "198.18.0.1:7000", *storm, under=unprivileged)
        assert ended.returncode == 2
        assert "Whether a rule carries packets for 198.18.0.1:7000 to another host cannot be seen" in ended.stderr
        code = "from stress import api; print(api.storm_server_here(('127.0.0.1', 7000), attempts=5).summary.warnings)"
        ended = subprocess.run([*unprivileged, sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "could not be seen" not in ended.stdout  # one connection has shown it
        run_nft(["add", "rule", "ip", "nat", "out", "ip daddr 127.0.0.1 tcp dport 7000 redirect to :7001"])
        with socket.create_server(("127.0.0.1", 7001)):
            ended = connstorm("run", "clean", "--against", "127.0.0.1:7000", *storm, under=unprivileged)
        assert ended.returncode == 2
        assert "did not come to who listens there" in ended.stderr
        sysctl.write("net.ipv4.conf.all.route_localnet", "1")
        ended = connstorm("run", "clean", "--against", "127.0.0.1:7000", *storm, under=unprivileged)
        assert "cannot be seen" in ended.stderr
        assert wire.read() == []


DOCKER = """
table ip nat {
    map ports { type inet_service : verdict; elements = { 9000 : goto far }; }
    chain far { tcp dport 9000 dnat to 198.18.0.2; }
    chain DOCKER { iifname "docker0" return; iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80; }
    chain OUTPUT { type nat hook output priority -100; ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER;
        ip daddr { 127.0.0.5, 127.0.1.0/24, 127.0.2.1-127.0.2.9 } tcp dport { 80, 90-99 } redirect to :8443;
        udp dport 53 dnat to 198.18.0.2; meta l4proto udp redirect to :5353;
        tcp dport vmap @ports; }
    chain POSTROUTING { type nat hook postrouting priority 100; masquerade; }
    chain PREROUTING { type nat hook prerouting priority -100; tcp dport 22 dnat to 198.18.0.2; }
}
table inet other {
    chain route { type route hook output priority -150; ip6 daddr ::1 tcp dport 25 ip6 daddr set 2001:db8::2; }
    chain count { type filter hook output priority 0; tcp dport 8080 counter accept; meta mark set 7; }
}
"""


@namespaced(ports=PORTS)
def test_rules_that_carry_off_are_told_from_those_that_do_not():
    if not has_nft():
        pytest.skip("nft is missing (Debian: nftables)")
    run_nft(["-f", "-"], DOCKER.replace("; ", "\n").replace("{ type", "{\n type").replace("}\n", "\n}\n"))
    rules = list_rules()
    for address, port, chain in (
        ("127.0.0.1", 8080, None),
        ("198.18.0.1", 8080, "ip nat DOCKER"),
        ("198.18.0.1", 8081, None),
        ("127.0.0.5", 80, "ip nat OUTPUT"),
        ("127.0.1.7", 95, "ip nat OUTPUT"),
        ("127.0.2.9", 80, "ip nat OUTPUT"),
        ("127.0.2.10", 80, None),
        ("127.0.0.5", 81, None),
        ("127.0.0.1", 9000, "ip nat far"),
        ("127.0.0.1", 53, None),
        ("127.0.0.1", 22, None),
        ("::1", 25, "inet other route"),
        ("::1", 26, None),
        ("2001:db8::1", 8080, None),
    ):
        assert find_translating_chain(rules, Target(address, port)) == chain, (address, port)
