# SPDX-License-Identifier: MIT
"""The site of a world: a private network namespace, and the tools that make a world in it."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from stress import api
from stress.lab import sysctl
from stress.lab.pdeathsig import die_with_parent
from stress.model.summary import Summary
from worlds.truth import Verdict, evaluate_counts, evaluate_run
from worlds.world import FIXTURE, HERE, HOST

REPOSITORY = Path(__file__).parents[2]
PORT = 5000  # the server's
FIRST = 40000  # the client's first port
COMMAND_LIMIT_S = 60
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
        verdict: of all storms so far.
    """

    def __init__(self, family, way=HERE):
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

    def storm(self, *parts, **options):
        """Storm the server, and hold what connstorm says against the truth.

        Args:
            parts: the truth, or functions that tell it after the storm.
            options: as of ``storm_server_here``.

        Returns:
            The run; None when the storm was another's, who tells no attempts.
        """
        options = {"attempts": 100, "rate_per_s": 1000, "duration_s": 5, "deadline_s": 8, "ports": "sweep"} | options
        if self.way == FIXTURE:
            self.verdict.add(evaluate_counts(storm_by_fixture(self.address, options), settle(parts)))
            return None
        run = (
            storm_by_command(options, self.family)
            if self.way == HOST
            else api.storm_server_here(self.address, pin=False, **options)
        )
        verdict = evaluate_run(run, settle(parts))
        self.verdict.add(verdict)
        self.verdict.told |= {f"storm {len(self.verdict.told) + 1}": verdict.told}
        return run


def settle(parts) -> list:
    """Return the parts of the truth, those that are known after the storm only made now."""
    return [part() if callable(part) else part for part in parts]


def storm_by_fixture(address, options) -> Summary:
    """Storm by the storm fixture of a real pytest; return its summary."""
    with scratch() as folder:
        test, answer = folder / "test_it.py", folder / "answer.json"
        chosen = ", ".join(f"{name}={value!r}" for name, value in options.items())
        test.write_text(STORM_TEST.format(address=address, options=chosen, answer=str(answer)))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "stress.pytest_plugin", test],
            check=False,
            **surroundings(folder),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (summary,) = msgspec.json.decode(answer.read_bytes(), type=list[Summary])
    return summary


def storm_by_command(options, family):
    """Storm by ``connstorm run --host``, which brings its own server; return the run."""
    flags = {"rate_per_s": "rate", "duration_s": "duration", "deadline_s": "deadline"}
    given = [f"--{flags.get(name, name).replace('_', '-')}={value}" for name, value in options.items()]
    with scratch() as folder:
        command = [sys.executable, "-m", "stress", "run", "clean", "--host", "--no-pin", f"--family={family}", *given]
        done = subprocess.run([*command, "--json", "-o", "results"], check=False, **surroundings(folder))
        assert done.returncode == 0, done.stderr
        (path,) = (folder / "results").iterdir()
        run = api.read_run(path)
        _ = run.causes, run.outcomes, run.attempts[:0]  # read before the folder is gone
        assert json.loads(done.stdout)
    return run


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder, for as long as the context lasts."""
    with tempfile.TemporaryDirectory(prefix="world-") as folder:
        yield Path(folder)


def surroundings(folder):
    """Return how commands are run: in a folder, with this connstorm, for a limited time."""
    path = {"PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    return {"cwd": folder, "env": os.environ | path, "capture_output": True, "text": True, "timeout": COMMAND_LIMIT_S}


def wait_until(condition, complaint, limit_s=5.0):
    """Wait for a condition; ``complaint`` returns what is said when it does not come."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, complaint()
        time.sleep(0.01)
