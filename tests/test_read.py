# SPDX-License-Identifier: MIT
"""connstorm read: capture files of others become runs, and no name is claimed that their packets do not prove."""

import errno
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from command import assert_one_sentence, connstorm
from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from stress.analysis.attribution.summary import analyse
from stress.analysis.capture.tries import find_tries
from stress.model.outcome import Cause
from stress.run.capture import read_capture
from stress.store import run_folder
from stress.store.capture_file.read import read_captures

CAPTURES = Path(__file__).parent / "data" / "captures"
CLIENT, SERVER, PORT = "10.0.0.1", "10.0.0.2", 5000
LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # else scapy would ask the network for them
BEGIN_S = 1_700_000_000


class Talk:
    """Packets between a client and a server, written by hand."""

    def __init__(self):
        self.packets = []
        self.identification = 1

    def segment(self, at_s, flags, number=0, acknowledgment=0, *, from_client=True, port=40000):
        ends = {"src": CLIENT, "dst": SERVER} if from_client else {"src": SERVER, "dst": CLIENT}
        ports = {"sport": port, "dport": PORT} if from_client else {"sport": PORT, "dport": port}
        self.identification += 1
        ip = IP(**ends, ttl=64, flags="DF", id=self.identification)
        packet = LINK / ip / TCP(**ports, flags=flags, seq=number, ack=acknowledgment)
        packet.time = BEGIN_S + at_s
        self.packets.append(packet)

    def handshake(self, at_s, number, answer, port):
        self.segment(at_s, "S", number, port=port)
        self.segment(at_s + 0.001, "SA", answer, number + 1, from_client=False, port=port)
        self.segment(at_s + 0.002, "A", number + 1, answer + 1, port=port)

    def write(self, path):
        self.packets.sort(key=lambda packet: packet.time)
        wrpcap(str(path), self.packets)
        return path


def read_run(files, tmp_path, **options):
    """Read captures without pictures; return the run and what is said of it."""
    return run_folder.read(read_capture(files, tmp_path / "results", draw=False, **options))


def attempt_of(run, port):
    (row,) = np.flatnonzero(run.attempts["local_port"] == port)
    return run.attempts[row], str(analyse(run).acts[0].storm.act.name)


def test_syns_unanswered_until_the_client_gives_up_are_a_timeout_of_unknown_cause(tmp_path):
    """The first trace of the article: SYN after SYN, and nothing comes back."""
    talk = Talk()
    for at_s in (5, 6, 8, 12, 20, 36, 68):
        talk.segment(at_s, "S", 1000)
    for at_s in (0, 100, 250, 300):
        talk.handshake(at_s, 77, 99, 41000 + at_s)
    run, summary = read_run([talk.write(tmp_path / "silent.pcap")], tmp_path)
    attempt, _ = attempt_of(run, 40000)
    assert (attempt["error"], attempt["retransmits"]) == (errno.ETIMEDOUT, 6)
    assert attempt["latency_ns"] == 63_000_000_000  # until the last SYN: nothing shows when the client stopped waiting
    assert summary.causes["unknown"] >= 1
    assert {cause for cause, count in summary.causes.items() if count} <= {"unknown", "none"}
    assert any("no answer" in hint for hint in summary.hints)


def test_the_same_syns_without_the_time_after_them_have_no_end(tmp_path):
    talk = Talk()
    for at_s in (5, 6, 8, 12):
        talk.segment(at_s, "S", 1000)
    talk.handshake(13, 77, 99, 41000)
    run, _ = read_run([talk.write(tmp_path / "cut.pcap")], tmp_path)
    attempt, _ = attempt_of(run, 40000)
    assert (attempt["error"], attempt["retransmits"]) == (errno.EINPROGRESS, 3)


def one_second(talk, *, earlier, after_s=1.001):
    """The second trace: S, ., R, one second, S, S., . — with the earlier connection that had the port, or without."""
    if earlier:
        talk.segment(5, "S", 500)
        talk.segment(5.001, "SA", 9000, 501, from_client=False)
        talk.segment(5.002, "A", 501, 9001)
        talk.segment(5.003, "FA", 501, 9001)
        talk.segment(5.004, "A", 9001, 502, from_client=False)
    talk.segment(75, "S", 1000)
    talk.segment(75.001, "A", 9001, 502, from_client=False)
    talk.segment(75.002, "R", 502)
    talk.segment(75.002 + after_s, "S", 1000)
    talk.segment(75.003 + after_s, "SA", 7000, 1001, from_client=False)
    talk.segment(75.004 + after_s, "A", 1001, 7001)
    talk.handshake(90, 77, 99, 41000)
    return talk


