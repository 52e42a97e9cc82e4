# SPDX-License-Identifier: MIT
"""The document of one run."""

from collections.abc import Iterator

from stress.analysis.attribution.findings import Findings
from stress.model.outcome import Cause
from stress.model.record import Record
from stress.model.summary import Summary
from stress.model.units import kernel_text
from stress.view.page.document import Command, Document, Fact, Interactive, ProfileSection
from stress.view.page.figure_parts import act_figures, acts_table, run_figures, scenario_table
from stress.view.page.notice_parts import run_notices
from stress.view.page.proof_parts import books_parts, cause_parts, packet_ladders, unproved_sentences
from stress.view.text.plan_command import run_command
from stress.view.text.proof_wording import evidence_text
from stress.view.text.run_headline import act_sentences, run_headline
from stress.view.text.table import Tone
from stress.view.text.verdict_lines import run_heading, verdict_texts

RUN_JSON = "the whole plan is in run.json of the run"


def run_document(
    findings: Findings, name: str, interactive: Interactive | None, profile: ProfileSection | None = None
) -> Document:
    """Return the document of a run.

    Args:
        findings: the run, with the cause of each attempt.
        name: of its folder.
        interactive: its timeline.
        profile: where the time of an attempt goes, if it was profiled.
    """
    record, summary = findings.run.record, findings.summary
    of_run = {"": summary}
    acts = summary.acts if len(summary.acts) > 1 else []
    return Document(
        title=f"{run_heading(record.plan)}, {record.started_utc[:16].replace('T', ' ')} UTC",
        verdict=f"{run_headline(findings)}.",
        details=tuple(run_details(findings)),
        tone=run_tone(summary),
        facts=tuple(run_head_facts(record, name)),
        notices=tuple(run_notices(record, summary)),
        tables=(*([acts_table(summary)] if acts else []), *scenario_table(summary)),
        figures=(run_figures(record, summary, "the whole run"), *map(act_figures, acts)),
        profile=profile,
        interactive=interactive,
        causes=cause_parts(of_run),
        unproved=unproved_sentences(of_run),
        ladders=packet_ladders(of_run),
        books=books_parts(of_run),
        commands=tuple(run_commands(record)),
    )


def run_details(findings: Findings) -> Iterator[str]:
    """Yield what follows the verdict: the answer to the scenario's question, each act, and what proves the causes."""
    record, summary = findings.run.record, findings.summary
    yield from (text if not name else f"{text}." for name, text in answers(record, summary))
    yield from act_sentences(findings)
    evidence = evidence_text(record, summary)
    yield f"{evidence[0].upper()}{evidence[1:]}."


def answers(record: Record, summary: Summary) -> Iterator[tuple[str, str]]:
    """Yield the verdict of the scenario, as a sentence."""
    for name, text in verdict_texts(record, summary):
        if name == "verdict":
            yield ("" if text.endswith(".") else name), text


def run_tone(summary: Summary) -> Tone:
    """Return what the verdict says: trouble with a known cause, with an unknown one, or none."""
    counts = {cause: count for cause, count in summary.causes.items() if count and cause != Cause.NONE}
    if not counts and not (summary.uses and summary.uses.errors):
        return Tone.HOLDS
    return Tone.UNDECIDED if set(counts) == {Cause.UNKNOWN} else Tone.WORSE


def run_head_facts(record: Record, name: str) -> Iterator[Fact]:
    """Yield what made the run, and where."""
    host = record.host
    yield Fact("program", record.program)
    yield Fact("kernel", kernel_text(host.kernel, host.jiffy_ns))
    yield Fact("host", f"{host.cpu}, {host.cpus} CPUs")
    yield Fact("run", name)


def run_commands(record: Record) -> Iterator[Command]:
    """Yield the command that makes the run again."""
    command, unsaid = run_command(record.plan)
    if command:
        note = f"Not said by it: {', '.join(unsaid)}; {RUN_JSON}." if unsaid else ""
        yield Command("this run", (command,), note)
