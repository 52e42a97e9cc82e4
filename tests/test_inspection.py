# SPDX-License-Identifier: MIT
"""What an inspection says of states of a namespace, made by hand and taken of real ones."""

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inspection_states import ANYWHERE, NGINX, a_listener, a_socket, pair, state_of, table_of
from namespaced import namespaced

from stress.analysis.inspection.assemble import inspect_state
from stress.analysis.inspection.identities import IDENTITIES, explain_changes
from stress.analysis.inspection.rules import find_suspects
from stress.lab import sysctl
from stress.lab.namespace_state import take_state
from stress.model.inspection import Check, SocketOwner, Unseen

RELEASE = "6.18.44"
REPOSITORY = Path(__file__).parents[1]


def inspect(state, **asked):
    return inspect_state(state, release=RELEASE, **asked)


def leaked(count, *, step_ms=9_000, **changes):
    """Return connections that nginx leaked at a steady rate, from clients on another host."""
    return [
        row
        for number in range(count)
        for row in pair(40_000 + number, "CLOSE-WAIT", client="10.0.0.9", age_ms=step_ms * (number + 1), **changes)
    ]


def checks(inspection):
    return [finding.check for finding in inspection.findings]


def test_a_fine_namespace_has_no_findings_and_says_what_was_not_seen():
    rows = pair(40_000, "ESTABLISHED", "ESTABLISHED", age_ms=10**8)
    inspection = inspect(state_of(rows, unseen=[Unseen("rules of nft", "you are not root", "run it as root")]))
    assert inspection.findings == []
    assert inspection.leaks == []
    assert inspection.verdict == "Nothing is wrong with what could be seen. Not seen: rules of nft."
    assert inspection.listeners[0].states == {"ESTABLISHED": 1}
    assert not inspection.is_failing


def test_a_leak_tells_whose_it_is_how_many_since_when_and_how_fast():
    inspection = inspect(state_of(leaked(800)))
    (leak,) = inspection.leaks
    assert (leak.owner, leak.local, leak.count, leak.unaccepted, leak.is_server) == (
        NGINX,
        "0.0.0.0:8080",
        800,
        0,
        True,
    )
    assert (leak.ages.known, leak.ages.youngest_ms, leak.ages.oldest_ms) == (800, 9_000, 7_200_000)
    assert leak.since_utc == "2026-09-21T12:13:20+00:00"
    assert leak.per_hour == pytest.approx(400)
    assert leak.peers == {"10.0.0.9": 800}
    assert inspection.verdict == (
        "nginx[123] leaks: 800 connections to port 8080 are in CLOSE-WAIT, the oldest since 12:13 UTC (2 h), about 400 "
        "an hour."
    )
    assert inspection.is_failing
    assert [(client.address, client.mines) for client in inspection.clients] == [("10.0.0.9", 794)]


def test_the_chance_of_a_client_on_this_host_is_part_of_the_verdict():
    rows = [row for port in range(32768, 60999, 17) for row in pair(port, "CLOSE-WAIT")]
    inspection = inspect(state_of(rows))
    (destination,) = inspection.destinations
    assert (destination.chance.mines, destination.left) == (1661, 28_232)
    assert re.search(
        r"; 5\.\d+ % \(\d\.\d+ to \d\.\d+ %\) of the coming connects from this host to 127.0.0.1:8080 will wait for a "
        r"resend\.$",
        inspection.verdict,
    )


def test_what_was_leaked_at_once_has_no_rate():
    rows = [row for number in range(50) for row in pair(40_000 + number, "CLOSE-WAIT", age_ms=7_200_000 - number)]
    (leak,) = inspect(state_of(rows)).leaks
    assert leak.per_hour is None


def test_a_young_close_wait_is_told_and_is_no_failure():
    inspection = inspect(state_of(pair(40_000, "CLOSE-WAIT", "FIN-WAIT-2", age_ms=2_000)))
    assert checks(inspection) == [None]
    assert not inspection.is_failing


def test_what_a_program_is_about_to_close_is_not_told():
    inspection = inspect(state_of(pair(40_000, "CLOSE-WAIT", "FIN-WAIT-2", age_ms=200)))
    assert (inspection.findings, inspection.leaks[0].count) == ([], 1)


