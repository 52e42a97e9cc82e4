# SPDX-License-Identifier: MIT
"""What a person asks about: ``1.02s``, ``ETIMEDOUT after 3 s``, ``2 jiffies``, ``refused``."""

import errno
import os
import re
from dataclasses import dataclass, replace
from decimal import Decimal

from stress.analysis.symptoms.seen import LADDER, LATE_LADDER, SYMPTOMS
from stress.model.errors import UsageError
from stress.model.outcome import Cause
from stress.model.symptom import Symptom
from stress.model.text import closest_match

UNITS_NS = {
    **dict.fromkeys(("ns",), 1),
    **dict.fromkeys(("us", "µs", "μs"), 10**3),
    **dict.fromkeys(("ms",), 10**6),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 10**9),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60 * 10**9),
}
NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,12})?|\.[0-9]{1,12}"
WORD = re.compile(
    rf"(?P<amount>{NUMBER}) ?(?P<unit>{'|'.join(sorted(UNITS_NS, key=len, reverse=True))}|jiff(?:y|ies))(?![\w.])"
    r"|(?P<resends>[0-9]{1,3}) (?:syn )?(?:resend|retransmit|retry|retrie)s?(?!\w)"
    r"|errno (?P<number>[0-9]{1,3})(?!\w)"
    r"|(?P<error>e[a-z0-9]{2,})(?!\w)"
    r"|(?P<filler>after|at|in|of|with|connect\(\)|connects?|takes?|took|fails?|failed|error|and)(?!\S)"
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBER_WORD = re.compile(rf"(?<!\S)({'|'.join(NUMBERS)})(?= (?:syn |resend|retransmit|retr|jiff|s\b|second|minute))")
ERRORS = {name.lower(): name for name in errno.errorcode.values()}
SENTENCES = {os.strerror(number).lower(): name for number, name in errno.errorcode.items()}
OTHER_WORDS = {"timed out": "ETIMEDOUT", "timeout": "ETIMEDOUT", "time out": "ETIMEDOUT"}
PHRASES = OTHER_WORDS | SENTENCES
PHRASE = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(PHRASES, key=len, reverse=True)))})(?!\w)")
PLAIN = {symptom.name.replace("-", " "): symptom for symptom in SYMPTOMS}
ALIASES = PLAIN | {alias: symptom for symptom in SYMPTOMS for alias in symptom.aliases}
HANDLED = frozenset(error for symptom in SYMPTOMS for error in symptom.errnos)
EXAMPLES = "1.02s, 8ms, '2 jiffies', ETIMEDOUT, 'EHOSTUNREACH 3.05s', refused"


@dataclass(frozen=True)
class Query:
    """What is asked about; what is None is left open.

    Attributes:
        text: as it was asked, without superfluous blanks.
        symptom: by its name or another word for it.
        error: the name of an errno.
        latency: how long connect() took, in units of ``unit_ns``.
        unit_ns: of the latency; None for ticks of the kernel's timer, whose length the query does not know.
        resends: how many SYNs were sent again.
    """

    text: str
    symptom: Symptom | None = None
    error: str | None = None
    latency: Decimal | None = None
    unit_ns: int | None = None
    resends: int | None = None

    def latency_ns(self, jiffy_ns: int) -> int | None:
        """Return the latency in ns, on a kernel whose jiffy is so long."""
        return None if self.latency is None else int(self.latency * (self.unit_ns or jiffy_ns))

    def rounding_ns(self, jiffy_ns: int) -> int:
        """Return by how much (ns) the latency was rounded at most: half of its last digit."""
        if self.latency is None:
            return 0
        exponent = self.latency.as_tuple().exponent
        assert isinstance(exponent, int)  # it is a number
        return int(Decimal(5).scaleb(exponent - 1) * (self.unit_ns or jiffy_ns))


