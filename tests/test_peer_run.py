# SPDX-License-Identifier: MIT
"""connstorm run --peer: two hosts, a real ssh server, whole commands; and whatever ends a storm in the middle.

All storms of the default tests run at once, on ports of their own, because most of their time is waiting.
"""

import errno
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import program
from kill_points import both_states, leftovers, main, until_storm
from private_network import ROOT
from two_hosts import SSH_PORT, two_hosts

from stress.model.peer import Transport
from stress.store import run_folder

KILL_POINTS = int(os.environ.get("CONNSTORM_KILL_POINTS", "0"))
SLOW = ("clean", "--attempts", "2000", "--rate", "200")  # ten seconds, if nothing ends them
ENDINGS = {  # by name: which process of a storm is sent what
    "relay killed": ("relay_process", signal.SIGKILL),
    "server killed": ("serve --stdio", signal.SIGKILL),
    "interrupted": ("stress run clean", signal.SIGINT),
}


@dataclass
class Ended:
    """What a program said until its end, and its runs."""

    code: int
    stdout: str
    stderr: str
    runs: list[Path]

    def read(self):
        """Return its only run."""
        (path,) = self.runs
        return run_folder.read(path)


def marked(name):
    """Return how this program is started so that its command line tells for which storm."""
    return f"{sys.executable} -X {name.replace(' ', '_')} -m stress"


def start(hosts, name, port, *arguments):
    """Start a storm with results of its own; its processes on both hosts can be told by their command lines."""
    results = hosts.client.results / name.replace(" ", "_")
    results.mkdir()
    options = ("--remote-connstorm", marked(name), "--listen-port", port, "-o", results)
    return hosts.client.start(*program("run", *arguments, *options), text=True)


def end(hosts, name, process):
    """Wait for a program to end."""
    stdout, stderr = process.communicate(timeout=60)
    runs = list((hosts.client.results / name.replace(" ", "_")).iterdir())
    return Ended(process.returncode, stdout, stderr, runs)


def find_process(hosts, name, words):
    """Return the process ID of one of a storm's processes, by words of its command line."""
    mark = name.replace(" ", "_")
    there = {pid: line for host in (hosts.client, hosts.server) for pid, line in host.pids().items()}
    cell = next(pid for pid, line in there.items() if "run-cell" in line and mark in line)
    if words == "relay_process":
        children = Path(f"/proc/{cell}/task/{cell}/children").read_text().split()
        return next(int(pid) for pid in children if words in there.get(int(pid), ""))
    (pid,) = [pid for pid, line in there.items() if words in line and mark in line and "sh -c" not in line]
    return pid


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with two_hosts(tmp_path_factory.mktemp("hosts"), as_root=ROOT) as made:
        made.serve_ssh()
        config = made.client.home / ".ssh" / "config"
        entry = f"HostName {made.server.control[4]}\nPort {SSH_PORT}\nIdentitiesOnly yes\n"
        key = made.server.root / "host_key"  # which nobody may log in with
        with config.open("a") as file:
            file.write(f"Host stranger\n{entry}UserKnownHostsFile /dev/null\nIdentityFile {key}\n")
            file.write(f"Host jumped\n{entry}UserKnownHostsFile {config.parent}/known_hosts\nProxyJump lab2-6\n")
            file.write(f"IdentityFile {config.parent}/id\n")
            file.write(f"Host nobody\n{entry}UserKnownHostsFile {config.parent}/known_hosts\nIdentityFile {key}\n")
        yield made


@pytest.fixture(scope="module")
def cut_hosts(tmp_path_factory):
    """Two more hosts, whose link goes down."""
    with two_hosts(tmp_path_factory.mktemp("cut"), as_root=False) as made:
        made.serve_ssh()
        yield made


