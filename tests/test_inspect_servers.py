# SPDX-License-Identifier: MIT
"""connstorm inspect of real servers that leak or are stuck: what it says is what ss and the test itself know."""

import json
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
from command import assert_one_sentence, changed_program, connstorm, program
from inspection_states import ANYWHERE
from namespaced import namespaced
from test_servers_of_others import LEAK, NGINX, listening

from stress.lab import counters, sysctl
from stress.lab.wait import wait_until

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
PORTS = (40000, 40099)
PORT = 7000
IDLE_S, GONE_S = 1.5, 1.3  # before the FIN; until a client of TCP_LINGER2 1 has left FIN-WAIT-2, and a mine counts
TOLERANCE_MS = 1000
SOCKETSERVER = """
import socketserver
requests = []
class Leak(socketserver.TCPServer):
    def shutdown_request(self, request):
        requests.append(request)
Leak(("127.0.0.1", 7000), socketserver.BaseRequestHandler).serve_forever()
"""
NODE = 'require("net").createServer({pauseOnConnect: true}, () => {}).listen(7000)'
SERVERS = {
    "a socketserver that never closes": [sys.executable, "-c", SOCKETSERVER],
    "a dual-stack one in Python": [sys.executable, "-c", LEAK.format(host="::", family="AF_INET6", dual=True)],
    "a dual-stack one of Node": ["node", "-e", NODE],
}
# Says when a watch has looked for the first time, and waits for the next look or Ctrl-C.
SAY_WHEN = """
import sys, time, types
from stress.run import inspection
def sleep(seconds):
    print("has looked", file=sys.stderr, flush=True)
    time.sleep(seconds)
inspection.time = types.SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
"""
needs_nobody = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv (Debian: util-linux)"
)


@contextmanager
def serving(command):
    """Run a server that listens on port 7000; yield its process."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing")
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            assert wait_until(lambda: str(PORT) in listening(), 30)
            yield process
        finally:
            process.kill()


def connected(port, *, linger2=True):
    """Return a connection to the server from a port; once closed, it gives the port back after a second."""
    client = socket.socket()
    if linger2:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_LINGER2, 1)
    client.bind(("127.0.0.1", port))
    client.connect(("127.0.0.1", PORT))
    return client


def name_of(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def inspected(*arguments, expected=0, **options):
    """Return the document of an inspection, and its exit code was as expected."""
    ended = connstorm("inspect", "--json", *arguments, **options)
    assert (ended.returncode, ended.stderr) == (expected, ""), ended.stderr
    return json.loads(ended.stdout)


@contextmanager
def watched(*arguments):
    """Watch from before a block until after it; what is yielded is filled with the document and the exit code."""
    command = changed_program(SAY_WHEN, "inspect", "--json", "--watch", 1000, *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline() == "has looked\n"
        document = {}
        yield document
        process.send_signal(signal.SIGINT)
        document |= json.loads(process.communicate(timeout=60)[0])
    document["code"] = process.returncode


def has_counted(**expected):
    """Wait until counters of the kernel have these values."""
    return wait_until(lambda: {name: counters.read()[name] for name in expected} == expected, 30)


def ports_of_ss(state, end="sport"):
    """Return the ports on the other side of the server's port, of all sockets in a state, as ss lists them."""
    listed = subprocess.run(
        ["ss", "-tanH", "state", state, f"{end} = :{PORT}"], capture_output=True, text=True, check=True
    ).stdout
    place = 3 if end == "sport" else 2
    return {int(line.split()[place].rpartition(":")[2]) for line in listed.splitlines()}


def can_be_nobody():
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


def skip_without_ss():
    if shutil.which("ss") is None:
        pytest.skip("ss is missing (Debian: iproute2)")


