# SPDX-License-Identifier: MIT
"""An ssh server of an ordinary user: it logs in whoever has the key, and runs the commands that it is asked for.

As a program: ``ssh_server.py PORT HOST_KEY AUTHORIZED_KEYS ADDRESS…``. Commands run with its own environment, and, as
with sshd, the end of a connection closes their input.
"""

import asyncio
import subprocess
import sys

import asyncssh


async def serve_command(client):
    """Run the command of a session, between whose streams and the client's bytes are passed on."""
    command = subprocess.Popen(
        ["sh", "-c", client.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await client.redirect(stdin=command.stdin, stdout=command.stdout, stderr=command.stderr)
    await client.stdout.drain()
    await client.stderr.drain()
    code = await asyncio.to_thread(command.wait)
    client.exit(code if code >= 0 else 128 - code)


async def main(port, host_key, authorized_keys, *addresses):
    """Listen until killed."""
    for address in addresses:
        await asyncssh.listen(
            address,
            int(port),
            server_host_keys=[host_key],
            authorized_client_keys=authorized_keys,
            process_factory=serve_command,
            encoding=None,
        )
    sys.stderr.write("listening\n")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
