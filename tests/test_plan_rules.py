# SPDX-License-Identifier: MIT
"""What is wrong with a plan, in sentences."""

import ast
import math
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from namespaced import namespaced

from stress.lab import sysctl
from stress.model.errors import NotApplicableError, UsageError
from stress.model.mine import Isn, Laying, Release
from stress.model.plan import Close, EvidenceSource, Plan, Ports, Serve
from stress.model.protocol import Protocol
from stress.model.world import CLIENT, Drop, FilterRule, Firewall, Hook, Route, World
from stress.storm.catalogue import SCENARIOS
from stress.storm.check import address_rules, plan_rules
from stress.storm.host_settings import prepare_sysctls
from stress.storm.ports import PortRange

FOUR = PortRange(40000, 40003, np.arange(40000, 40004, dtype=np.uint16))
NO_PORT = PortRange(40000, 40003, np.array([], np.uint16))
DEFAULT = PortRange(32768, 60999, np.arange(32768, 61000, dtype=np.uint16))
MANY = PortRange(1024, 65535, np.arange(1024, 65536, dtype=np.uint16))
NOFILE = 1024
V6 = {"family": 6, "source": "::1", "target": "::1"}

ATTEMPTS = "must be from 1 to 100,000,000, not"
SECONDS = "must be above 0 and at most 3,600 s, not"

