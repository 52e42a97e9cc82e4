# SPDX-License-Identifier: MIT
"""What a storm changes on a host, and that one kill of any process leaves nothing of it behind."""

import os
import random
import signal
import time
from pathlib import Path

import pytest
from changed_sysctls import TWO, doctor, files, folder, left_behind, values
from namespaced import namespaced

from stress.lab import firewall, sysctl_journal, wait
from stress.lab.host_changes import HostChange, HostChanges
from stress.lab.network import open_route
from stress.lab.own_route import PROTOCOL, OwnRoute
from stress.lab.owned_tables import OWNED, count_owned
from stress.model.errors import LabError, UsageError

__all__ = ["folder"]

CHAIN = 'chain {0} {{\ntype filter hook input priority 0;\ncounter comment "{0}"\n}}\n'
FIRST, SECOND = (f"table inet connstorm {{\n{OWNED}\n{CHAIN.format(name)}}}\n" for name in ("first", "second"))
ROUTES = [OwnRoute("192.0.2.9", "throw"), OwnRoute("2001:db8::9", "unreachable")]
CHANGES = (HostChange(sysctls=TWO), HostChange(routes=ROUTES), HostChange(rules=FIRST), HostChange(rules=SECOND))
KILL_POINTS = int(os.environ.get("CONNSTORM_KILL_POINTS", "2"))  # of each process
ENDED_S = 60.0

needs_nft = pytest.mark.skipif(not firewall.has_nft(), reason="nft is not installed (Debian package nftables)")


def own_routes():
    with open_route() as netlink:
        return sorted(str(route.get_attr("RTA_DST")) for route in netlink.get_routes() if route["proto"] == PROTOCOL)


def state():
    """Return all that the changes of these tests change."""
    return values(), own_routes(), firewall.list_rules()


def apply_all(changes):
    for change in CHANGES:
        changes.apply(change)


@needs_nft
@namespaced
def test_everything_is_changed_and_undone(folder):
    before = state()
    with HostChanges() as changes:
        apply_all(changes)
        assert values() == TWO
        assert own_routes() == ["192.0.2.9", "2001:db8::9"]
        assert count_owned() == {"first": 0, "second": 0}
        assert sysctl_journal.read_journal().pid == changes.process.pid
        changes.check()
    assert state() == before
    assert files(folder) == []
    assert changes.process.poll() == 0
    changes.undo()  # once more does nothing


@namespaced
def test_what_fails_is_told_and_what_was_changed_before_is_undone(folder):
    before = values()
    with HostChanges() as changes:
        changes.apply(HostChange(sysctls=TWO))
        for wrong, kind, words in (
            (HostChange(sysctls={"net.ipv4.tcp_fin_timeot": "3"}), UsageError, "did you mean"),
            (HostChange(routes=[ROUTES[0], ROUTES[0]]), LabError, "has a route to 192.0.2.9/32 already"),
            (HostChange(rules="table inet connstorm {\nflags owner; nonsense\n}\n"), LabError, "syntax error"),
        ):
            with pytest.raises(kind, match=words):
                changes.apply(wrong)
    assert (values(), own_routes(), files(folder)) == (before, [], [])


@namespaced
def test_a_route_of_others_is_neither_replaced_nor_removed():
    with open_route() as netlink:
        netlink.route("add", dst="192.0.2.9/32", type="blackhole")
        with HostChanges() as changes, pytest.raises(LabError, match="which is not replaced"):
            changes.apply(HostChange(routes=ROUTES))
        kinds = [route["type"] for route in netlink.get_routes() if route.get_attr("RTA_DST") == "192.0.2.9"]
    assert kinds == [6]  # RTN_BLACKHOLE


@namespaced
def test_sysctls_of_two_storms_exclude_each_other():
    left_behind()
    with HostChanges() as changes, pytest.raises(LabError, match="still modified"):
        changes.apply(HostChange(sysctls=TWO))


@namespaced
def test_a_change_by_somebody_else_is_left_alone_and_told():
    changes = HostChanges()
    changes.apply(HostChange(sysctls=TWO))
    Path("/proc/sys/net/ipv4/tcp_fin_timeout").write_text("7")
    with pytest.raises(LabError, match="is 7: somebody else changed it"):
        changes.undo()


def own_storm(writer):
    """Change the host as a storm does, until it is killed; return an exit code."""
    try:
        with HostChanges() as changes:
            apply_all(changes)
            os.write(writer, b"!")
            while not time.sleep(0.01):
                changes.check()
    except LabError as error:
        return 0 if "everything is as before" in str(error) else 2
    return 3


def second_process(owner):
    """Return the process that an owner has started, or None."""
    children = Path(f"/proc/{owner}/task/{owner}/children").read_text().split()
    return int(children[0]) if children else None


def killed_after(delay_s, whom):
    """Let a storm change this host, and kill its process or the second one after some time; None: in the middle."""
    reader, writer = os.pipe()
    owner = os.fork()
    if owner == 0:
        os.close(reader)
        code = 1
        try:
            code = own_storm(writer)
        finally:
            os._exit(code)
    os.close(writer)
    second = None
    if delay_s is None:
        assert os.read(reader, 1) == b"!"
    else:
        wait.wait_until(lambda: second_process(owner) is not None, ENDED_S, interval_s=0.001)
        time.sleep(delay_s)
    second = second_process(owner)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(second, number)  # it does not listen to these
    os.kill(owner if whom == "owner" else second, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(owner, 0)[1])
    assert status == (-signal.SIGKILL if whom == "owner" else 0)
    os.close(reader)
    assert wait.wait_until(lambda: sysctl_journal.process_start(second) is None, ENDED_S)


@needs_nft
@pytest.mark.parametrize("whom", ["owner", "second"])
@namespaced
def test_a_kill_at_any_point_leaves_nothing_behind(folder, whom):
    before = state()
    generator = random.Random(whom)
    for delay_s in [None, *(generator.uniform(0, 0.6) for _ in range(KILL_POINTS))]:
        killed_after(delay_s, whom)
        assert (state(), files(folder)) == (before, []), delay_s


@namespaced
def test_a_journal_that_was_not_finished_is_removed(folder):
    changes = HostChanges()
    folder.mkdir()
    sysctl_journal.unfinished_file().write_text("{")
    changes.process.kill()
    with pytest.raises(LabError, match="everything is as before"):
        changes.undo()
    assert files(folder) == []


@namespaced
def test_when_both_were_killed_the_sysctls_can_be_restored_later():
    before = values()
    changes = HostChanges()
    changes.apply(HostChange(sysctls=TWO))
    changes.process.kill()
    changes.process.wait()
    assert values() == TWO
    assert doctor().returncode == 0
    assert values() == before
