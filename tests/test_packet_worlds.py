# SPDX-License-Identifier: MIT
"""Worlds by their packets: those that look like an old socket and are none, or are one in another state."""

import itertools

import numpy as np
import pytest
from captured.reading import tries_told
from captured.talk import MS_NS, NEW_CLIENT, OLD_CLIENT, OLD_SERVER, Talk, connects, earlier, meets, numbers_of
from hypothesis import given, settings
from hypothesis import strategies as st

STATES = {
    "try": "stale_socket",
    "open": "stale_socket",
    "client": "closewait",
    "server": "stale_socket",
    "client first": "stale_socket",
    "server first": "time_wait",
}


def collision(ending="client", *, rest_ms=60_000, shifts=(0, 0), **options):
    """Return an earlier connection, a rest, and a try that met its socket and removed it."""
    talk = earlier(Talk(shifts), ending).wait(rest_ms)
    return connects(meets(talk, *numbers_of(ending), **options))


def told(talk, dropped=None, late=()):
    """Return the causes of all tries, in their order, and the hints; ``dropped`` and ``late`` are of ``segments``."""
    return tries_told(talk.segments(dropped, late))


def last(talk):
    """Return the cause of the last try."""
    return told(talk)[0][-1]


@pytest.mark.parametrize("ending", STATES)
@pytest.mark.parametrize("rest_ms", [1, 60_000, 86_400_000])
def test_the_earlier_connection_tells_the_state(ending, rest_ms):
    causes, _ = told(collision(ending, rest_ms=rest_ms))
    assert causes[-1] == STATES[ending]
    assert causes[0] in ("none", "unknown")  # whose first SYN may be one that was sent again


@pytest.mark.parametrize("ending", STATES)
@pytest.mark.parametrize("shifts", [*itertools.product((-1_000, (1 << 31) - 1_001, -900_000), repeat=2)])
def test_sequence_numbers_wrap_around(ending, shifts):
    assert last(collision(ending, shifts=shifts)) == STATES[ending]


# The numbers of the second ending prove nothing after the first, but that a FIN did not arrive.
OTHER_NUMBERS = [
    (ending, other)
    for ending, other in itertools.product(STATES, repeat=2)
    if numbers_of(other) not in (numbers_of(ending), numbers_of("open"))
]


@pytest.mark.parametrize(("ending", "other"), OTHER_NUMBERS)
def test_numbers_that_do_not_fit_the_earlier_connection_prove_nothing(ending, other):
    """As of another client behind the same address, another server, another VLAN, or FINs that were not captured."""
    talk = connects(meets(earlier(Talk(), ending).wait(60_000), *numbers_of(other)))
    assert last(talk) in ("unknown", STATES[other])


@pytest.mark.parametrize("numbers", [(123, 456), (OLD_SERVER + 1, 456), (123, OLD_CLIENT + 2), (0, 0)])
def test_an_ack_with_numbers_of_its_own_is_that_of_anybody(numbers):
    assert last(connects(meets(earlier(Talk()).wait(60_000), *numbers))) == "unknown"


def test_without_the_earlier_connection_an_old_socket_and_a_box_against_floods_are_alike():
    causes, hints = told(connects(meets(Talk(), *numbers_of("client"))))
    assert causes == ["unknown"]
    assert "a box against floods" in hints[0]


def test_the_numbers_from_another_distance_are_not_those_of_the_server():
    """A firewall may still have the session in its table."""
    assert last(collision(hops=62)) == "unknown"


def test_a_keepalive_of_the_old_socket_is_no_answer_to_a_syn():
    sequence, acknowledgment = numbers_of("client")
    assert last(connects(meets(earlier(Talk()).wait(60_000), sequence - 1, acknowledgment))) == "unknown"


def test_a_late_copy_of_the_last_ack_is_no_answer_to_a_syn():
    """Its timestamp is one that the earlier connection has had."""
    assert last(collision(stamp=502)) == "unknown"