def test_mines_of_the_other_parity_are_met_by_none():
    rows = [row for port in range(32769, 60999, 34) for row in pair(port, "CLOSE-WAIT")]
    verdict = inspect(state_of(rows)).verdict
    assert verdict.endswith("; connect() on this host meets none at 127.0.0.1:8080 while it takes even ports.")


def test_a_socket_without_an_age_is_no_failure():
    inspection = inspect(state_of(pair(40_000, "CLOSE-WAIT", age_ms=-1)))
    assert checks(inspection) == [None]
    assert inspection.leaks[0].since_utc is None
    assert inspection.destinations == []


def test_what_waits_in_the_accept_queue_is_told_apart():
    rows = pair(40_000, "CLOSE-WAIT") + pair(40_001, "CLOSE-WAIT", inode=0)
    accepted, waiting = sorted(inspect(state_of(rows)).leaks, key=lambda leak: leak.unaccepted)
    assert (accepted.owner, accepted.unaccepted) == (NGINX, 0)
    assert (waiting.owner, waiting.unaccepted) == (None, 1)


def test_a_client_that_does_not_close_is_a_leak_too():
    row = a_socket(("10.0.0.5", 45_000), ("10.9.9.9", 443), "CLOSE-WAIT", inode=5, uid=0)
    inspection = inspect(state_of([row]))
    assert inspection.leaks[0].local == "10.0.0.5"
    assert inspection.verdict.startswith(
        "uid 0 (root) leaks: 1 connection between 10.0.0.5 and 10.9.9.9 is in CLOSE-WAIT"
    )


def test_a_leak_of_many_processes_is_one_finding():
    owners = {number: SocketOwner(33, "www-data", 100 + number, "nginx") for number in range(1, 21)}
    rows = [
        row
        for number in range(1, 21)
        for place in range(number)
        for row in pair(40_000 + 100 * number + place, "CLOSE-WAIT", inode=number, client="10.0.0.9")
    ]
    inspection = inspect(state_of(rows, owners=owners))
    assert len(inspection.leaks) == 20
    assert checks(inspection) == [Check.CLOSE_WAIT_AGE]
    assert inspection.verdict.startswith(
        "nginx (20 processes, nginx[120] most) leaks: 210 connections to port 8080 are"
    )


def test_an_idle_connection_is_never_a_leak():
    idle = pair(40_000, "ESTABLISHED", age_ms=10**9) + [
        a_socket(("10.0.0.5", 45_000), ("10.9.9.9", 443), state, age_ms=10**9)
        for state in ("ESTABLISHED", "FIN-WAIT-2")
    ]
    assert inspect(state_of(idle)).leaks == []


def test_a_peer_that_does_not_acknowledge_is_told():
    row = a_socket(("10.0.0.5", 8080), ("10.0.0.9", 45_000), "LAST-ACK", inode=0)
    inspection = inspect(state_of([row]))
    assert checks(inspection) == [None]
    assert inspection.leaks[0].state == "LAST-ACK"


def test_the_most_specific_listener_has_the_connection():
    listeners = [a_listener(), a_listener("10.0.0.5", cookie=1001), a_listener("::", 8080, cookie=1002)]
    rows = [
        a_socket(("10.0.0.5", 8080), ("10.0.0.9", 45_000), "ESTABLISHED"),
        a_socket(("::1", 8080), ("::1", 45_000), "CLOSE-WAIT"),
    ]
    states = {listener.address: listener.states for listener in inspect(state_of(rows, listeners)).listeners}
    assert states == {ANYWHERE: {}, "10.0.0.5": {"ESTABLISHED": 1}, "::": {"CLOSE-WAIT": 1}}


def test_a_full_queue_is_a_failure_and_says_what_limits_it():
    listeners = [a_listener(waiting=129), a_listener(port=81, waiting=4097, limit=4096, drops=7, cookie=1001)]
    inspection = inspect(state_of(listeners=listeners))
    assert checks(inspection) == [Check.LISTENER_QUEUE] * 2
    assert inspection.findings[1].text.startswith("The accept queue of nginx[123] at 0.0.0.0:8080 is full")
    (somaxconn,) = [row for row in inspection.settings if row.name == "net.core.somaxconn"]
    assert "accept queue of 0.0.0.0:81," in somaxconn.effect


