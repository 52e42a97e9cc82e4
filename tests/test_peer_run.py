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
from command import UNDRAWN, program
from kill_points import UNTIL_CLEAN_S, both_states, leftovers, main, until_storm
from private_network import ROOT
from two_hosts import SSH_PORT, two_hosts

from stress.lab import wait
from stress.model.peer import Transport
from stress.store import run_folder

KILL_POINTS = int(os.environ.get("CONNSTORM_KILL_POINTS", "0"))
SLOW = ("clean", "--attempts", "5000", "--rate", "200")  # 25 s, if nothing ends them
ENDINGS = {  # by name: which process of a storm is sent what
    "relay killed": ("relay_process", signal.SIGKILL),
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
    options = ("--remote-connstorm", marked(name), "--listen-port", port, "-o", results, UNDRAWN)
    return hosts.client.start(*program("run", *arguments, *options), text=True)


def end(hosts, name, process):
    """Wait for a program to end."""
    stdout, stderr = process.communicate(timeout=200)
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
        "wrong login": start(hosts, "wrong login", 6013, *SLOW, "--peer", "nobody"),
    }
    answers = {}
    cut = start(cut_hosts, "cut", 6000, *SLOW, "--deadline", "1", "--peer", cut_hosts.peer())
    for process in (cut, *running.values()):
        until_storm(process)
    time.sleep(2)  # a busy machine begins to storm late
    cut_hosts.set_link("down")
    for name, (words, number) in ENDINGS.items():
        os.kill(find_process(hosts, name, words), number)
    for name, process in {**running, **refusing}.items():
        answers[name] = end(hosts, name, process)
    answers["cut"] = end(cut_hosts, "cut", cut)
    answers["cut left"] = left_of_the_cut(cut_hosts)
    answers["left"] = leftovers(hosts, before | {"client": before["client"] | {"partial folders": []}})
    return answers


def left_of_the_cut(hosts):
    """Return which processes there are when both sides have had time to end."""
    left = []

    def are_gone():
        left[:] = [*hosts.client.pids().values(), *(line for line in hosts.server.pids().values() if "stress" in line)]
        return not left

    wait.wait_until(are_gone, UNTIL_CLEAN_S, 0.3)
    return left


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

try:
    run = api.run_across_link("clean", sys.argv[1], output=sys.argv[2], attempts=50, family=4)
except api.LabError as error:
    print(error)
else:
    print(run.summary.outcomes["connected"], run.record.acts[0].peer.name, run.record.plan.target)
"""


def test_a_program_is_told_why_a_host_cannot_be_reached(hosts):
    ended = hosts.client.run(sys.executable, "-c", API, "stranger", hosts.client.results / "api")
    assert ended.stdout.startswith("stranger cannot be reached by ssh: Host key is not trusted"), ended.stderr


def test_whatever_ends_a_storm_nothing_is_left_on_either_host(ended):
    assert ended["left"] == []


def test_what_was_recorded_until_the_relay_was_killed_is_stored(ended):
    assert ended["relay killed"].code == 3, ended["relay killed"].stderr
    assert "The process that talks to lab2 ended with SIGKILL, so the storm" in ended["relay killed"].stderr
    run, _ = ended["relay killed"].read()
    assert run.record.interrupted
    assert 0 < len(run.attempts) < 5000
    assert run.record.acts[0].peer.lost in ended["relay killed"].stderr


def test_a_link_that_goes_down_ends_both_sides_and_keeps_what_was_recorded(ended):
    assert ended["cut"].code == 3, ended["cut"].stderr
    assert "lab2 has said nothing for 5 s, so the storm was ended." in ended["cut"].stderr
    run, _ = ended["cut"].read()
    assert run.record.interrupted
    assert {0, errno.ENETUNREACH} <= set(run.attempts["error"])
    assert ended["cut left"] == []


def test_ctrl_c_ends_a_storm_and_stores_it(ended):
    assert ended["interrupted"].code == 130
    run, _ = ended["interrupted"].read()
    assert run.record.interrupted
    assert run.record.acts[0].peer.lost is None
    assert 0 < len(run.attempts) < 5000


def test_a_login_that_is_refused_is_told_in_a_sentence(ended):
    refused = ended["wrong login"]
    assert refused.code == 3
    assert "nobody cannot be reached by ssh: Permission denied" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.runs == []


@pytest.mark.only_with("CONNSTORM_KILL_POINTS")
def test_no_kill_at_any_point_leaves_anything():
    assert main(KILL_POINTS) == 0
