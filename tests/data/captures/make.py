# SPDX-License-Identifier: MIT
"""Make the captures of this folder anew, as root: what tcpdump and dumpcap write, and what tshark reads in it.

Two networks are joined by a link. In each capture there are a connection with data, one that is refused, one of IPv6,
one that is answered by an ICMP error, and two SYNs with VLAN tags: one with one, one with two.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parents[1]))
from private_network import AS_ONESELF, beside, network  # noqa: E402

FIELDS = [
    *("frame.number", "frame.time_epoch", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst"),
    *("tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.ack", "tcp.flags", "tcp.window_size_value", "tcp.len"),
    *("tcp.options.timestamp.tsval", "tcp.options.timestamp.tsecr"),
    *("ip.ttl", "ip.id", "ipv6.hlim", "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code"),
]
ABSOLUTE = ("-o", "tcp.relative_sequence_numbers:FALSE")
SERVER = """
import socket
for family, address in ((socket.AF_INET, "192.0.2.2"), (socket.AF_INET6, "2001:db8::2")):
    server = socket.create_server((address, 8080), family=family)
    server.settimeout(20)
    if family == socket.AF_INET:
        print("up", flush=True)
        first = server
for listener in (first, server):
    peer, _ = listener.accept()
    peer.sendall(peer.recv(100) * 10)
    peer.close()
"""
CLIENT = """
import socket
for address in ("192.0.2.2", "2001:db8::2"):
    with socket.create_connection((address, 8080)) as peer:
        peer.sendall(b"a question")
        while peer.recv(1000):
            pass
for address, port in (("192.0.2.2", 8081), ("192.0.2.2", 8082)):
    try:
        socket.create_connection((address, port), timeout=0.5)
    except OSError:
        pass
"""
TAGGED = """
import socket
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
    sender.bind(("lan", 0))
    for tags in (Dot1Q(vlan=5), Dot1AD(vlan=6) / Dot1Q(vlan=5)):
        frame = Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / tags
        sender.send(bytes(frame / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1025, dport=8080, seq=7)))
"""
# File, side (the client or the server), and the program that writes it.
CAPTURES = (
    ("ethernet-ns.pcap", 0, "tcpdump -i lan --time-stamp-precision=nano"),
    ("ethernet.pcap", 1, "tcpdump -i lan"),
    ("any.pcap", 1, "tcpdump -i any"),
    ("any-v1.pcap", 1, "tcpdump -i any -y LINUX_SLL"),
    ("snap-60.pcap", 0, "tcpdump -i lan -s 60"),
    ("snap-68.pcap", 0, "tcpdump -i lan -s 68"),
    ("snap-96.pcap", 0, "tcpdump -i lan -s 96"),
    ("two.pcapng", 0, "dumpcap -q -i lan -i any"),
)


def run(command, inside):
    return subprocess.run([*inside, *command.split()], check=True, stdout=subprocess.PIPE, text=True).stdout


def main():
    with network(AS_ONESELF) as (_, at_client), beside(at_client) as (server, at_server):
        run(f"ip link add lan type veth peer name lan netns {server}", at_client)
        for inside, number in ((at_client, 1), (at_server, 2)):
            run("ip link set lan up", inside)
            run(f"ip address add 192.0.2.{number}/24 dev lan", inside)
            run(f"ip address add 2001:db8::{number}/64 dev lan nodad", inside)
        run("nft add table inet t", at_server)
        run("nft add chain inet t input { type filter hook input priority 0 ; }", at_server)
        run("nft add rule inet t input tcp dport 8082 reject with icmpx type admin-prohibited", at_server)
        time.sleep(1)
        writers = []
        for name, side, program in CAPTURES:
            (FOLDER / name).unlink(missing_ok=True)
            here = (at_client, at_server)[side]
            extra = ["-U", "-Z", "root"] if program.startswith("tcpdump") else []
            writers.append(subprocess.Popen([*here, *program.split(), *extra, "-w", str(FOLDER / name)]))
        time.sleep(3)
        listener = subprocess.Popen([*at_server, sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
        listener.stdout.readline()
        subprocess.run([*at_client, sys.executable, "-c", CLIENT], check=True)
        listener.wait()
        subprocess.run([*at_client, sys.executable, "-c", TAGGED], check=True)
        time.sleep(1)
        for writer in writers:
            writer.terminate()
            writer.wait()
        for name, _, _ in CAPTURES:
            (FOLDER / name).chmod(0o644)
    readings = {name: read_by_tshark(FOLDER / name) for name, _, _ in CAPTURES}
    (FOLDER / "tshark.json").write_text(json.dumps(readings, separators=(",", ":")).replace("],[", "],\n[") + "\n")


def read_by_tshark(path):
    """Return the packets in which tshark sees TCP, as lists of FIELDS; all occurrences of each, with commas."""
    names = [word for name in FIELDS for word in ("-e", name)]
    command = ["tshark", *ABSOLUTE, "-r", str(path), "-Y", "tcp", "-T", "fields", "-E", "occurrence=a", *names]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in text.splitlines()]


if __name__ == "__main__":
    main()
