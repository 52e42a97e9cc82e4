# SPDX-License-Identifier: MIT
"""Three hosts that are joined by a switch: network namespaces of which two are clients, one serves, one is a bridge."""

import getpass
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from private_network import AS_ONESELF, AS_ROOT, ROOT, beside, network
from two_hosts import SSH_PORT, SSH_SERVER, Host, TwoHosts, settle_addresses


@dataclass
class ThreeHosts(TwoHosts):
    """Two hosts, and one more client, which is lab3 in the client's configuration of ssh."""

    client2: Host | None = None

    def serve_ssh(self):
        """Start the ssh servers of the server's host and of the further client's, the latter that of asyncssh."""
        super().serve_ssh()
        host, home = self.client2, self.client.home / ".ssh"
        address = host.control[4]
        key, authorized = host.root / "host_key", host.root / "authorized_keys"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        authorized.write_text((home / "id.pub").read_text())
        known = home / "known_hosts_3"
        known.write_text(f"[{address}]:{SSH_PORT} {key.with_suffix('.pub').read_text()}")
        with (home / "config").open("a") as config:
            config.write(
                f"Host lab3\nHostName {address}\nPort {SSH_PORT}\nUser {getpass.getuser()}\nIdentityFile {home}/id\n"
                f"UserKnownHostsFile {known}\nStrictHostKeyChecking yes\nIdentitiesOnly yes\n"
            )
        self.ssh2 = host.start(sys.executable, SSH_SERVER, SSH_PORT, key, authorized, address)
        line = self.ssh2.stderr.readline()
        assert b"listening" in line, line


@contextmanager
def three_hosts(folder, *, as_root=ROOT):
    """Make three hosts, as ``two_hosts`` makes two; the third is ``client2`` of what is returned."""
    with (
        network(AS_ONESELF if as_root else AS_ROOT) as (client_pid, in_client),
        beside(in_client) as (second_pid, in_second),
        beside(in_client) as (server_pid, in_server),
        beside(in_client) as (switch_pid, in_switch),
    ):
        client = Host("client", folder / "client", client_pid, in_client)
        second = Host("client2", folder / "client2", second_pid, in_second)
        server = Host("server", folder / "server", server_pid, in_server)
        hosts = ThreeHosts(client, server, as_root, client2=second)
        switch = Host("switch", folder / "switch", switch_pid, in_switch)
        switch.ip("link", "add", "lan", "type", "bridge")
        switch.ip("link", "set", "lan", "up")
        for number, host in enumerate((client, second, server), start=1):
            leg = f"leg{number}"
            switch.ip("link", "add", leg, "type", "veth", "peer", "name", host.device, "netns", host.pid)
            switch.ip("link", "set", leg, "master", "lan", "up")
        for host in (client, second):
            settle_addresses(host, server)
            settle_addresses(server, host)
        try:
            yield hosts
        finally:
            client.end()
            second.end()
            if hosts.ssh is not None and hosts.ssh.poll() is None:
                hosts.lose()
            server.end()
