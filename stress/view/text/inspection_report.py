# SPDX-License-Identifier: MIT
"""What an inspection says, as text for a terminal: the verdict, what is wrong and what to do, then tables."""

from collections.abc import Collection, Iterator

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from stress.analysis.inspection.wording import owner_text
from stress.model.inspection import Conntrack, Finding, Inspection, SettingState, Unseen, Watch
from stress.model.text import plural
from stress.view.text.inspection_rows import (
    CAPPED,
    ages_text,
    client_table,
    counter_lines,
    destination_table,
    first_rows,
    leak_table,
    listener_table,
    percent_text,
    states_text,
    watched_counters,
)
from stress.view.text.rich_table import noted_table
from stress.view.text.row_table import INDENT, QUIET
from stress.view.text.table import Table

LABELS = len("page") + 2
LEAKS_SHOWN = 3  # where nothing is wrong
COMMAND = "cyan"
FAILED, TOLD, FINE = "bold red", "bold yellow", "bold green"


def inspection_report(inspection: Inspection, width: int) -> RenderableType:
    """Return the verdict, the findings in their order, what was seen as tables, and what could not be seen.

    Where nothing is wrong and nothing was watched, the tables are left out.

    Args:
        inspection: what was seen.
        width: of the terminal in columns.
    """
    parts: list[RenderableType] = [verdict_text(inspection), Text(context_text(inspection), style=QUIET)]
    for number, finding in enumerate(inspection.findings, start=1):
        parts += [Text(), finding_grid(number, finding, inspection)]
    if inspection.watch is not None:
        parts += [Text(), *watch_parts(inspection.watch, {finding.text for finding in inspection.findings})]
    if inspection.findings or inspection.watch is not None:
        parts += table_parts(inspection, width)
    else:
        parts.append(Text(summary_text(inspection)))
    if inspection.unseen:
        parts += [Text(), heading("Not seen"), *map(unseen_text, inspection.unseen)]
    return Group(*parts)


def heading(text: str) -> Text:
    """Return the heading of a part."""
    return Text(text, style="bold underline")


def verdict_text(inspection: Inspection) -> Text:
    """Return the verdict, coloured by what the exit code will say."""
    style = FAILED if inspection.is_failing else TOLD if inspection.findings else FINE
    return Text(inspection.verdict, style=style)


def context_text(inspection: Inspection) -> str:
    """Return where and when it was seen, and all sockets by state."""
    only = [f"port {inspection.port}"] if inspection.port is not None else []
    only += [f"process {inspection.pid}"] if inspection.pid is not None else []
    limits = f", only {' and '.join(only)}" if only else ""
    states = states_text(inspection.states)
    sockets = plural(inspection.sockets, "socket") + (f": {states}" if states else "")
    when = inspection.taken_utc.replace("+00:00", "Z")
    return f"{inspection.namespace}{limits}, {when}, Linux {inspection.kernel}; {sockets}"


def finding_grid(number: int, finding: Finding, inspection: Inspection) -> RichTable:
    """Return a finding with its figures, what to look at, what to do now, and its page."""
    grid = RichTable.grid(padding=(0, 1))
    grid.add_column(justify="right", width=LABELS)
    grid.add_column(overflow="fold")
    fails = finding.check is not None and finding.check not in inspection.ignored
    text = "as said above" if finding.text in inspection.verdict else finding.text
    parts: list[tuple[str, str]] = [(text, "bold" if fails else "")]
    if finding.check is not None:
        parts.append((f"  [{finding.check}{'' if fails else ', ignored'}]", "red" if fails else QUIET))
    grid.add_row(Text(str(number), style=FAILED if fails else TOLD), Text.assemble(*parts))
    for label, lines in (("look", finding.commands), ("do", finding.remedies)):
        for index, line in enumerate(lines):
            grid.add_row("" if index else label, Text(line, style=COMMAND if label == "look" else ""))
    if finding.page:
        grid.add_row("page", Text(finding.page, style=QUIET))
    return grid


def watch_parts(watch: Watch, told: Collection[str]) -> Iterator[RenderableType]:
    """Yield what changed during a watch; ``told`` are sentences that have been printed already."""
    yield heading(f"Within {watch.seconds:.3g} s")
    yield Text(f"counters: {watched_counters(watch) or 'none that tells of connects rose'}")
    for explanation in (one for one in watch.explanations if one.text not in told):
        yield Padding(Text.assemble(explanation.text, (f"  {explanation.page}", QUIET)), (0, 0, 0, INDENT))
    for place, reasons in watch.kernel.items():
        yield Text(f"the kernel, at {place}: {counter_lines(reasons)}")
    for name, states in (("appeared", watch.appeared), ("stayed", watch.stayed), ("gone", watch.gone)):
        yield Text(f"sockets that {'are gone' if name == 'gone' else name}: {states_text(states) or 'none'}")