WRONG = [
    (
        {"evidence": EvidenceSource.NONE, "capture": True},
        "--capture stores packets by cause, and --evidence none names none;",
    ),
    (
        {"evidence": EvidenceSource.PACKETS},
        "--evidence packets is that of capture files, which connstorm read FILE reads;",
    ),
    (
        {"evidence": EvidenceSource.NONE, "witness": True},
        "test lists sockets during the storm, and --evidence none lists none;",
    ),
    ({"attempts": 0}, f"--attempts {ATTEMPTS} 0."),
    ({"attempts": 100_000_001}, f"--attempts {ATTEMPTS} 100,000,001."),
    ({"sweeps": 0, "ports": Ports.SWEEP}, f"--sweeps {ATTEMPTS} 0."),
    ({"warmup": -1}, "--warmup must be from 0 to 100,000,000, not -1."),
    ({"window": 0}, "--window must be from 1 to 1,000,000, not 0."),
    ({"window": 2**31}, "--window must be from 1 to 1,000,000, not 2,147,483,648."),
    ({"mines": -1}, "--mines must be from 0 to 100,000,000, not -1."),
    ({"seed": -1}, "--seed must be from 0 to 9,223,372,036,854,775,807, not -1."),
    ({"target_port": 0}, "--listen-port must be from 1 to 65,535, not 0."),
    ({"target_port": 65536}, "--listen-port must be from 1 to 65,535, not 65,536."),
    ({"duration_s": 0.0}, f"--duration {SECONDS} 0."),
    ({"duration_s": 3600.5}, f"--duration {SECONDS} 3600.5."),
    ({"duration_s": math.nan}, f"--duration {SECONDS} nan."),
    ({"deadline_s": 0.0}, f"--deadline {SECONDS} 0."),
    ({"deadline_s": -1.5}, f"--deadline {SECONDS} -1.5."),
    ({"deadline_s": math.nan}, f"--deadline {SECONDS} nan."),
    ({"deadline_s": math.inf}, f"--deadline {SECONDS} inf."),
    ({"port_range": (40003, 40000)}, "--port-range 40003-40000 holds no port; it must rise within 1-65535."),
    ({"port_range": (0, 5)}, "--port-range 0-5 holds no port"),
    ({"port_range": (1, 65536)}, "--port-range 1-65536 holds no port"),
    ({"target": "localhost"}, "--listen 'localhost' is not an IP address."),
    ({"source": ""}, "--source '' is not an IP address."),
    ({"source": "127.0.0.9"}, "With --ports kernel the kernel chooses the source address too, and"),
    (V6 | {"source": "::1%lo"}, "--source ::1%lo names an interface; give the address alone."),
    ({"target": "::1"}, "--listen ::1 is IPv6, but the storm is IPv4 (--family)."),
    (V6 | {"source": "127.0.0.1"}, "--source 127.0.0.1 is IPv4, but the storm is IPv6 (--family)."),
    (
        {"target": "192.0.2.1"},
        "--listen 192.0.2.1 is not this machine; a storm goes to its loopback only (127.0.0.0/8).",
    ),
    (
        V6 | {"source": "2001:db8::1"},
        "--source 2001:db8::1 is not this machine; a storm goes to its loopback only (::1).",
    ),
    ({"sweeps": 1}, "--sweeps needs --ports sweep or shuffle; with kernel the kernel chooses the ports."),
    ({"sweeps": 1, "ports": Ports.BIND}, "--sweeps needs --ports sweep or shuffle; with bind"),
    ({"sweeps": 1, "attempts": 5, "ports": Ports.SHUFFLE}, "Give --attempts or --sweeps, not both."),
    ({"host": True, "port_range": (40000, 40003)}, "--port-range is set inside the private namespace only"),
    ({"rate_per_s": 0.0}, "--rate must be from 0.001 to 1,000,000 a second, not 0."),
    ({"rate_per_s": math.nan}, "--rate must be from 0.001"),
    ({"until_slow": 0}, "--until-slow must be from 1 to 1,000, not 0."),
    ({"until_slow": 1}, "--until-slow counts in one process, in a storm against the server of others (--against)."),
    ({"rest_s": -1.0}, "--rest must be from 0 to 3,600 s, not -1."),
    ({"backlog": -1}, "--backlog must be from 0 to 65,535, not -1."),
    ({"server_nofile": 31}, "--server-nofile must be from 32 to 100,000,000, not 31."),
    ({"linger2_s": 121}, "--linger2 must be from 0 to 120, not 121."),
    ({"keepalive_s": -1}, "--keepalive must be from 0 to 32,767, not -1."),
    ({"drop": Drop.RST}, "--drop rst would drop the RSTs of --close rst too, and leave the server every socket"),
    ({"drop": Drop.CHALLENGE, "close": Close.FIN}, "--drop challenge also drops the server's ACK of a FIN"),
    ({"drop": Drop.INVALID, "firewall": Firewall.BPF}, "--drop invalid asks conntrack, which a BPF filter cannot"),
    ({"host": True, "drop": Drop.CHALLENGE}, "Rules are made inside the private namespace only; with --host use"),
    ({"host": True, "isn": Isn.RANDOM}, "Sequence numbers are set inside the private namespace only"),
    ({"probes": 1, "ports": Ports.BIND}, "test measures connect() that chooses its port by itself"),
    (
        {"laying": Laying.CLIENTS, "source": "127.0.0.9", "ports": Ports.NO_PORT},
        "Mines on ports that the kernel chooses are laid from 127.0.0.1; leave out --source.",
    ),
    (
        {"serve": Serve.NOBODY, "server_nofile": 64},
        "--server-nofile is for the process that accepts; with --serve nobody there is none.",
    ),
    ({"acts": {"one": {"nonsense": 1}}}, "An act of test is invalid: Object contains unknown field `nonsense`."),
    ({"acts": {"one": {}, "two": {"window": 0}}}, "--window must be from 1 to 1,000,000, not 0."),
    ({"host": True, "mines": 1}, "--release no-buckets changes a setting; with --host use --release linger2"),
    ({"workers": 0}, "--workers must be from 1 to 64, not 0."),
    ({"servers": 65}, "--servers must be from 1 to 64, not 65."),
    (
        {"source": "127.255.255.250", "sources": 7, "ports": Ports.NO_PORT},
        "--source may be a range of IPv4 addresses within 127.0.0.0/8 only; of IPv6 loopback there is one.",
    ),
    (
        {"source": "127.0.0.1", "sources": 1 << 32, "ports": Ports.NO_PORT},
        "--source may be a range of 1 to 65,536 addresses, not of 4,294,967,296.",
    ),
    (V6 | {"sources": 2, "ports": Ports.NO_PORT}, "--source may be a range of IPv4 addresses"),
    ({"sources": 2}, "Several --source addresses need a bind(); use --ports no-port, range, bind, sweep or"),
    ({"target_ports": 65}, "--listen-port may be a range of 64 ports at most, not of 65."),
    ({"target_port": 65530, "target_ports": 7}, "--listen-port 65530-65536 goes beyond 65535."),
    (
        {"sources": 2000, "target_ports": 40, "ports": Ports.NO_PORT},
        "80,000 pairs of --source and --listen-port are more than 65,536; give fewer.",
    ),
    ({"target_ports": 2, "capture": True}, "--capture follows one source address and one port; give one of each."),
    (
        {"target_ports": 2, "witness": True},
        "A scenario that samples socket pairs follows one source address and one port",
    ),
    ({"target_ports": 2, "mines": 1, "laying": Laying.CLIENTS}, "Mines on ports that clients get follows one"),
    ({"workers": 2, "probes": 1}, "A scenario that fills its range step by step needs one worker; leave out"),
    (
        {"sources": 2, "close": Close.DISCONNECT, "ports": Ports.NO_PORT},
        "--close disconnect uses its socket again, which has one source address; give one --source.",
    ),
    (
        {"close": Close.DISCONNECT, "ports": Ports.BIND},
        "--close disconnect uses its socket again, which bind() gives one port; use --ports kernel or no-port.",
    ),
]