def test_fins_that_crossed_do_not_tell_whether_the_server_is_in_time_wait():
    talk = earlier(Talk(), "open")
    talk.packet("<", "F.", OLD_SERVER + 1, OLD_CLIENT + 1, stamp=502)
    talk.packet(">", "F.", OLD_CLIENT + 1, OLD_SERVER + 1, stamp=102)
    talk.packet("<", ".", OLD_SERVER + 2, OLD_CLIENT + 2, stamp=503).wait(60_000)
    assert last(connects(meets(talk, OLD_SERVER + 2, OLD_CLIENT + 2))) == "unknown"


def test_a_server_with_data_that_nobody_acknowledged_may_wait_to_send_its_fin():
    talk = earlier(Talk(), "open")
    talk.packet("<", ".", OLD_SERVER + 1, OLD_CLIENT + 1, payload=1000, stamp=502)
    talk.packet(">", "F.", OLD_CLIENT + 1, OLD_SERVER + 1, stamp=102)
    talk.packet("<", ".", OLD_SERVER + 1001, OLD_CLIENT + 2, stamp=503).wait(60_000)
    assert last(connects(meets(talk, OLD_SERVER + 1001, OLD_CLIENT + 2))) == "unknown"


def test_a_fin_that_did_not_arrive_leaves_the_server_established():
    """The client's FIN is in the capture, and the challenge does not count it."""
    talk = earlier(Talk(), "open")
    talk.packet(">", "F.", OLD_CLIENT + 1, OLD_SERVER + 1, stamp=102).wait(60_000)
    assert last(connects(meets(talk, OLD_SERVER + 1, OLD_CLIENT + 1))) == "stale_socket"


@pytest.mark.parametrize("gap_ms", [200.0, 1_000.0, 3_000.0])
def test_a_syn_that_comes_late_may_have_been_answered_in_the_clients_place(gap_ms):
    causes, hints = told(collision(gap_ms=gap_ms))
    assert causes[-1] == "unknown"
    assert any("answered in its place" in hint for hint in hints)


def test_another_rst_is_no_answer_to_the_challenge():
    assert last(collision(reset=77)) == "unknown"


def test_a_link_that_doubles_packets_makes_no_lost_rst():
    talk = earlier(Talk()).wait(60_000)
    first = len(talk.rows)
    connects(meets(talk, *numbers_of("client"))).copies(first)
    assert last(talk) == "closewait"
    silent = earlier(Talk()).wait(60_000)
    meets(silent, *numbers_of("client")).copies(first)
    assert last(silent) == "unknown"


def test_the_same_answer_after_an_exact_rst_is_a_lost_rst():
    talk = earlier(Talk()).wait(60_000)
    meets(talk, *numbers_of("client")).wait(1_000)
    talk.packet(">", "S", NEW_CLIENT, stamp=9_000).packet("<", ".", *numbers_of("client"), stamp=10_000)
    talk.packet(">", "R", numbers_of("client")[1])
    assert last(talk) == "rst_dropped"


@pytest.mark.parametrize("way", "><")
def test_a_capture_of_one_direction_names_nothing(way):
    talk = collision()
    is_client = [bool(row["source_port"][0] == 40000) for row in talk.rows]
    talk.rows = [row for row, own in zip(talk.rows, is_client, strict=True) if own == (way == ">")]
    assert set(told(talk)[0]) <= {"none", "unknown"}


@pytest.mark.parametrize("ending", STATES)
def test_a_capture_that_lost_any_one_packet_gives_no_other_name(ending):
    whole = collision(ending)
    for lost in range(len(whole.rows)):
        talk = Talk()
        talk.rows, talk.at_ms = [row for place, row in enumerate(whole.rows) if place != lost], whole.at_ms
        assert last(talk) in ("unknown", "none", STATES[ending]), lost


@pytest.mark.parametrize("ending", STATES)
def test_a_capture_that_began_in_between_gives_no_other_name(ending):
    whole = collision(ending)
    for first in range(len(whole.rows)):
        talk = Talk()
        talk.rows, talk.at_ms = whole.rows[first:], whole.at_ms
        assert not set(told(talk)[0]) - {"unknown", "none", STATES[ending]}, first


