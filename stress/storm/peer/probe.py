# SPDX-License-Identifier: MIT
"""Probe: two connections to one port of the serving host, which has agreed, and what both ends see of them.

The first meets a listening socket, sends as much as fills two segments, and is aborted; for the second nothing listens.
"""

import errno
import fcntl
import socket
import struct
import termios
from typing import Any

import msgspec

from stress.lab import census, wait
from stress.lab.segment_counter import SegmentCounter
from stress.model import segment_count as kinds
from stress.model.plan import Plan
from stress.model.text import endpoint_text
from stress.model.world import CLIENT
from stress.storm.peer import calls
from stress.storm.peer.caller import Caller

CONNECT_S = 2.5  # the first SYN, and the one that is sent again after 1 s (RFC 6298)
ANSWER_S = 1.0  # for a segment that follows at once
IP_MTU, IPV6_MTU = 14, 24  # linux/in.h, linux/in6.h
TCP_MAXSEG = 2
LINGER_0 = struct.pack("ii", 1, 0)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of the two connections.

    Attributes:
        target: the address and port that were connected to.
        error: the name of the errno of the first connect(); empty: it was connected.
        syns_there: how many SYNs came to the devices of the serving host; None: it may not count.
        others_syns_there: SYNs to that port from other addresses, counted in the same way.
        is_half_open: whether the serving host had a socket in SYN-RECEIVED.
        filtered: how many segments the listening socket dropped, because they came from another address than agreed.
        syn_acks_here: how many SYN-ACKs came to the devices of this host; None: this program may not count.
        ends_here: own and other end of the connection, as this host sees it; None: it was not connected.
        ends_there: own and other end as the serving host sees it.
        is_abort_seen: whether the RST of this host ended the connection there; None: it was not connected.
        closed_error: the name of the errno of the connect() to a port on which nothing listens; None: not tried.
        mtu: of the way from here to there (bytes); None: not known.
        is_full_size_acked: whether segments of the full size were acknowledged; None: none were sent.
    """

    target: str
    error: str
    syns_there: int | None = None
    others_syns_there: int | None = None
    is_half_open: bool = False
    filtered: int = 0
    syn_acks_here: int | None = None
    ends_here: tuple[str, str] | None = None
    ends_there: tuple[str, str] | None = None
    is_abort_seen: bool | None = None
    closed_error: str | None = None
    mtu: int | None = None
    is_full_size_acked: bool | None = None


def run_probe(caller: Caller, plan: Plan) -> Probe:
    """Connect twice; nothing is sent to the other host before it has a listening socket for it.

    Args:
        caller: for calls to the serving host, which has agreed to the plan.
        plan: of a single storm across a link, to one port.

    Raises:
        ConnstormError: the other host refuses, or is lost.
    """
    (act,) = plan.storms()
    caller.call(calls.BeginAct(act))
    try:
        caller.call(calls.Listen())
        with SegmentCounter(plan, CLIENT) as counter:
            before = caller.call(calls.ReadCounters()).segments
            caller.call(calls.BeginLook())
            with new_socket(plan) as probing:
                error = connect(probing, plan)
                seen = look_there(caller, before)
                if not error:
                    seen |= use_connection(caller, plan, probing)
            segments = counter.read()
        seen["syn_acks_here"] = segments.get(kinds.SYN_ACK) if segments else None
        if not error:
            caller.call(calls.StopListening())
            with new_socket(plan) as probing:
                seen["closed_error"] = connect(probing, plan)
    finally:
        caller.call(calls.EndAct())
    return Probe(target=endpoint_text(plan.target, plan.target_port), error=error, **seen)


def new_socket(plan: Plan) -> socket.socket:
    """Return a socket that is bound to the client's address."""
    probing = socket.socket(socket.AF_INET6 if plan.family == 6 else socket.AF_INET)
    probing.settimeout(CONNECT_S)
    probing.bind((plan.source, 0))
    return probing


def connect(probing: socket.socket, plan: Plan) -> str:
    """Connect; return the name of the errno, or nothing."""
    try:
        probing.connect((plan.target, plan.target_port))
    except TimeoutError:
        return errno.errorcode[errno.ETIMEDOUT]
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def look_there(caller: Caller, before: dict[str, int]) -> dict[str, Any]:
    """Return what the serving host has seen of the connection so far."""
    after = caller.call(calls.ReadCounters()).segments
    counts = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    census = caller.call(calls.TakeCensus())
    look = caller.call(calls.EndLook())
    return {
        "syns_there": counts.get(kinds.SYN),
        "others_syns_there": counts.get(kinds.SYN_OF_OTHERS),
        "is_half_open": any(states.get("SYN-RECEIVED", 0) for states in census.values()),
        "filtered": sum(report.drops or 0 for report in look.listening if report.on_target),
    }


def use_connection(caller: Caller, plan: Plan, probing: socket.socket) -> dict[str, Any]:
    """Return what both ends see of an established connection, which is sent data and then aborted."""
    number = caller.call(calls.Accept(plan.target_port, ANSWER_S))
    seen: dict[str, Any] = {
        "ends_here": (endpoint_text(*probing.getsockname()[:2]), endpoint_text(*probing.getpeername()[:2])),
        "ends_there": caller.call(calls.ReadEnds(number)),
        "is_full_size_acked": send_full_size(probing),
        "mtu": read_mtu(probing, plan),
    }
    probing.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    probing.close()
    seen["is_abort_seen"] = wait.wait_until(
        lambda: caller.call(calls.ReadState(number)) == census.NUMBERS["CLOSED"], ANSWER_S, ANSWER_S / 20
    )
    return seen


def send_full_size(probing: socket.socket) -> bool:
    """Send two segments of the full size; return whether they are acknowledged in time."""
    size = 2 * probing.getsockopt(socket.IPPROTO_TCP, TCP_MAXSEG)
    try:
        probing.sendall(bytes(size))
    except OSError:
        return False
    is_taken = wait.wait_until(lambda: unacknowledged(probing) == 0, ANSWER_S, ANSWER_S / 20)
    return is_taken and probing.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0  # an RST takes everything, too


def unacknowledged(probing: socket.socket) -> int:
    """Return how many bytes the other end has not acknowledged (SIOCOUTQ, tcp(7))."""
    (count,) = struct.unpack("i", fcntl.ioctl(probing, termios.TIOCOUTQ, bytes(4)))
    return int(count)


def read_mtu(probing: socket.socket, plan: Plan) -> int | None:
    """Return the MTU of the way to the other end, as this host knows it now."""
    level, name = (socket.IPPROTO_IPV6, IPV6_MTU) if plan.family == 6 else (socket.IPPROTO_IP, IP_MTU)
    try:
        return probing.getsockopt(level, name)
    except OSError:
        return None