WRONG_HERE = [
    ({"window": 4, "duration_s": 3600.0}, FOUR, "This plan may make 900,000,000 attempts, but a run records"),
    ({"window": 4, "sweeps": 10**8, "ports": Ports.SWEEP}, FOUR, "This plan may make 400,000,000 attempts"),
    ({}, NO_PORT, "The port range 40000-40003 has no port left: all are reserved"),
    ({"window": 961}, FOUR, "--window 961 needs as many descriptors, but one process here may have 1,024"),
    ({"window": 960, "close": Close.HOLD}, FOUR, "--close hold needs descriptors besides the window; lower --window"),
    (
        {"window": 4, "attempts": 61_441, "serve": Serve.LEAK},
        FOUR,
        "61,441 leaked connections are more than 64 processes may hold with 1,024 descriptors",
    ),
    ({"window": 4, "mines": 5}, FOUR, "5 mines do not fit the port range 40000-40003, which has 4 ports"),
    (
        {"window": 4, "mines": 61_441},
        MANY,
        "61,441 mines are more than 64 processes may hold with 1,024 descriptors",
    ),
    (
        {"window": 4, "mines": 17, "sources": 2, "target_ports": 2},
        FOUR,
        "17 mines do not fit the port range 40000-40003, which has 4 ports for each of 4 pairs of addresses",
    ),
]

RIGHT = [
    {"evidence": EvidenceSource.NONE},
    {"evidence": EvidenceSource.KERNEL, "capture": True, "witness": True},
    {},
    {"attempts": 1},
    {"attempts": 100_000_000},
    {"sweeps": 1, "ports": Ports.SHUFFLE},
    {"sweeps": 3, "duration_s": 1.0, "ports": Ports.SWEEP},
    {"duration_s": 3600.0},
    {"deadline_s": 0.001},
    {"warmup": 5},
    {"target_port": 65535},
    {"target": "127.255.255.254", "source": "127.0.0.2", "ports": Ports.NO_PORT},
    V6,
    {"port_range": (40000, 40000)},
    {"port_range": (1, 65535)},
    {"host": True, "mines": 5, "release": Release.LINGER2},
    {"host": True, "sysctls": {"net.ipv4.tcp_fin_timeout": "1"}},
    {"mines": 5, "sysctls": {"net.ipv4.tcp_fin_timeout": "1"}},
    {"rate_per_s": 0.5, "rest_s": 3600.0, "backlog": 0, "keepalive_s": 1, "linger2_s": 120},
    {"drop": Drop.RST, "close": Close.HOLD, "firewall": Firewall.BPF, "host": True},
    {"drop": Drop.INVALID, "firewall": Firewall.NFT},
    {"acts": {"one": {"close": "fin"}, "two": {"fresh": False}}},
    {"workers": 64, "servers": 16, "sources": 256, "target_ports": 64, "ports": Ports.SHUFFLE},
    {"close": Close.DISCONNECT, "ports": Ports.SWEEP, "target_ports": 2, "workers": 2},
]

RIGHT_HERE = [
    ({"window": 960}, FOUR),
    ({"window": 959, "attempts": 10_000, "close": Close.HOLD}, FOUR),
    ({"window": 4, "attempts": 61_440, "serve": Serve.LEAK}, FOUR),
    ({"window": 4, "attempts": 61_441, "serve": Serve.LEAK, "server_nofile": 64}, FOUR),
    ({"window": 4, "attempts": 961}, FOUR),
    ({"window": 4, "mines": 4}, FOUR),
    ({"window": 4, "mines": 61_440}, MANY),
    ({"window": 4, "mines": 16, "sources": 2, "target_ports": 2}, FOUR),
]


WITHOUT_BIND = {"close": Close.DISCONNECT, "ports": Ports.SWEEP, "window": 4}


def plan(changes):
    return Plan(scenario="test", **changes)


@pytest.mark.parametrize(("changes", "sentence"), WRONG, ids=[sentence[:40] for _, sentence in WRONG])
def test_what_is_wrong_is_said(changes, sentence):
    (fault,) = plan_rules.plan_faults(plan(changes))
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "ports", "sentence"), WRONG_HERE, ids=[sentence[:40] for *_, sentence in WRONG_HERE]
)
def test_what_this_host_cannot_do_is_said(changes, ports, sentence):
    (fault,) = plan_rules.host_faults(plan(changes), ports, NOFILE)
    assert fault.startswith(sentence)


