# SPDX-License-Identifier: MIT
"""Storms against a server that is there: ``run clean --against``, the API and the pytest fixture."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from command import connstorm
from namespaced import namespaced

from stress import api
from stress.lab import host_names
from stress.lab.firewall import has_nft, run_nft
from stress.lab.network_namespace import read_inode
from stress.lab.wait import wait_until
from stress.model.errors import ConnstormError, UsageError
from stress.run import against

PORTS = (40000, 40999)
ETH_P_ALL = 3
IFF_LOWER_UP = 1 << 16  # linux/if.h
SERVERS = Path(__file__).with_name("servers_of_others.py")


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
                assert wait_until(lambda: netlink.get_links(index)[0]["flags"] & IFF_LOWER_UP, 5)
            yield Wire()
        finally:
            holder.kill()


def by_command(host, port, tmp_path):
    """Storm by the command line; return what it said when it refused, or None."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    storm = ["--attempts", "5", "--duration", "1", "--deadline", "0.5", "--no-pin"]
    ended = connstorm("run", "clean", "--against", place, *storm, "-o", tmp_path)
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
        assert wire.read() == []
        for host in ("198.18.0.1", "2001:db8::1", "0.0.0.0", "::", "::ffff:127.0.0.1", "localhost"):  # noqa: S104
            assert by_plan(host, 7000, tmp_path) is None, host
        assert by_command("198.18.0.1", 7000, tmp_path) is None
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
