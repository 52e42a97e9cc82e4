# SPDX-License-Identifier: MIT
"""connstorm gate: did it get worse? For CI: an exit code, and files that CI systems read."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.stored import allow_busy_option, base_history_option, complete_stored, last_option
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.compare.arms import Question
from stress.compare.gate import NO_BASE, GateResult, evaluate_gate, is_no_base, self_test_gate
from stress.compare.gate_verdict import error_verdict, gate_files, verdict_of
from stress.model.errors import ConnstormError, NoRunsError, UsageError
from stress.store import verdict_file
from stress.store.stored_names import find_arm
from stress.view.text.gate_table import self_test_sentence, self_test_table, table

UNSEEN = 4  # a regression would go unseen


@click.command(cls=Verb)
@click.argument("arms", nargs=-1, required=True, metavar="[BASE] NEW", shell_complete=complete_stored)
@base_history_option
@last_option
@click.option("--expr", "exprs", multiple=True, metavar="EXPR", help="what must hold, such as 'body.p99 <= 1.10x'")
@click.option("--rows", help="dimensions that make rows, with commas; by default cells")
@click.option("--filter", "filters", multiple=True, metavar="KEY=VALUE", help="look at these runs only")
@click.option("--allow-diff", "allowed", multiple=True, metavar="KIND", help="kernel, testbed, plan or settings")
@click.option("--strict", is_flag=True, help="fail with 4 when a condition is inconclusive")
@click.option("--require-baseline", is_flag=True, help="fail with 5 when there is no comparable baseline")
@click.option(
    "--allow-missing",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="pass though up to N planned trials of NEW have no data",
)
@allow_busy_option
@click.option("--write", "write_to", type=click.Path(path_type=Path), metavar="DIR", help="the folder of the verdict")
@click.option("--self-test", is_flag=True, help="put regressions into copies of the data: are they found? 4 if not")
@output_option
@json_option
def gate(
    *,
    arms: tuple[str, ...],
    base_history: Path | None,
    last: int,
    exprs: tuple[str, ...],
    rows: str | None,
    filters: tuple[str, ...],
    allowed: tuple[str, ...],
    output: Path,
    strict: bool,
    allow_missing: int,
    allow_busy: bool,
    write_to: Path | None,
    require_baseline: bool,
    self_test: bool,
    as_json: bool,
) -> None:
    r"""Hold NEW to what must be true of it, by itself and against BASE: runs, suites, or folders of these.

    Without BASE, or with none in its place, conditions that compare have no baseline.

    Times of arms that were not measured in one session are compared by sessions: with one on either side they are
    inconclusive, unless a calibration or OUTPUT/history says how far sessions differ. --base-history holds a new
    session against several.

    Conditions are METRIC OP VALUE, given by --expr or by [[gate]] in the suite file of NEW. Every planned trial of NEW
    counts: a condition is without data where one of them failed, was interrupted, was not run or has no value, unless
    --allow-missing says how many may.

    OUTPUT/gate/<name of NEW>, or the folder of --write, has verdict.json (read that in CI: make turns every failure
    into 2), junit.xml and summary.md. What an earlier gate left there is removed first.

    \b
    Exit codes: 0 all hold, or nothing is proven
                1 a condition is broken
                2 wrong use or bad input
                3 the new runs do not say: planned trials have no data
                4 inconclusive, with --strict; a regression would go unseen, with --self-test
                5 no comparable baseline, with --require-baseline

    \b
    Examples:
      connstorm gate latest:smoke
      connstorm gate baseline/ results/20261126T120000Z-suite-smoke-1a2b3c
      connstorm gate old/ new/ --expr 'body.p99 <= 1.10x' --expr 'retries_per_million <= +5' --expr 'errors == 0'
      connstorm gate latest:track --base-history results/history
      connstorm gate old/ new/ --write verdict --allow-missing 1
      connstorm gate old/ new/ --self-test
    """
    options: dict[str, Any] = {
        "base_history": base_history,
        "last": last,
        "rows": tuple(rows.split(",")) if rows else (),
        "filters": filters,
        "allowed": allowed,
        "results": output,
        "allow_missing": allow_missing,
        "allow_busy": allow_busy,
    }
    if self_test:
        question = Question(arms=named_arms(arms, base_history, output), **options)
        sys.exit(print_self_test(question, exprs, as_json=as_json))
    folder = write_to or verdict_file.gate_folder(output, name_of(arms[-1], output))
    verdict_file.open_gate_folder(folder)
    try:
        question = Question(arms=named_arms(arms, base_history, output), **options)
        result = evaluate_gate(question, exprs)
    except ConnstormError as error:
        verdict = error_verdict(error, str(base_history or (arms[0] if arms[1:] else NO_BASE)), arms[-1])
        verdict_file.write_files(folder, gate_files(verdict, ()))
        raise
    code = result.exit_code(strict=strict, require_baseline=require_baseline)
    write(result, question, code, folder, as_json=as_json)
    sys.exit(code)


def named_arms(arms: Sequence[str], base_history: Path | None, output: Path) -> tuple[str, ...]:
    """Return the arms by their paths: the base and the new one, or the new one alone where a folder is the base.

    Of a new one without a base, the base is NO_BASE.

    Raises:
        UsageError: there are more or fewer, or the new one does not exist.
    """
    if len(arms) > (2 if base_history is None else 1):
        raise UsageError(
            "Give BASE and NEW, or NEW alone."
            if base_history is None
            else "With --base-history DIR give NEW alone: the base is in DIR."
        )
    *base, new = arms if len(arms) > 1 or base_history is not None else (NO_BASE, *arms)
    with suppress(NoRunsError):  # without a baseline, the gate says so
        base = [text if is_no_base(text) else find_arm(text, output) for text in base]
    return *base, find_arm(new, output)


def name_of(new: str, output: Path) -> str:
    """Return the new arm with the path of its folder, where there is one of that name."""
    with suppress(UsageError):
        return find_arm(new, output)
    return new


def print_self_test(question: Question, exprs: Sequence[str], *, as_json: bool) -> int:
    """Print whether regressions would be found; return the exit code."""
    regressions, warnings = self_test_gate(question, exprs)
    if as_json:
        documents = [
            {
                "expr": str(injected.result.condition),
                "row": injected.result.row,
                "injected": injected.injected,
                "found": injected.is_detected,
            }
            for injected in regressions
        ]
        print_object({"sentence": self_test_sentence(regressions), "regressions": documents, "warnings": warnings})
    else:
        console().print(self_test_table(regressions))
        print_warnings(warnings)
    return 0 if all(injected.is_detected for injected in regressions) else UNSEEN


def write(result: GateResult, question: Question, code: int, folder: Path, *, as_json: bool) -> None:
    """Write the files of a gate and print the result."""
    verdict = verdict_of(result, str(question.base_history or question.arms[0]), question.arms[-1], code)
    files = gate_files(verdict, result.conditions)
    verdict_file.write_files(folder, files)
    if as_json:
        print_object(msgspec.to_builtins(verdict))
        return
    console().print(table(result.conditions, result.allowed))
    print_warnings(result.warnings)
    print_text(f"{folder} has {verdict_file.VERDICT_NAME}, {verdict_file.JUNIT_NAME}, {verdict_file.SUMMARY_NAME}")


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings on standard error."""
    for text in warnings:
        print_text(f"warning: {text}", err=True)