@pytest.mark.parametrize("server", SERVERS)
@namespaced(ports=PORTS, as_oneself=True)
def test_a_leak_is_named_with_number_ages_and_the_ports_that_ss_has(server):
    """Of eight leaked connections five were idle before their FIN; one more client still waits for the server's FIN."""
    skip_without_ss()
    with serving(SERVERS[server]) as process:
        old = [connected(port) for port in range(40000, 40005)]
        idle = connected(40050)
        time.sleep(IDLE_S)
        new = [connected(port) for port in range(40010, 40013)]
        closed = time.monotonic()
        for client in old + new:
            client.close()
        time.sleep(GONE_S)
        connected(40020, linger2=False).close()
        assert wait_until(lambda: ports_of_ss("fin-wait-2", "dport") == {40020}, 30)
        assert wait_until(lambda: len(ports_of_ss("close-wait")) == len(old) + len(new) + 1, 30)
        waiting = ports_of_ss("fin-wait-2", "dport")
        poisoned = ports_of_ss("close-wait") - waiting
        views = []
        for user in ((), AS_NOBODY) if can_be_nobody() else ((),):
            before = time.monotonic() - closed
            views.append((inspected(under=user), before, time.monotonic() - closed))
        name = name_of(process.pid)
        idle.close()
    assert (waiting, poisoned) == ({40020}, {*range(40000, 40005), *range(40010, 40013)})
    for document, before, after in views:
        (leak,), (listener,), (destination,) = (document[key] for key in ("leaks", "listeners", "destinations"))
        assert (leak["state"], leak["count"], leak["unaccepted"], leak["is_server"]) == ("CLOSE-WAIT", 9, 0, True)
        assert leak["ages"]["known"] == 9
        oldest_ms = leak["ages"]["oldest_ms"]
        assert before * 1000 - TOLERANCE_MS <= oldest_ms <= after * 1000 + TOLERANCE_MS
        assert leak["ages"]["median_ms"] <= oldest_ms <= leak["ages"]["median_ms"] + TOLERANCE_MS
        assert listener["states"] == {"CLOSE-WAIT": 9, "ESTABLISHED": 1}
        assert (destination["chance"]["mines"], destination["left"]) == (8, 98)
        assert sysctl.parse_ports(destination["chance"]["mined_ports"]) == poisoned
    document = views[0][0]
    assert (document["leaks"][0]["owner"]["name"], document["leaks"][0]["owner"]["pid"]) == (name, process.pid)
    assert document["listeners"][0]["holders"] == [process.pid]
    told = f"{name}[{process.pid}] has not closed: 9 connections to port {PORT} are in CLOSE-WAIT"
    assert told in document["verdict"]


@needs_nobody
@namespaced(ports=PORTS, as_oneself=True)
def test_nobody_is_told_what_he_cannot_see_and_how_to_let_it():
    with serving(SERVERS["a dual-stack one in Python"]) as process:
        clients = [connected(port) for port in range(40000, 40003)]
        assert wait_until(lambda: len(list(Path(f"/proc/{process.pid}/fd").iterdir())) >= 7, 30)
        clients.pop().close()
        time.sleep(GONE_S)
        document = inspected(under=AS_NOBODY)
        refused = connstorm("inspect", "--pid", process.pid, under=AS_NOBODY)
        barred = connstorm("inspect", "--netns", process.pid, "--json", under=AS_NOBODY)
        own = inspected("--pid", process.pid)
        other = inspected("--pid", os.getpid())
    (leak,) = document["leaks"]
    assert leak["owner"] == {"uid": 0, "user": "root", "pid": None, "name": None}
    assert document["unseen"][0]["what"].startswith("the processes of ")
    assert document["unseen"][0]["remedy"] == "Look as root (sudo)."
    assert "Not seen: the processes of " in document["verdict"]
    for ended in (refused, barred):
        assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (3, "", 1)
        assert "root" in ended.stderr
    assert own["leaks"][0]["owner"]["pid"] == process.pid
    assert (other["leaks"], other["listeners"]) == ([], [])
    assert own["unseen"] == []


