# SPDX-License-Identifier: MIT
"""Kill any process of a storm across a link at any moment, and look for what is left on both hosts.

As a program, ``kill_points.py COUNT [SEED [AS_ROOT]]`` does so COUNT times; the moment and the process
are drawn each time.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from command import program
from private_network import ROOT
from two_hosts import SSH_PORT, two_hosts

from stress.lab import wait
from stress.store import run_folder

RATE = 200
TLS_SHARE = 0.3  # of the points
STORMS = {  # by name: the scenario and its options; each lasts some two seconds
    "mines": ("closewait", "--mines", "20", "--attempts", "400", "--rate", RATE, "--deadline", "1"),
    "workers": ("clean", "--workers", "2", "--attempts", "400", "--rate", RATE),
    "rules": ("syn-rate-limit", "--act", "20 per second", "--set-host"),
    "settings": ("clean", "--attempts", "400", "--rate", RATE, "--set", "net.ipv4.tcp_syn_retries=3", "--set-host"),
}
UNTIL_ENDED_S = 120.0  # the client's program, after a kill
UNTIL_SILENT_S = 20.0  # a serving side whose client is gone
JOIN_WORD = re.compile(r"storm1-\S+")
UNTIL_CLEAN_S = 60.0  # both hosts: silence is 5 s, and what was changed is undone after it
VOLATILE = re.compile(
    r"nf_conntrack_(count|buckets)|fib_info|neigh.*|route\.(flush|gc)|stat|cache|random|tcp_mem|udp_mem"
)
READ_SETTINGS = """
from stress.lab import sysctl
for name in sorted(sysctl.list_names()):
    try:
        print(name, *sysctl.read(name).split())
    except Exception as error:
        print(name, type(error).__name__)
"""


@dataclass
class KillPoint:
    """What was killed and what came of it.

    Attributes:
        killed: the host and the command line of the process; empty when it had ended by then.
        code: exit code of the client's program.
        stderr: what it said.
        left: sentences on what is left; empty as it should be.
        runs: the run folders.
    """

    killed: str
    code: int
    stderr: str
    left: list[str]
    runs: list[Path]


def host_state(host):
    """Return all of a host that a storm may change, by name."""
    sockets = host.run("ss", "-Htlnp").stdout.splitlines()
    return {
        "settings": [
            line
            for line in host.run(sys.executable, "-c", READ_SETTINGS).stdout.splitlines()
            if not VOLATILE.search(line)
        ],
        "tables": host.run("nft", "list", "tables").stdout.splitlines() if shutil.which("nft") else [],
        "routes": [  # but for those of link-local addresses, which appear when duplicates were looked for
            line
            for family in ("-4", "-6")
            for line in host.run("ip", family, "route", "show", "table", "all").stdout.splitlines()
            if "fe80:" not in line
        ],
        "queues": host.run("tc", "qdisc", "show").stdout.splitlines() if shutil.which("tc") else [],
        "listening": [line for line in sockets if f":{SSH_PORT} " not in line],
        "files in TMPDIR": [path.name for path in host.tmp.iterdir()],
        "files of changes": [
            str(path.relative_to(host.state))
            for path in host.state.rglob("*")
            if path.is_file() and path.stat().st_size
        ],
        "partial folders": [path.name for path in host.results.iterdir() if path.name.startswith(".")],
    }


def processes(hosts):
    """Return the host, the process ID and the command line of each process of a storm, on both hosts."""
    server = {hosts.ssh.pid}
    return [
        (host.name, pid, line)
        for host in (hosts.client, hosts.server)
        for pid, line in host.pids().items()
        if pid not in server and not line.startswith("nsenter")
    ]


def start_storm(hosts, storm, word=None):
    """Start a storm, over ssh or with a join word."""
    where = f"{hosts.server.control[4]}" if word else hosts.peer()
    how = ("--join", word) if word else hosts.remote
    arguments = (*STORMS[storm], "--peer", where, *how, "-o", hosts.client.results)
    return hosts.client.start(*program("run", *arguments), text=True)


def invite(hosts):
    """Start a serving side for one client; return it and its join word."""
    own, other = hosts.server.control[4], hosts.client.control[4]
    serving = hosts.server.start(*program("serve", "--from", other, "--address", own, "--set-host"), text=True)
    while not (match := JOIN_WORD.search(serving.stdout.readline())):
        assert serving.poll() is None
    return serving, match.group()


def end_invitation(serving):
    """Wait for a serving side whose client is gone; end one that nobody joined. Return what is wrong, in sentences."""
    try:
        serving.communicate(timeout=UNTIL_SILENT_S)
    except subprocess.TimeoutExpired:
        serving.terminate()
        stdout, _ = serving.communicate()
        return ["the serving side goes on without a client"] if "has joined" in stdout else []
    return []


def until_storm(running):
    """Read what a storm's program says until it storms; return that."""
    lines = []
    while (line := running.stderr.readline()) and "storm of" not in line:
        lines.append(line)
    return "".join(lines) + line


