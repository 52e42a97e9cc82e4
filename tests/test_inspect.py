# SPDX-License-Identifier: MIT
"""connstorm inspect, as a user meets it: real sockets, in a namespace of their own."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import inspection_builders as examples
import jsonschema
import pytest
from command import assert_one_sentence, connstorm, program
from house import REPOSITORY
from namespaced import namespaced
from rich.console import Console

from stress.analysis.inspection import thresholds
from stress.cli.inspect import check_process
from stress.lab import sysctl
from stress.model.errors import LabError, UsageError
from stress.view.export import metrics_file
from stress.view.text.inspection_watch import WatchDisplay

SCHEMA = REPOSITORY / "docs" / "inspection.schema.json"
PORTS = (40000, 40099)
ETH_P_ALL = 3  # linux/if_ether.h
LEAKED = 7
WITHOUT_IPV6 = "net.ipv6.conf.default.disable_ipv6"


def leaking_server(backlog=64):
    """Return a listener, connections that it has accepted and not closed, though their clients have, and its port."""
    server = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    held = []
    for _ in range(LEAKED):
        client = socket.create_connection(server.getsockname())
        held.append(server.accept()[0])
        client.close()
    return server, held, server.getsockname()[1]


def stuck_server():
    """Return a listener whose accept queue is full, its clients, and its port."""
    server = socket.create_server(("127.0.0.1", 0), backlog=1)
    clients = [socket.create_connection(server.getsockname()) for _ in range(2)]
    return server, clients, server.getsockname()[1]


@namespaced(ports=PORTS)
def test_a_leak_is_named_with_its_process_its_number_and_its_ages():
    _server, _held, port = leaking_server()
    ended = connstorm("inspect", "--json")
    document = json.loads(ended.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    (leak,) = document["leaks"]
    assert (leak["count"], leak["state"], leak["local"]) == (LEAKED, "CLOSE-WAIT", f"127.0.0.1:{port}")
    assert leak["owner"]["pid"] == os.getpid()
    assert leak["ages"]["known"] == LEAKED
    assert ended.returncode == 0, "none is older than a minute"
    assert ended.stderr == ""
    text = connstorm("inspect").stdout
    assert f"[{os.getpid()}]" in text
    assert f"127.0.0.1:{port}" in text


@namespaced(ports=PORTS)
def test_a_full_queue_fails_the_check_unless_it_is_ignored():
    _server, _clients, port = stuck_server()
    ended = connstorm("inspect", "--port", port)
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}" in ended.stdout.splitlines()[0]
    assert "[listener-queue]" in ended.stdout
    ignored = connstorm("inspect", "--port", port, "--ignore", "listener-queue")
    assert ignored.returncode == 0
    assert "[listener-queue, ignored]" in ignored.stdout


@namespaced(ports=PORTS)
def test_a_server_that_was_stopped_is_named_as_such():
    server = socket.create_server(("127.0.0.1", 0), backlog=1)
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGSTOP)
    _clients = [socket.create_connection(server.getsockname()) for _ in range(2)]
    try:
        document = json.loads(connstorm("inspect", "--json").stdout)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    (listener,) = document["listeners"]
    assert listener["holders"] == sorted([os.getpid(), child])
    assert listener["stopped"] == [child]
    finding = document["findings"][0]
    assert f"1 of the 2 processes that have it open are stopped, by a signal or a debugger: {child}." in finding["text"]
    assert finding["remedies"][0] == f"kill -CONT {child}"


@namespaced(ports=PORTS)
def test_metrics_are_written_also_when_something_is_wrong(tmp_path):
    path = tmp_path / "connstorm.prom"
    _server, _clients, _port = stuck_server()
    assert connstorm("inspect", "--metrics", path).returncode == 1
    text = path.read_bytes()
    assert b'connstorm_check_failed{check="listener-queue"} 1' in text
    assert [file.name for file in tmp_path.iterdir()] == ["connstorm.prom"]
    if shutil.which("promtool"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


@namespaced(ports=PORTS)
def test_it_sends_no_packet():
    """Captured on every device of a namespace, the loopback and an Ethernet device, in both directions."""
    if shutil.which("ip") is None:
        pytest.skip("ip is missing (Debian: iproute2)")
    if sysctl.read(WITHOUT_IPV6) is not None:
        sysctl.write(WITHOUT_IPV6, "1")  # which would look for its neighbours
    for words in (
        "link add inside type veth peer name outside",
        "addr add 10.9.8.7/24 dev inside",
        "link set inside up",
        "link set outside up",
    ):
        subprocess.run(["ip", *words.split()], check=True)
    _server, _held, _port = leaking_server()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as capture:
        capture.settimeout(0.5)  # longer than ACKs are delayed
        with suppress(TimeoutError):
            while True:
                capture.recv(100)
        capture.setblocking(False)
        assert connstorm("inspect", "--watch", 1, "--json").returncode == 0
        with pytest.raises(BlockingIOError):
            capture.recv(100)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            control.sendto(b"seen", ("127.0.0.1", 9))
        assert capture.recv(100).endswith(b"seen")


@namespaced(ports=PORTS)
def test_a_watch_says_what_changed_and_ctrl_c_ends_it_with_its_report():
    server, held, port = leaking_server()
    with subprocess.Popen(
        program("inspect", "--watch", 100), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        line = watching.stderr.readline()
        held.append(socket.create_connection(server.getsockname()))
        watching.send_signal(signal.SIGINT)
        stdout, _ = watching.communicate(timeout=60)
    assert "s remain" in line
    assert f"{LEAKED} CLOSE-WAIT at 127.0.0.1:{port}" in line
    assert watching.returncode == 0
    assert "Within" in stdout
    assert "sockets that appeared: 2 ESTABLISHED" in stdout


@namespaced(ports=PORTS)
def test_another_namespace_is_looked_into_by_the_id_of_a_process_there():
    _server, _held, port = leaking_server()
    apart = ["unshare", "--net"]
    there = str(os.getpid())
    document = json.loads(connstorm("inspect", "--netns", there, "--json", under=apart).stdout)
    assert document["leaks"][0]["local"] == f"127.0.0.1:{port}"
    wrong = connstorm("inspect", "--pid", there, under=apart)
    assert_one_sentence(wrong, f"--netns {there}")
    assert json.loads(connstorm("inspect", "--json", under=apart).stdout)["leaks"] == []


def test_the_help_has_every_check_with_its_limit():
    text = connstorm("inspect", "--help").stdout
    for check, limit in thresholds.TEXTS.items():
        assert re.search(rf"{check}\s+{re.escape(limit)}", text)


def test_a_watch_of_no_number_is_wrong_use():
    assert_one_sentence(connstorm("inspect", "--watch", "nan"), "--watch")


@namespaced(ports=PORTS)
def test_where_nothing_may_be_seen_the_exit_code_is_3_and_old_metrics_are_removed(tmp_path):
    """The descriptors of process 1 may not be read from a user namespace."""
    path = tmp_path / "connstorm.prom"
    metrics_file.write(path, b"# HELP connstorm_unseen Says.\n")
    ended = connstorm("inspect", "--pid", 1, "--netns", 1, "--metrics", path)
    assert ended.returncode == 3, ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@namespaced(ports=PORTS)
def test_a_look_imports_no_library_that_takes_long():
    command = [sys.executable, "-X", "importtime", "-m", "stress", "inspect"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    heavy = {"matplotlib", "scipy", "scapy", "pyroute2", "stress.storm.catalogue"}
    assert not heavy & {line.rpartition("|")[2].strip() for line in imported.splitlines()}


def test_a_file_of_somebody_else_is_neither_replaced_nor_removed(tmp_path):
    path = tmp_path / "theirs.prom"
    path.write_text("# HELP other_total Of another program.\n")
    with pytest.raises(UsageError, match="was not written by connstorm"):
        metrics_file.check_place(path)
    metrics_file.remove(path)
    assert path.exists()


def test_metrics_of_an_earlier_look_are_removed_when_nothing_can_be_seen(tmp_path):
    path = tmp_path / "ours.prom"
    metrics_file.write(path, b"# HELP connstorm_unseen Says.\n")
    metrics_file.check_place(path)
    metrics_file.remove(path)
    assert not path.exists()


def test_the_live_table_leaves_nothing_on_the_terminal():
    console = Console(force_terminal=True, width=80, height=24, highlight=False, _environ={})
    with console.capture() as capture, WatchDisplay(console, quiet=False) as display:
        display.show(examples.WATCHED, 7.0)
    assert "7 s remain" in capture.get()
    assert capture.get().endswith("\x1b[2K")  # of the last line that was erased


def test_quiet_shows_nothing():
    console = Console(force_terminal=True, width=80)
    with console.capture() as capture, WatchDisplay(console, quiet=True) as display:
        display.show(examples.WATCHED, 7.0)
    assert capture.get() == ""


@namespaced(ports=PORTS)
def test_a_process_cannot_command_the_terminal_by_its_name():
    server, held, _port = leaking_server()
    Path("/proc/self/comm").write_bytes(b"\x1b[31m[/]\xff")
    ended = connstorm("inspect")
    assert f"?[31m[/]\N{REPLACEMENT CHARACTER}[{os.getpid()}]" in ended.stdout
    assert "\x1b" not in ended.stdout
    ascii_only = connstorm("inspect", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert ascii_only.returncode == 0, ascii_only.stderr
    assert len(held) == LEAKED, server


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_output_that_cannot_be_written_is_no_failing_check(options):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            program("inspect", *options), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert (
        ended.stderr == "connstorm: Standard output cannot be written: No space left on device; write it elsewhere.\n"
    )


@namespaced(ports=PORTS)
def test_a_process_whose_namespace_is_hidden_is_not_taken_for_one_of_this(monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "stat", refuse)  # a process with more capabilities than this one, prctl(2)
    with pytest.raises(LabError, match="in which network namespace"):
        check_process(os.getpid())


def test_metrics_do_not_wait_for_a_fifo(tmp_path):
    path = tmp_path / "a.prom"
    os.mkfifo(path)
    with pytest.raises(UsageError, match="was not written by connstorm"):
        metrics_file.check_place(path)


@namespaced(ports=PORTS)
def test_ages_of_connections_that_keepalive_probes_are_said_to_be_too_small():
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    held = server.accept()[0]
    held.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    client.shutdown(socket.SHUT_WR)  # it goes on to answer probes
    time.sleep(thresholds.TOLD_AGE_MS / 1000 + 0.1)
    ended = connstorm("inspect", "--json")
    (leak,) = json.loads(ended.stdout)["leaks"]
    assert leak["ages"]["probed"] == 1
    assert "or before (keepalive makes them look younger)" in json.loads(ended.stdout)["verdict"]


@namespaced(ports=PORTS)
def test_commands_for_another_namespace_look_into_it():
    _server, _clients, port = stuck_server()
    ended = connstorm("inspect", "--netns", os.getpid(), "--json", "--port", port)
    (finding,) = json.loads(ended.stdout)["findings"]
    assert f"connstorm inspect --netns {os.getpid()} --port {port} --watch 10" in finding["commands"]
    assert f"nsenter --net=/proc/{os.getpid()}/ns/net ss -ltnpm 'sport = :{port}'" in finding["commands"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_leaves_is_no_failing_check(options):
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(program("inspect", *options), stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, "")


@namespaced(ports=PORTS)
def test_a_process_that_inherited_a_leak_has_it_too():
    server, _held, _port = leaking_server()
    child = os.fork()
    if child == 0:
        server.close()
        signal.pause()
    try:
        document = json.loads(connstorm("inspect", "--pid", child, "--json").stdout)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    (leak,) = document["leaks"]
    assert leak["count"] == LEAKED == document["sockets"]