@contextmanager
def stuck_nginx(folder):
    """Run nginx with one worker that is stopped, with two connections accepted; yield master, worker, connections."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is missing (Debian: nginx-light)")
    configuration = folder / "nginx.conf"
    text = NGINX.format(folder=folder).replace("worker_processes 2", "worker_processes 1")
    configuration.write_text(text.replace(" reuseport backlog=32", " backlog=4"))
    command = [nginx, "-p", str(folder), "-c", str(configuration), "-e", str(folder / "log"), "-g", "daemon off;"]
    with serving(command) as master:
        children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
        assert wait_until(lambda: children.read_text().split(), 30)
        (worker,) = map(int, children.read_text().split())
        served = []
        for port in (40000, 40001):
            served.append(connected(port))
            served[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert served[-1].recv(4096).startswith(b"HTTP/1.1 200")
        os.kill(worker, signal.SIGSTOP)
        try:
            yield master.pid, worker, served
        finally:
            os.kill(worker, signal.SIGKILL)


@namespaced(ports=PORTS, as_oneself=True)
def test_a_stopped_worker_of_nginx_is_named_and_what_waits_in_its_queue_told_apart(tmp_path):
    with stuck_nginx(tmp_path) as (master, worker, served):
        for client in served:
            client.close()
        for port in (40010, 40011, 40012):
            connected(port).close()
        clients = [connected(port) for port in (40020, 40021)]
        time.sleep(GONE_S)
        document = inspected(expected=1)
        inspected("--ignore", "listener-queue")
        of_worker = inspected("--pid", worker, expected=1)
        elsewhere = inspected("--port", PORT + 1)
        if shutil.which("ss") is not None:
            assert {*ports_of_ss("close-wait")} == {40000, 40001, 40010, 40011, 40012}
        with watched("--ignore", "listener-queue") as watch:
            dropped = counters.read()["ListenDrops"]
            late = [socket.socket() for _ in range(3)]
            for client in late:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", PORT))
            assert wait_until(lambda: counters.read()["ListenDrops"] >= dropped + len(late), 30)
            for client in late:
                client.close()
        del clients
    (listener,) = document["listeners"]
    assert (listener["limit"], listener["waiting"], listener["stopped"]) == (4, 5, [worker])
    assert (listener["owner"]["name"], listener["holders"]) == ("nginx", [master, worker])
    accepted, waiting = sorted(document["leaks"], key=lambda leak: leak["unaccepted"])
    assert (accepted["owner"]["pid"], accepted["count"], accepted["unaccepted"]) == (worker, 2, 0)
    assert (waiting["owner"], waiting["count"], waiting["unaccepted"]) == (None, 3, 3)
    assert document["verdict"].startswith(f"The accept queue of nginx[{master}] at 127.0.0.1:{PORT} is full, so every ")
    assert f"stopped, by a signal or a debugger: {worker}." in document["verdict"]
    assert sorted(leak["count"] for leak in of_worker["leaks"]) == [2, 3]
    assert (elsewhere["leaks"], elsewhere["listeners"], elsewhere["findings"]) == ([], [], [])
    assert watch["code"] == 1
    assert watch["watch"]["listener_drops"] == {f"127.0.0.1:{PORT}": watch["watch"]["counters"]["ListenDrops"]}
    assert watch["verdict"].startswith(f"nginx[{master}] at 127.0.0.1:{PORT} dropped ")


def test_the_minefield_of_a_scenario_is_counted():
    look = ["sh", "-c", 'sleep 1; exec "$@"', "sh", *program("inspect", "--json")]
    ended = connstorm("shell", "closewait", "client", "--mines", 30, "--port-range", "40000-40099", "--", *look)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    (leak,), (destination,) = document["leaks"], document["destinations"]
    assert (leak["count"], leak["is_server"], destination["chance"]["mines"]) == (30, True, 30)
    assert leak["owner"]["pid"] in document["listeners"][0]["holders"]


IN_A_CONTAINER = """
import os, runpy, socket, sys
from stress.lab import namespace

def look():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.environ["PATH"] = "/nonexistent"
        sys.argv = ["connstorm", "inspect", "--json"]
        runpy.run_module("stress", run_name="__main__")
    assert os.waitpid(child, 0)[1] == 0