@pytest.fixture(scope="module")
def ended(hosts, cut_hosts):
    """End storms in the middle, and let others end by themselves."""
    before = both_states(hosts)
    running = {
        name: start(hosts, name, 6000 + number, *SLOW, "--peer", hosts.peer()) for number, name in enumerate(ENDINGS)
    }
    refusing = {
        "unknown key": start(hosts, "unknown key", 6011, *SLOW, "--peer", "stranger"),
        "jumped": start(hosts, "jumped", 6014, *SLOW, "--peer", "jumped"),
        "wrong login": start(hosts, "wrong login", 6013, *SLOW, "--peer", "nobody"),
    }
    answers = {}
    cut = start(cut_hosts, "cut", 6000, *SLOW, "--deadline", "1", "--peer", cut_hosts.peer())
    for process in (cut, *running.values()):
        until_storm(process)
    time.sleep(0.5)
    cut_hosts.set_link("down")
    for name, (words, number) in ENDINGS.items():
        os.kill(find_process(hosts, name, words), number)
    for name, process in {**running, **refusing}.items():
        answers[name] = end(hosts, name, process)
    answers["cut"] = end(cut_hosts, "cut", cut)
    answers["cut left"] = (
        cut_hosts.client.pids(),
        [line for line in cut_hosts.server.pids().values() if "stress" in line],
    )
    answers["left"] = leftovers(hosts, before | {"client": before["client"] | {"partial folders": []}})
    return answers


def test_a_storm_across_a_link_is_one_run_of_both_ends(hosts):
    arguments = ("clean", "--attempts", "200", "--peer", hosts.peer(6), "--json")
    done = end(hosts, "whole", start(hosts, "whole", 6020, *arguments))
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["summary"]["outcomes"]["connected"] == 200
    run, summary = done.read()
    (act,) = run.record.acts
    assert (act.plan.target, act.plan.source) == (hosts.server.control[6], hosts.client.control[6])
    assert (act.peer.name, act.peer.transport, act.peer.lost) == (hosts.peer(6), Transport.SSH, None)
    assert all(claim.balanced for claim in summary.books)
    assert hosts.is_quiet()


API = """
import sys
from stress import api

run = api.run_across_link("clean", sys.argv[1], remote_connstorm=sys.argv[2], output=sys.argv[3], attempts=50, family=4)
print(run.summary.outcomes["connected"], run.record.acts[0].peer.name, run.record.plan.target)
"""


def test_a_program_storms_across_a_link_too(hosts):
    ended = hosts.client.run(sys.executable, "-c", API, hosts.peer(), marked("api"), hosts.client.results / "api")
    assert ended.stdout.split() == ["50", hosts.peer(), hosts.server.control[4]], ended.stderr


def test_whatever_ends_a_storm_nothing_is_left_on_either_host(ended):
    assert ended["left"] == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("relay killed", "The process that talks to lab2 ended with SIGKILL, so the storm was ended."),
        ("server killed", "lab2 was lost: "),
    ],
)
def test_what_was_recorded_until_the_other_host_was_lost_is_stored(ended, name, words):
    assert ended[name].code == 3, ended[name].stderr
    assert words in ended[name].stderr
    run, _ = ended[name].read()
    assert run.record.interrupted
    assert 0 < len(run.attempts) < 2000
    assert run.record.acts[0].peer.lost in ended[name].stderr


def test_a_link_that_goes_down_ends_both_sides_and_keeps_what_was_recorded(ended):
    assert ended["cut"].code == 3, ended["cut"].stderr
    assert "lab2 has said nothing for 5 s, so the storm was ended." in ended["cut"].stderr
    run, _ = ended["cut"].read()
    assert run.record.interrupted
    assert {0, errno.ENETUNREACH} <= set(run.attempts["error"])
    assert ended["cut left"] == ({}, [])


def test_ctrl_c_ends_a_storm_and_stores_it(ended):
    assert ended["interrupted"].code == 130
    run, _ = ended["interrupted"].read()
    assert run.record.interrupted
    assert run.record.acts[0].peer.lost is None
    assert 0 < len(run.attempts) < 2000


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jumped", "The connection to jumped leads through a proxy, which hides its address; name the one to storm"),
        ("unknown key", "stranger cannot be reached by ssh: Host key is not trusted"),
        ("wrong login", "nobody cannot be reached by ssh: Permission denied"),
    ],
)
def test_a_host_that_cannot_be_reached_is_refused_in_a_sentence(ended, name, words):
    assert ended[name].code == (2 if name == "jumped" else 3)
    assert words in ended[name].stderr
    assert "Traceback" not in ended[name].stderr
    assert ended[name].runs == []


@pytest.mark.skipif(not KILL_POINTS, reason="CONNSTORM_KILL_POINTS says at how many points to kill")
def test_no_kill_at_any_point_leaves_anything():
    assert main(KILL_POINTS) == 0
