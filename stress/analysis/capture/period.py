# SPDX-License-Identifier: MIT
"""Periods: what a capture has of a 4-tuple from one new SYN to the next."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stress.analysis.capture.conversation import Conversations, is_syn
from stress.model.segment import ACK, RST, SYN

ACKNOWLEDGES = 1 << 31  # sequence numbers less than this ahead are later (RFC 9293 section 3.4)

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Periods:
    """Stretches of conversations, each of which begins with a SYN that has another sequence number than those before.

    What was captured before the first SYN of a 4-tuple is a period too, but no try. Places are indices into the
    conversations; where there is none, a first place is their length and a last place -1.

    Attributes:
        conversations: in which they are.
        of_place: number of the period of each segment, shape (segments,).
        start, stop: shape (periods,).
        is_try: whether it begins with a SYN, shape (periods,).
        from_client: whether each segment goes away from the client's side, shape (segments,). The client is who sent
            the SYN of this period, before the first SYN of the next one.
        from_server: the same for the server; both hold where the two are one.
        syn_ack: first place of a SYN-ACK that acknowledges the SYN, shape (periods,).
        connected: first place at which the client acknowledges that, shape (periods,).
    """

    conversations: Conversations
    of_place: npt.NDArray[np.int64]
    start: Places
    stop: Places
    is_try: Mask
    from_client: Mask
    from_server: Mask
    acknowledges_syn: Mask
    syn_ack: Places
    connected: Places

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.start)

    @property
    def none(self) -> int:
        """The first place of what did not come."""
        return len(self.of_place)

    def first(self, mask: Mask) -> Places:
        """Return the first place in each period where a mask holds, shape (periods,)."""
        return first_places(np.flatnonzero(mask), self.of_place, self.count)

    def last(self, mask: Mask) -> Places:
        """Return the last place in each period where a mask holds, shape (periods,)."""
        places = np.full(self.count, -1, np.int64)
        where = np.flatnonzero(mask)
        places[self.of_place[where]] = where
        return places

    def numbers(self, mask: Mask) -> npt.NDArray[np.int64]:
        """Return how often a mask holds in each period, shape (periods,)."""
        return np.bincount(self.of_place[mask], minlength=self.count)

    def time_at(self, places: Places) -> npt.NDArray[np.int64]:
        """Return the time of first places relative to the period's first segment; -1 where there is none."""
        times_ns = self.conversations.time_ns
        exists = (places >= 0) & (places < self.none)
        since_ns = times_ns[np.where(exists, places, 0)] - times_ns[self.start] if self.none else np.zeros(0, np.int64)
        return np.where(exists, since_ns, -1)


def first_places(where: npt.NDArray[np.intp], of_place: npt.NDArray[np.int64], count: int) -> Places:
    """Return the first of some ascending places in each period; the number of all places for none."""
    places = np.full(count, len(of_place), np.int64)
    places[of_place[where[::-1]]] = where[::-1]
    return places


def begins_try(conversations: Conversations) -> Mask:
    """Return which segments are SYNs with another sequence number than the SYN before that went the same way."""
    begins = np.zeros(len(conversations.row), np.bool_)
    places = np.flatnonzero(is_syn(conversations.flags) & conversations.is_segment)
    ways = conversations.connection[places] * 2 + conversations.is_forward[places]
    places = places[np.argsort(ways, kind="stable")]
    ways, numbers = np.sort(ways), conversations.sequence[places]
    begins[places] = np.append(True, (ways[1:] != ways[:-1]) | (numbers[1:] != numbers[:-1]))[: len(places)]
    return begins


def split_periods(conversations: Conversations) -> Periods:
    """Return the periods of conversations."""
    count = len(conversations.row)
    begins = begins_try(conversations)
    is_other = np.append(True, np.diff(conversations.connection) != 0)[:count]
    start = np.flatnonzero(begins | is_other)
    of_place = np.cumsum(begins | is_other) - 1
    is_try = begins[start]
    way = conversations.is_forward[start]
    before = np.flatnonzero(~is_try)  # a try follows, for each connection has a SYN
    way[before] = way[before + 1]
    from_client = conversations.is_forward == way[of_place]
    from_server = ~from_client | conversations.to_itself
    flags, numbers = conversations.flags, conversations.sequence
    beyond = conversations.acknowledgment - numbers[start][of_place] - np.uint32(1)
    acknowledges = (flags & ACK > 0) & (beyond <= conversations.payload[start][of_place]) & is_try[of_place]
    acknowledges &= conversations.is_segment & from_server
    is_answer = acknowledges & (flags & (SYN | RST) == SYN)
    syn_ack = first_places(np.flatnonzero(is_answer), of_place, len(start))
    # The client's acknowledgment of the SYN-ACK, or any later one.
    answered = np.append(numbers, np.uint32(0))[syn_ack][of_place]
    is_later = np.arange(count) > syn_ack[of_place]
    agrees = conversations.acknowledgment - answered - np.uint32(1) < ACKNOWLEDGES
    agrees &= numbers - numbers[start][of_place] - np.uint32(1) < ACKNOWLEDGES
    is_end = conversations.is_segment & from_client & is_later & agrees & (flags & (SYN | RST | ACK) == ACK)
    return Periods(
        conversations=conversations,
        of_place=of_place,
        start=start,
        stop=np.append(start[1:], count)[: len(start)],
        is_try=is_try,
        from_client=from_client,
        from_server=from_server,
        acknowledges_syn=acknowledges,
        syn_ack=syn_ack,
        connected=first_places(np.flatnonzero(is_end), of_place, len(start)),
    )