assert namespace.unshare(namespace.CLONE_NEWUSER | namespace.CLONE_NEWNET) == 0, "no namespace"
look()
namespace.bring_loopback_up()
server = socket.create_server(("127.0.0.1", 7000))
client = socket.create_connection(("127.0.0.1", 7000))
accepted = server.accept()[0]
client.close()
look()
"""


def test_without_ss_nft_and_root_and_before_the_loopback_is_up_it_works():
    become = AS_NOBODY if can_be_nobody() else ()
    command = [*become, sys.executable, "-c", IN_A_CONTAINER]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "no namespace" in ended.stderr:
        pytest.skip("this kernel refuses a namespace here")
    assert (ended.returncode, ended.stderr) == (0, "")
    down, _, up = ended.stdout.partition("\n}\n")
    down, document = json.loads(down + "}"), json.loads(up)
    assert (down["sockets"], down["leaks"]) == (0, [])
    (leak,) = document["leaks"]
    assert (leak["local"], leak["count"]) == (f"127.0.0.1:{PORT}", 1)
    assert leak["owner"]["pid"] == document["listeners"][0]["owner"]["pid"] is not None
    assert "rules" in document["unseen"][-1]["what"]


@namespaced(ports=PORTS)
def test_a_syn_ack_that_comes_again_is_no_mine():
    """With TCP_DEFER_ACCEPT each client that says nothing gets a second SYN-ACK, and TCPSYNChallenge counts it.

    The ACKs that it drops are in the listener's drops, and harm nobody.
    """
    with socket.create_server(("127.0.0.1", PORT)) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
        with watched() as document:
            clients = [socket.create_connection(server.getsockname()) for _ in range(10)]
            assert has_counted(TCPSYNChallenge=10, TCPDeferAcceptDrop=10)
        del clients
    watch = document["watch"]
    assert watch["counters"]["TCPSYNChallenge"] == watch["counters"]["TCPDeferAcceptDrop"] == 10
    assert watch["listener_drops"] == {f"127.0.0.1:{PORT}": 10}
    assert (document["code"], document["clients"], document["leaks"]) == (0, [], [])
    assert [row["chance"] for row in document["destinations"] if row["chance"] and row["chance"]["mines"]] == []
    assert all("mine" not in finding["text"] for finding in document["findings"])
    deferred, again, challenged = (finding["text"] for finding in document["findings"])
    assert "no client waits for those" in deferred
    assert again.startswith("10 SYNs and SYN-ACKs were sent again by this host, which made 10 connects")
    assert "The counter does not tell which." in challenged


@namespaced(ports=PORTS)
def test_a_client_that_does_not_close_and_a_server_that_no_longer_listens_are_no_mines():
    """Which end of a connection listened once is not known any more, and not said."""
    server, gone = (socket.create_server(("127.0.0.1", port)) for port in (PORT, PORT + 1))
    ours = [connected(port, linger2=False) for port in (40080, 40081, 40082)]
    for _ in ours:
        server.accept()[0].close()
    theirs = [connected(port) for port in (40090, 40091)]
    held = [server.accept()[0] for _ in theirs]
    server.close()
    for client in theirs:
        client.close()
    time.sleep(GONE_S)
    document = inspected()
    gone.close()
    (leak,) = document["leaks"]
    assert (leak["count"], leak["is_server"], leak["owner"]["pid"]) == (len(ours) + len(held), False, os.getpid())
    assert f"{leak['count']} connections between 127.0.0.1 and 127.0.0.1 are in CLOSE-WAIT" in document["verdict"]
    assert [row for row in document["destinations"] if row["chance"]] == []


@namespaced(ports=PORTS)
def test_what_a_program_connected_from_the_port_it_listens_on_is_a_clients():
    """As peers do that pass through NAT; what they do not close is no leak of their listener's and no mine."""
    listener, ours = reusing_socket(PORT), reusing_socket(PORT)
    listener.listen()
    other = socket.create_server(("127.0.0.1", PORT + 1))
    ours.connect(("127.0.0.1", PORT + 1))
    other.accept()[0].close()
    caller = connected(40080)
    theirs = listener.accept()[0]
    caller.close()
    time.sleep(GONE_S)
    document = inspected()
    for end in (listener, ours, other, theirs):
        end.close()
    leaks = {leak["is_server"]: leak for leak in document["leaks"]}
    assert (leaks[False]["local"], leaks[False]["count"]) == ("127.0.0.1", 1)
    assert (leaks[True]["local"], leaks[True]["count"]) == (f"127.0.0.1:{PORT}", 1)


def reusing_socket(port):
    """Return a socket that shares its port with others."""
    reusing = socket.socket()
    reusing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reusing.bind(("127.0.0.1", port))
    return reusing


@namespaced(ports=(40000, 40999), sysctls={"net.ipv4.tcp_max_tw_buckets": "0"})
def test_each_listener_of_a_port_has_its_own_leak_and_all_holders_are_told():
    """One listens on any address, one on 127.0.0.2, two share 127.0.0.3; 100 clients have an address each."""
    listeners = [socket.socket() for _ in range(4)]
    for listener, address in zip(listeners, (ANYWHERE, "127.0.0.2", "127.0.0.3", "127.0.0.3"), strict=True):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, PORT))
        listener.listen(200)
    held = []
    for number in range(100):
        with socket.create_connection(("127.0.0.2", PORT), source_address=(f"127.1.0.{number}", 0)):
            held.append(listeners[1].accept()[0])
    with socket.create_connection(("127.0.0.9", PORT)):
        held.append(listeners[0].accept()[0])
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        time.sleep(GONE_S)
        document = inspected()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    states = {(row["address"], tuple(row["states"].items()), row["shares_port"]) for row in document["listeners"]}
    assert states == {
        (ANYWHERE, (("CLOSE-WAIT", 1),), False),
        ("127.0.0.2", (("CLOSE-WAIT", 100),), False),
        ("127.0.0.3", (), True),
    }
    assert {(leak["local"], leak["count"], leak["peer_count"]) for leak in document["leaks"]} == {
        (f"127.0.0.2:{PORT}", 100, 100),
        (f"{ANYWHERE}:{PORT}", 1, 1),
    }
    assert all(row["holders"] == sorted([os.getpid(), child]) for row in document["listeners"])
    assert all(leak["owner"]["pid"] == os.getpid() for leak in document["leaks"])


def test_a_namespace_that_is_none_is_wrong_use(tmp_path):
    assert_one_sentence(connstorm("inspect", "--netns", tmp_path / "absent"), "absent")