def parse_query(text: str) -> Query:
    """Return what a text asks about.

    Raises:
        UsageError: it is no symptom; the message has the nearest one.
    """
    asked = " ".join(text.split())
    words = asked.lower()
    plain = words.replace("-", " ").replace("_", " ")
    if plain in ALIASES:
        return Query(asked, symptom=ALIASES[plain])
    if several := read_several(words):
        return Query(asked, symptom=several)
    words = PHRASE.sub(lambda phrase: PHRASES[phrase[0]].lower(), words)
    words = NUMBER_WORD.sub(lambda number: str(NUMBERS.index(number[1])), words)
    query = Query(asked)
    while words:
        match = WORD.match(words)
        if match is None:
            raise UsageError(unknown_text(asked, words))
        query = add_word(query, match)
        words = words[match.end() :].lstrip(" ,:")
    if query == Query(asked):
        raise UsageError(unknown_text(asked, asked))
    return handled(query)


def read_several(words: str) -> Symptom | None:
    """Return the ladder that several times in seconds make, such as ``1, 3, 7 s``, or None where they make none."""
    plain = re.sub(r"\s+s\b", "s", re.sub(r"…|\band\b", " ", words))
    *first, last = re.split(r"[\s,]+", plain.strip(" ,"))
    seconds = [re.fullmatch(rf"({NUMBER})s?", word) for word in first] + [re.fullmatch(rf"({NUMBER})s", last)]
    if not first or not all(seconds):
        return None
    shortest = min(Decimal(match[1]) for match in seconds if match)
    return LADDER if 1 <= shortest < 2 else LATE_LADDER if shortest >= 2 else None


def add_word(query: Query, match: re.Match[str]) -> Query:
    """Return a query with one more part.

    Raises:
        UsageError: it has such a part already, or no errno has this number or name.
    """
    if match["filler"]:
        return query
    if match["unit"]:
        part = "latency"
        changed = replace(query, latency=Decimal(match["amount"]), unit_ns=UNITS_NS.get(match["unit"]))
    elif match["resends"]:
        part = "resends"
        changed = replace(query, resends=int(match["resends"]))
    else:
        part = "error"
        changed = replace(query, error=error_name(query, match))
    if getattr(query, part) is not None:
        raise UsageError(f"{query.text!r} asks about two at once; ask about one of them.")
    return changed


def error_name(query: Query, match: re.Match[str]) -> str:
    """Return the name of the errno that a query has by its number or its name.

    Raises:
        UsageError: there is none.
    """
    if match["number"]:
        if int(match["number"]) not in errno.errorcode:
            raise UsageError(f"There is no errno {match['number']}.")
        return errno.errorcode[int(match["number"])]
    if match["error"] not in ERRORS:
        raise UsageError(unknown_text(query.text, match["error"]))
    return ERRORS[match["error"]]


def handled(query: Query) -> Query:
    """Return a query whose error has explanations.

    Raises:
        UsageError: none is known for this error.
    """
    if query.error is not None and query.error not in HANDLED:
        raise UsageError(
            f"No cause of {query.error} has been measured; there are symptoms with {', '.join(sorted(HANDLED))}."
        )
    return query


def unknown_text(asked: str, rest: str) -> str:
    """Return the sentence for what is no symptom, with the nearest one or what may be asked."""
    name = rest.replace("-", "_").replace(" ", "_").lower()
    if name in {cause.value for cause in Cause}:
        return f"{rest} is a cause, not a symptom; connstorm explain --cause {name} has what proves it."
    if re.fullmatch(NUMBER, rest):
        return f"{rest} has no unit; write {rest}s or {rest}ms."
    known = (
        {word: word for word in (*ALIASES, "2 jiffies", "1 resend")}
        | ERRORS_HANDLED
        | {word: word for word in OTHER_WORDS}
    )
    match = closest_match(asked.lower(), known) or closest_match(rest.lower(), known)
    if match is not None:
        return f"{asked!r} is no symptom that is known; did you mean {known[match]!r}?"
    return f"{asked!r} is no symptom that is known; ask for example about {EXAMPLES}."


ERRORS_HANDLED = {name.lower(): name for name in sorted(HANDLED)}
