# SPDX-License-Identifier: MIT
"""Two hosts that are joined by a link: network namespaces and veth devices, and nothing that both can read or write.

    with two_hosts(tmp_path) as hosts:
        hosts.serve_ssh()
        ended = hosts.client.run(*program("run", "clean", "--peer", "lab2", *hosts.remote))

The control channel has addresses of its own, whose neighbours are entered for good, so that it survives scenarios that
break the way of the storm. As root, hosts are network namespaces of the host's root, with Debian's sshd; for everybody
else, and with ``as_root=False``, they are those of a user namespace, with the ssh server of asyncssh.
"""

import getpass
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from command import REPOSITORY
from private_network import AS_ONESELF, AS_ROOT, ROOT, beside, network

from stress.lab import wait

SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
SSH_SERVER = Path(__file__).parent / "ssh_server.py"
SSH_PORT = 2022
DEVICE = {"client": "to-server", "client2": "to-server", "server": "to-client"}  # by host
# Addresses for documentation (RFC 5737, RFC 3849), by host, purpose and family.
CONTROL = {
    "client": {4: "192.0.2.1", 6: "2001:db8:1::1"},
    "client2": {4: "192.0.2.3", 6: "2001:db8:1::3"},
    "server": {4: "192.0.2.2", 6: "2001:db8:1::2"},
}
STORM = {
    "client": {4: "198.51.100.1", 6: "2001:db8:2::1"},
    "client2": {4: "198.51.100.9", 6: "2001:db8:2::9"},
    "server": {4: "198.51.100.2", 6: "2001:db8:2::2"},
}
PREFIX = {4: 24, 6: 64}
PEER_NAMES = {4: "lab2", 6: "lab2-6"}  # by family, in the client's ~/.ssh/config
PROGRAM = f"{sys.executable} -m stress"
ENDED_S = 60.0  # until what was killed has been reaped


@dataclass
class Host:
    """One of two hosts.

    Attributes:
        name: client or server.
        root: the folder of all its files.
        pid: of a process that holds its network namespace.
        inside: the command that starts another one there.
        control: its addresses of the control channel by family; ``storm``: those of the storm.
    """

    name: str
    root: Path
    pid: int
    inside: list[str]
    processes: list[subprocess.Popen] = field(default_factory=list)

    def __post_init__(self):
        for folder in (self.home, self.tmp, self.state, self.results):
            folder.mkdir(parents=True, mode=0o700)

    control = property(lambda self: CONTROL[self.name])
    storm = property(lambda self: STORM[self.name])
    device = property(lambda self: DEVICE[self.name])
    home = property(lambda self: self.root / "home")
    tmp = property(lambda self: self.root / "tmp")
    state = property(lambda self: self.root / "state")
    results = property(lambda self: self.root / "results")

    @property
    def environment(self):
        """The environment variables of a program there."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "CONNSTORM_", "SSH_"))}
        return own | self.variables

    @property
    def variables(self):
        """Those of them that are of this host."""
        return {
            "HOME": str(self.home),
            "TMPDIR": str(self.tmp),
            "CONNSTORM_STATE": str(self.state),
            "PYTHONPATH": str(REPOSITORY),
        }

    def run(self, *command, check=False, **options):
        """Run a command there to its end; return it with its output as text."""
        options = {"capture_output": True, "text": True, "cwd": self.root} | options
        return subprocess.run([*self.inside, *map(str, command)], check=check, env=self.environment, **options)

    def start(self, *command, **options):
        """Start a command there, with pipes and the default handling of Ctrl-C; it is killed at the end of the test."""
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process = subprocess.Popen(
            [*self.inside, *map(str, command)],
            env=self.environment,
            cwd=self.root,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
            **options,
        )
        self.processes.append(process)
        return process

    def ip(self, *arguments):
        """Run ip(8) there."""
        return self.run("ip", *arguments, check=True).stdout

    def pids(self):
        """Return the command line of each process there, but for the one that holds the namespace, by process ID."""
        own = Path(f"/proc/{self.pid}/ns/net").readlink()
        lines = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal() and int(entry.name) != self.pid:
                try:
                    if (entry / "ns/net").readlink() == own and (line := (entry / "cmdline").read_bytes()):
                        lines[int(entry.name)] = line.replace(b"\0", b" ").decode(errors="replace").strip()
                except OSError:
                    continue  # it has ended, or is somebody else's
        return lines

    def end(self):
        """End what a test has left running."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()