@pytest.mark.parametrize(("waiting", "limit", "is_failing"), [(0, 0, False), (1, 0, True), (127, 128, False)])
def test_a_queue_that_has_room_is_no_failure(waiting, limit, is_failing):
    assert inspect(state_of(listeners=[a_listener(waiting=waiting, limit=limit)])).is_failing is is_failing


def test_drops_of_long_ago_are_told_and_are_no_failure():
    inspection = inspect(state_of(listeners=[a_listener(drops=12)], counters={"ListenOverflows": 12}))
    assert checks(inspection) == [None]
    assert inspection.counters == {"ListenOverflows": 12}


def outgoing(ports, state="ESTABLISHED", **changes):
    return [a_socket(("10.0.0.5", port), ("10.9.9.9", 443), state, **changes) for port in ports]


def test_ports_left_to_a_destination_are_counted_by_owner_and_state():
    rows = outgoing(range(40_000, 40_008), inode=1) + outgoing([40_008], "TIME-WAIT", inode=0)
    bound = table_of([a_socket((ANYWHERE, 40_010), (ANYWHERE, 0), "CLOSED", inode=7, uid=33)])[0]
    state = state_of(
        rows, [a_listener(port=40_009)], bound=bound, port_range=(40_000, 40_011), reserved=frozenset({40_011})
    )
    (destination,) = inspect(state).destinations
    assert (destination.usable, destination.left) == (11, 0)
    assert [(taken.state, taken.count) for taken in destination.taken] == [
        ("ESTABLISHED", 8),
        ("TIME-WAIT", 1),
        ("LISTEN", 1),
        ("BOUND", 1),
    ]
    inspection = inspect(state)
    assert checks(inspection) == [Check.PORTS_LEFT]
    assert "No port of 11 is left" in inspection.verdict
    assert destination.chance is None


def test_a_port_in_time_wait_on_the_loopback_is_left():
    rows = [
        a_socket(("127.0.0.1", port), ("127.0.0.1", 80), "TIME-WAIT", inode=0, age_ms=5_000)
        for port in range(40_000, 40_010)
    ]
    for reuse, left in (("2", 10), ("0", 0)):
        sysctls = {"net.ipv4.tcp_tw_reuse": reuse, "net.ipv4.tcp_timestamps": "1"}
        (destination,) = inspect(state_of(rows, port_range=(40_000, 40_009), sysctls=sysctls)).destinations
        assert (destination.left, destination.reusable) == (left, left)


def test_the_number_of_ports_looked_at_is_the_mean_over_all_beginnings():
    rows = outgoing([port for port in range(40_000, 40_010) if port != 40_004])
    (destination,) = inspect(state_of(rows, port_range=(40_000, 40_009))).destinations
    assert destination.searched == pytest.approx((1 + 2 + 3 + 4 + 5) / 5)


def test_a_mine_whose_client_is_still_there_is_none_yet():
    rows = pair(40_000, "CLOSE-WAIT", "FIN-WAIT-2") + pair(40_002, "CLOSE-WAIT") + pair(40_004, "CLOSE-WAIT", age_ms=10)
    (destination,) = inspect(state_of(rows)).destinations
    assert destination.chance.mines == 1


def test_a_mine_of_ipv6_is_one_too():
    rows = pair(40_000, "CLOSE-WAIT", server=("::1", 8080), client="::1")
    (destination,) = inspect(state_of(rows, [a_listener("::")])).destinations
    assert (destination.source, destination.address, destination.chance.mines) == ("::1", "::1", 1)


def test_where_every_syn_is_dropped_no_share_of_collisions_is_told():
    rows = [row for port in range(32768, 60999, 17) for row in pair(port, "CLOSE-WAIT")]
    inspection = inspect(state_of(rows, [a_listener(waiting=129)]))
    assert not any("will wait for a resend" in finding.text for finding in inspection.findings)


