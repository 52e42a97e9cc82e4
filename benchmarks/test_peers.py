# SPDX-License-Identifier: MIT
"""How many connections a second does the engine make, and how many the tools that Debian ships?

A tool is measured by the kernel: ActiveOpens over the wall time of its process, from start to exit. So its start is in
it, 3 to 15 ms of half a second to a second, which the engine, called in this process, does not have. For the rest, what
is compared is not the same work, and the table says so for each tool:

- ab, httperf and wrk speak HTTP. A connection of theirs carries a request and a response, which costs a write, one or
  two reads, a turn of an event loop on both sides and at least four more packets; a connection of the engine carries
  nothing. The ratio says what a connection costs with each tool, not that connstorm would be the faster HTTP client.
- Their server, nginx, answers each request, and so takes longer for a connection than the engine's listener, which
  accepts in batches and closes later. A client with all the CPU that it wants may be waiting for the server.
- "The same close" is FIN for FIN, RST for RST. Which side sends the first FIN still differs: the engine does, and
  keeps TIME_WAIT among its own ports; most tools let the server do it.
- httperf has one connection at a time, and so waits for the server to wake up on the other CPU, each time: its rate
  depends on what else the machine does more than any other, from 4,000 to 17,000 a second on one virtual machine.
- The engine records every attempt; the tools keep less of each.
"""

import ctypes
import os
import subprocess
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from pairs import spread
from peers import HTTP_PORT, NGINX, PEERS

from stress._fastconnect import now_ns, storm
from stress.lab import census, counters, namespace, sysctl, wait
from stress.lab.listener import Listener
from stress.model.attempt import allocate_attempts

PORT = 5000
ATTEMPTS = 20_000  # 0.6 s
ROUNDS = 7
LIMIT_S = 30.0  # for what takes a second

# The same for all, because ports run short for whoever closes first: connect() without bind() takes every second port
# until half the range is occupied, and looks through the full half for every further one. In the 28,232 ports that are
# usual, 20,000 FIN closes took the engine twice as long. Here 27,500 ports are even. Servers listen below the range.
PORT_RANGE = "10000 64999"

UNWATCHED = np.zeros(65536, np.uint8)  # no mines here

HEADING = "Against the tools that Debian ships"
COLUMNS = (
    "tool",
    "closes with",
    "carries",
    "connections per second (quartiles)",
    "connstorm, same close / tool (quartiles)",
)

NGINX_CONF = """\
daemon off;
master_process off;
user root;  # of the namespace; it has no other, and nginx gives its folders to a user
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_timeout 0;
    client_body_temp_path {folder}/client_body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 200; }}
    }}
}}
"""