@dataclass
class TwoHosts:
    """Two hosts that are joined by a link."""

    client: Host
    server: Host
    as_root: bool
    ssh: subprocess.Popen | None = None

    @property
    def remote(self):
        """The options with which the client finds this program on the server."""
        return ["--remote-connstorm", PROGRAM]

    def peer(self, family=4):
        """Return the server's name in the client's configuration of ssh."""
        return PEER_NAMES[family]

    def make_keys(self):
        """Make throw-away keys; the server's is known to the client, and the client's to the server."""
        home = self.client.home / ".ssh"
        home.mkdir(mode=0o700)
        for key in (self.server.root / "host_key", home / "id"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        (self.server.root / "authorized_keys").write_text((home / "id.pub").read_text())
        public = (self.server.root / "host_key.pub").read_text()
        addresses = self.server.control
        (home / "known_hosts").write_text("".join(f"[{address}]:{SSH_PORT} {public}" for address in addresses.values()))
        (home / "config").write_text(
            "".join(
                f"Host {PEER_NAMES[family]}\nHostName {address}\nPort {SSH_PORT}\nUser {getpass.getuser()}\n"
                f"IdentityFile {home}/id\nUserKnownHostsFile {home}/known_hosts\nStrictHostKeyChecking yes\n"
                "IdentitiesOnly yes\n"
                for family, address in addresses.items()
            )
        )

    def serve_ssh(self):
        """Start the ssh server of the server's host."""
        self.make_keys()
        server, addresses = self.server, list(self.server.control.values())
        if self.as_root:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd of root wants to be shut in; Debian makes it at boot
            config = server.root / "sshd_config"
            variables = " ".join(f"{name}={value}" for name, value in server.variables.items())
            config.write_text(
                "".join(f"ListenAddress [{address}]:{SSH_PORT}\n" for address in addresses)
                + f"HostKey {server.root}/host_key\nPidFile none\nUsePAM no\nStrictModes no\nSetEnv {variables}\n"
                f"AuthorizedKeysFile {server.root}/authorized_keys\nPasswordAuthentication no\n"
                "PermitRootLogin prohibit-password\n"
            )
            command = [SSHD, "-D", "-e", "-f", config]
        else:
            keys = (server.root / "host_key", server.root / "authorized_keys")
            command = [sys.executable, SSH_SERVER, SSH_PORT, *keys, *addresses]
        self.ssh = server.start(*command, stdin=subprocess.DEVNULL)
        line = self.ssh.stderr.readline()
        assert b"listening" in line, line + self.ssh.stderr.read()
        if self.as_root:
            self.ssh.stderr.readline()  # one per address

    def lose(self):
        """Kill what the ssh server has started for its connections, or itself where it is one process."""
        if self.as_root:
            for child in Path(f"/proc/{self.ssh.pid}/task/{self.ssh.pid}/children").read_text().split():
                with suppress(ProcessLookupError):  # it may have ended by itself
                    os.kill(int(child), signal.SIGKILL)
        else:
            self.ssh.kill()

    def is_quiet(self):
        """Return True as soon as no process is left on either host but the ssh server; fail with those that are."""
        ssh = self.ssh.pid if self.ssh is not None else None

        def left():
            return [*self.client.pids().values(), *(line for pid, line in self.server.pids().items() if pid != ssh)]

        assert wait.wait_until(lambda: not left(), ENDED_S), left()
        return True

    def set_link(self, state):
        """Set the client's end of the link ``up`` or ``down``."""
        self.client.ip("link", "set", self.client.device, state)
        if state == "up":
            settle_addresses(self.client, self.server)


@contextmanager
def two_hosts(folder, *, as_root=ROOT):
    """Make two hosts with their files under a folder, and end all that is left of them.

    Args:
        folder: for the files of both.
        as_root: as root of the host; False: as the root of a user namespace.
    """
    as_root = as_root and ROOT
    if as_root and SSHD is None:
        pytest.skip("sshd is missing (Debian: openssh-server)")
    with (
        network(AS_ONESELF if as_root else AS_ROOT) as (client_pid, in_client),
        beside(in_client) as (server_pid, in_server),
    ):
        hosts = TwoHosts(
            Host("client", folder / "client", client_pid, in_client),
            Host("server", folder / "server", server_pid, in_server),
            as_root,
        )
        client, server = hosts.client, hosts.server
        client.ip("link", "add", client.device, "type", "veth", "peer", "name", server.device, "netns", server_pid)
        settle_addresses(client, server)
        settle_addresses(server, client)
        try:
            yield hosts
        finally:
            client.end()
            if hosts.ssh is not None and hosts.ssh.poll() is None:
                hosts.lose()
            server.end()


def settle_addresses(host, other):
    """Set a host's device up, with its addresses and the permanent neighbours of the control channel."""
    host.ip("link", "set", host.device, "up")
    address = other.run("cat", f"/sys/class/net/{other.device}/address").stdout.strip()
    if not address:  # sysfs shows the devices of the namespace in which it was mounted
        address = other.ip("-o", "link", "show", other.device).split("link/ether ")[1].split()[0]
    permanent = ("lladdr", address, "dev", host.device, "nud", "permanent")
    for family, prefix in PREFIX.items():
        for own in (host.control[family], host.storm[family]):
            extra = ["nodad"] if family == 6 else []
            host.ip("address", "replace", f"{own}/{prefix}", "dev", host.device, *extra)
        host.ip("neighbour", "replace", other.control[family], *permanent)