def test_a_socket_whose_address_may_be_translated_is_no_mine():
    client = a_socket(("127.0.0.1", 40_000), ("10.9.9.9", 80), "ESTABLISHED")
    assert all(row.chance is None for row in inspect(state_of([*pair(40_000, "ESTABLISHED"), client])).destinations)


def test_a_leaked_connection_whose_client_may_be_translated_is_no_mine():
    leak = pair(40_000, "CLOSE-WAIT")
    elsewhere = a_socket(("127.0.0.1", 40_000), ("10.9.9.9", 80), "ESTABLISHED")
    redirected = a_socket(("127.0.0.1", 40_000), ("127.0.0.1", 80), "FIN-WAIT-2")

    def mines(state):
        return sum(row.chance.mines for row in inspect(state).destinations if row.chance is not None)

    assert mines(state_of([*leak, elsewhere])) == 1
    assert mines(state_of([*leak, redirected])) == 0
    assert mines(state_of([*leak, elsewhere], rules="tcp dport 80 redirect to :8080")) == 0


def test_port_and_process_narrow_what_is_told():
    listeners = [a_listener(), a_listener(port=81, waiting=200, cookie=1001, inode=8)]
    state = state_of([*leaked(5), *outgoing([40_000], inode=4)], listeners)
    assert checks(inspect(state, port=81)) == [Check.LISTENER_QUEUE]
    narrowed = inspect(state, pid=123)
    assert [listener.port for listener in narrowed.listeners] == [8080]
    assert narrowed.destinations == []
    assert inspect(state, pid=5).findings == []


def test_an_ignored_check_is_told_and_is_no_failure():
    inspection = inspect(state_of(listeners=[a_listener(waiting=200)]), ignored=[Check.LISTENER_QUEUE])
    assert checks(inspection) == [Check.LISTENER_QUEUE]
    assert not inspection.is_failing
    assert inspection.verdict == "Nothing is wrong but what is ignored: listener-queue."


def test_a_conntrack_table_that_is_nearly_full_is_a_failure():
    assert checks(inspect(state_of(conntrack_entries=(950, 1000)))) == [Check.CONNTRACK]
    assert checks(inspect(state_of(conntrack_entries=(900, 1000)))) == []


def test_rules_are_told_only_where_there_is_something_to_collide_with():
    rules = "table inet t {\n\tchain c {\n\t\tct state invalid counter drop\n\t\ttcp dport 80 accept\n\t}\n}\n"
    assert find_suspects(rules) == ["ct state invalid counter drop"]
    assert "may drop" in inspect(state_of(leaked(2), rules=rules)).findings[-1].text
    assert inspect(state_of(rules=rules)).findings == []


@pytest.mark.parametrize(
    "rule",
    [
        "tcp flags rst drop",
        "tcp flags & (fin | syn | rst | ack) == rst counter packets 0 bytes 0 drop",
        "ct state { invalid, untracked } drop",
        "ct state invalid reject with tcp reset",
    ],
)
def test_rules_that_may_drop_what_a_retry_needs(rule):
    assert find_suspects(rule) == [rule]


