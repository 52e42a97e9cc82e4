# SPDX-License-Identifier: MIT
"""Short names of settings, on a machine of this test's making: the same wherever users write settings."""

import click
import pytest

from stress.cli.options import SysctlSetting
from stress.lab import sysctl
from stress.lab.sysctl_name import complete_sysctl
from stress.model.errors import UsageError
from stress.run.scenario_plan import make_scenario_plan
from stress.suite.config.load import build_suite

TIMESTAMPS, RETRIES = "net.ipv4.tcp_timestamps", "net.ipv4.tcp_syn_retries"


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Make a machine with two settings: what is recorded of any kernel is known as well."""
    monkeypatch.setattr(sysctl, "ROOT", tmp_path)
    for name in ("net/ipv4/tcp_mine", "net/netfilter/nf_mine"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("tcp_timestamps", TIMESTAMPS),
        ("timestamps", TIMESTAMPS),
        ("syn_retries", RETRIES),
        ("ipv4.tcp_syn_retries", RETRIES),
        ("somaxconn", "net.core.somaxconn"),
        ("tcp_mine", "net.ipv4.tcp_mine"),
        ("net.ipv4.of_another_kernel", "net.ipv4.of_another_kernel"),  # whoever reads it says that it is not here
    ],
)
def test_an_unambiguous_end_is_a_name(text, name):
    assert complete_sysctl(text) == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("mine", "'mine' may be net.ipv4.tcp_mine or net.netfilter.nf_mine; give more of its name."),
        (
            "tcp_timestomps",
            "There is no setting 'tcp_timestomps', nor one that ends so; did you mean " + TIMESTAMPS + "?",
        ),
        ("zzz", "There is no setting 'zzz', nor one that ends so; give its name, such as tcp_syn_retries."),
    ],
)
def test_other_names_are_answered_with_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        complete_sysctl(text)
    assert str(caught.value) == sentence


def test_options_and_the_api_take_short_names():
    context = click.Context(click.Command("run"))
    assert SysctlSetting().convert("syn_retries=2", None, context) == (RETRIES, "2")
    assert make_scenario_plan("clean", {"sysctls": {"timestamps": "0"}}).sysctls == {TIMESTAMPS: "0"}


def test_suite_files_take_short_names():
    suite = build_suite(
        {
            "scenario": [{"name": "clean", "sysctls": {"syn_retries": 2}}],
            "matrix": {"tcp_timestamps": [1, 0], "backlog": [7]},
            "baseline": {"timestamps": 0},
            "exclude": [{"tcp_timestamps": 1, "backlog": 7}],
        }
    )
    (entry,) = suite.entries
    assert entry.plan.sysctls == {RETRIES: "2"}
    assert list(entry.axes) == [TIMESTAMPS, "backlog"]
    assert suite.baseline == {TIMESTAMPS: 0}
    assert suite.exclude == [{TIMESTAMPS: 1, "backlog": 7}]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"matrix": {"mine": [1]}}, "'mine' may be net.ipv4.tcp_mine or net.netfilter.nf_mine; give more of its name."),
        ({"matrix": {"timestamps": [1], TIMESTAMPS: [0]}}, f"'{TIMESTAMPS}' is there already; leave one out."),
        ({"defaults": {"sysctls": {"tcp_timestomps": 1}}}, "'tcp_timestomps' is no network setting"),
    ],
)
def test_suite_files_say_what_is_ambiguous_or_unknown(tables, sentence):
    with pytest.raises(UsageError) as caught:
        build_suite({"scenario": [{"name": "clean"}], **tables})
    assert sentence in str(caught.value)
