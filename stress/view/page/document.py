# SPDX-License-Identifier: MIT
"""The document that a page shows, as values: all text and numbers, no HTML."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from stress.view.page.inlined import DataBlock
from stress.view.text.table import Tone


@dataclass(frozen=True)
class Fact:
    """A fact with its name: ``kernel``, ``Linux 6.18.44, HZ=250``."""

    name: str
    text: str


@dataclass(frozen=True)
class Notice:
    """Something that a reader must know before the figures: the word in front, and a sentence.

    Attributes:
        word: ``uncontrolled difference``, ``busy machine``, ``warning``.
        text: a sentence.
        grave: whether figures may be wrong because of it: red, with a mark of its own.
    """

    word: str
    text: str
    grave: bool = False


@dataclass(frozen=True)
class PageCell:
    """A cell of a table.

    Attributes:
        text: what is shown.
        detail: shown smaller, such as an interval; ``""`` for none.
        order: what the table is sorted by; None where there is no value, which comes last.
        tone: what it says.
        mark: a shape in front of the text that says the same as the tone: ``▲``.
    """

    text: str
    detail: str = ""
    order: float | str | None = None
    tone: Tone = Tone.PLAIN
    mark: str = ""


@dataclass(frozen=True)
class PageColumn:
    """A column of a table: its head, and whether it has numbers."""

    head: str
    is_number: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table; the first cell of each row is its head.

    Attributes:
        name: unique in the page, part of an id.
        caption: what it shows, in a sentence.
        columns: at least one.
        rows: cells, one per column.
        notes: how to read it.
        is_sortable: whether it has buttons to sort by, and a field to filter rows.
    """

    name: str
    caption: str
    columns: tuple[PageColumn, ...]
    rows: tuple[tuple[PageCell, ...], ...]
    notes: tuple[str, ...] = ()
    is_sortable: bool = False


@dataclass(frozen=True)
class Graphic:
    """A drawing: its title, the name of its template, what that needs, and the text that says the same."""

    title: str
    template: str
    context: Mapping[str, object]
    text: str


@dataclass(frozen=True)
class Figures:
    """The figures of one cell: facts, and a line that says how to read them."""

    title: str
    facts: tuple[Fact, ...]
    reading: str


@dataclass(frozen=True)
class RulePart:
    """A rule that claimed a cause: its name and grade, what must hold, what it says, and for how many attempts."""

    name: str
    grade: str
    needs: str
    equation: str
    claims: tuple[Fact, ...]  # the act, and the sentence with its figures


@dataclass(frozen=True)
class CausePart:
    """A cause of slow or failed attempts: in words, what it means, how many attempts have it, and what proves it."""

    title: str
    meaning: str
    attempts: int
    rules: tuple[RulePart, ...]


@dataclass(frozen=True)
class Ladder:
    """The packets of one attempt: its title, the hosts, and a row per packet.

    A row has the time, the way from host to host, one text per host and arrow, and what became of the packet.
    """

    title: str
    hosts: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...], str], ...]

    @property
    def has_fates(self) -> bool:
        """Whether something is known of what became of a packet."""
        return any(fate for _, _, fate in self.rows)


@dataclass(frozen=True)
class Books:
    """The books of a run: whose they are, whether they balance, in words, and all claims."""

    title: str
    verdict: str
    is_balanced: bool
    table: PageTable | None


@dataclass(frozen=True)
class Command:
    """How to make a part of this again: what, the lines to type or to save, and what the lines cannot say."""

    title: str
    lines: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Interactive:
    """A part that scripts draw: its template with what that needs, and what is inlined for it once."""

    template: str
    context: Mapping[str, object]
    scripts: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    data: tuple[DataBlock, ...] = ()


@dataclass(frozen=True)
class ProfilePart:
    """Where the time of an attempt goes in one profile, or what differs between two.

    Attributes:
        title: of which act, cell or pair it is.
        sentences: what can be said of it.
        tables: books, or differences.
        functions: tables that stand below the graph.
    """

    title: str
    sentences: tuple[str, ...]
    tables: tuple[PageTable, ...]
    functions: tuple[PageTable, ...] = ()


@dataclass(frozen=True)
class ProfileSection:
    """Profiles.

    Attributes:
        parts: what is said of each.
        graphs: of all of them.
        notes: what is not in the page, and why.
        named: sentences about functions that a change came from, for the verdict.
    """

    parts: tuple[ProfilePart, ...]
    graphs: Interactive | None = None
    notes: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """All that a page shows, in its order.

    Attributes:
        title: of the page.
        verdict: what was found, in a sentence.
        details: sentences that go on from there.
        tone: what the verdict says.
        facts: program, kernel, hosts, dates.
        notices: what differed, and whether the machine was busy.
        graphics: forest plots, or the series of a history.
        tables: of cells, metrics, or points.
        figures: of each cell.
        profile: where the time of an attempt goes; None where nothing was profiled.
        interactive: the timelines; None where no attempts are stored.
        interactive_note: whose attempts are not in them.
        causes: with their proofs.
        proofs_of: which runs causes, packets and books are of, where it is not all.
        unproved: sentences about causes that are not known.
        ladders: packets of examples.
        books: of each run.
        commands: that reproduce it.
    """

    title: str
    verdict: str
    details: tuple[str, ...] = ()
    tone: Tone = Tone.PLAIN
    facts: tuple[Fact, ...] = ()
    notices: tuple[Notice, ...] = ()
    graphics: tuple[Graphic, ...] = ()
    tables: tuple[PageTable, ...] = ()
    figures: tuple[Figures, ...] = ()
    profile: ProfileSection | None = None
    interactive: Interactive | None = None
    interactive_note: str = ""
    causes: tuple[CausePart, ...] = ()
    proofs_of: str = ""
    unproved: tuple[str, ...] = ()
    ladders: tuple[Ladder, ...] = ()
    books: tuple[Books, ...] = ()
    commands: tuple[Command, ...] = field(default=())