def test_the_retry_of_one_second_met_an_old_socket_but_who_answered_for_the_client_is_open(tmp_path):
    """A kernel before 5.6, or a firewall that answered the challenge in the client's place: packets do not tell."""
    run, summary = read_run([one_second(Talk(), earlier=True).write(tmp_path / "leak.pcap")], tmp_path)
    slow = run.attempts[run.attempts["retransmits"] == 1]
    assert slow["latency_ns"].tolist() == [1_005_000_000]
    assert {cause for cause, count in summary.causes.items() if count} <= {"unknown", "none"}
    assert any("CLOSE-WAIT by its numbers" in hint for hint in summary.hints)
    shown = next(evidence for evidence in summary.evidence if evidence.cause == "unknown")
    assert [packet.flags for packet in shown.packets] == ["S", ".", "R", "S", "S.", "."]


def test_the_retry_of_two_jiffies_is_a_leak_where_the_capture_shows_how_the_old_connection_ended(tmp_path):
    file = one_second(Talk(), earlier=True, after_s=0.01).write(tmp_path / "leak.pcap")
    _, summary = read_run([file], tmp_path)
    assert summary.causes["closewait"] == 1
    (proof,) = summary.proofs
    assert (proof.cause, proof.grade.value) == ("closewait", "packets")


def test_without_the_old_connection_in_the_capture_it_is_unknown(tmp_path):
    file = one_second(Talk(), earlier=False).write(tmp_path / "begun.pcap")
    _, summary = read_run([file], tmp_path)
    assert {cause for cause, count in summary.causes.items() if count} <= {"unknown", "none"}
    assert any("old socket" in hint for hint in summary.hints)


def test_what_a_capture_is_does_not_change_what_is_read(tmp_path):
    """Compressed, out of order, from both ends, or in two parts: the same attempts."""
    file = one_second(Talk(), earlier=True).write(tmp_path / "leak.pcap")
    packed = tmp_path / "leak.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    talk = one_second(Talk(), earlier=True)
    packets = sorted(talk.packets, key=lambda packet: packet.time)
    wrpcap(str(tmp_path / "mixed.pcap"), [*packets[::2], *packets[1::2]])
    wrpcap(str(tmp_path / "first.pcap"), packets[:8])
    wrpcap(str(tmp_path / "second.pcap"), packets[8:])
    expected = find_tries(read_captures([file])).attempts
    for files in (["leak.gz"], ["mixed.pcap"], ["first.pcap", "second.pcap"]):
        attempts = find_tries(read_captures([tmp_path / name for name in files])).attempts
        assert np.array_equal(attempts, expected), files


def test_a_try_that_both_ends_captured_is_one_attempt(tmp_path):
    talk, late = one_second(Talk(), earlier=True), one_second(Talk(), earlier=True)
    for packet in late.packets:
        packet.time += 0.0004  # by another clock
    files = [talk.write(tmp_path / "client.pcap"), late.write(tmp_path / "server.pcap")]
    tries = find_tries(read_captures(files))
    assert len(tries.attempts) == 3
    assert np.bincount(tries.flows["attempt"]).tolist() == [2, 2, 2]


def test_an_icmp_error_that_quotes_the_syn_is_its_cause(tmp_path):
    talk = Talk()
    for at_s in (0, 20, 40):
        talk.handshake(at_s, 77, 99, 41000 + at_s)
    talk.segment(10, "S", 1000)
    quoted = IPerror(bytes(talk.packets[-1][IP])[:20]) / TCPerror(bytes(talk.packets[-1][TCP]))
    answer = LINK / IP(src=SERVER, dst=CLIENT) / ICMP(type=3, code=1) / quoted
    answer.time = BEGIN_S + 10.001
    talk.packets.append(answer)
    run, summary = read_run([talk.write(tmp_path / "icmp.pcap")], tmp_path)
    attempt, _ = attempt_of(run, 40000)
    assert attempt["error"] == errno.EHOSTUNREACH
    assert summary.causes[Cause.REJECTED_BY_ICMP] == 1
    shown = next(evidence for evidence in summary.evidence if evidence.cause == Cause.REJECTED_BY_ICMP)
    assert [(packet.from_client, packet.flags) for packet in shown.packets] == [(True, "S"), (False, "ICMP 3/1")]


