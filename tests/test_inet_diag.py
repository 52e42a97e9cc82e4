# SPDX-License-Identifier: MIT
"""The parsers of inet_diag's messages, on random bytes and on messages cut short, and what the kernel refuses."""

import errno
import socket
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from namespaced import namespaced

from stress.lab import ages, census, inet_diag, listening, socket_info
from stress.model.errors import LabError

SOCK_DIAG, DONE, ERROR = inet_diag.SOCK_DIAG_BY_FAMILY, inet_diag.NLMSG_DONE, inet_diag.NLMSG_ERROR
bodies = st.binary(min_size=inet_diag.MESSAGE_BYTES, max_size=200)
attributes = st.dictionaries(st.integers(0, 40), st.binary(max_size=80))


def padded(data):
    return data + bytes(-len(data) % 4)


def message(kind, body):
    return padded(inet_diag.HEADER.pack(inet_diag.HEADER.size + len(body), kind, 0, 1, 0) + body)


def packed(items):
    """Return netlink attributes as bytes."""
    return b"".join(padded(inet_diag.ATTRIBUTE.pack(4 + len(data), kind) + data) for kind, data in items.items())


@given(st.lists(bodies))
def test_each_message_is_listed_where_it_begins(messages):
    data = b"".join(message(SOCK_DIAG, body) for body in messages)
    offsets, done = inet_diag.message_offsets(data)
    assert not done
    assert [data[offset : offset + len(body)] for offset, body in zip(offsets, messages, strict=True)] == messages


@given(st.lists(bodies), st.lists(bodies))
def test_nothing_is_listed_behind_the_end_of_the_dump(before, after):
    data = [message(SOCK_DIAG, body) for body in before] + [message(DONE, bytes(4))]
    offsets, done = inet_diag.message_offsets(b"".join([*data, *(message(SOCK_DIAG, body) for body in after)]))
    assert (len(offsets), done) == (len(before), True)


@given(st.lists(bodies, min_size=1), st.data())
def test_a_message_cut_short_is_left_out(messages, data):
    whole = [message(SOCK_DIAG, body) for body in messages]
    cut = data.draw(st.integers(1, inet_diag.HEADER.size + len(messages[-1])))
    offsets, done = inet_diag.message_offsets(b"".join(whole)[: sum(map(len, whole[:-1])) + len(whole[-1]) - cut])
    assert not done
    assert len(offsets) in (len(messages) - 1, len(messages))  # only its padding may have been cut off
    assert len(offsets) == len(messages) - 1 or cut <= 3


@given(st.binary(max_size=400))
def test_random_bytes_end_the_list_or_are_an_error(data):
    try:
        offsets, _ = inet_diag.message_offsets(data)
    except OSError:
        return
    assert all(offset + inet_diag.MESSAGE_BYTES <= len(data) for offset in offsets)


@pytest.mark.parametrize("kind", [DONE, ERROR])
def test_a_request_that_the_kernel_rejects_is_an_error_and_no_empty_list(kind):
    """Where tcp_diag is missing the dump is empty, and the errno stands in its last message."""
    with pytest.raises(FileNotFoundError) as raised:
        inet_diag.message_offsets(message(kind, struct.pack("=i", -errno.ENOENT)))
    assert raised.value.errno == errno.ENOENT


@namespaced
def test_a_protocol_that_nobody_lists_is_named_with_its_errno():
    """The kernel's own word: no module lists protocol 255, as none lists TCP where tcp_diag is missing."""
    inet_diag.socket.IPPROTO_TCP = 255  # in the process of this test only
    with pytest.raises(LabError, match=r"does not list TCP sockets \(inet_diag: ENOENT\).*modprobe tcp_diag"):
        census.list_sockets()


@given(attributes)
def test_attributes_are_read_by_type_and_unknown_ones_with_them(items):
    assert inet_diag.parse_attributes(packed(items)) == items


@given(attributes, st.integers(0, 200))
def test_attributes_cut_short_are_left_out(items, cut):
    data = packed(items)
    parsed = inet_diag.parse_attributes(data[: max(len(data) - cut, 0)])
    assert list(parsed.items()) == list(items.items())[: len(parsed)]


@given(st.binary(max_size=300))
def test_random_bytes_are_no_attributes_beyond_their_end(data):
    assert sum(map(len, inet_diag.parse_attributes(data).values())) <= len(data)


@given(bodies, attributes, st.sampled_from([4, 6]))
def test_a_listener_is_read_whatever_attributes_it_comes_with(body, items, family):
    entry = listening.parse_message(padded(body[: inet_diag.MESSAGE_BYTES]) + packed(items), family)
    meminfo = items.get(inet_diag.SKMEMINFO, b"")
    assert entry.drops == (struct.unpack_from("=9I", meminfo)[8] if len(meminfo) >= 36 else 0)
    assert entry.is_v6only == items.get(inet_diag.SKV6ONLY, b"").startswith(b"\1")
    size = 4 if family == 4 else 16
    assert entry.address == socket.inet_ntop(socket.AF_INET if family == 4 else socket.AF_INET6, body[8 : 8 + size])


def told_ages(messages):
    """Return the ages that a dump tells, one message after the other in one datagram."""
    data, begins = b"", []
    for attached in messages:
        begins.append(len(data) + inet_diag.HEADER.size)
        data += padded(message(SOCK_DIAG, bytes(inet_diag.MESSAGE_BYTES) + attached))
    return ages.read_told_ages(socket_info.find_info(np.frombuffer(data, np.uint8), np.array(begins, np.intp))).tolist()


def age_of_one(attached):
    """Return the younger of data and ACK in the struct tcp_info of one message, read without numpy."""
    info = inet_diag.parse_attributes(attached).get(inet_diag.INFO, b"")
    return min(struct.unpack_from("=II", info, 52)) if len(info) >= 60 else -1


@given(st.lists(st.binary(max_size=300).map(lambda info: packed({9: b"1", inet_diag.INFO: info, 4: b"cubic"}))))
def test_an_age_is_the_younger_of_data_and_ack_or_not_known(messages):
    assert told_ages(messages) == list(map(age_of_one, messages))


@given(st.lists(st.one_of(st.binary(max_size=300), attributes.map(packed))), st.integers(0, 50))
def test_ages_of_many_messages_are_those_of_each_by_itself_whatever_bytes_there_are(messages, cut):
    messages = [attached[: max(len(attached) - cut, 0)] for attached in messages]
    assert told_ages(messages) == list(map(age_of_one, messages))
