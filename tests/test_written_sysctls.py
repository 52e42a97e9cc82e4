# SPDX-License-Identifier: MIT
"""Settings that are never written, for the kernel may keep one of them for the whole host."""

import json
from pathlib import Path

import pytest
from command import connstorm
from kernel_to_boot import run_in_guest

from stress.lab import host_sysctls, sysctl
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.storm.check import plan_rules

OF_THE_HOST = "net.netfilter.nf_hooks_lwtunnel"  # Linux 5.15 and later: written anywhere, set everywhere, for good
NEVER = (OF_THE_HOST, "net.nf_conntrack_max", "net.bridge.bridge-nf-call-iptables", "net.vsock.x", "net.ipv4x.a")


@pytest.mark.parametrize("name", NEVER)
def test_they_are_refused_by_name(name):
    with pytest.raises(UsageError, match=r"is never written, for it may be the whole host's|has no setting"):
        sysctl.write(name, "1")
    assert any(name in sentence for sentence in plan_rules.plan_faults(Plan(scenario="clean", sysctls={name: "1"})))


def test_a_host_s_settings_are_restored_to_such_a_name_by_nobody():
    with pytest.raises(UsageError, match="is never written"):
        host_sysctls.change_sysctl(OF_THE_HOST, "0", "1")


def test_the_command_refuses_it_before_there_is_a_namespace():
    before = sysctl.read(OF_THE_HOST)
    ended = connstorm("run", "clean", "--set", f"{OF_THE_HOST}=1", "--attempts", "8")
    assert ended.returncode == 2
    assert f"{OF_THE_HOST} is never written" in ended.stderr
    assert sysctl.read(OF_THE_HOST) == before


def test_a_suite_refuses_it_with_the_line(tmp_path):
    suite = tmp_path / "suite.toml"
    suite.write_text(f'trials = 1\n[[scenario]]\nname = "clean"\n[scenario.sysctls]\n"{OF_THE_HOST}" = 1\n')
    ended = connstorm("suite", suite, "-o", tmp_path / "results")
    assert ended.returncode == 2
    assert f"{OF_THE_HOST} is never written" in ended.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.timeout(1200)
@pytest.mark.only_with("CONNSTORM_WRITTEN_SETTINGS")  # it boots a kernel: make written-settings
def test_none_that_may_be_written_moves_a_value_of_the_whole_host(tmp_path, monkeypatch):
    """In a booted kernel alone: on a host that is in use nobody could set it right again."""
    program = Path(__file__).with_name("guest_sysctls.py")
    (line,) = run_in_guest(program, (), tmp_path / "share", monkeypatch)
    result = json.loads(line)
    outcomes = dict(result["outcomes"])
    assert result["moved"] == {}
    assert len(outcomes) > 300
    assert sum(outcome == "changed" for outcome in outcomes.values()) > 200
    for name in ("net.ipv4.tcp_fin_timeout", "net.core.somaxconn", "net.ipv6.conf.lo.disable_ipv6"):
        assert outcomes[name] == "changed"
    assert any(name.startswith("net.netfilter.nf_conntrack_") for name in outcomes)
