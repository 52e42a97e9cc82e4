# SPDX-License-Identifier: MIT
"""Settings, written and read back in a namespace of their own."""

import re
import subprocess

import pytest
from namespaced import namespaced

from stress.lab import sysctl
from stress.model.errors import ConnstormError, LabError, NotApplicableError, UsageError

FIN_TIMEOUT = "net.ipv4.tcp_fin_timeout"
RESERVED = "net.ipv4.ip_local_reserved_ports"


@namespaced
def test_what_is_written_is_read():
    sysctl.write(FIN_TIMEOUT, "7")
    assert sysctl.read(FIN_TIMEOUT) == "7"
    assert sysctl.sysctl_path(FIN_TIMEOUT).read_text() == "7\n"


@pytest.mark.parametrize("value", ["40010 40020", "40010\t40020", "  40010   40020\n"])
@namespaced
def test_blanks_between_the_words_of_a_value_do_not_matter(value):
    sysctl.write("net.ipv4.ip_local_port_range", value)
    assert sysctl.read("net.ipv4.ip_local_port_range") == "40010 40020"


@namespaced
def test_a_missing_setting_reads_as_none_and_is_not_recorded():
    assert sysctl.read("net.ipv4.tcp_no_such_thing") is None
    recorded = sysctl.read_recorded()
    assert recorded["net.ipv4.ip_local_port_range"] == "40000 40003"
    assert recorded.keys() <= set(sysctl.RECORDED)
    assert None not in recorded.values()


@namespaced
def test_settings_named_in_addition_are_recorded_too():
    recorded = sysctl.read_recorded(["net.ipv4.ip_default_ttl", FIN_TIMEOUT, "net.ipv4.tcp_no_such_thing"])
    assert recorded == sysctl.read_recorded() | {"net.ipv4.ip_default_ttl": "64"}


@namespaced
def test_names_are_of_all_settings_that_can_be_read():
    names = sysctl.list_names()
    assert names == sorted(set(names))
    assert {FIN_TIMEOUT, "net.core.somaxconn", "net.ipv4.conf.lo.rp_filter", "net.ipv6.conf.all.disable_ipv6"} <= set(
        names
    )
    assert all(name.startswith("net.") and sysctl.sysctl_path(name).is_file() for name in names)
    assert "net.ipv4.route.flush" not in names  # it can be written only
    unset = [name for name in names if sysctl.read(name) is None]
    assert {name.rpartition(".")[2] for name in unset} <= {"stable_secret"}  # EIO until it is set


@namespaced
def test_a_name_that_the_dots_of_an_interface_would_make_ambiguous_is_left_out():
    made = ["ip", "link", "add", "a.1", "type", "bridge"]
    if subprocess.run(made, capture_output=True, check=False).returncode != 0:
        pytest.skip("this kernel has no bridge, to have an interface with such a name")
    assert sysctl.ROOT.joinpath("net/ipv4/conf/a.1").is_dir()
    assert not [name for name in sysctl.list_names() if "a.1" in name]


def test_settings_of_the_whole_host_are_on_it_and_in_no_namespace_of_its_own():
    here = set(sysctl.list_names())
    if sysctl.INITIAL_NAMESPACE_ONLY not in here:
        pytest.skip("these tests do not run in the first network namespace")
    assert len(here & set(sysctl.WHOLE_HOST)) > 8
    none_of_them_in_a_namespace()
    with pytest.raises(NotApplicableError, match=r"no setting net\.ipv4\.zzz\.$"):
        sysctl.read_existing("net.ipv4.zzz")


@namespaced
def none_of_them_in_a_namespace():
    assert not set(sysctl.list_names()) & set(sysctl.WHOLE_HOST)


@namespaced
def test_a_setting_of_the_whole_host_is_said_to_be_one():
    with pytest.raises(NotApplicableError, match=r"tcp_mem in a private namespace: it exists for the whole host"):
        sysctl.write("net.ipv4.tcp_mem", "1 2 3")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("net.ipv4.zzz", True),
        ("net.zzz.tcp_fin_timeout", True),
        (f"net.{'z' * 300}", True),
        (f"net.{'z' * 300}.z", True),
        ("net.ipv4.route.flush", False),
        ("net.ipv4", False),
        ("kernel.zzz", False),
        ("net.\0", False),
    ],
)
@namespaced
def test_only_what_this_kernel_does_not_have_is_not_applicable(name, missing):
    with pytest.raises(UsageError) as raised:
        sysctl.write(name, "7")
    assert isinstance(raised.value, NotApplicableError) == missing


