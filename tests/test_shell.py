# SPDX-License-Identifier: MIT
"""A shell on a host of a scenario's world: it is there, it is in the right host, and nothing of it stays."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from command import assert_one_sentence, connstorm, program

from stress.cli.shell import choose_act
from stress.lab.wait import wait_until
from stress.model.errors import LabError, UsageError
from stress.model.plan import Plan
from stress.model.world import ADDRESSES, CLIENT, ROUTER, SERVER, Topology, World

LIMIT_S = 60
CTRL_C, CTRL_D = b"\x03", b"\x04"
# A user without any capability, who owns what root owns here.
AS_NOBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
ROUTED = Plan(
    scenario="clean",
    world=World(topology=Topology.ROUTER),
    source=ADDRESSES[4][CLIENT],
    target=ADDRESSES[4][SERVER],
    sysctls={"net.ipv4.tcp_syn_retries": "1"},
)


def shell(*arguments, under=()):
    done = connstorm("shell", *arguments, under=under)
    if done.returncode == LabError.exit_code:
        pytest.skip(done.stderr)
    return done


def processes(name, word):
    """Return the processes that run a program (any, if None) and have a word in their arguments, by their ids."""
    matches = []
    for folder in Path("/proc").iterdir():
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace") if folder.name.isdecimal() else ""
        except OSError:
            continue
        program, *arguments = line.split("\0")
        if name in (None, program) and any(word in argument for argument in arguments):
            matches.append(int(folder.name))
    return matches


def test_a_command_runs_where_the_mines_are_and_its_exit_code_is_passed_on():
    done = shell("closewait", "server", "--mines", 3, "--", "sh", "-c", "ss -Htan state close-wait; exit 7")
    assert done.returncode == 7, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("host", "devices", "under"),
    [(CLIENT, {ROUTER}, ()), (ROUTER, {CLIENT, SERVER}, AS_NOBODY), (SERVER, {ROUTER}, ())],
    ids=["client", "router-as-nobody", "server"],
)
def test_a_command_runs_on_the_host_that_was_asked_for(host, devices, under):
    if under and subprocess.run([*under, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here")
    script = "echo $CONNSTORM_HOST; id -u; cat /proc/net/dev"
    done = connstorm("run-shell", msgspec.json.encode(ROUTED).decode(), host, "--", "sh", "-c", script, under=under)
    if done.returncode == LabError.exit_code:
        pytest.skip(done.stderr)
    name, user, *table = done.stdout.splitlines()
    assert name == host
    assert int(user) == (1000 if under else os.getuid())  # so tcpdump need not become somebody else
    assert {line.split(":")[0].strip() for line in table if ":" in line} == devices | {"lo"}
    introduction = done.stderr.splitlines()
    assert introduction[0] == (
        f"clean: this is the host {host} of client 198.18.0.2, router 198.18.0.1 and 198.18.1.1, server 198.18.1.2; "
        "the server listens at port 5000."
    )
    assert introduction[1] == "settings here: net.ipv4.tcp_syn_retries=1"
    assert "exit or Ctrl-D" in introduction[2]
    assert len(introduction) == 3


def test_what_cannot_be_is_one_sentence():
    assert_one_sentence(connstorm("shell", "clean", "router"), "no host 'router'", "client, server")
    assert_one_sentence(connstorm("shell", "clear", "client"), "no scenario 'clear'")
    assert_one_sentence(connstorm("shell", "clean", "client", "--host"), "leave out --host")
    assert_one_sentence(connstorm("shell", "clean", "client", "--set", "net.ipv4.tcp_no=1"), "net.ipv4.tcp_no")


def test_of_several_acts_it_is_the_first_with_that_host():
    acts = {"alone": {}, "routed": {"world": msgspec.to_builtins(ROUTED.world)}}
    plan = Plan(scenario="clean", acts=acts)
    assert choose_act(plan, CLIENT).world == World()
    assert choose_act(plan, ROUTER).world == ROUTED.world
    with pytest.raises(UsageError, match="there are client, server, router"):
        choose_act(plan, "client2")


def test_a_command_that_is_not_there_has_the_exit_code_of_shells():
    done = shell("clean", "client", "--", "no-such-program")
    assert done.returncode == 127
    assert done.stderr == "connstorm: no-such-program cannot be run: No such file or directory.\n"
    assert shell("clean", "client", "--", "sh", "-c", "kill -9 $$").returncode == 128 + signal.SIGKILL


def test_a_storm_goes_on_meanwhile_and_ends_with_the_command():
    script = """
    opens() { awk '/^Tcp:/ { n = $6 } END { print n }' /proc/net/snmp; }
    while test $(opens) -lt 5000; do sleep 0.05; done
    """
    done = shell("clean", "client", "--storm", "--attempts", 1000, "--", "sh", "-c", script)
    assert done.returncode == 0, done.stderr


def test_what_a_command_leaves_behind_ends_with_it():
    marker = f"{time.time_ns() % 10**9}.25"
    done = shell(
        "clean", "client", "--", "sh", "-c", f"setsid nohup sleep {marker} >/dev/null & sleep 0.2; ss -Htan | wc -l"
    )
    assert done.returncode == 0, done.stderr
    assert not processes("sleep", marker)


@pytest.mark.parametrize("victim", ["parent", "child"])
def test_everything_is_gone_after_kill_9(victim):
    marker = f"{time.time_ns() % 10**9}.25"
    script = f"setsid sleep {marker} & sleep {marker}"
    with subprocess.Popen(
        program("shell", "clean", "client", "--", "sh", "-c", script),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as parent:  # fmt: skip
        if not wait_until(lambda: len(processes("sleep", marker)) >= 2 or parent.poll() is not None, LIMIT_S):
            parent.kill()
        if parent.returncode == LabError.exit_code:
            pytest.skip(parent.stderr.read().decode())
        assert parent.poll() is None
        (child,) = {*processes(None, marker)} & {*processes(None, "run-shell")}
        os.kill(parent.pid if victim == "parent" else child, signal.SIGKILL)
        assert parent.wait() == (-signal.SIGKILL if victim == "parent" else 128 + signal.SIGKILL)
    assert wait_until(lambda: not processes(None, marker), LIMIT_S)


class Terminal:
    """The program on a terminal of its own."""

    def __init__(self, *arguments, shell="/bin/sh"):
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ |= {"SHELL": shell, "ENV": "", "HISTFILE": "", "TERM": "dumb"}
            command = program(*arguments)
            os.execv(command[0], command)  # noqa: S606  # ours
        self.text = ""

    def read_until(self, pattern):
        end = time.monotonic() + LIMIT_S
        while not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.descriptor, 4096).decode(errors="replace")
                except OSError:  # the other end is closed
                    break
        match = re.search(pattern, self.text)
        assert match or "connstorm: This kernel refuses" in self.text, self.text
        if not match:
            pytest.skip(self.text)
        self.text = self.text[match.end() :]
        return match

    def write(self, text):
        os.write(self.descriptor, text if isinstance(text, bytes) else text.encode())

    def wait(self):
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.descriptor)
        return code


def test_a_shell_on_a_terminal_survives_ctrl_c_and_ends_with_its_own_code():
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    terminal = Terminal("shell", "closewait", "server", "--mines", "2", shell=bash)
    terminal.read_until(r"closewait: client and server are this one host")
    terminal.read_until(r"exit or Ctrl-D")
    terminal.write("echo on=$CONNSTORM_HOST\n")
    terminal.read_until("on=server")
    marker = f"{time.time_ns() % 10**9}.25"
    terminal.write(f"sleep {marker}\n")
    assert wait_until(lambda: processes("sleep", marker), LIMIT_S)
    terminal.write(CTRL_C)
    terminal.write("echo mines=$(ss -Htan state close-wait | wc -l)\n")
    terminal.read_until("mines=2")
    terminal.write("exit 5\n")
    assert terminal.wait() == 5


def test_ctrl_d_leaves_a_shell_and_ctrl_c_ends_a_command():
    terminal = Terminal("shell", "clean", "client")
    terminal.read_until(r"exit or Ctrl-D")
    terminal.read_until(r"\$ |# ")
    terminal.write(CTRL_D)
    assert terminal.wait() == 0
    terminal = Terminal("shell", "clean", "client", "--", "sh", "-c", "echo begun; exec sleep 100")
    terminal.read_until("begun")
    time.sleep(0.2)
    terminal.write(CTRL_C)
    assert terminal.wait() == 128 + signal.SIGINT