@pytest.mark.parametrize("changes", RIGHT, ids=str)
def test_what_is_right_passes(changes):
    assert list(plan_rules.plan_faults(plan(changes))) == []


@pytest.mark.parametrize(("changes", "ports"), RIGHT_HERE, ids=str)
def test_what_this_host_can_do_passes(changes, ports):
    assert list(plan_rules.host_faults(plan(changes), ports, NOFILE)) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_catalogue_s_scenarios_are_right(name):
    assert list(plan_rules.plan_faults(SCENARIOS[name].plan)) == []
    for act in SCENARIOS[name].plan.storms().values():
        assert list(plan_rules.host_faults(act, DEFAULT, 20_000)) == []


def test_an_act_changes_what_it_names_and_adds_its_settings():
    whole = plan({"window": 7, "sysctls": {"a": "1"}, "acts": {"one": {"sysctls": {"b": "2"}}, "two": {"window": 9}}})
    assert {name: (act.window, act.sysctls, act.acts) for name, act in whole.storms().items()} == {
        "one": (7, {"a": "1", "b": "2"}, {}),
        "two": (9, {"a": "1"}, {}),
    }
    assert plan({}).storms() == {"storm": plan({})}


def test_every_sentence_is_tried_above():
    """A sentence that is added without a case here is noticed by its longest piece of fixed text."""
    trees = [ast.parse(Path(module.__file__).read_text()) for module in (plan_rules, address_rules)]
    sentences = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Yield)]
    pieces = [
        max(re.split(r"\{.*?\}", ast.unparse(sentence).lstrip("f").strip("'\"")), key=len) for sentence in sentences
    ]
    said = [sentence for changes, _ in WRONG for sentence in plan_rules.plan_faults(plan(changes))]
    said += [
        sentence
        for changes, ports, _ in WRONG_HERE
        for sentence in plan_rules.host_faults(plan(changes), ports, NOFILE)
    ]
    said += plan_rules.missing_kernel_features(plan({"ports": Ports.RANGE, "window": 4}), has_local_port_range=False)
    said += plan_rules.missing_kernel_features(plan(WITHOUT_BIND), has_local_port_range=False)
    mptcp = plan({"protocol": Protocol.MPTCP})
    said += plan_rules.missing_kernel_features(mptcp, has_local_port_range=True, has_mptcp=False)
    said += plan_rules.host_faults(plan({"drop": Drop.INVALID, "window": 4}), FOUR, NOFILE, has_nft=False)
    said += plan_rules.host_faults(plan({"rate_per_s": 0.01, "attempts": 100, "window": 4}), FOUR, NOFILE)
    said += plan_rules.host_faults(plan({"window": 4}), FOUR, 3)
    fenced = plan({"world": World(rules=[FilterRule(name="a", hook=Hook.INPUT, match="")])})
    said += plan_rules.missing_kernel_features(fenced, has_local_port_range=True, has_nft=False)
    martian = {
        "family": 6,
        "source": "::1",
        "target": "::1",
        "world": World(routes=[Route(to=CLIENT, kind="local", through="lo")]),
    }
    said += plan_rules.missing_kernel_features(plan(martian), has_local_port_range=True)
    without = World(sysctls={CLIENT: {"net.ipv6.conf.all.disable_ipv6": "1"}})
    said += plan_rules.missing_kernel_features(plan({"world": without}), has_local_port_range=True)
    assert len(pieces) > 12
    assert [piece for piece in pieces if not any(piece in sentence for sentence in said)] == []


def test_what_is_wrong_in_two_acts_is_said_once():
    assert len(list(plan_rules.plan_faults(plan({"window": 0, "acts": {"one": {}, "two": {"close": "fin"}}})))) == 1


@pytest.mark.parametrize(
    ("changes", "missing"),
    [({"drop": Drop.INVALID}, True), ({"drop": Drop.RST, "firewall": Firewall.NFT}, True), ({"drop": Drop.RST}, False)],
)
def test_rules_need_nft_unless_a_filter_will_do(changes, missing):
    faults = list(
        plan_rules.host_faults(plan({"close": Close.FIN, "window": 4} | changes), FOUR, NOFILE, has_nft=False)
    )
    assert bool(faults) == missing


