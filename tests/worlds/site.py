# SPDX-License-Identifier: MIT
"""The site of a world: a private network namespace, and the tools that make a world in it."""

import importlib.metadata
import os
import re
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stress import api
from stress.analysis.attribution.summary import analyse
from stress.lab import sysctl
from stress.lab.pdeathsig import die_with_parent
from stress.model.plan import EvidenceSource
from stress.model.run import Run
from stress.model.summary import Summary
from stress.run.stored_run import StoredRun
from stress.storm import run_plan
from stress.storm.check import plan_rules
from stress.storm.external_server import ExternalEnvironment
from worlds.truth import Verdict, evaluate_counts, evaluate_run
from worlds.world import FIXTURE, HERE, HOST

REPOSITORY = Path(__file__).parents[2]
PORT = 5000  # the server's
FIRST = 40000  # the client's first port
COMMAND_LIMIT_S = 200
INSTALLED = any(entry.value == "stress.pytest_plugin" for entry in importlib.metadata.entry_points(group="pytest11"))
PLUGIN = [] if INSTALLED else ["-p", "stress.pytest_plugin"]
SHORT = {"net.ipv4.tcp_syn_retries": 1, "net.ipv4.tcp_syn_linear_timeouts": 0}  # ETIMEDOUT after 3 s
STORM_TEST = """
from pathlib import Path
import msgspec
def test_storm(storm):
    storms = storm({address!r}, metric="duration", trials=1, {options})
    Path({answer!r}).write_bytes(msgspec.json.encode([answer.summary for answer in storms.answers]))
"""


