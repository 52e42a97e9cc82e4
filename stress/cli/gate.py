# SPDX-License-Identifier: MIT
"""connstorm gate: did it get worse? For CI: an exit code, and files that CI systems read."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from stress import __version__
from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.stored import base_history_option, complete_stored, last_option
from stress.cli.verb import Verb
from stress.compare.arms import Question
from stress.compare.gate import GateResult, evaluate_gate, self_test_gate
from stress.model.errors import NoRunsError, UsageError
from stress.store import verdict_file
from stress.store.stored_names import find_arm
from stress.view.text.gate_markdown import markdown
from stress.view.text.gate_table import self_test_sentence, self_test_table, table
from stress.view.text.gate_wording import sentence
from stress.view.text.junit import junit_xml

FOLDER = "gate"  # inside OUTPUT
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
    require_baseline: bool,
    self_test: bool,
    as_json: bool,
) -> None:
    r"""Hold NEW to what must be true of it, by itself and against BASE: runs, suites, or folders of these.

    Times of arms that were not measured in one session are compared by sessions: with one on either side they are
    inconclusive, unless a calibration or OUTPUT/history says how far sessions differ. --base-history holds a new
    session against several.

    Conditions are METRIC OP VALUE, given by --expr or by [[gate]] in the suite file of NEW. OUTPUT/gate has
    verdict.json (read that in CI: make turns every failure into 2), junit.xml and summary.md.

    \b
    Exit codes: 0 all hold, or nothing is proven
                1 a condition is broken
                2 wrong use or bad input
                3 the new runs do not say, for they failed
                4 inconclusive, with --strict; a regression would go unseen, with --self-test
                5 no comparable baseline, with --require-baseline

    \b
    Examples:
      connstorm gate baseline/ results/20261126T120000Z-suite-smoke-1a2b3c
      connstorm gate old/ new/ --expr 'body.p99 <= 1.10x' --expr 'retries_per_million <= +5' --expr 'errors == 0'
      connstorm gate latest:track --base-history results/history
      connstorm gate old/ new/ --self-test
    """
    question = Question(
        arms=named_arms(arms, base_history, output),
        base_history=base_history,
        last=last,
        rows=tuple(rows.split(",")) if rows else (),
        filters=filters,
        allowed=allowed,
        results=output,
    )
    if self_test:
        sys.exit(print_self_test(question, exprs, as_json=as_json))
    result = evaluate_gate(question, exprs)
    code = result.exit_code(strict=strict, require_baseline=require_baseline)
    write(result, question, code, output / FOLDER, as_json=as_json)
    sys.exit(code)


def named_arms(arms: Sequence[str], base_history: Path | None, output: Path) -> tuple[str, ...]:
    """Return the arms by their paths: the base and the new one, or the new one alone where a folder is the base.

    Raises:
        UsageError: there are more or fewer, or the new one does not exist.
    """
    if len(arms) != (2 if base_history is None else 1):
        raise UsageError(
            "Give BASE and NEW, or NEW alone with --base-history DIR."
            if base_history is None
            else "With --base-history DIR give NEW alone: the base is in DIR."
        )
    *base, new = arms
    with suppress(NoRunsError):  # without a baseline, the gate says so
        base = [find_arm(text, output) for text in base]
    return *base, find_arm(new, output)


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
    verdict = verdict_file.VerdictFile(
        schema=verdict_file.VERDICT_SCHEMA,
        program=f"connstorm {__version__}",
        verdict=result.verdict,
        exit_code=code,
        base=str(question.base_history or question.arms[0]),
        new=question.arms[-1],
        tests=result.tests,
        conditions=[
            verdict_file.ConditionRecord(
                expr=str(condition_result.condition),
                row=condition_result.row,
                state=condition_result.state.value,
                sentence=sentence(condition_result),
                base=condition_result.base.median if condition_result.base else None,
                new=condition_result.new.median if condition_result.new else None,
                base_trials=condition_result.base.trials if condition_result.base else 0,
                new_trials=condition_result.new.trials if condition_result.new else 0,
                effect=condition_result.effect,
                low=condition_result.low,
                high=condition_result.high,
                limit=condition_result.limit,
                adjusted_p=condition_result.adjusted_p,
                more_trials=condition_result.more_trials,
            )
            for condition_result in result.conditions
        ],
        warnings=result.warnings,
    )
    files = {
        verdict_file.VERDICT_NAME: verdict_file.encode(verdict),
        "junit.xml": junit_xml(result.conditions),
        "summary.md": markdown(result.conditions, result.warnings).encode(),
    }
    verdict_file.write_files(folder, files)
    if as_json:
        print_object(msgspec.to_builtins(verdict))
        return
    console().print(table(result.conditions))
    print_warnings(result.warnings)
    click.echo(f"{folder} has {', '.join(files)}")


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings on standard error."""
    for text in warnings:
        click.echo(f"warning: {text}", err=True)
