# SPDX-License-Identifier: MIT
"""Symptom: what a person sees of connect(); and explanation: what may be behind it, and what proves that."""

from dataclasses import dataclass
from enum import StrEnum, auto

from stress.model.outcome import Cause

Version = tuple[int, int]


class Place(StrEnum):
    """Where on the SYN ladder connect() returns."""

    AT_ONCE = auto()  # within a jiffy
    FAST = auto()  # after two jiffies, the resend that a challenge ACK causes
    FIRST = auto()  # after one SYN without an answer
    SECOND = auto()
    THIRD = auto()
    LATER = auto()  # after four or more
    NEIGHBOUR = auto()  # when the search for a link-layer address ends
    CHALLENGED_GIVE_UP = auto()  # where the ladder ends for a SYN that got a challenge ACK
    GIVE_UP = auto()  # where it ends for one that nobody answers
    BETWEEN = auto()  # none of these


BEFORE_A_TIMEOUT = frozenset({Place.AT_ONCE, Place.FAST, Place.BETWEEN})


class Side(StrEnum):
    """The host on which something holds, or is looked at."""

    CLIENT = auto()
    ROUTER = auto()
    SERVER = auto()


@dataclass(frozen=True)
class Symptom:
    """What a person sees.

    Attributes:
        name: unique, as in ``connstorm explain fast-resend``.
        title: in words, true on every kernel.
        here: what it is on one kernel; ``{fast}``, ``{first}``, ``{rungs}``, ``{later}``, ``{third}``, ``{give_up}``
            and ``{challenged_give_up}`` stand for times of its ladder.
        places: where connect() returns.
        errnos: names of errors that connect(), or the first use of the socket, fails with; none where it succeeds.
        aliases: other words for it, in lower case.
    """

    name: str
    title: str
    here: str
    places: frozenset[Place]
    errnos: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A sysctl that must have one of some values on one side."""

    side: Side
    name: str
    values: tuple[str, ...]

    @property
    def condition(self) -> str:
        """What must hold, in words: ``net.ipv4.tcp_ecn=1 on the client``."""
        return f"{self.name}={' or '.join(self.values)} on the {self.side}"


@dataclass(frozen=True)
class Sight:
    """One way in which an explanation shows.

    Attributes:
        symptom: what is seen.
        when: under which circumstances, in words.
        figure: what was measured, with the kernel's version.
        since: first version of the client's kernel that shows it.
        before: first version that does not show it any more.
        setting: that it needs.
        places: where connect() returns, if not everywhere that the symptom says.
        errnos: that connect() fails with, if not all of the symptom's.
    """

    symptom: Symptom
    when: str = ""
    figure: str = ""
    since: Version = (0, 0)
    before: Version | None = None
    setting: Setting | None = None
    places: frozenset[Place] | None = None
    errnos: tuple[str, ...] | None = None

    def is_on(self, kernel: Version) -> bool:
        """Return whether a client's kernel version shows it."""
        return self.since <= kernel and (self.before is None or kernel < self.before)

    def is_at(self, places: frozenset[Place] | None, error: str | None) -> bool:
        """Return whether connect() may return at one of some places, and with an error; None leaves one open.

        A time without an error is looked for among errors only where it is typical of one: most errors come at once,
        and nobody who asks about 8 ms means ECONNREFUSED.
        """
        may_be = self.symptom.places if self.places is None else self.places
        errors = self.symptom.errnos if self.errnos is None else self.errnos
        if error is None and errors:
            may_be -= BEFORE_A_TIMEOUT
        return (places is None or bool(places & may_be)) and (error is None or error in errors)


@dataclass(frozen=True)
class Command:
    """What to run on a live host, and what to look at in its output."""

    side: Side
    line: str
    look: str = ""
    is_for_root: bool = False


@dataclass(frozen=True)
class Explanation:
    """What may be behind symptoms.

    Attributes:
        name: unique.
        label: what it is, in a few words.
        mark: where to look first, and what moves there meanwhile.
        what: what happens, in a sentence.
        told: what tells it from all others: counters and lists of sockets.
        sights: how it shows, the most typical first.
        commands: that prove it on a live host.
        causes: under which names connstorm reports it; none where no rule proves it.
        scenarios: names of those that show it, the most typical first.
    """

    name: str
    label: str
    mark: tuple[Side, str]
    what: str
    told: str
    sights: tuple[Sight, ...]
    commands: tuple[Command, ...]
    causes: tuple[Cause, ...] = ()
    scenarios: tuple[str, ...] = ()
