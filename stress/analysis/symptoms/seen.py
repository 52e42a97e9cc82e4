# SPDX-License-Identifier: MIT
"""The symptoms: what a person sees of connect(), from late connects to errors."""

from stress.model.symptom import BEFORE_A_TIMEOUT, Place, Symptom

RUNGS = frozenset({Place.FIRST, Place.SECOND, Place.THIRD, Place.LATER})
ENDS = frozenset({Place.GIVE_UP, Place.CHALLENGED_GIVE_UP})


def placed(*places: Place) -> frozenset[Place]:
    """Return places as a set."""
    return frozenset(places)


TWO_JIFFIES = Symptom(
    "fast-resend",
    "connects of two jiffies (8 to 16 ms at HZ=250), after one resend",
    "{fast}, one resend",
    placed(Place.FAST),
    aliases=("milliseconds",),
)
ONE_SECOND = Symptom(
    "one-second-retry",
    "some connects of 1 s, after one resend",
    "{first}, one resend",
    placed(Place.FIRST),
    aliases=("some connects of 1 s",),
)
LADDER = Symptom(
    "ladder",
    "connects of 1, 3, 7 … s; of 1, 2, 3, 4, 5, 7 … s since Linux 6.5",
    "{rungs}",
    RUNGS,
    aliases=("1 3 7", "1 2 3", "seconds", "staircase", "syn retransmits", "retransmits", "resends"),
)
LATE_LADDER = Symptom(
    "late-ladder",
    "connects of 2, 3, 4 … s, none of 1 s",
    "{later}; none of 1 s",
    placed(Place.SECOND, Place.THIRD, Place.LATER),
    aliases=("2 3 4", "none of 1 s"),
)
ONE_RESEND = Symptom(
    "always-one-resend",
    "every connect takes 1 s: one resend, never two",
    "{first}, one resend, every attempt",
    placed(Place.FIRST),
    aliases=("one resend never two", "always 1 s", "every connect 1 s"),
)
THREE_RESENDS = Symptom(
    "always-three-resends",
    "every connect takes three resends (3 s)",
    "{third}, three resends, every attempt",
    placed(Place.THIRD),
    aliases=("always 3 s",),
)
SLOW = Symptom(
    "slow",
    "connect() slow without any resend",
    "any time; TCPSynRetrans does not rise",
    BEFORE_A_TIMEOUT,
    aliases=("without a resend", "slow without a resend", "slow connect", "connect is slow"),
)
TIMEOUT_PORTS = Symptom(
    "timeout-ports",
    "ETIMEDOUT, always from the same client ports",
    "after {challenged_give_up} or {give_up}",
    ENDS,
    ("ETIMEDOUT",),
    ("same ports", "fixed ports", "always the same ports", "timeout on the same ports"),
)
TIMEOUT_SHARE = Symptom(
    "timeout-share",
    "a fixed share always fails with ETIMEDOUT: the same pairs of addresses and ports",
    "after {give_up}",
    placed(Place.GIVE_UP),
    ("ETIMEDOUT",),
    ("fixed share", "some always fail", "a fixed share", "a share fails", "some fail", "half fail"),
)
TIMEOUT = Symptom(
    "timeout-any",
    "ETIMEDOUT, whatever the client port",
    "after {give_up}",
    placed(Place.GIVE_UP),
    ("ETIMEDOUT",),
    ("hangs", "no answer", "black hole", "never connects"),
)
LATE_UNREACHABLE = Symptom(
    "late-unreachable",
    "EHOSTUNREACH after 3 s, without a resend",
    "about 3 s, by the neighbour table's own timer",
    placed(Place.NEIGHBOUR),
    ("EHOSTUNREACH",),
    ("late ehostunreach", "no route to host after 3 s"),
)
UNREACHABLE = Symptom(
    "unreachable",
    "EHOSTUNREACH, ENETUNREACH, EACCES, EPERM, EINVAL or ENOPROTOOPT at once",
    "at once; after a round trip where a router or the server answers",
    BEFORE_A_TIMEOUT,
    ("EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "EINVAL", "ENOPROTOOPT"),
    ("prohibited", "not permitted", "denied"),
)
REFUSED = Symptom(
    "refused",
    "ECONNREFUSED",
    "after a round trip",
    BEFORE_A_TIMEOUT,
    ("ECONNREFUSED",),
    ("rejected", "closed port"),
)
NO_PORT = Symptom(
    "no-port",
    "EADDRNOTAVAIL; EADDRINUSE of bind() to port 0",
    "at once, no SYN is sent",
    BEFORE_A_TIMEOUT,
    ("EADDRNOTAVAIL", "EADDRINUSE"),
    ("no ports left", "port exhaustion", "exhausted"),
)
AFTER_CONNECT = Symptom(
    "after-connect",
    "an error after connect() succeeded: ECONNRESET or EPIPE on first use",
    "at once; connect() itself returned 0",
    placed(Place.AT_ONCE),
    ("ECONNRESET", "EPIPE"),
    ("reset", "after success", "error after connect", "reset on first use", "reset after connect"),
)
SELF_CONNECTED = Symptom(
    "self-connected",
    "connect() succeeds although nobody listens",
    "at once",
    placed(),  # nothing is late: it is asked about by its name alone
    aliases=("self connect", "connects to itself", "nobody listens"),
)

SYMPTOMS = (
    TWO_JIFFIES,
    LADDER,
    ONE_SECOND,
    ONE_RESEND,
    LATE_LADDER,
    THREE_RESENDS,
    SLOW,
    TIMEOUT_PORTS,
    TIMEOUT_SHARE,
    TIMEOUT,
    LATE_UNREACHABLE,
    UNREACHABLE,
    REFUSED,
    NO_PORT,
    AFTER_CONNECT,
    SELF_CONNECTED,
)
