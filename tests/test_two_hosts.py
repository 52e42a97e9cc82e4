# SPDX-License-Identifier: MIT
"""The two hosts of the tests are two: joined by a link, each with files and processes of its own."""

import sys

import pytest
from private_network import ROOT
from two_hosts import CONTROL, SSH_PORT, STORM, two_hosts

PING = """
import socket, sys
print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).getpeername()[0])
"""
LOGIN = """
import asyncio, asyncssh, sys
async def main():
    async with asyncssh.connect(sys.argv[1]) as connection:
        print((await connection.run("echo $HOME $TMPDIR $CONNSTORM_STATE; echo $SSH_CONNECTION")).stdout, end="")
asyncio.run(main())
"""


@pytest.fixture(params=["root", "user"])
def hosts(request, tmp_path):
    if request.param == "root" and not ROOT:
        pytest.skip("only root of the host can start sshd for anybody")
    with two_hosts(tmp_path, as_root=request.param == "root") as made:
        yield made


def test_a_host_reaches_the_other_by_every_address_and_by_ssh(hosts):
    hosts.serve_ssh()
    for family in (4, 6):
        answer = hosts.client.run(sys.executable, "-c", PING, CONTROL["server"][family], SSH_PORT)
        assert answer.stdout.strip() == CONTROL["server"][family], answer.stderr
        refused = hosts.client.run(sys.executable, "-c", PING, STORM["server"][family], 5000)
        assert "ConnectionRefusedError" in refused.stderr
        told = hosts.client.run(sys.executable, "-c", LOGIN, hosts.peer(family))
        assert told.stdout.splitlines()[0].split() == [
            str(hosts.server.root / name) for name in ("home", "tmp", "state")
        ]
    assert hosts.is_quiet()
