# SPDX-License-Identifier: MIT
"""The catalogue of scenarios as text for a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Entry = tuple[str, str, str]


def catalogue_text(groups: Mapping[str, Sequence[Entry]]) -> RenderableType:
    """Return scenarios as (name, what it does, what to expect), grouped by what a person sees."""
    width = max(len(name) for entries in groups.values() for name, _, _ in entries)
    parts: list[RenderableType] = [entry_table([("scenario", "what it does", "what to expect")], width, "bold")]
    for title, entries in groups.items():
        parts += [Text(), Text(title, style="bold underline"), entry_table(entries, width)]
    return Group(*parts)


def entry_table(entries: Sequence[Entry], name_width: int, style: str = "") -> Table:
    """Return scenarios as a grid whose columns are as wide in every group."""
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(style="bold", width=name_width)
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    for entry in entries:
        table.add_row(*(Text(text, style=style) for text in entry))
    return table
