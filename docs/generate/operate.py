# SPDX-License-Identifier: MIT
"""Write docs/operate.md: five commands next to a real server in trouble, in a private network namespace.

With ``--commands`` it prints the commands only.
"""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from stress.lab import namespace

HERE = Path(__file__)
EXAMPLES = HERE.parents[1] / "examples"
PAGE = HERE.parents[1] / "operate.md"
COLUMNS, ROWS = 80, 24
PROSE = 120  # columns of what stands between
LEAKS_S = 66  # before the first look: leaks that are older than a minute are failures
CUT = "[…]"
NEWEST = "results/<run>"  # stands for the folder of the newest run


class Step(NamedTuple):
    """A command, what to know of it before and after, and how many lines of its output are shown."""

    heading: str
    command: str
    before: str
    after: str
    lines: int


STEPS = (
    Step(
        "What can it be?",
        "connstorm explain 1.02s",
        "On this kernel, and with these settings:",
        "Many things lose a SYN, each of them with a section of its own further down. What moves meanwhile tells them "
        "apart: counters of the client, of a router, or of the server.",
        22,
    ),
    Step(
        "What is wrong on the server's host?",
        "connstorm inspect",
        "One look, which anybody may take; root sees the processes of others:",
        "The server leaks, and since when is known; but a leaked connection costs a client of this kernel "
        "milliseconds, not a second. What its listener has dropped since it was made is the second trace. Whether the "
        "queue is full at the moment of a look is chance; a watch is none.",
        48,
    ),
    Step(
        "Is it happening now?",
        "connstorm inspect --port 8080 --watch 10",
        "Ten seconds, and what rose in them:",
        "ListenOverflows rose as much as ListenDrops, and as much as the drops of this one listener: its accept queue "
        "fills again and again, and each dropped SYN is a client that waits a second.",
        58,
    ),
    Step(
        "Prove it, attempt by attempt",
        "connstorm run clean --against 127.0.0.1:8080 --rate 100 --until-slow 5",
        "This one does send: 100 connects a second from this host, until five slow ones are caught. It goes to "
        "addresses of this host only:",
        "The causes of its attempts: the full accept queue, and now and then a leaked connection that a client port "
        "meets again. "
        "A short storm may fall between two full queues, and then catches leaked connections alone; a larger N goes "
        "on for longer.",
        34,
    ),
    Step(
        "And who has only a capture?",
        f"connstorm read {NEWEST}/evidence.pcap",
        "Here that of the slow attempts, which the run has stored; any capture by tcpdump or Wireshark will do:",
        "Packets alone do not tell a full queue from a firewall on the server's host, so the cause is `unknown`. They "
        "do tell that the SYNs arrived and were not answered, and which command goes on from there.",
        40,
    ),
)


def main() -> None:
    if sys.argv[1:] == ["--commands"]:
        sys.stdout.write("".join(f"{step.command}\n" for step in STEPS))
        return
    namespace.enter_namespace(as_oneself=True)
    parts = [HERE.with_name("operate_head.md").read_text()]
    with tempfile.TemporaryDirectory() as folder, trouble():
        for number, step in enumerate(STEPS, start=1):
            text = output_of(step.command, Path(folder))
            lines = text.splitlines()
            shown = "\n".join([*lines[: step.lines], *([CUT] if lines[step.lines :] else [])])
            before, after = (textwrap.fill(text, PROSE) for text in (step.before, step.after))
            block = f"```\n$ {step.command}\n{shown}\n```"
            parts.append(f"## {number}. {step.heading}\n\n{before}\n\n{block}\n\n{after}\n")
    parts.append(HERE.with_name("operate_foot.md").read_text())
    PAGE.write_text("\n".join(parts))


@contextmanager
def trouble() -> Iterator[None]:
    """Let the server serve its clients; the context begins when it has leaked for more than a minute."""
    with subprocess.Popen([sys.executable, EXAMPLES / "leaking_server.py"], stdout=subprocess.PIPE) as server:
        server.stdout.readline()
        with subprocess.Popen([sys.executable, EXAMPLES / "clients.py"]) as clients:
            try:
                time.sleep(LEAKS_S)
                yield
            finally:
                clients.kill()
                server.kill()


def output_of(command: str, folder: Path) -> str:
    """Return what a command prints on a terminal, without its progress."""
    if NEWEST in command:
        newest = max((folder / "results").iterdir(), key=lambda path: path.stat().st_mtime)
        command = command.replace(NEWEST, str(newest.relative_to(folder)))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    words = [sys.executable, "-m", "stress", *command.split()[1:]]
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, cwd=folder, env=environment | {"TERM": "dumb"}
    ):
        os.close(theirs)
        data = b""
        try:
            while piece := os.read(ours, 1 << 16):
                data += piece
        except OSError:  # EIO: the terminal has no other end any more
            pass
    os.close(ours)
    return "\n".join(line.rstrip() for line in data.decode().splitlines())


if __name__ == "__main__":
    main()
