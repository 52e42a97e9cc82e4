# SPDX-License-Identifier: MIT
"""Real servers with something wrong in them, in private namespaces: each is met, named, and what is wrong is."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from namespaced import namespaced

from stress import api
from stress.lab.wait import wait_until

PORTS = (40000, 40099)
BOUNDS = {"attempts": 100, "rate_per_s": 1000.0, "duration_s": 5.0, "deadline_s": 0.8, "pin": False}
LEAK = """
import socket
server = socket.create_server(({host!r}, 7000), family=socket.{family}, backlog=512, dualstack_ipv6={dual})
connections = []
while True:
    connections.append(server.accept()[0])
"""
NOBODY_ACCEPTS = """
import socket, time
server = socket.create_server(("127.0.0.1", 7000), backlog=16)
time.sleep(100)
"""
SLOW = """
import socket, time
server = socket.create_server(("127.0.0.1", 7000), backlog=1)
while True:
    time.sleep(0.2)
    server.accept()[0].close()
"""
ONE_IS_STUCK = """
import socket
servers = [socket.create_server(("127.0.0.1", 7000), backlog=backlog, reuse_port=True) for backlog in (512, 8)]
while True:
    servers[0].accept()[0].close()
"""
NGINX = """
user root; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:7000 reuseport backlog=32; return 200; }}
}}
"""


@contextmanager
def program(text):
    """Run a server of Python; yield its name as connstorm names it."""
    with subprocess.Popen([sys.executable, "-c", text]) as process:
        try:
            assert wait_until(lambda: "7000" in listening(), 30)
            yield f"{Path(f'/proc/{process.pid}/comm').read_text().strip()}[{process.pid}]"
        finally:
            process.kill()


def storm(**options):
    """Storm the server; return the summary."""
    return api.storm_server_here(("127.0.0.1", 7000), **BOUNDS | options).summary


def listening():
    """Return the ports on which somebody listens, as a text; without connecting, which would fill a queue."""
    from stress.lab.listening import list_listening  # numpy comes with it, after the namespace

    return " ".join(str(entry.port) for entry in list_listening())


def leave_mines(count):
    """Connect from the first ports of the range, close, and wait until the ports are free again."""
    clients = [socket.socket() for _ in range(count)]
    for port, client in enumerate(clients, PORTS[0]):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
        client.bind(("127.0.0.1", port))
        client.connect(("127.0.0.1", 7000))
    time.sleep(0.1)  # accepted
    for client in clients:
        client.close()
    time.sleep(1.3)


@pytest.mark.parametrize(
    ("host", "family", "dual"),
    [("127.0.0.1", "AF_INET", False), ("::", "AF_INET6", True)],
    ids=["IPv4", "a dual-stack one, as Go and Node listen"],
)
@namespaced(ports=PORTS)
def test_a_leak_is_found_and_named(host, family, dual):
    with program(LEAK.format(host=host, family=family, dual=dual)) as name:
        leave_mines(30)
        summary = storm(ports="sweep")
        assert summary.causes["closewait"] == summary.collisions == 30
        verdict = summary.verdict
        assert verdict.startswith(f"{name} on 127.0.0.1:7000 was met: 30 of 100 attempts were slow or failed (30 close")
        assert "It had 30 sockets in CLOSE-WAIT before the storm and 0 after it" in verdict
        assert f"30 held by {name}" in verdict


@namespaced(ports=PORTS)
def test_a_listener_that_nobody_accepts_from_is_named():
    with program(NOBODY_ACCEPTS) as name:
        summary = storm()
        verdict = summary.verdict
        assert summary.causes["accept_queue"] == 83
        assert f"{name} on 127.0.0.1:7000 was met: 83 of 100 attempts were slow or failed (83 accept queue)" in verdict
        assert "Its listener dropped 83 packets; 83 of the storm's SYNs got no answer." in verdict
        assert "Its accept queue is full: 17 connections wait, and the limit is 16." in verdict
        again = str(api.storm_server(("127.0.0.1", 7000), trials=2, **BOUNDS | {"attempts": 5, "deadline_s": 0.4}))
        assert f"{name} on 127.0.0.1:7000 was met: 5 of 5 attempts were slow or failed (5 accept queue)" in again
        assert "explain --cause accept_queue" in again
        assert len(again.splitlines()) <= 10
        assert len(again) < 1000


@namespaced(ports=PORTS)
def test_a_short_queue_and_a_slow_accept_are_told_by_its_drops():
    with program(SLOW) as name:
        summary = storm()
        known = summary.causes["accept_queue"] + sum(bound.at_least for bound in summary.bounds)
        assert known > 20, (summary.bounds, summary.verdict)
        assert f"{name} on 127.0.0.1:7000 was met" in summary.verdict
        assert "Its listener dropped" in summary.verdict


@namespaced(ports=PORTS)
def test_one_stuck_listener_of_two_is_told():
    with program(ONE_IS_STUCK) as name:
        summary = storm()
        assert 0 < summary.causes["accept_queue"] < 100
        assert f"{name} on 127.0.0.1:7000 was met" in summary.verdict
        assert "Of 2 sockets that listen there 1 dropped" in summary.verdict


@namespaced(ports=PORTS)
def test_a_stopped_worker_of_nginx_is_named(tmp_path):
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is missing (Debian: nginx-light)")
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path))
    command = [nginx, "-p", tmp_path, "-c", configuration, "-e", tmp_path / "error.log", "-g", "daemon off;"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as master:
        workers = []
        try:
            assert wait_until(lambda: "7000" in listening(), 30)
            children = f"/proc/{master.pid}/task/{master.pid}/children"

            def has_workers():
                workers[:] = map(int, Path(children).read_text().split())
                return len(workers) == 2

            assert wait_until(has_workers, 30)
            os.kill(workers[1], signal.SIGSTOP)
            summary = storm(attempts=200, rate_per_s=200.0)  # on a busy machine the other one may not accept for 0.3 s
            assert 0 < summary.causes["accept_queue"] < 200
            assert f"nginx[{master.pid}] on 127.0.0.1:7000 was met" in summary.verdict
            assert f"do not run: nginx[{workers[1]}] (stopped)." in summary.verdict
            assert "Of 2 sockets that listen there 1 dropped" in summary.verdict
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            master.terminate()


@namespaced(ports=PORTS)
def test_nothing_is_said_of_a_server_that_was_not_met():
    """The rules take every SYN before it comes to the server, which then shows nothing."""
    from stress.lab.firewall import has_nft, run_nft  # see above

    if not has_nft():
        pytest.skip("nft is missing (Debian: nftables)")
    with program(NOBODY_ACCEPTS):
        run_nft(
            ["-f", "-"],
            "table inet t {\n chain i {\n type filter hook input priority 0;\n tcp dport 7000 drop\n }\n }\n",
        )
        verdict = storm(attempts=5, deadline_s=0.5).verdict
        assert verdict.startswith("Nothing shows that the server on 127.0.0.1:7000 was met: no attempt connected")
        assert "this run says nothing about it" in verdict
    with program(LEAK.format(host="127.0.0.1", family="AF_INET", dual=False)):
        run_nft(["flush", "ruleset"])
        assert "was met: no evidence was asked for" in storm(evidence="none").verdict