def test_a_watch_tells_what_rose_and_which_sockets_stayed():
    before = state_of(
        pair(40_000, "CLOSE-WAIT"), [a_listener(drops=3)], counters={"ListenDrops": 5, "ListenOverflows": 5}
    )
    after = state_of(
        [*pair(40_000, "CLOSE-WAIT"), a_socket(("127.0.0.1", 8080), ("127.0.0.1", 40_002), "CLOSE-WAIT", cookie=77)],
        [a_listener(drops=9)],
        counters={"ListenDrops": 11, "ListenOverflows": 11},
    )
    inspection = inspect(before, after=after, seconds=10.0)
    assert inspection.watch.listener_drops == {"0.0.0.0:8080": 6}
    assert (inspection.watch.appeared, inspection.watch.stayed, inspection.watch.gone) == (
        {"CLOSE-WAIT": 1},
        {"CLOSE-WAIT": 1},
        {},
    )
    assert checks(inspection) == [Check.LISTENER_DROPS, Check.CLOSE_WAIT_AGE, None]
    (explanation,) = inspection.watch.explanations
    assert explanation.text == "A full accept queue dropped 6 SYNs and ACKs."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ListenDrops": 9, "IpOutNoRoutes": 9}, "no route leads back"),
        ({"ListenDrops": 9, "TCPReqQFullDrop": 9}, "A full SYN queue"),
        ({"ListenDrops": 9}, "tcp_max_syn_backlog"),
        (
            {"TCPTimeouts": 5, "TCPSpuriousRtxHostQueues": 5, "AttemptFails": 5, "IcmpInDestUnreachs": 5},
            "a neighbour does not answer ARP",
        ),
        ({"TCPTimeouts": 5, "TCPSpuriousRtxHostQueues": 4, "IcmpInDestUnreachs": 5}, "a neighbour not answer, or"),
        (
            {"TCPSynRetrans": 2, "ActiveOpens": 9},
            "2 SYNs and SYN-ACKs were sent again by this host, which made 9 connects",
        ),
        ({"TCPTimeouts": 5, "TCPSpuriousRtxHostQueues": 5}, "IPsec"),
        ({"TCPRetransFail": 2}, "did not send 2 resends"),
        ({"PAWSTimewait": 1}, "TIME-WAIT"),
        ({"TCPSYNChallenge": 4}, "does not tell which"),
        ({"conntrack insert_failed": 3, "conntrack drop": 3}, "SNAT"),
        ({"conntrack drop": 3}, "table is full"),
        ({"lo rx_dropped": 3}, "loopback"),
    ],
)
def test_each_identity_has_its_sentence(change, words):
    (explanation,) = explain_changes(change)
    assert words in explanation.text
    assert explanation.counters.items() <= change.items()


def test_mines_of_many_sources_are_told_of_the_worst_one_and_none_is_excluded():
    """The source with the most mines has them on odd ports; that says nothing of the others."""
    odd = [row for port in range(32769, 33769, 2) for row in pair(port, "CLOSE-WAIT", client="127.0.0.9")]
    assert "meets none" in inspect(state_of(odd)).verdict
    others = [row for number in range(20) for row in pair(32801, "CLOSE-WAIT", client=f"127.0.1.{number}")]
    inspection = inspect(state_of([*odd, *others]))
    assert (len(inspection.destinations), inspection.more_destinations) == (10, 11)
    assert "connect() on this host" not in inspection.verdict
    even = [row for port in range(32768, 33168, 2) for row in pair(port, "CLOSE-WAIT", client="127.0.0.8")]
    verdict = inspect(state_of([*odd, *even])).verdict
    assert " of the coming connects from 127.0.0.8 to 127.0.0.1:8080 will wait for a resend." in verdict


def test_without_the_port_range_nothing_is_said_of_ports():
    inspection = inspect(state_of(pair(32768, "CLOSE-WAIT"), is_range_known=False))
    assert (len(inspection.leaks), inspection.destinations) == (1, [])


def test_acks_that_wait_for_data_are_no_failure_but_syns_beside_them_are():
    def watched(**changes):
        return inspect(state_of(), after=state_of((), [a_listener(drops=9)], counters=changes), seconds=5.0)

    deferred = watched(TCPDeferAcceptDrop=9)
    assert checks(deferred)[0] is None
    assert "as many ACKs that TCP_DEFER_ACCEPT drops until data come" in deferred.findings[0].text
    for changes in ({"TCPDeferAcceptDrop": 8}, {"TCPDeferAcceptDrop": 20, "ListenDrops": 1}):
        mixed = watched(**changes)
        assert checks(mixed)[0] is Check.LISTENER_DROPS
        assert "may be ACKs that TCP_DEFER_ACCEPT drops until data come" in mixed.findings[0].text


def test_half_open_health_checks_are_no_failure():
    change = {"EmbryonicRsts": 5, "TCPDeferAcceptDrop": 4}
    inspection = inspect(state_of(), after=state_of((), [a_listener(drops=9)], counters=change), seconds=5.0)
    assert checks(inspection)[0] is None
    assert "or resets of half-open connections, as of health checks and port scans" in inspection.findings[0].text


