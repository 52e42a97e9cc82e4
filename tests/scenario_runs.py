# SPDX-License-Identifier: MIT
"""Every scenario once, scaled down, by the real command; pytest's processes share the runs."""

import fcntl
import functools
import inspect
import io
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from command import connstorm
from rich.console import Console

from stress.analysis.attribution.findings import Findings
from stress.analysis.attribution.summary import analyse
from stress.cli.main import connstorm as group
from stress.cli.options import make_plan
from stress.cli.peer import PeerChoice, take_peer_choice
from stress.cli.profile import ProfileChoice, take_profile_choice
from stress.cli.run import run as run_options
from stress.model.errors import LabError
from stress.model.progress import ignore_progress
from stress.run import process
from stress.run.template import Template
from stress.run.time_limit import longest_s
from stress.store import run_folder
from stress.storm.catalogue import SCENARIOS, find_scenario
from stress.view.text.run_report import run_report

SMALL = ["--port-range", "40000-40999", "--mines", "60"]
SHORT = ["--set", "net.ipv4.tcp_syn_retries=1", "--set", "net.ipv4.tcp_syn_linear_timeouts=0"]
FIREWALLS = ("rst-dropped", "challenge-dropped")

# The name of each run, and the command's arguments. Those that mostly wait come first.
RUNS = {
    "reuseport-stuck": ["reuseport-stuck"],
    "fin-wait-2": ["fin-wait-2"],
    "port-exhaustion": ["port-exhaustion"],
    "article": ["article", "--fast", "--attempts", "4000"],
    "accept-queue": ["accept-queue", "--attempts", "300", "--window", "300"],
    "accept-queue 6": ["accept-queue", "--attempts", "300", "--window", "300", "--family", "6"],
    "loss": ["loss", "--attempts", "200", "--rate", "1000"],
    "loss 6": ["loss", "--attempts", "200", "--rate", "1000", "--family", "6"],
    "policy": ["policy", "--rate", "1000"],
    "syn-rate-limit": ["syn-rate-limit"],
    "slow-link": ["slow-link"],
    "slow-link 6": ["slow-link", "--family", "6"],
    "ecn": ["ecn", "--attempts", "100", "--rate", "80"],
    "ecn 6": ["ecn", "--attempts", "100", "--rate", "80", "--family", "6"],
    "mptcp": ["mptcp", "--attempts", "100", "--rate", "80"],
    "mptcp 6": ["mptcp", "--attempts", "100", "--rate", "80", "--family", "6"],
    "tfo": ["tfo", "--attempts", "100", "--rate", "80"],
    "tfo 6": ["tfo", "--attempts", "100", "--rate", "80", "--family", "6"],
    "egress-drop": ["egress-drop", "--attempts", "100", "--rate", "1000"],
    "egress-drop 6": ["egress-drop", "--attempts", "100", "--rate", "1000", "--family", "6"],
    "self-connect": ["self-connect", "--rate", "2000"],
    "self-connect 6": ["self-connect", "--rate", "2000", "--family", "6"],
    "reserved-ports": ["reserved-ports", "--rate", "1000"],
    "no-source": ["no-source", "--rate", "1000"],
    "neighbour": ["neighbour", "--rate", "2000"],
    "neighbour 6": ["neighbour", "--rate", "2000", "--family", "6"],
    "rp-filter": ["rp-filter", "--rate", "1000"],
    "martian": ["martian", "--rate", "1000"],
    "rejected": ["rejected"],
    "rejected 6": ["rejected", "--family", "6"],
    "no-route-back": ["no-route-back", "--rate", "2000"],
    "no-route-back 6": ["no-route-back", "--rate", "2000", "--family", "6"],
    "fd-exhaustion": ["fd-exhaustion"],
    "fd-exhaustion 6": ["fd-exhaustion", "--family", "6"],
    "challenge-limit": ["challenge-limit", *SMALL, "--set", "net.ipv4.tcp_challenge_ack_limit=20"],
    "challenge-limit 6": ["challenge-limit", *SMALL, "--set", "net.ipv4.tcp_challenge_ack_limit=20", "--family", "6"],
    **{
        f"{name} {firewall} {family}": [name, *SMALL, "--firewall", firewall, "--family", family]
        for name in FIREWALLS
        for firewall in ("nft", "bpf")
        for family in ("4", "6")
    },
    **{
        f"time-wait-nat{name}": [
            *("time-wait-nat", "--port-range", "40000-40199", "--mines", "100", "--rate", "1000", "--family", family)
        ]
        for name, family in (("", "4"), (" 6", "6"))
    },
    "snat-race": ["snat-race", "--port-range", "40000-40399"],
    "snat-race 6": ["snat-race", "--port-range", "40000-40399", "--family", "6"],
    "snat-exhausted": ["snat-exhausted", "--rate", "1000"],
    "snat-exhausted 6": ["snat-exhausted", "--rate", "1000", "--family", "6"],
    "keepalive-cure": ["keepalive-cure", *SMALL],
    "listener-reload": ["listener-reload"],
    "listener-reload 6": ["listener-reload", "--family", "6"],
    "translator": ["translator"],
    "translator 6": ["translator", "--family", "6"],
    "conntrack-invalid": ["conntrack-invalid", *SMALL],
    "conntrack-invalid 6": ["conntrack-invalid", *SMALL, "--family", "6"],
    "clean": ["clean", "--port-range", "40000-40999"],
    "clean 6": ["clean", "--port-range", "40000-40999", "--family", "6"],
    "one-second": ["one-second", *SMALL],
    "one-second 6": ["one-second", *SMALL, "--close", "fin", "--family", "6"],
    "syn-queue": ["syn-queue", "--attempts", "150"],
    "syn-queue 6": ["syn-queue", "--attempts", "150", "--family", "6"],
    "conntrack-full": ["conntrack-full"],
    "conntrack-full 6": ["conntrack-full", "--family", "6"],
    "closewait": ["closewait", *SMALL],
    "closewait 6": ["closewait", *SMALL, "--family", "6"],
    "half-open": ["half-open", "--port-range", "40000-40299", "--mines", "40"],
    "half-open 6": ["half-open", "--port-range", "40000-40299", "--mines", "40", "--family", "6"],
    "port-choice": ["port-choice", "--mines", "200", "--attempts", "8000"],
    "port-choice 6": ["port-choice", "--mines", "200", "--attempts", "8000", "--family", "6"],
    "port-cost": ["port-cost", "--port-range", "40000-43999"],
    "port-cost 6": ["port-cost", "--port-range", "40000-43999", "--family", "6"],
    # Three causes at once: mines, a full accept queue, and attempts that hold every port; so slow that some
    # collisions are over before the queue is full.
    "mixed": ["closewait", "--ports", "kernel", "--port-range", "40000-40499", "--mines", "150", "--serve", "nobody",
              "--backlog", "200", "--attempts", "800", "--window", "800", "--rate", "5000", *SHORT],
    "mixed 6": ["closewait", "--ports", "kernel", "--port-range", "40000-40499", "--mines", "150", "--serve", "nobody",
                "--backlog", "200", "--attempts", "800", "--window", "800", "--rate", "5000", *SHORT, "--family", "6"],
}  # fmt: skip
WITNESS = ["--evidence", "kernel"] if os.geteuid() == 0 else []  # the kernel's own word, where it can be had
OF_THE_COMMAND = inspect.signature(run_options.callback).parameters  # these are no options of a plan
# Drawn as the command draws: figures of their own, mines, a router, a translator, several causes, nothing slow.
DRAWN = ("article", "mixed", "clean", "reuseport-stuck", "port-cost", "port-choice", "rejected", "snat-race",
         "syn-rate-limit", "one-second")  # fmt: skip