def table_parts(inspection: Inspection, width: int) -> Iterator[RenderableType]:
    """Yield what was seen, each part below its heading."""
    if inspection.leaks:
        yield from table_part("Connections whose peer has ended or vanished", leak_table(inspection.leaks), width)
    if inspection.listeners:
        yield from table_part("Listeners", listener_table(inspection), width)
        if any(listener.is_capped for listener in inspection.listeners):
            yield Text(f"{CAPPED} equals net.core.somaxconn, which may have lowered what was asked for", style=QUIET)
    if inspection.destinations:
        yield from table_part("Ports for connections from this host", destination_table(inspection), width)
        yield Text("searched: how many ports connect() looks at, on average, before it has one", style=QUIET)
    if inspection.clients:
        yield from table_part(
            "Clients on other hosts, whose port range is not known", client_table(inspection.clients), width
        )
    yield from remaining_parts(inspection)


def remaining_parts(inspection: Inspection) -> Iterator[RenderableType]:
    """Yield conntrack, rules, settings and counters."""
    if inspection.conntrack is not None:
        yield Text()
        yield Text.assemble(("conntrack: ", "bold"), conntrack_text(inspection.conntrack))
    if inspection.rules:
        shown, rest = first_rows(inspection.rules)
        yield from (Text(), heading("Rules of the firewall that can lose a connect"))
        yield from map(Text, filter(None, [*shown, rest]))
    if inspection.settings:
        yield from (Text(), heading("Settings that matter here"))
        yield from map(setting_text, inspection.settings)
    if counted := counter_lines(inspection.counters):
        yield from (Text(), heading("Since boot, and no failure"), Text(counted))


def table_part(title: str, table_and_rest: tuple[Table, str], width: int) -> Iterator[RenderableType]:
    """Yield a table below its heading, and the line that says what was left out."""
    table, rest = table_and_rest
    yield from (Text(), heading(title), noted_table(table, width))
    if rest:
        yield Text(rest, style=QUIET)


def conntrack_text(conntrack: Conntrack) -> str:
    """Return how full the table of conntrack is, and what it counted since boot."""
    used = percent_text(conntrack.entries / conntrack.limit) if conntrack.limit else "all"
    counted = counter_lines(conntrack.counters)
    return f"{conntrack.entries:,} of {conntrack.limit:,} entries ({used})" + (
        f"; since boot {counted}" if counted else ""
    )


def setting_text(setting: SettingState) -> RenderableType:
    """Return a setting, and below it what another value would change."""
    value = " ".join(setting.value.split())
    return Group(Text(f"{setting.name}={value}", style=COMMAND), Padding(Text(setting.effect), (0, 0, 0, INDENT)))


def unseen_text(unseen: Unseen) -> Text:
    """Return what was not seen, why, and how to let it."""
    return Text(f"{unseen.what}: {unseen.why}. {unseen.remedy}".rstrip())


def summary_text(inspection: Inspection) -> str:
    """Return in one line what was looked at where nothing is wrong."""
    parts = [plural(len(inspection.listeners), "listener")]
    if drops := sum(listener.drops for listener in inspection.listeners):
        parts.append(f"{plural(drops, 'packet')} dropped since they were made")
    for leak in sorted(inspection.leaks, key=lambda leak: -leak.count)[:LEAKS_SHOWN]:
        age = f", {ages_text(leak.ages)} old" if leak.ages.known else ""
        parts.append(f"{leak.count:,} in {leak.state} at {leak.local} ({owner_text(leak.owner)}){age}")
    if inspection.destinations:
        tightest = min(inspection.destinations, key=lambda one: one.left / max(one.usable, 1))
        share = percent_text(tightest.left / max(tightest.usable, 1))
        count = len(inspection.destinations)
        where = f"each of {count:,} destinations, at least" if count > 1 else "the only destination"
        parts.append(f"ports left to {where}: {share}")
    if inspection.conntrack is not None:
        parts.append(f"conntrack {conntrack_text(inspection.conntrack).partition(';')[0]}")
    return "; ".join(parts) + "."