@pytest.mark.parametrize("ending", STATES)
@pytest.mark.parametrize("seed", range(8))
def test_a_capture_out_of_order_gives_no_other_name(ending, seed):
    talk = collision(ending, rest_ms=5)
    shifts = np.random.default_rng(seed).integers(-MS_NS, MS_NS, len(talk.rows))
    for row, shift in zip(talk.rows, shifts, strict=True):
        row["time_ns"] += shift
    assert not set(told(talk)[0]) - {"unknown", "none", STATES[ending]}


def test_numbers_that_were_cut_off_prove_nothing():
    talk = collision()
    for row in talk.rows:
        row["acknowledgment"] = 0
    assert last(talk) == "unknown"


def test_syn_cookies_look_as_usual():
    talk = earlier(Talk()).wait(60_000)
    assert last(connects(talk.packet(">", "S", NEW_CLIENT, stamp=8_000))) == "none"


def rejected():
    """Return a SYN that an ICMP error answers."""
    return Talk().wait(5_000).packet(">", "S", NEW_CLIENT).packet(">", "", NEW_CLIENT, icmp=(3, 13))


def test_an_icmp_error_is_named_only_where_the_client_gave_up():
    assert last(rejected()) == "rejected_by_icmp"
    assert last(rejected().wait(1_000).packet(">", "S", NEW_CLIENT)) == "unknown"
    brief = rejected()
    brief.silence_s = 0.5  # after which the client may go on
    assert last(brief) == "unknown"


@pytest.mark.parametrize("hops", [57, 62])
def test_an_rst_is_unknown_wherever_it_comes_from(hops):
    talk = connects(Talk().wait(5_000).packet(">", "S", NEW_CLIENT)).wait(100)
    talk.packet(">", "S", NEW_CLIENT + 5_000).packet("<", "R.", 0, NEW_CLIENT + 5_001, hops=hops)
    causes, hints = told(talk)
    assert causes[-1] == "unknown"
    assert any("62 hops left" in hint for hint in hints) == (hops == 62)


def lost_syn():
    """Return a try whose first SYN nobody answered, after an earlier connection that shows what is captured."""
    talk = earlier(Talk(), "server first").wait(60_000).packet(">", "S", NEW_CLIENT, stamp=8_000)
    return connects(talk.wait(1_000).packet(">", "S", NEW_CLIENT, stamp=9_000))


def at_both_ends(talk, *lost, shift_ns=0, port=None, first=0):
    """Add what a second capture has, at the server and behind seven routers: all but some packets."""
    for place, row in enumerate(list(talk.rows)):
        if place in lost or place < first:
            continue
        copy = row.copy()
        copy["file"], copy["time_ns"] = 1, row["time_ns"] + shift_ns
        copy["hops"] = 57 if row["source_port"][0] == 40000 else 64
        for side in ("source_port", "destination_port"):
            copy[side] = port if port and copy[side][0] == 40000 else copy[side]
        talk.rows.append(copy)
    return talk


FIRST_SYN = 7  # in lost_syn()


@pytest.mark.parametrize("seconds", [0, -1, 100])
def test_a_syn_that_came_to_one_end_alone_was_lost_whatever_the_clocks_say(seconds):
    assert last(at_both_ends(lost_syn(), FIRST_SYN, shift_ns=seconds * 1_000 * MS_NS)) != "lost_on_the_way"
    talk = at_both_ends(lost_syn(), FIRST_SYN, shift_ns=seconds * 1_000 * MS_NS)
    assert told(talk, dropped=0)[0][-1] == "lost_on_the_way"


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
@pytest.mark.parametrize("dropped", [None, 0])
def test_clocks_that_are_hours_apart_make_no_other_name(hours, dropped):
    """The files of two ends look then as if one went on where the other one ended."""
    talk = earlier(Talk()).wait(60_000)
    talk = at_both_ends(meets(talk, *numbers_of("client")), shift_ns=hours * 3_600_000 * MS_NS)
    assert set(told(talk, dropped)[0]) <= {"none", "unknown"}
    talk = at_both_ends(lost_syn(), FIRST_SYN, shift_ns=hours * 3_600_000 * MS_NS)
    assert set(told(talk, dropped)[0]) <= {"none", "unknown", "lost_on_the_way"}


