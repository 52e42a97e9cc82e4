# SPDX-License-Identifier: MIT
"""What may be behind a symptom, as text for a terminal."""

from collections.abc import Collection, Mapping

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stress.analysis.attribution.ladder import Ladder
from stress.analysis.symptoms.answer import Answer, Impossibility, Possibility, condition_text, question_text
from stress.model.host import Host
from stress.model.symptom import Command, Side, Sight
from stress.model.units import kernel_text
from stress.view.text.ladder_table import ladder_settings

LABELS = len("told by")
WORTH_A_TABLE = 3  # explanations: one or two are read faster than a table of what moves
WATCH = "connstorm inspect --watch 10"


def symptom_report(
    answer: Answer, host: Host, sysctls: Mapping[str, str], ladder: Ladder, scenarios: Collection[str]
) -> RenderableType:
    """Return every explanation with what tells it from the others, the commands that prove it, and its scenarios.

    Args:
        answer: what may be behind a query.
        host: the machine and its kernel.
        sysctls: its settings.
        ladder: its SYN ladder.
        scenarios: names of those that exist.
    """
    parts: list[RenderableType] = [
        Text(f"{kernel_text(host.kernel, host.jiffy_ns)}, {ladder_settings(sysctls)}", "bold")
    ]
    if answer.reading:
        asked = question_text(answer.query, ladder)
        parts.append(Text(f"{asked}: {'; or '.join(answer.reading.values())}"))
    numbers = number_explanations(answer)
    if len(numbers) >= WORTH_A_TABLE:
        parts += [Text(), Text("What moves meanwhile tells where to look", style="bold"), mark_table(answer, numbers)]
        parts += [Text.assemble((WATCH, "cyan"), " prints counters and sockets of the host on which it runs")]
    printed: set[str] = set()
    for group in answer.groups:
        parts += [Text(), Text.assemble((group.symptom.title, "bold underline"), f"\nhere: {group.here}")]
        for possibility in group.possibilities:
            name = possibility.explanation.name
            is_new = name not in printed
            parts += [Text(), possibility_table(numbers[name], possibility, sysctls, scenarios if is_new else None)]
            printed.add(name)
    if not answer.groups:
        parts += [Text(), Text("Nothing in the table of symptoms fits that on this kernel and these settings")]
    if answer.elsewhere:
        parts += [Text(), Text("Not on this kernel and these settings", style="bold")]
        parts += [elsewhere_text(one) for one in answer.elsewhere]
    return Group(*parts)


def number_explanations(answer: Answer) -> dict[str, int]:
    """Return the number of each explanation by its name, in the order in which they are printed first."""
    names = dict.fromkeys(one.explanation.name for group in answer.groups for one in group.possibilities)
    return {name: number for number, name in enumerate(names, start=1)}


def mark_table(answer: Answer, numbers: Mapping[str, int]) -> Table:
    """Return what moves on which side, and the numbers of the explanations that it speaks for."""
    by_mark: dict[tuple[Side, str], set[int]] = {}
    for group in answer.groups:
        for one in group.possibilities:
            by_mark.setdefault(one.explanation.mark, set()).add(numbers[one.explanation.name])
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=LABELS + 3)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for side, text in sorted(by_mark, key=lambda mark: list(Side).index(mark[0])):
        speaks_for = " ".join(map(str, sorted(by_mark[side, text])))
        table.add_row(str(side), Text(text), Text(speaks_for, style="bold"))
    return table


def possibility_table(
    number: int, possibility: Possibility, sysctls: Mapping[str, str], scenarios: Collection[str] | None
) -> Table:
    """Return one explanation: what happens, when, what tells it from others, commands, scenarios.

    Args:
        number: of the explanation.
        possibility: the explanation, and how it shows.
        sysctls: settings of the host.
        scenarios: names of those that exist; None where all but how it shows has been printed before.
    """
    one = possibility.explanation
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", width=LABELS + 3)
    table.add_column(overflow="fold")
    causes = f" ({', '.join(one.causes)})" if one.causes else ""
    table.add_row(Text(str(number)), Text.assemble((one.label, "bold"), (causes, "dim")))
    if scenarios is not None:
        table.add_row("what", Text(one.what))
    for sight in possibility.sights:
        if text := sight_text(sight, sysctls):
            table.add_row("when", Text(text))
    if scenarios is None:
        table.add_row("told by", Text(f"as {number} above"))
        return table
    table.add_row("told by", Text(one.told))
    before: Side | None = None
    for command in one.commands:
        table.add_row("" if command.side is before else str(command.side), command_lines(command))
        before = command.side
    shown = [name for name in one.scenarios if name in scenarios]
    if shown:
        others = f"; also {', '.join(shown[1:])}" if shown[1:] else ""
        table.add_row("shown by", Text.assemble((f"connstorm run {shown[0]}", "cyan"), others))
    return table


def sight_text(sight: Sight, sysctls: Mapping[str, str]) -> str:
    """Return when an explanation shows so, this host's value of the setting that it needs, and what was measured."""
    text = condition_text(sight)
    if sight.setting and sight.setting.name in sysctls:
        text += f" (here {sysctls[sight.setting.name]})"
    measured = f"measured: {sight.figure}" if sight.figure else ""
    return "; ".join(filter(None, [text, measured]))


def command_lines(command: Command) -> RenderableType:
    """Return a command as it is typed, and what to look at."""
    typed = Text(f"{'#' if command.is_for_root else '$'} {command.line}", style="cyan")
    return Group(typed, Padding(Text(command.look, style="dim"), (0, 0, 0, 4))) if command.look else typed


def elsewhere_text(one: Impossibility) -> Text:
    """Return what would fit elsewhere, and where."""
    return Text(f"  {one.explanation.label}: {one.why}")