def test_a_challenge_is_never_told_as_a_mine():
    (explanation,) = explain_changes({"TCPSYNChallenge": 4})
    assert "mine" not in explanation.text
    assert inspect(state_of(counters={"TCPSYNChallenge": 40})).findings == []


def test_a_syn_sent_again_is_no_dead_neighbour():
    (explanation,) = explain_changes({"TCPTimeouts": 5, "TCPSpuriousRtxHostQueues": 5, "TCPSynRetrans": 5})
    assert "neighbour" not in explanation.text


def test_what_a_watch_proves_is_a_finding_and_no_failure():
    before, after = state_of(counters={"PAWSTimewait": 1}), state_of(counters={"PAWSTimewait": 4})
    inspection = inspect(before, after=after, seconds=5.0)
    assert checks(inspection) == [None]
    assert inspection.verdict.startswith("No check fails. 3 SYNs met a connection in TIME-WAIT")
    assert inspection.findings[0].commands == ["nstat -az '*PAWSTimewait'"]


def anchors(page):
    """Return the anchors of a Markdown file's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", (REPOSITORY / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_that_is_named_exists():
    source = "".join(path.read_text() for path in (REPOSITORY / "stress/analysis/inspection").glob("*.py"))
    named = {("docs/catalogue.md", name) for name in re.findall(r"\{CATALOGUE\}([a-z0-9-]+)", source)}
    named |= {("docs/symptoms.md", name) for name in re.findall(r"\{SYMPTOMS\}([a-z0-9-]+)", source)}
    named |= {tuple(identity.page.split("#")) for identity in IDENTITIES}
    named |= {("docs/catalogue.md", name) for name in ("port-exhaustion", "port-cost")}
    assert [(page, anchor) for page, anchor in sorted(named) if anchor not in anchors(page)] == []


addresses = st.sampled_from(["127.0.0.1", "10.0.0.5", "10.9.9.9"])
ephemeral = st.integers(40_000, 40_005)
connection = st.tuples(
    addresses, st.one_of(ephemeral, st.just(8080)), addresses, st.one_of(ephemeral, st.just(8080)),
    st.sampled_from(["ESTABLISHED", "CLOSE-WAIT", "FIN-WAIT-2", "TIME-WAIT", "SYN-SENT"]),
    st.sampled_from([10, 120_000]),
)  # fmt: skip


@settings(max_examples=40)
@given(st.lists(connection, max_size=30, unique_by=lambda row: row[:4]))
def test_ports_and_mines_are_those_of_a_slow_count(rows):
    state = state_of(
        [a_socket(row[:2], row[2:4], row[4], inode=1, age_ms=row[5]) for row in rows],
        port_range=(40_000, 40_005),
        sysctls={"net.ipv4.tcp_tw_reuse": "0"},
    )
    tuples, ends = {row[:4] for row in rows}, {row[:2] for row in rows}
    halves = {row[:2] for row in rows if row[1] != 8080 and row[2] != "10.9.9.9" and (row[2:4] + row[:2]) not in tuples}
    for destination in inspect(state).destinations:
        source, end = destination.source, (destination.address, destination.port)
        taken = {row[1] for row in rows if row[0] == source and row[2:4] == end and row[1] != 8080}
        assert destination.left == 6 - len(taken)
        assert sum(taken_by.count for taken_by in destination.taken) == len(taken)
        mines = {
            row[3]
            for row in rows
            if row[:2] == end and row[1] == 8080 and row[2] == source and row[2] != "10.9.9.9" and row[5] > 10
            and (row[2:4] + row[:2]) not in tuples
            and row[4] in ("CLOSE-WAIT", "ESTABLISHED", "FIN-WAIT-2")
            and row[2:4] not in (halves if row[4] == "CLOSE-WAIT" else ends)
        } & set(range(40_000, 40_006))  # fmt: skip
        if destination.chance is not None:
            assert destination.chance.mines == len(mines - taken)
        else:
            assert not mines - taken


def test_a_long_search_for_a_port_is_told():
    inspection = inspect(state_of(outgoing([*range(32768, 60999, 2), *range(32769, 50_000, 2)])))
    assert checks(inspection) == [None]
    assert inspection.verdict.startswith("No check fails. connect() from 10.0.0.5 to 10.9.9.9:443 looks at 1")


def ports_of_ss(state):
    """Return the peers' ports of port 8080 in a state, as ss lists them."""
    done = subprocess.run(
        ["ss", "-tanH", "state", state, "sport = :8080"], stdout=subprocess.PIPE, check=True, text=True
    )
    return {int(line.split()[3].rpartition(":")[2]) for line in done.stdout.splitlines()}