@pytest.mark.parametrize(
    ("name", "current", "value", "same"),
    [
        (FIN_TIMEOUT, "7", " 7\n", True),
        (FIN_TIMEOUT, "10", "012", False),
        ("net.ipv4.ip_local_port_range", "1 2", "1\t2", True),
        (RESERVED, "8080-8081", "8081,8080", True),
        (RESERVED, "", "", True),
        (RESERVED, "", "none", False),
        (RESERVED, "8080", "8081", False),
    ],
)
def test_the_same_value_may_be_written_in_several_ways(name, current, value, same):
    assert sysctl.is_same_value(name, current, value) == same


@namespaced
def test_a_misspelt_setting_is_answered_with_the_nearest():
    with pytest.raises(
        UsageError, match=r"no setting net\.ipv4\.tcp_fin_timeuot .*did you mean net\.ipv4\.tcp_fin_timeout\?"
    ):
        sysctl.write("net.ipv4.tcp_fin_timeuot", "7")


@namespaced
def test_a_setting_in_a_missing_folder_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match=r"did you mean net\.ipv4\.tcp_fin_timeout\?"):
        sysctl.write("net.ipv44.tcp_fin_timeout", "7")


@namespaced
def test_nothing_is_guessed_for_a_name_like_no_other():
    with pytest.raises(UsageError, match=r"no setting net\.ipv4\.zzz in a private namespace\.$"):
        sysctl.write("net.ipv4.zzz", "7")


@pytest.mark.parametrize("value", ["soon", "-1x", "99999999999999999999"])
@namespaced
def test_a_value_that_the_kernel_refuses_is_wrong_use(value):
    before = sysctl.read(FIN_TIMEOUT)
    with pytest.raises(UsageError, match=f"The kernel refuses {FIN_TIMEOUT}={value}: Invalid argument"):
        sysctl.write(FIN_TIMEOUT, value)
    assert sysctl.read(FIN_TIMEOUT) == before


@pytest.mark.parametrize(
    "name", ["kernel.hostname", "net/ipv4/tcp_fin_timeout", "net...kernel.hostname", "network.x", ""]
)
@namespaced
def test_only_network_settings_are_touched(name):
    with pytest.raises(UsageError, match="is not a network setting"):
        sysctl.write(name, "7")


@namespaced
def test_a_setting_that_may_only_be_read_is_the_lab_s_failure():
    name = "net.ipv4.tcp_available_congestion_control"
    with pytest.raises(LabError, match=f"{name} may not be written here: "):
        sysctl.write(name, "cubic")


@namespaced
def test_a_value_that_the_kernel_reads_otherwise_is_wrong_use():
    with pytest.raises(UsageError, match="was set to 012 but reads 10"):  # the kernel reads octal
        sysctl.write(FIN_TIMEOUT, "012")


@pytest.mark.parametrize("value", ["8080,9000-9002", "8080,8081", "9000,8080", "8080-8080"])
@namespaced
def test_a_list_of_ports_may_come_back_in_the_kernel_s_own_spelling(value):
    sysctl.write(RESERVED, value)
    assert sysctl.read(RESERVED)


@namespaced
def test_a_list_of_ports_can_be_emptied():
    sysctl.write(RESERVED, "8080")
    sysctl.write(RESERVED, "")
    assert sysctl.read(RESERVED) == ""


@pytest.mark.parametrize("name", ["net.ipv4", "net.ipv4.", "net.ipv4.route.flush"])
@namespaced
def test_a_name_that_cannot_be_read_is_refused_in_a_sentence(name):
    with pytest.raises(ConnstormError, match=re.escape(name)):
        sysctl.write(name, "1")


def test_what_an_older_kernel_does_by_itself_is_not_asked_of_it():
    old, new = (lambda _: False), (lambda _: True)
    wanted = {"net.ipv4.tcp_syn_linear_timeouts": "0", "net.ipv4.tcp_syn_retries": "1"}
    assert sysctl.drop_implied(wanted, old) == {"net.ipv4.tcp_syn_retries": "1"}
    assert sysctl.drop_implied(wanted, new) == wanted
    other = {"net.ipv4.tcp_syn_linear_timeouts": "2"}
    assert sysctl.drop_implied(other, old) == other  # which is refused later