def test_a_syn_that_nobody_answered_although_it_came_is_unknown():
    assert told(at_both_ends(lost_syn()), dropped=0)[0][-1] == "unknown"


def test_a_router_that_translates_addresses_hides_what_came_to_the_other_end():
    causes, _ = told(at_both_ends(lost_syn(), FIRST_SYN, port=50000), dropped=0)
    assert set(causes) <= {"none", "unknown"}


def test_a_capture_that_began_after_the_first_syn_does_not_miss_it():
    talk = at_both_ends(lost_syn(), FIRST_SYN, first=FIRST_SYN + 1)
    assert told(talk, dropped=0, late=(1,))[0][-1] == "unknown"
    assert told(at_both_ends(lost_syn(), FIRST_SYN, first=FIRST_SYN + 1), dropped=0)[0][-1] == "lost_on_the_way"


def test_syns_that_nobody_ever_answers_are_the_articles_first_trace():
    talk = Talk()
    for wait_ms in (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000):
        talk.packet(">", "S", NEW_CLIENT, stamp=8_000).wait(wait_ms)
    causes, hints = told(talk)
    assert causes == ["unknown"]
    assert "with SYNs that got no answer where the capture was" in hints[0]


@pytest.mark.parametrize("whole", [False, True], ids=["alone", "with the earlier connection"])
def test_an_ack_an_rst_and_a_second_of_silence_are_the_articles_second_trace(whole):
    """The client's kernel is older than 5.6 there; a firewall in its place would leave the same packets."""
    talk = earlier(Talk()).wait(60_000) if whole else Talk()
    causes, hints = told(connects(meets(talk, *numbers_of("client"), gap_ms=1_000.0)))
    assert causes[-1] == "unknown"
    assert any(("CLOSE-WAIT by its numbers" if whole else "an old socket on their 4-tuple") in hint for hint in hints)


@pytest.mark.parametrize(("ending", "cause"), [("client first", "none"), (None, "unknown")])
def test_a_capture_that_has_the_connection_before_has_the_first_syn_too(ending, cause):
    """However late the capture began: a client uses a port for one try after the other."""
    talk = (earlier(Talk(), ending) if ending else Talk()).wait(100)
    talk = connects(talk.packet(">", "S", NEW_CLIENT, stamp=8_000))
    assert told(talk, late=(0,))[0][-1] == cause


PACKETS = st.tuples(
    st.sampled_from("<>"),
    st.sampled_from(["S", "S.", ".", "F.", "R", "R."]),
    st.sampled_from([OLD_CLIENT, OLD_CLIENT + 1, OLD_CLIENT + 2, NEW_CLIENT, NEW_CLIENT + 1, OLD_SERVER]),
    st.sampled_from([OLD_SERVER, OLD_SERVER + 1, OLD_SERVER + 2, OLD_CLIENT + 1, OLD_CLIENT + 2, NEW_CLIENT + 1]),
    st.sampled_from([0, 1, 9, 1_000]),
)


@settings(max_examples=150)
@given(st.lists(PACKETS, min_size=1, max_size=16))
def test_an_old_socket_is_named_only_after_a_connection_that_fits(packets):
    talk, sent = Talk(), []
    for drawn, flags, sequence, acknowledgment, wait_ms in packets:
        way = ">" if flags == "S" else drawn  # the client is always the same
        talk.packet(way, flags, sequence, acknowledgment).wait(wait_ms)
        sent.append((way, flags))
    causes, _ = told(talk)
    if "closewait" in causes:
        assert (">", "F.") in sent
    if "time_wait" in causes:
        assert {(">", "F."), ("<", "F.")} <= set(sent)
    if set(causes) & {"closewait", "time_wait", "stale_socket"}:
        assert {(">", "S"), ("<", "."), (">", "R"), ("<", "S.")} <= set(sent) or (">", "R.") in sent
        assert sum(packet == (">", "S") for packet in sent) >= 2
