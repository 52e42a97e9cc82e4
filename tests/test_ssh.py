# SPDX-License-Identifier: MIT
"""Trials on hosts that are reached by ssh: a real sshd with keys of its own, in a private network."""

import getpass
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from command import connstorm, program
from hypothesis import given
from hypothesis import strategies as st
from private_network import AS_ONESELF, ROOT, network

from stress.lab import wait
from stress.model.errors import UsageError
from stress.model.plan import Plan
from stress.model.suite import Status
from stress.run import process
from stress.run.ssh_destination import destination
from stress.store import run_folder, suite_folder
from stress.suite.executor.agent import Message, Sending
from stress.suite.executor.base import Job
from stress.suite.executor.remote_trial import trial_request

FROZEN = Path(__file__).parent / "data" / "run-schema-2"
PORT = 2022
SSH = ["--executor", "ssh", "--remote-connstorm", f"{sys.executable} -m stress"]
SMALL = """
trials = 1
warmup = 0
settle_s = 0.1
[defaults]
port_range = [40000, 40015]
[[scenario]]
name = "clean"
[[scenario]]
name = "closewait"
mines = 3
"""
SLOW = """
trials = 1
warmup = 0
settle_s = 0
[[scenario]]
name = "clean"
port_range = [40000, 40015]
attempts = 24
rate_per_s = 8
"""
# The program, which tells of short storms as well, and often.
TALKING = """
import sys
from stress.cli.main import main
if "--agent" in sys.argv:
    from stress.run import storm_watch
    storm_watch.INTERVAL_S = storm_watch.LONG_S = 0.2
main()
"""
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