def test_a_server_is_an_act_and_those_with_few_tries_are_one_together(tmp_path):
    talk = Talk()
    for server in range(20):
        for number in range(3 if server < 4 else 1):
            talk.handshake(server + number / 10, 77 + number, 99, 41000 + number)
            for packet in talk.packets[-3:]:
                ip, tcp = packet[IP], packet[TCP]
                if ip.src == CLIENT:
                    tcp.dport = 8000 + server
                else:
                    tcp.sport = 8000 + server
    run, summary = read_run([talk.write(tmp_path / "many.pcap")], tmp_path)
    names = [act.act for act in summary.acts]
    assert len(names) == 17
    assert set(names[:4]) == {f"{SERVER}:{8000 + server}" for server in range(4)}
    assert names[-1] == "other servers"
    assert sum(act.attempts for act in summary.acts) == len(run.attempts) == 28
    (only, _), rest = read_run([tmp_path / "many.pcap"], tmp_path, port=8001), run
    assert len(only.attempts) == 3 < len(rest.attempts)


def test_the_run_folder_serves_the_other_verbs(tmp_path):
    file = one_second(Talk(), earlier=True, after_s=0.01).write(tmp_path / "leak.pcap")
    told = connstorm("read", file, "-o", tmp_path / "results", "--json")
    assert told.returncode == 0, told.stderr
    document = json.loads(told.stdout)
    assert document["scenario"] == "capture"
    folder = Path(document["path"])
    assert {"timeline.png", "ports.png", "evidence.pcap", "flows.npy"} <= {path.name for path in folder.iterdir()}
    assert len(read_captures([folder / "evidence.pcap"]).rows) > 0
    again = connstorm("read", folder / "evidence.pcap", "-o", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    table = connstorm("export", folder, "--format", "csv")
    assert table.stdout.count("\n") == 4
    assert ",closewait," in table.stdout
    compared = connstorm("compare", folder, folder, "-o", tmp_path / "compared")
    assert compared.returncode == 2  # the same run twice
    assert connstorm("plot", folder, "-o", tmp_path / "plots").returncode == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", ["is empty"]),
        (b"just some text, and more of it", ["neither pcap nor pcapng"]),
        (None, ["missing.pcap"]),
    ],
)
def test_what_is_no_capture_is_one_sentence(tmp_path, data, words):
    file = tmp_path / "missing.pcap"
    if data is not None:
        file.write_bytes(data)
    assert_one_sentence(connstorm("read", file, "-o", tmp_path / "results"), *words)
    assert not any((tmp_path / "results").glob("*"))


def test_a_capture_without_a_syn_says_so(tmp_path):
    talk = Talk()
    talk.segment(1, "A", 5, 6)
    talk.segment(2, "PA", 5, 6, from_client=False)
    file = talk.write(tmp_path / "middle.pcap")
    assert_one_sentence(connstorm("read", file, "-o", tmp_path / "results"), "no SYN", "begun before")


@pytest.mark.parametrize("name", ["ethernet", "any", "any-v1", "snap-60"])
def test_real_captures_of_one_talk_hold_the_same_tries(name):
    """What tcpdump wrote of one device and of all: copies of packets are not counted twice."""
    tries = find_tries(read_captures([CAPTURES / f"{name}.pcap"]))
    assert len(tries.attempts) == (4 if name == "snap-60" else 5)  # an address of IPv6 leaves 60 bytes no ports
    assert not tries.attempts["retransmits"][tries.attempts["error"] == 0].any()


def test_a_client_that_resets_the_syn_ack_was_answered(tmp_path):
    talk = Talk()
    talk.handshake(0, 1, 1, 40001)
    talk.segment(10, "S", 100)
    talk.segment(10.001, "SA", 200, 101, from_client=False)
    talk.segment(10.002, "R", 101)
    talk.handshake(60, 1, 1, 40002)
    _run, summary = read_run([talk.write(tmp_path / "scan.pcap")], tmp_path)
    assert any("whose SYN-ACK their client answered by an RST" in hint for hint in summary.hints)
