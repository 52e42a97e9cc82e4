# SPDX-License-Identifier: MIT
"""What tests/test_peer_clock.py runs in a booted kernel: two hosts, of which one sends late and has another clock."""

import json
import socket
import subprocess
import sys

from stress.storm.peer.clock import measure_offset

PORT, READING_BYTES = 7000, 8
CLIENT, SERVER = "192.0.2.1", "192.0.2.2"  # for documentation (RFC 5737)
NAMESPACES = (
    "ip netns add far",
    "ip link add to-far type veth peer name to-near netns far",
    f"ip address add {CLIENT}/24 dev to-far",
    f"ip -n far address add {SERVER}/24 dev to-near",
    "ip link set to-far up",
    "ip -n far link set to-near up",
)
SERVE = f"""
import socket, time
with socket.create_server(({SERVER!r}, {PORT})) as server:
    print("listening", flush=True)
    connection, _ = server.accept()
    with connection:
        while connection.recv(1):
            connection.sendall(time.monotonic_ns().to_bytes({READING_BYTES}))
"""


def main(ahead_s, delay_ms):
    """Print the offset that is measured while one end sends late, then while the other does, as lines of JSON."""
    for command in NAMESPACES:
        subprocess.run(command.split(), check=True)
    serve = [*f"ip netns exec far unshare --time --monotonic {ahead_s} --fork".split(), sys.executable, "-c", SERVE]
    with subprocess.Popen(serve, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"listening\n"
        with socket.create_connection((SERVER, PORT)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

            def ping():
                connection.sendall(b"?")
                return int.from_bytes(connection.recv(READING_BYTES, socket.MSG_WAITALL))

            print_offset("none", ping)
            for end, device in (("client", ["dev", "to-far"]), ("server", ["dev", "to-near"])):
                tc = ["tc", *(["-n", "far"] if end == "server" else []), "qdisc"]
                subprocess.run([*tc, "add", *device, "root", "netem", "delay", f"{delay_ms}ms"], check=True)
                print_offset(end, ping)
                subprocess.run([*tc, "del", *device, "root"], check=True)


def print_offset(late, ping):
    """Measure and print; ``late`` is the end that sends late."""
    offset = measure_offset(ping)
    sys.stdout.write(json.dumps({"late": late, "offset_ns": offset.offset_ns, "error_ns": offset.error_ns}) + "\n")


main(*sys.argv[1:])
