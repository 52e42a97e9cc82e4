# SPDX-License-Identifier: MIT
"""Why a packet of a capture is no segment."""

from enum import IntEnum


class Reason(IntEnum):
    """Why a packet was not understood, in the order of its layers; ``words`` are for people."""

    NONE = 0
    LINK = 1
    NO_TIME = 2
    NOT_IP = 3
    NOT_TCP = 4
    TUNNEL = 5
    FRAGMENT = 6
    CUT = 7
    DAMAGED = 8

    @property
    def words(self) -> str:
        """The reason in words."""
        return WORDS[self]


WORDS = {
    Reason.NONE: "",
    Reason.LINK: "a link type that is not read",
    Reason.NO_TIME: "no timestamp",
    Reason.NOT_IP: "not IP",
    Reason.NOT_TCP: "not TCP",
    Reason.TUNNEL: "in a tunnel (IP in IP, GRE)",
    Reason.FRAGMENT: "fragment",
    Reason.CUT: "cut before the end of the TCP flags",
    Reason.DAMAGED: "impossible header",
}