def test_all_faults_are_said_at_once():
    wrong = msgspec.structs.replace(plan({}), window=0, mines=-1)
    with pytest.raises(UsageError, match=r"^--window must .* not 0\. --mines must .* not -1\.$"):
        plan_rules.refuse(plan_rules.plan_faults(wrong))


def test_a_plan_without_faults_is_not_refused():
    plan_rules.refuse(plan_rules.plan_faults(plan({})))


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 4),
        ({"attempts": 7}, 7),
        ({"attempts": 7, "duration_s": 9.0}, 7),
        ({"sweeps": 3, "ports": Ports.SWEEP}, 12),
        ({"sweeps": 3, "ports": Ports.SWEEP, "duration_s": 9.0}, 12),
        ({"duration_s": 2.0}, 2 * plan_rules.FASTEST_PER_S),
        ({"duration_s": 1e-9}, 1),
        ({"duration_s": 9.0, "probes": 5}, 4),
        ({"sources": 3, "target_ports": 2, "ports": Ports.SWEEP}, 24),
        ({"duration_s": 2.0, "workers": 3}, 6 * plan_rules.FASTEST_PER_S),
    ],
)
def test_the_buffer_holds_what_the_plan_may_make(changes, count):
    assert plan_rules.attempt_count(plan(changes), FOUR) == count


@namespaced(sysctls={"net.ipv4.ip_local_reserved_ports": "8080,8081", "net.ipv4.tcp_fin_timeout": "9"})
def test_on_the_host_settings_that_are_so_already_are_right():
    before = {name: sysctl.read(name) for name in sysctl.list_names()}
    wanted = {
        "net.ipv4.ip_local_reserved_ports": "8081,8080",
        "net.ipv4.tcp_fin_timeout": " 9\n",
        "net.ipv4.ip_local_port_range": "40000\t40003",
    }
    prepare_sysctls(plan({"host": True, "sysctls": wanted}), {})
    assert {name: sysctl.read(name) for name in before} == before


FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
RESERVED = "net.ipv4.ip_local_reserved_ports"
UNCHANGED = "With --host no setting is changed"
YOURSELF = "yourself (sysctl -w), or let a suite do it (connstorm suite --host)."


@pytest.mark.parametrize(
    ("wanted", "error", "sentence"),
    [
        (
            {FIN_TIMEOUT: "1"},
            UsageError,
            f"{UNCHANGED}: {FIN_TIMEOUT} is 60 here, not 1; set it {YOURSELF}",
        ),
        (
            {RESERVED: "80", FIN_TIMEOUT: "2"},
            UsageError,
            f"{UNCHANGED}: {RESERVED} is empty here, not 80, and {FIN_TIMEOUT} is 60 here, not 2; set them {YOURSELF}",
        ),
        (
            {"net.ipv4.zzz": "1"},
            NotApplicableError,
            "This kernel has no setting net.ipv4.zzz in a private namespace.",  # which stands for a host here
        ),
        (
            {"kernel.hostname": "1"},
            UsageError,
            "'kernel.hostname' is not a network setting; give its dotted name, such as net.ipv4.tcp_fin_timeout.",
        ),
    ],
)
@namespaced
def test_on_the_host_settings_that_are_otherwise_are_said_and_not_changed(wanted, error, sentence):
    before = {name: sysctl.read(name) for name in sysctl.list_names()}
    with pytest.raises(error) as raised:
        prepare_sysctls(plan({"host": True, "sysctls": wanted}), {})
    assert str(raised.value) == sentence
    assert {name: sysctl.read(name) for name in before} == before


def test_a_rate_at_which_a_storm_would_take_days_is_refused_with_the_time():
    slow = plan({"rate_per_s": 0.01, "attempts": 100, "window": 4})
    (fault,) = plan_rules.host_faults(slow, FOUR, NOFILE)
    assert fault == (
        "100 attempts at 0.01 a second take 9,900 s, and a storm 3,600 s at most; raise --rate, or give fewer "
        "--attempts or a --duration."
    )
    assert list(plan_rules.host_faults(plan({"rate_per_s": 0.01, "duration_s": 5.0, "window": 4}), FOUR, NOFILE)) == []
    assert "--rate must be from 0.001 to 1,000,000 a second, not 1e-300." in plan_rules.plan_faults(
        plan({"rate_per_s": 1e-300})
    )


@pytest.mark.parametrize("nofile", [0, 3, 64])
def test_a_process_that_may_have_hardly_a_descriptor_is_told_so_and_no_more(nofile):
    (fault,) = plan_rules.host_faults(plan({"window": 4}), FOUR, nofile)
    assert fault.startswith(f"One process here may have {nofile} descriptors (ulimit -n), of which the program")