@pytest.fixture
def back_home():
    """Go back to the network namespace of all benchmarks when this one is over."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    yield
    assert ctypes.CDLL(None).setns(home, namespace.CLONE_NEWNET) == 0  # os.setns() came with Python 3.12
    os.close(home)


def fresh_network():
    """Move to a network namespace for one run, as each act of a storm has its own.

    In one for all, the TIME_WAIT sockets of a run, up to 20,000 for a minute, would fill the range of the next one, and
    whoever comes first would be the fastest. Doing without TIME_WAIT (tcp_max_tw_buckets=0) would be no remedy: the FIN
    that comes second then meets no socket, and is answered by an RST.
    """
    namespace.enter_new_network()
    sysctl.write("net.core.somaxconn", "65535")
    sysctl.write("net.ipv4.ip_local_port_range", PORT_RANGE)


@contextmanager
def nginx(folder, cpu):
    """Serve HTTP_PORT of this namespace from one process on one CPU."""
    configuration = folder / "nginx.conf"
    configuration.write_text(NGINX_CONF.format(folder=folder, port=HTTP_PORT))
    log = folder / "error.log"
    process = subprocess.Popen(
        ["taskset", "--cpu-list", str(cpu), NGINX.path(), "-c", configuration, "-e", log], stdin=subprocess.DEVNULL
    )

    def listening():
        assert process.poll() is None, f"nginx ended: {log.read_text()}"
        return any(socket.local_port == HTTP_PORT for socket in census.iterate_sockets(4, ["LISTEN"]))

    try:
        assert wait.wait_until(listening, LIMIT_S), "nginx does not listen"
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def engine_rate_per_s(close, server_cpu, records):
    with Listener("127.0.0.1", PORT, cpu=server_cpu) as server:
        server.start()
        before, start_ns = counters.read(), now_ns()
        recorded, _ = storm(
            records,
            target="127.0.0.1",
            target_port=PORT,
            attempts=ATTEMPTS,
            window=1024,
            epoch_ns=start_ns,
            close=close,
            watched=UNWATCHED,
        )
        took_ns, change = now_ns() - start_ns, counters.counter_changes(before, counters.read())
    assert recorded == ATTEMPTS
    assert not records["error"].any()
    return rate_per_s(change, took_ns, close)


def peer_rate_per_s(peer, server_cpu, folder):
    # What brings a server of its own gets both CPUs, and the scheduler puts its two processes where it likes.
    pinned = [] if peer.server else ["taskset", "--cpu-list", f"{min(os.sched_getaffinity(0))},{server_cpu}"]
    with nginx(folder, server_cpu) if peer.server else nullcontext():
        before, start_ns = counters.read(), now_ns()
        ended = subprocess.run(
            [*pinned, *peer.command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        took_ns, change = now_ns() - start_ns, counters.counter_changes(before, counters.read())
    assert ended.returncode == 0, f"{peer.name}: {ended.stdout}"
    return rate_per_s(change, took_ns, peer.closes)


def rate_per_s(change, took_ns, close):
    """Return connections a second, by the kernel's count, and see that they were connections that end as is said.

    A few may be otherwise, at the end of a tool that stops by time: stress-ng's server goes before its client, and wrk
    resets what is open.
    """
    opened = change["ActiveOpens"]
    assert opened > 1000, f"only {opened} connections"
    assert change["AttemptFails"] <= 0.005 * opened, f"{change['AttemptFails']} of {opened} attempts failed"
    resets = change["OutRsts"] / opened
    assert resets >= 0.99 if close == "rst" else resets <= 0.01, f"{resets:.0%} reset, but the close is {close}"
    return opened / took_ns * 1e9


@pytest.mark.usefixtures("back_home")
def test_engine_against_peers(benchmark, table, two_cpus, tmp_path, subtests):
    """All in turn, the engine first in each round: its rate against each tool's in the same round."""
    installed = [peer for peer in PEERS if not peer.missing()]
    closes = sorted({peer.closes for peer in installed})
    records = allocate_attempts(ATTEMPTS)
    rates = {close: [] for close in (*closes, *installed)}

    def one():
        for close in closes:
            fresh_network()
            rates[close].append(engine_rate_per_s(close, two_cpus, records))
        for peer in installed:
            fresh_network()
            rates[peer].append(peer_rate_per_s(peer, two_cpus, tmp_path))

    if installed:
        benchmark.pedantic(one, rounds=ROUNDS + 1)
    for measured in rates.values():
        del measured[:1]  # the first round: programs came from the disk, pages of the records were new
    for close in closes:
        rate = spread(rates[close], "{:,.0f}")
        table.add(
            HEADING, COLUMNS, f"connstorm, close {close}", f"{close.upper()}, before the server", "nothing", rate, "–"
        )
    for peer in PEERS:
        with subtests.test(peer.name):
            if missing := peer.missing():
                reason = f"not installed (Debian package {' and '.join(missing)})"
                table.add(HEADING, COLUMNS, peer.name, reason, "–", "–", "–")
                pytest.skip(f"{peer.name}: {reason}")
            ratios = [ours / theirs for ours, theirs in zip(rates[peer.closes], rates[peer], strict=True)]
            benchmark.extra_info[peer.name] = ratios
            table.add(
                HEADING,
                COLUMNS,
                peer.name,
                f"{peer.closes.upper()}, {'before' if peer.closes_first else 'after'} the server",
                peer.carries,
                spread(rates[peer], "{:,.0f}"),
                spread(ratios, "{:.2f}"),
            )
    if not installed:
        pytest.skip("none of the tools is installed")
