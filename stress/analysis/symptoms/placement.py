# SPDX-License-Identifier: MIT
"""Where a latency lies on a SYN ladder, and the times of a ladder in words."""

from stress.analysis.attribution.ladder import LATE_JIFFIES, Ladder, Rung, wheel_slack_jiffies
from stress.analysis.symptoms.seen import RUNGS
from stress.model.symptom import Place
from stress.model.units import SECOND_NS, duration_text, range_text

LATE_NS = 100_000_000  # on two CPUs with a load of nine collisions of two jiffies took 40 to 185 ms (Linux 6.18)
BY_RESENDS = {1: Place.FIRST, 2: Place.SECOND, 3: Place.THIRD}
# Three ARP requests, a second each (mcast_solicit and retrans_time_ms of net.ipv4.neigh): 3.05 to 3.08 s on Linux 6.18.
NEIGHBOUR_NS = (3 * SECOND_NS - SECOND_NS // 10, 3 * SECOND_NS + SECOND_NS // 5)  # a little less for who comes later


def place_latency(latency_ns: int, rounding_ns: int, ladder: Ladder, error: str | None = None) -> dict[Place, str]:
    """Return every place at which a latency may lie, with its words; BETWEEN where there is none.

    Args:
        latency_ns: of connect().
        rounding_ns: by how much it may have been rounded, at most.
        ladder: of the client's kernel and its settings.
        error: with which connect() ended; None: it connected, or nobody says.
    """
    ended = "connected" if error is None else f"ended with {error}"

    def is_within(from_ns: int, to_ns: int) -> bool:
        return from_ns - rounding_ns <= latency_ns <= to_ns + rounding_ns

    places: dict[Place, str] = {}
    if latency_ns < ladder.jiffy_ns:
        places[Place.AT_ONCE] = "within a jiffy, without any resend"
    elif error is not None and latency_ns < ladder.jiffy_ns + LATE_NS:
        places[Place.AT_ONCE] = "a busy client, late to see what came within a jiffy, without any resend"
    for rung in (*([ladder.fast] if ladder.fast else []), *ladder.rungs):
        if is_within(rung.from_ns, rung.to_ns):
            places[place_of_rung(rung, ladder)] = rung_text(rung, ladder, ended)
    slack_ns = end_slack_ns(ladder)
    for place, end_ns, text in (
        (Place.CHALLENGED_GIVE_UP, ladder.challenged_give_up_ns, "where the first SYN got a challenge ACK"),
        (Place.GIVE_UP, ladder.give_up_ns, "where no SYN was answered"),
    ):
        if end_ns is not None and is_within(end_ns - ladder.jiffy_ns, end_ns + slack_ns + LATE_NS):
            places[place] = f"ETIMEDOUT at the end of the ladder, {duration_text(end_ns)}, {text}"
    if is_within(*NEIGHBOUR_NS):
        places[Place.NEIGHBOUR] = "EHOSTUNREACH where nobody answered ARP for 3 s"
    late = {} if places.keys() & RUNGS else late_rung(latency_ns, ladder, ended)
    return (places or {Place.BETWEEN: between_text(latency_ns, ladder)}) | late


def late_rung(latency_ns: int, ladder: Ladder, ended: str) -> dict[Place, str]:
    """Return the rung below a latency, if a busy client may have been so late to see that it was connected."""
    below = [rung for rung in (ladder.fast, *ladder.rungs) if rung and rung.to_ns < latency_ns <= rung.to_ns + LATE_NS]
    return {place_of_rung(rung, ladder): f"a busy client, {rung_text(rung, ladder, ended)}" for rung in below}


def place_of_rung(rung: Rung, ladder: Ladder) -> Place:
    """Return the place that a rung is."""
    return Place.FAST if rung is ladder.fast else BY_RESENDS.get(rung.retransmits, Place.LATER)


def places_of_resends(resends: int, ladder: Ladder) -> dict[Place, str]:
    """Return the places that connect() may return at after a number of resends."""
    if not resends:
        return {Place.AT_ONCE: "no resend", Place.BETWEEN: "no resend"}
    rungs = [rung for rung in (ladder.fast, *ladder.rungs) if rung and rung.retransmits == resends]
    places = {place_of_rung(rung, ladder): rung_text(rung, ladder) for rung in rungs}
    if resends == len(ladder.rungs):
        places[Place.GIVE_UP] = f"ETIMEDOUT at the end of the ladder, {duration_text(ladder.give_up_ns)}"
    return places


def end_slack_ns(ladder: Ladder) -> int:
    """Return how late (ns) the end of the ladder may be: the wheel's rounding of all timeouts, and the wake-up."""
    last = ladder.rungs[-1]
    due_ns = last.from_ns + ladder.jiffy_ns
    timeout_jiffies = (ladder.give_up_ns - due_ns) // ladder.jiffy_ns
    return last.to_ns - due_ns + (wheel_slack_jiffies(timeout_jiffies) + LATE_JIFFIES) * ladder.jiffy_ns


def rung_text(rung: Rung, ladder: Ladder, ended: str = "connected") -> str:
    """Return a rung in words: ``1 s (996 ms – 1.06 s): one SYN went unanswered``."""
    times = range_text(rung.from_ns, rung.to_ns)
    if rung is ladder.fast:
        return f"on the rung of {rung.label} ({times}): an old socket answered the first SYN, the second {ended}"
    syns = "one SYN" if rung.retransmits == 1 else f"{rung.retransmits} SYNs"
    return f"on the rung of {rung.label} ({times}): {syns} went unanswered, the next one {ended}"


def between_text(latency_ns: int, ladder: Ladder) -> str:
    """Return between which rungs a latency lies."""
    rungs = [rung for rung in (ladder.fast, *ladder.rungs) if rung]
    below = [rung for rung in rungs if rung.to_ns < latency_ns]
    above = [rung for rung in rungs if rung.from_ns > latency_ns]
    if latency_ns > ladder.give_up_ns:
        return f"later than the end of the ladder ({duration_text(ladder.give_up_ns)}): no connect() lasts so long here"
    if not above:
        return f"above the last rung ({below[-1].label}): no timer of a SYN ends there"
    if not below:
        return f"below the first rung ({above[0].label}): no timer of a SYN ends there"
    return f"between the rungs of {below[-1].label} and {above[0].label}: no timer of a SYN ends there"


def ladder_words(ladder: Ladder) -> dict[str, str]:
    """Return the times of a ladder for the texts of symptoms."""
    labels = [rung.label.removesuffix(" s") for rung in ladder.rungs]
    third = next((rung.label for rung in ladder.rungs if rung.retransmits == 3), "no third resend")
    return {
        "fast": range_text(ladder.fast.from_ns, ladder.fast.to_ns) if ladder.fast else "not before Linux 5.6",
        "first": range_text(ladder.rungs[0].from_ns, ladder.rungs[0].to_ns),
        "rungs": f"{', '.join(labels)} s",
        "later": f"{', '.join(labels[1:])} s" if labels[1:] else "the ladder has one rung",
        "third": third,
        "give_up": duration_text(ladder.give_up_ns),
        "challenged_give_up": duration_text(ladder.challenged_give_up_ns or ladder.give_up_ns),
    }
