# SPDX-License-Identifier: MIT
"""Make large capture files for benchmarks: connections of ten packets each, all of one kind."""

import gzip
import struct

import numpy as np

BEGIN_NS = 1_700_000_000 * 10**9
STEP_NS = 1000  # from packet to packet
CLIENT, SERVER = b"\x0a\0\0\1", b"\x0a\xff\0\2"
TIMESTAMP = b"\1\1\x08\x0a" + bytes(8)
SYN = b"\2\4\5\xb4\4\2\x08\x0a" + bytes(8) + b"\1\3\3\7"
REQUEST_BYTES, ANSWER_BYTES = 100, 300
# From the client, flags, options, bytes of data: a handshake, a request and its answer, a close.
PACKETS = (
    *((True, 2, SYN, 0), (False, 18, SYN, 0), (True, 16, TIMESTAMP, 0), (True, 24, TIMESTAMP, REQUEST_BYTES)),
    *((False, 16, TIMESTAMP, 0), (False, 24, TIMESTAMP, ANSWER_BYTES), (True, 16, TIMESTAMP, 0)),
    *((True, 17, TIMESTAMP, 0), (False, 17, TIMESTAMP, 0), (True, 16, TIMESTAMP, 0)),
)
FIN_FLAG, SYN_FLAG, ACK = 1, 2, 16
PORTS = 60_000


def frame(from_client, flags, options, data, numbers):
    """Return an Ethernet frame with a sequence and an acknowledgment number, and zeros where connections differ."""
    sizes = (5 + len(options) // 4) << 4
    ends = (CLIENT, SERVER, 0, 80) if from_client else (SERVER, CLIENT, 80, 0)
    tcp = struct.pack(">HHIIBBHHH", *ends[2:], *numbers, sizes, flags, 65535, 0, 0) + options + bytes(data)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, *ends[:2])
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp


def write_capture(path, packets, *, is_pcapng=False, data_bytes=None):
    """Write a capture of some packets, a multiple of ten; compressed when the name says so.

    Args:
        path: of the file.
        packets: how many.
        is_pcapng: its kind.
        data_bytes: of each packet that carries data, instead of those of PACKETS.
    """
    head, parts, clients, times, length = b"", [], [], [], 0
    if is_pcapng:
        head = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
        head += struct.pack("<IIHHIHHBxxxHHI", 1, 32, 1, 0, 262_144, 9, 1, 9, 0, 0, 32)
    else:
        head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
    sent = {True: 1, False: 1}  # the next sequence number of each side
    for from_client, flags, options, usual in PACKETS:
        data = data_bytes if usual and data_bytes else usual
        acknowledged = sent[not from_client] if flags & ACK else 0
        packet = frame(from_client, flags, options, data, (sent[from_client], acknowledged))
        sent[from_client] += data + (flags & (SYN_FLAG | FIN_FLAG) > 0)
        size = 32 + len(packet) + -len(packet) % 4
        if is_pcapng:
            record = struct.pack("<IIIIIII", 6, size, 0, 0, 0, len(packet), len(packet)) + packet
            record = record.ljust(size - 4, b"\0") + struct.pack("<I", size)
        else:
            record = struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet
        begin = length + (28 if is_pcapng else 16)
        times.append(length + 12 if is_pcapng else length)
        clients.append((begin + (26 if from_client else 30), begin + (34 if from_client else 36)))
        parts.append(record)
        length += len(record)
    connections = np.tile(np.frombuffer(b"".join(parts), np.uint8), (packets // len(PACKETS), 1))
    numbers = np.arange(len(connections))
    for place, at in enumerate(times):
        time_ns = BEGIN_NS + (numbers * len(PACKETS) + place) * STEP_NS
        halves = (time_ns >> 32, time_ns & 0xFFFF_FFFF) if is_pcapng else np.divmod(time_ns, 10**9)
        put(connections, at, np.stack(halves, axis=1).astype("<u4"))
    for address_at, port_at in clients:
        put(connections, address_at + 2, (1 + numbers // PORTS).astype(">u2")[:, None])
        put(connections, port_at, (1024 + numbers % PORTS).astype(">u2")[:, None])
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as file:
        file.write(head)
        file.write(connections)


def put(rows, at, values):
    """Put numbers into the bytes of rows, from a place on."""
    values = np.ascontiguousarray(values).view(np.uint8)
    rows[:, at : at + values.shape[1]] = values