def leftovers(hosts, before):
    """Return sentences on what is left on both hosts once they had their time."""
    left = []

    def look():
        left[:] = [f"process on {name}: {line}" for name, _, line in processes(hosts)]
        if not left:
            for host in (hosts.client, hosts.server):
                for what, value in host_state(host).items():
                    if value != before[host.name][what]:
                        left.append(f"{what} of {host.name}: {set(value) ^ set(before[host.name][what])}")
        return not left

    wait.wait_until(look, UNTIL_CLEAN_S, 0.3)
    return left


def both_states(hosts):
    """Return the state of both hosts by name."""
    return {host.name: host_state(host) for host in (hosts.client, hosts.server)}


def kill_one(hosts, before, storm, choose, *, moment_s=None, over_tls=False):
    """Start a storm, kill a process of it, and return what came of it.

    Args:
        hosts: two hosts with an ssh server.
        before: their ``both_states``.
        storm: its name in STORMS.
        choose: takes the processes and returns the one to kill, or None.
        moment_s: after the start; None: while it storms.
        over_tls: whether a serving side is started by hand, and joined.
    """
    serving, word = invite(hosts) if over_tls else (None, None)
    running = start_storm(hosts, storm, word)
    said = ""
    if moment_s is None:
        said = until_storm(running)
        time.sleep(0.3)
    else:
        time.sleep(moment_s)
    chosen = choose(processes(hosts))
    if chosen is not None:
        try:
            os.kill(chosen[1], signal.SIGKILL)
        except ProcessLookupError:
            chosen = None
    _, stderr = running.communicate(timeout=UNTIL_ENDED_S)
    left = (end_invitation(serving) if serving else []) + leftovers(hosts, before)
    runs = [path for path in hosts.client.results.iterdir() if not path.name.startswith(".")]
    for path in runs:
        run_folder.read(path)  # complete
    return KillPoint(f"{chosen[0]}: {chosen[2]}" if chosen else "", running.returncode, said + stderr, left, runs)


def forget_runs(hosts):
    """Remove the run folders."""
    for path in hosts.client.results.iterdir():
        shutil.rmtree(path)


def main(count, seed=1, as_root=ROOT):
    """Kill at ``count`` points; return how many left something. As another than root the ssh server is asyncssh's."""
    generator = random.Random(seed)
    bad = 0
    with tempfile.TemporaryDirectory() as folder, two_hosts(Path(folder), as_root=bool(as_root)) as hosts:
        hosts.serve_ssh()
        before = both_states(hosts)
        for number in range(count):
            storm = generator.choice(list(STORMS))
            moment_s = generator.uniform(0, 4)
            choose = lambda there: generator.choice(there) if there else None  # noqa: E731
            over_tls = generator.random() < TLS_SHARE
            point = kill_one(hosts, before, storm, choose, moment_s=moment_s, over_tls=over_tls)
            bad += bool(point.left)
            verdict = "LEFT " + "; ".join(point.left) if point.left else "clean"
            how = f"{storm} by {'TLS' if over_tls else 'ssh'} after {moment_s:.2f} s"
            sys.stdout.write(f"{number} {how}, code {point.code}, {point.killed[:110]!r}: {verdict}\n")
            sys.stdout.flush()
            forget_runs(hosts)
    sys.stdout.write(f"{bad} of {count} points left something\n")
    return bad


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