@dataclass
class Site:
    """A machine with an sshd, and a home with keys for it."""

    root: Path
    inside: list[str]
    server: subprocess.Popen | None = None
    suites: list[subprocess.Popen] = field(default_factory=list)

    @property
    def rooms(self):
        """What trials have there at the moment."""
        return list((self.root / "rooms").iterdir())

    def keys(self):
        """Make throw-away keys, and say on the client's side that the host's is known."""
        home = self.root / "home" / ".ssh"
        home.mkdir(parents=True, mode=0o700)
        for key in (self.root / "host_key", home / "id"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (home / "known_hosts").write_text(f"[127.0.0.1]:{PORT} {(self.root / 'host_key.pub').read_text()}")
        (home / "config").write_text(
            "".join(
                f"Host {name}\nHostName 127.0.0.1\nPort {PORT}\nUser {getpass.getuser()}\nIdentityFile {home}/id\n"
                f"UserKnownHostsFile {home}/known_hosts\nStrictHostKeyChecking yes\nIdentitiesOnly yes\n"
                for name in ("lab1", "lab2")
            )
        )
        (self.root / "rooms").mkdir()
        (self.root / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{PORT}\nHostKey {self.root}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {home}/id.pub\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            f"SetEnv TMPDIR={self.root}/rooms PYTHONPATH={FROZEN.parents[2]}\n"  # the program of these tests
        )

    def serve(self):
        """Start sshd."""
        self.server = subprocess.Popen(
            [*self.inside, SSHD, "-D", "-e", "-f", str(self.root / "sshd_config")], stderr=subprocess.PIPE
        )
        assert b"listening" in self.server.stderr.readline()

    def lose(self):
        """Kill what sshd has started for its connections: to the other end the host is gone."""
        for child in Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(int(child), signal.SIGKILL)

    def suite(self, text, *options):
        """Start a suite over ssh."""
        source = self.root / "small.toml"
        source.write_text(text)
        suite = subprocess.Popen(
            [*self.inside, *program("suite", source, "-o", self.root / "out", *SSH, *options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"HOME": str(self.root / "home")},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        self.suites.append(suite)
        return suite

    def end_suites(self):
        """End what a test that failed has left running."""
        for suite in self.suites:
            if suite.returncode is None:
                suite.kill()
                suite.communicate()

    def records(self):
        """Return the suite's folder and what became of its trials."""
        (path,) = (self.root / "out").glob("*-suite-*")
        return path, list(suite_folder.read_records(path).values())


@pytest.fixture
def site(tmp_path):
    if SSHD is None:
        pytest.skip("sshd is missing (Debian: openssh-server)")
    shell = pwd.getpwuid(os.getuid()).pw_shell
    if Path(shell).name in ("nologin", "false"):
        pytest.skip(f"sshd lets nobody in whose shell is {shell}")
    if ROOT:
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd of root wants to be shut in; Debian makes it at boot
    with network(AS_ONESELF) as (_, inside):
        made = Site(tmp_path, inside)
        made.keys()
        made.serve()
        yield made
        made.end_suites()
        made.server.terminate()
        made.lose()
        made.server.communicate()


def test_each_host_runs_every_cell_and_nothing_is_left_there(site):
    suite = site.suite(SMALL, "--hosts", "lab1,lab2")
    printed, told = suite.communicate()
    assert suite.returncode == 0, told
    path, records = site.records()
    assert [(record.trial.number, record.host, record.trial.block) for record in records] == [
        (0, "lab1", 0),
        (1, "lab1", 0),
        (2, "lab2", 1),
        (3, "lab2", 1),
    ]
    assert {record.status for record in records} == {Status.DONE}
    assert [record.trial.cell for record in records[:2]] == [record.trial.cell for record in records[2:]]
    assert len({record.trial.seed for record in records}) == 1
    for record in records:
        run, summary = run_folder.read(suite_folder.trial_run_folder(path, record))
        assert run.record.plan.seed == record.trial.seed
        assert summary.collisions == (3 if record.trial.cell == "closewait" else 0)
        assert record.settle is not None
    assert "closewait on lab2" in printed
    assert not list(path.glob("**/.*"))
    assert site.rooms == []


def test_a_trial_whose_connection_is_lost_is_run_again(site):
    (site.root / "talking.py").write_text(TALKING)
    talking = f"{sys.executable} {site.root / 'talking.py'}"
    suite = site.suite(SLOW, "--hosts", "lab1", "--remote-connstorm", talking)
    assert wait.wait_until(lambda: site.rooms, 60)
    site.lose()
    _, told = suite.communicate()
    assert suite.returncode == 0, told
    assert re.search(r"^ +clean: \d+ of 24 attempts, \d+/s, ", told, re.MULTILINE), "how far the storm there is"
    _, (record,) = site.records()
    assert record.status is Status.DONE
    assert record.took_s > 3  # what the plan takes; the try that was lost is in it
    assert wait.wait_until(lambda: not site.rooms, 60), "the host cleans up after a connection that was lost"


def test_a_host_that_is_lost_twice_fails_the_trial_with_the_reason(site):
    suite = site.suite(SLOW, "--hosts", "lab1")
    lost = set()
    while suite.poll() is None:  # whatever the agent has begun, until the suite gives up
        assert wait.wait_until(lambda: suite.poll() is not None or set(site.rooms) - lost, 60)
        lost.update(site.rooms)
        site.lose()
    suite.communicate()
    assert suite.returncode == 3
    _, (record,) = site.records()
    assert record.status is Status.FAILED
    assert "lab1 was lost" in record.reason
    assert "2 times in the same trial" in record.reason
    assert wait.wait_until(lambda: not site.rooms, 60), "a host that is lost cleans up, whatever it had begun"


def test_an_interrupted_suite_ends_its_trial_on_the_host(site):
    suite = site.suite(SLOW, "--hosts", "lab1")
    assert wait.wait_until(lambda: site.rooms, 60)
    suite.send_signal(signal.SIGINT)
    _, told = suite.communicate()
    assert suite.returncode == 130
    assert "--resume" in told
    assert site.rooms == []
    assert site.records()[1] == []


def test_a_host_whose_key_is_not_the_known_one_is_refused(site):
    known = site.root / "home" / ".ssh" / "known_hosts"
    known.write_text(f"[127.0.0.1]:{PORT} {(site.root / 'home' / '.ssh' / 'id.pub').read_text()}")
    suite = site.suite(SMALL, "--hosts", "lab1")
    _, told = suite.communicate()
    assert suite.returncode == 3
    assert "lab1 cannot be reached by ssh: Host key is not trusted" in told
    assert not list((site.root / "out").glob("*/trials/*"))


def test_what_is_missing_there_is_said(site):
    suite = site.suite(SMALL, "--hosts", "lab1", "--remote-connstorm", "no-such-connstorm")
    _, told = suite.communicate()
    assert suite.returncode == 3
    assert "lab1 could not run 'no-such-connstorm run-cell --attest'" in told


def test_a_host_that_speaks_protocol_1_is_refused_before_any_trial(site):
    """The host prints what connstorm of commit 172dbc1 printed."""
    answer = FROZEN.parent / "protocol-1" / "fingerprint.json"
    suite = site.suite(SMALL, "--hosts", "lab1", "--remote-connstorm", f"cat {answer} #")
    _, stderr = suite.communicate()
    assert suite.returncode == 3
    assert "lab1 runs connstorm 0.1.0, which speaks protocol 1, but this connstorm" in stderr
    assert "install the same version of connstorm on both." in stderr
    assert not list((site.root / "out").glob("*-suite-*"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--executor", "ssh"], "needs --hosts"),
        (["--executor", "ssh", "--hosts", "a,a"], "each of them once"),
        (["--executor", "ssh", "--hosts", "a:b"], "'a:b' is no host of the form"),
        (["--executor", "elsewhere"], "There is no executor 'elsewhere'; there are local, "),
        (["--hosts", "a"], "--hosts is for the executors ssh and dask, not for local"),
    ],
)
def test_hosts_that_cannot_be_are_refused(tmp_path, options, sentence):
    source = tmp_path / "small.toml"
    source.write_text(SMALL)
    ended = connstorm("suite", source, "--dry-run", *options)
    assert ended.returncode == 2
    assert sentence in ended.stderr


@given(
    user=st.from_regex(r"[a-z]{0,3}", fullmatch=True),
    host=st.sampled_from(["lab1", "10.0.0.1", "[::1]", "[fe80::1]"]),
    port=st.none() | st.integers(1, 65535),
)
def test_a_destination_is_taken_apart(user, host, port):
    text = (f"{user}@" if user else "") + host + (f":{port}" if port else "")
    arguments = destination(text)
    assert arguments.pop("host") == host.strip("[]")
    assert arguments.pop("username", "") == user
    assert arguments.pop("port", None) == port
    assert not arguments


@given(st.text(alphabet="a@:[]1", max_size=6))
def test_a_destination_is_understood_or_refused(text):
    try:
        arguments = destination(text)
    except UsageError:
        return
    assert arguments["host"]


def agent(**options):
    return subprocess.Popen(
        program("run-cell", "--agent"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_host_with_another_kernel_than_before_gives_no_data(tmp_path):
    attested = process.request_fingerprint()
    other = msgspec.structs.replace(attested, host=msgspec.structs.replace(attested.host, kernel="5.10.0"))
    plan = Plan(scenario="clean", attempts=10, port_range=(40000, 40015))
    results = {}
    for host in (attested, other):
        task = trial_request(Job(plan, tmp_path, 0.0, 30.0), host)
        with agent(env=os.environ | {"TMPDIR": str(tmp_path)}) as sent:
            sent.stdin.write(msgspec.json.encode(task) + b"\n")
            sent.stdin.flush()
            for line in sent.stdout:
                results[host.host.kernel] = word = msgspec.json.decode(line, type=Message)
                if isinstance(word, Sending):
                    break
            sent.stdout.read()
    assert isinstance(results[attested.host.kernel], Sending)
    assert "another kernel before the trial" in results["5.10.0"].text
    assert "5.10.0, and now it is" in results["5.10.0"].text
    assert list(tmp_path.iterdir()) == []
