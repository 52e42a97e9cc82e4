# SPDX-License-Identifier: MIT
"""The tools in Debian that open and close TCP connections as fast as they can, one value each.

How each of them closes was read from packets and from the kernel's OutRsts (Debian 12): none of them resets, and all
but httperf leave it to the server to close first.
"""

import os
import shutil
from dataclasses import dataclass
from typing import Literal

# Below the range of ephemeral ports: a tool that binds its own ports upwards (httperf --hog) would else take a server's
# port before the server does, and connect to itself.
HTTP_PORT = 5002
OWN_PORT = 5003
URL = f"http://127.0.0.1:{HTTP_PORT}/"

# More than one connection at a time, for the client's CPU and the server's to work side by side. ab and wrk make half
# as many connections a second with 1, and no more with 128 than with 32.
CONCURRENT = "32"


@dataclass(frozen=True)
class Program:
    """A program and the Debian package that it comes in."""

    name: str
    package: str

    def path(self) -> str | None:
        """Return where it is, or None: an ordinary user may not have Debian's /usr/sbin in PATH."""
        return shutil.which(self.name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))


NGINX = Program("nginx", "nginx-light")


@dataclass(frozen=True)
class Peer:
    """One tool: how it is started, and what a connection of it is."""

    name: str
    package: str  # Debian's
    program: str
    closes: Literal["fin", "rst"]
    closes_first: bool  # before the server does; who closes first keeps TIME_WAIT
    carries: str  # between connect() and close()
    server: Program | None  # None: it brings its own, as a second process
    command: tuple[str, ...]

    def missing(self) -> list[str]:
        """Return the Debian packages without which it cannot run here."""
        needed = [Program(self.program, self.package), *([self.server] if self.server else [])]
        return [program.package for program in needed if program.path() is None]


REQUEST = "an HTTP request and a response"

# iperf3 is left out: it connects once, or a few times (-P), and measures bandwidth then; it cannot connect repeatedly.
PEERS = (
    Peer(
        name="ab",
        package="apache2-utils",
        program="ab",
        closes="fin",
        closes_first=False,
        carries=REQUEST,
        server=NGINX,
        command=("ab", "-q", "-n", "12000", "-c", CONCURRENT, URL),
    ),
    Peer(
        # Without --rate: one connection after the other. At a rate that is too high its 1,024 descriptors (FD_SETSIZE)
        # run out, and it makes half as many connections; one that is just right depends on the machine.
        name="httperf",
        package="httperf",
        program="httperf",
        closes="fin",
        closes_first=True,  # as soon as it has Content-Length bytes
        carries=REQUEST,
        server=NGINX,
        command=(
            *("httperf", "--server", "127.0.0.1", "--port", str(HTTP_PORT)),
            *("--num-conns", "10000", "--num-calls", "1"),
        ),
    ),
    Peer(
        name="wrk",
        package="wrk",
        program="wrk",
        closes="fin",  # but for the connections that are open when its time is up: those it resets
        closes_first=False,
        carries=REQUEST,
        server=NGINX,
        command=("wrk", "-t", "1", "-c", CONCURRENT, "-d", "1s", "-H", "Connection: close", URL),
    ),
    Peer(
        # A client and a server of its own; a "bogo-op" is one accept(). The client keeps all that it connects until it
        # has no descriptor left, or its time is up, and closes them then. The neighbour --sock exchanges hundreds of
        # messages on each connection and makes 600 a second.
        name="stress-ng --sockmany",
        package="stress-ng",
        program="stress-ng",
        closes="fin",
        closes_first=False,
        carries="8 bytes from the server",
        server=None,
        command=(
            *("stress-ng", "--sockmany", "1", "--sockmany-port", str(OWN_PORT)),
            *("--timeout", "1"),
        ),
    ),
)