AT_ONCE = 3  # two CPUs, and most of the time somebody waits for a timeout


def is_translated(name):
    """Return whether 4-tuples differ from host to host in a run, so that the kernel's own word is not joined."""
    return SCENARIOS[RUNS[name][0]].plan.world.translates


@dataclass(frozen=True)
class Ended:
    """A run that is over: what the command said, and its findings."""

    code: int
    said: str
    findings: Findings | None


def is_drawn(name):
    """Return whether a run is stored with figures, which take two seconds: one of each kind of figure and network."""
    return name in DRAWN


def run_command(arguments, results):
    """Run the command; return its exit code and what it said."""
    done = connstorm("run", *arguments, "--output", str(results), timeout=380)
    return done.returncode, done.stderr if done.returncode else done.stdout


def run_undrawn(arguments, results):
    """Do what the command does but for the figures; return the same."""
    given = run_options.make_context("run", list(arguments), **group.context_settings).params
    options = {name: value for name, value in given.items() if name not in OF_THE_COMMAND}
    assert take_peer_choice(options) == PeerChoice()
    assert take_profile_choice(options, is_local=True) == ProfileChoice()
    plan = make_plan(find_scenario(given["name"]).plan, options)
    ended = process.CellProcess(plan, results, ("--no-draw",), longest_s(plan), template=template()).wait(
        ignore_progress
    )
    if ended.path is None:
        return ended.failure.exit_code, ended.failure.text
    path = ended.path
    observed, summary = run_folder.read(path)
    report = Console(file=io.StringIO(), width=80)
    report.print(run_report(observed.record, summary, path))
    return 0, report.file.getvalue()


def run_balanced(storm, arguments, results):
    """Run a scenario, and once more if its books did not balance because this machine was busy.

    A queue is then not as full as it is meant to be; whatever was unknown for that reason has no wrong name.
    """
    code, text = storm(arguments, results)
    if code == 0:
        (path,) = results.iterdir()
        run, summary = run_folder.read(path)
        is_busy = any(act.stalls for act in run.record.acts)
        if is_busy and not all(claim.balanced for claim in summary.books):
            shutil.rmtree(path)
            return storm(arguments, results)
    return code, text


def carry_out(name):
    """Carry out a run, or take what another of pytest's processes, or of this one's threads, has stored of it."""
    home = Path(os.environ["CONNSTORM_TEST_RUNS"]) / name.replace(" ", "-")
    home.mkdir(parents=True, exist_ok=True)
    said = home / "said.json"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            witness = [] if is_translated(name) else WITNESS
            storm = run_command if is_drawn(name) else run_undrawn
            said.write_text(json.dumps(run_balanced(storm, [*RUNS[name], *witness], home / "results")))
    code, text = json.loads(said.read_text())
    if code:
        return Ended(code, text, None)
    (path,) = (home / "results").iterdir()
    run, summary = run_folder.read(path)
    findings = analyse(run)
    assert findings.summary == summary
    return Ended(0, text, findings)


@functools.cache
def template():
    """Return the template of all undrawn runs, which ends with the thread that asks first."""
    return Template(os.environ | process.ONE_THREAD)


POOL = ThreadPoolExecutor(AT_ONCE)


@functools.cache
def begin(name):
    """Let a run be carried out, some at a time; return its future."""
    template()
    return POOL.submit(carry_out, name)


def begin_all():
    """Let every run be carried out, in their order, before anybody waits for one."""
    for name in RUNS:
        begin(name)


def ended_run(name):
    """Return what came of a run."""
    return begin(name).result()


def run_of(name):
    """Return the findings of a run; raise LabError when the command failed."""
    ended = ended_run(name)
    if ended.findings is None:
        raise LabError(f"{name} ended with code {ended.code}: {ended.said}")
    return ended.findings