class Site:
    """A private network namespace in which this process is; a world is made and stormed in it.

    Attributes:
        family: 4 or 6.
        way: to storm.
        port: the server's.
        verdict: of all storms so far, by counts.
        asked: the kernel's own word, asked for before this process entered its namespace; None: not asked.
        verdict_by_kernel: of the same storms, analysed with the kernel's own word.
    """

    def __init__(self, family, way=HERE, asked=None):
        self.asked = asked
        self.verdict_by_kernel = Verdict()
        self.family = family
        self.way = way
        self.port = PORT
        self.verdict = Verdict()
        self.loopback = "127.0.0.1" if family == 4 else "::1"
        self.any = "0.0.0.0" if family == 4 else "::"  # noqa: S104  # inside a private namespace
        self.ip = "ip" if family == 4 else "ip6"
        self.set(SHORT)
        self.ports(100)

    @property
    def address(self):
        """Where the storm goes."""
        return (self.loopback, self.port)

    def set(self, settings=None, **ipv4):
        """Set sysctls, by dotted names or by their last part below net.ipv4."""
        for name, value in ((settings or {}) | {f"net.ipv4.{name}": value for name, value in ipv4.items()}).items():
            sysctl.write(name, str(value))

    def ports(self, count):
        """Give the client ``count`` ports, from 40000 on."""
        self.set(ip_local_port_range=f"{FIRST} {FIRST + count - 1}")

    def call(self, command):
        """Run a command of the system; return what it says."""
        done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def rules(self, *rules, hook="input", sets="", priority="0", kind="filter"):
        """Add nft rules at a hook, in a table of their own."""
        table = f"{hook}_{kind}"
        body = "\n".join(rules)
        text = (
            f"table inet {table} {{ {sets}\nchain c {{ type {kind} hook {hook} priority {priority};\n{body}\n}}\n}}\n"
        )
        done = subprocess.run(["nft", "-f", "-"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}: {done.stderr}"

    def in_set(self, name, table="input_filter"):
        """Return the ports in a set of nft."""
        listing = self.call(f"nft list set inet {table} {name}")
        _, _, elements = listing.partition("elements")
        return {int(number) for number in re.findall(r"\b\d+\b", elements)}

    def fork(self, function, *arguments):
        """Run a function in a process of its own, which is ended with the world."""
        child = os.fork()
        if child == 0:
            die_with_parent(signal.SIGKILL)
            try:
                function(*arguments)
            finally:
                os._exit(1)
        return child

    def storm(self, *parts, refusable=False, **options):
        """Storm the server, and hold what connstorm says against the truth.

        Args:
            parts: the truth, or functions that tell it after the storm.
            refusable: whether connstorm may as well say in one sentence that nothing can be measured here.
            options: as of ``storm_server_here``.
        """
        options = {"attempts": 100, "rate_per_s": 1000, "duration_s": 5, "deadline_s": 8, "ports": "sweep"} | options
        if self.way == FIXTURE:
            self.add("storm", evaluate_counts(storm_by_fixture(self.address, options), settle(parts)))
        elif self.way == HERE:
            self.storm_here(parts, options)
        else:
            flags = {"rate_per_s": "rate", "duration_s": "duration", "deadline_s": "deadline"}
            given = [f"--{flags.get(name, name)}={value}" for name, value in options.items() if value is not None]
            self.command("clean", *given, parts=parts, refusable=refusable)

    def storm_here(self, parts, options):
        """Storm the server in this process, and analyse the run with and without the kernel's word."""
        evidence = "kernel" if self.asked and self.asked.word else "counts"
        plan = api.server_plan(self.address, pin=False, evidence=evidence, **options)
        self.add_run(storm_unchecked(plan, self.asked), settle(parts))

    def carry_out(self, plan, *parts):
        """Carry out a plan of the laboratory in this process, whose namespace is the client's host."""
        evidence = "kernel" if self.asked and self.asked.word else "counts"
        plan = msgspec.structs.replace(plan, pin=False, evidence=EvidenceSource(evidence)).with_family(self.family)
        plan_rules.refuse(plan_rules.plan_faults(plan))
        run, _, _ = run_plan.carry_out(plan, asked=self.asked)
        faults = [claim for claim in analyse(run).summary.books if not claim.balanced]
        assert not faults, f"the books do not balance: {faults}"
        self.add_run(run, settle(parts))

    def add_run(self, run, truth):
        """Add what is said of a run with and without the kernel's word."""
        if run.record.acts[0].kernel_word is not None:
            self.verdict_by_kernel.add(evaluate_run(StoredRun(None, run, analyse(run).summary), truth))
        acts = [msgspec.structs.replace(act, kernel_word=None, evidence="counts") for act in run.record.acts]
        without = Run(msgspec.structs.replace(run.record, acts=acts), run.attempts, run.mines, uses=run.uses)
        self.add("storm", evaluate_run(StoredRun(None, without, analyse(without).summary), truth))

    def command(self, scenario, *given, parts, refusable=False):
        """Run a scenario by the command line, in its private namespace or, as way ``host``, in the one that is here."""
        host = ["--host", "--no-pin"] if self.way == HOST else []
        with scratch() as folder:
            options = ["--json", "--no-draw", f"--family={self.family}", "-o", "results"]
            command = [python(), "-m", "stress", "run", scenario, *host, *options, *given]
            done = subprocess.run(
                [*command, "--json", "--no-draw", "-o", "results"], check=False, **surroundings(folder)
            )
            assert "Traceback" not in done.stderr, done.stderr
            if done.returncode and refusable:
                self.add("refused", Verdict(told={"sentence": done.stderr.strip()}))
                return
            assert done.returncode == 0, done.stderr
            (path,) = (folder / "results").iterdir()
            self.add(scenario, evaluate_run(api.read_run(path), settle(parts)))

    def add(self, title, verdict):
        """Add what was said of one storm."""
        self.verdict.add(verdict)
        self.verdict.told[f"{title} {len(self.verdict.told) + 1}"] = verdict.told


def settle(parts) -> list:
    """Return the parts of the truth, those that are known after the storm only made now."""
    return [part() if callable(part) else part for part in parts]


def storm_unchecked(plan, asked):
    """Storm without the checks that the target is local and that somebody listens: worlds are wrong in this too."""
    ExternalEnvironment.check_start = lambda _: None  # of the world's own process
    plan = msgspec.structs.replace(plan, target="::1" if plan.family == 6 else plan.target)  # as the server's name
    return run_plan.carry_out(plan, asked=asked)[0]


def storm_by_fixture(address, options) -> Summary:
    """Storm by the storm fixture of a real pytest; return its summary."""
    with scratch() as folder:
        test, answer = folder / "test_it.py", folder / "answer.json"
        chosen = ", ".join(f"{name}={value!r}" for name, value in options.items())
        test.write_text(STORM_TEST.format(address=address, options=chosen, answer=str(answer)))
        done = subprocess.run(
            [python(), "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGIN, test],
            check=False,
            **surroundings(folder),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (summary,) = msgspec.json.decode(answer.read_bytes(), type=list[Summary])
    return summary


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        yield Path(folder)


def surroundings(folder):
    """Return how commands are run: in a folder, with this connstorm, for a limited time."""
    path = os.pathsep.join([str(REPOSITORY), str(Path(msgspec.__file__).parents[1])])
    set_here = {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "HOME": str(folder)}
    return {
        "cwd": folder,
        "env": os.environ | set_here,
        "capture_output": True,
        "text": True,
        "timeout": COMMAND_LIMIT_S,
    }


def python():
    """Return a Python of this version that this user may run: nobody may not run one in root's home."""
    return sys.executable if os.access(sys.executable, os.X_OK) else f"/usr/bin/python{sysconfig.get_python_version()}"


def wait_until(condition, complaint, limit_s=30.0):
    """Wait for a condition; ``complaint`` returns what is said when it does not come."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, complaint()
        time.sleep(0.01)