@pytest.mark.skipif(shutil.which("ss") is None, reason="ss (iproute2) is not installed")
@namespaced(ports=(40000, 40999), sysctls={"net.ipv4.tcp_max_tw_buckets": "0"})
def test_a_real_leak_is_told_as_ss_lists_it():
    with socket.create_server(("127.0.0.1", 8080)) as server:
        clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(60)]
        served = [server.accept()[0] for _ in clients]
        for client in clients[::3]:
            client.close()
        time.sleep(1.2)
        inspection, leaked = inspect(take_state()), ports_of_ss("close-wait")
        for connection in (*served, *clients):
            connection.close()
    (leak,), (destination,) = inspection.leaks, inspection.destinations
    assert (leak.count, leak.local, leak.ages.known, leak.owner.pid) == (20, "127.0.0.1:8080", 20, os.getpid())
    assert inspection.listeners[0].states == {"CLOSE-WAIT": 20, "ESTABLISHED": 40}
    assert (destination.left, destination.chance.mines, destination.chance.parity) == (960, 20, "even")
    assert sysctl.parse_ports(destination.chance.mined_ports) == leaked
    assert [(taken.state, taken.count) for taken in destination.taken] == [("ESTABLISHED", 40)]
    assert inspection.findings[0].check is None


@namespaced
def test_a_real_range_without_a_port_left_is_a_failure():
    with socket.create_server(("127.0.0.1", 8080)):
        clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(4)]
        inspection = inspect(take_state())
        for client in clients:
            client.close()
    (destination,) = inspection.destinations
    assert (destination.usable, destination.left, destination.chance) == (4, 0, None)
    assert inspection.verdict.startswith("No port of 4 is left for connections from 127.0.0.1 to 127.0.0.1:8080")


@namespaced(ports=(40000, 40099), sysctls={"net.ipv4.tcp_max_tw_buckets": "0"})
def test_a_real_dual_stack_server_with_a_full_queue_is_told():
    with socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1) as server:
        clients = [socket.create_connection(("127.0.0.1", 8080)) for _ in range(2)]
        clients.pop().close()
        inspection = inspect(take_state())
        server.close()
    (listener,) = inspection.listeners
    assert (listener.waiting, listener.limit, listener.states) == (2, 1, {"CLOSE-WAIT": 1, "ESTABLISHED": 1})
    (leak,) = inspection.leaks
    assert (leak.local, leak.owner, leak.unaccepted, leak.peers) == ("[::]:8080", None, 1, {"127.0.0.1": 1})
    assert checks(inspection) == [Check.LISTENER_QUEUE]


def test_drops_without_a_full_queue_are_not_laid_to_one():
    before = state_of(listeners=[a_listener(drops=5)], counters={"ListenDrops": 0, "TCPSynRetrans": 0})
    after = state_of(listeners=[a_listener(drops=45)], counters={"ListenDrops": 0, "TCPSynRetrans": 40})
    inspection = inspect(before, after=after, seconds=3.0)
    drops, old = (finding for finding in inspection.findings if "dropped" in finding.text)
    assert (drops.check, drops.page) == (Check.LISTENER_DROPS, "docs/catalogue.md#the-catalogue")
    assert "no queue was full" in drops.text
    assert (old.check, old.page) == (None, "docs/catalogue.md#the-catalogue")


def test_a_range_that_is_reserved_as_a_whole_fails_the_check():
    inspection = inspect(state_of(port_range=(40000, 40001), reserved=frozenset({40000, 40001, 40002})))
    (finding,) = inspection.findings
    assert finding.check is Check.PORTS_LEFT
    assert "40000 to 40001" in finding.text
    assert not inspect(state_of(port_range=(40000, 40001), reserved=frozenset({40000}))).findings
