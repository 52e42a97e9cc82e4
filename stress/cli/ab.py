# SPDX-License-Identifier: MIT
"""connstorm ab: two servers in one suite, trial by trial in turn, and which of them is worse."""

import sys
from pathlib import Path

import click
import msgspec

from stress.cli import gate
from stress.cli.interrupts import resume_command
from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.stored import allow_busy_option
from stress.cli.streams import print_text
from stress.cli.suite import FIGURE, TRIALS_MAX, conduct, draw_suite
from stress.cli.verb import Verb
from stress.compare.arms import Question
from stress.compare.gate import evaluate_gate
from stress.compare.server_pair import PairResult, compare_pair, pair_document, pair_question, toml_text
from stress.model.suite import Suite
from stress.store import suite_folder, verdict_file
from stress.suite.cell_results import read_cell_trials
from stress.suite.config.arms import ATTEMPTS, RATE_PER_S
from stress.suite.config.load import build_suite
from stress.suite.executor.local import Local
from stress.view.text import comparison_table
from stress.view.text.arm_lines import arm_lines

TRIALS = 14  # of five metrics whose trials spread by 5 %, a change of 10 % in one is found in 94.7 %


@click.command("ab", cls=Verb)
@click.argument("base", metavar="[NAME=]COMMAND")
@click.argument("new", metavar="[NAME=]COMMAND")
@click.option("--ready", metavar="tcp:PORT", help="where both listen; not needed with {port} in both commands")
@click.option("--trials", type=click.IntRange(1, TRIALS_MAX), default=TRIALS, show_default=True, help="of each server")
@click.option("--attempts", type=click.IntRange(min=1), default=ATTEMPTS, show_default=True, help="of a trial")
@click.option("--rate", type=float, default=RATE_PER_S, show_default=True, help="of attempts, per second")
@click.option("--expr", "exprs", multiple=True, metavar="EXPR", help="what must hold, such as 'body.p99 <= 1.10x'")
@click.option("--strict", is_flag=True, help="fail with 4 when the result is inconclusive")
@allow_busy_option
@output_option
@json_option
def compare_servers(
    *,
    base: str,
    new: str,
    ready: str | None,
    trials: int,
    attempts: int,
    rate: float,
    exprs: tuple[str, ...],
    output: Path,
    strict: bool,
    allow_busy: bool,
    as_json: bool,
) -> None:
    r"""Storm two servers, which COMMANDs start, trial by trial in turn; say whether the second is worse.

    Each trial starts one of them in a private network namespace of its own, waits until it listens, storms it, and ends
    it. The trials of both lie in the same blocks, so that a busy machine slows both. A COMMAND is split into words as
    by a shell, and run without one; {port} in it stands for the port.

    The suite is stored, as of an [[arm]] in a suite file, which can do more: settings and further arms.

    \b
    Exit codes: 0 no regression is proven, 1 the second is worse, 3 trials have no result,
                4 inconclusive, with --strict

    \b
    Examples:
      connstorm ab './server-1.0 --port {port}' './server-1.1 --port {port}'
      connstorm ab old='nginx -c /etc/nginx/old.conf' new='nginx -c /etc/nginx/new.conf' --ready tcp:8080
      connstorm ab './server -b 128' './server -b 4096' --ready tcp:8080 --expr 'retries_per_million <= +0'
    """
    document = pair_document((base, new), ready, trials=trials, attempts=attempts, rate_per_s=rate, exprs=exprs)
    suite = build_suite(document, document["name"])
    path, interrupted = conduct(suite, output, Local(), quiet=as_json, text=toml_text(document))
    if interrupted:
        command = resume_command(path, (), host=False, retry_failed=False)
        print_text(f"connstorm: interrupted; go on with: {command}; then connstorm compare {path}", err=True)
        sys.exit(interrupted)
    sys.exit(conclude(path, suite, pair_question(path, output, allow_busy=allow_busy), strict=strict, as_json=as_json))


def conclude(path: Path, suite: Suite, question: Question, *, strict: bool, as_json: bool) -> int:
    """Draw the suite, print the comparison and the verdict; return the exit code."""
    file = suite_folder.read(path)
    cells = read_cell_trials(path, file)
    if any(trials.done for trials in cells):
        draw_suite(file, cells, path / FIGURE)
    result = compare_pair(path, question)
    code = result.exit_code(strict=strict)
    if not as_json:
        print_result(result)
        for line in arm_lines(file):
            print_text(line)
    if suite.gates and result.comparisons:
        held = evaluate_gate(question, ())
        code = held.exit_code(strict=strict, require_baseline=True)
        folder = verdict_file.gate_folder(question.results, question.arms[-1])
        verdict_file.open_gate_folder(folder)
        gate.write(held, question, code, folder, as_json=as_json)
    elif as_json:
        print_object({"path": str(path), "verdict": result.verdict, "exit_code": code} | msgspec.to_builtins(result))
    else:
        print_text(f"verdict: {result.verdict}")
    if not as_json:
        console().print(f"folder: {path}", soft_wrap=True)
    return code


def print_result(result: PairResult) -> None:
    """Print the comparison, and below it what a reader must know of it."""
    if result.comparisons:
        console().print(comparison_table.table(result.comparisons, everything=False))
    for text in result.absent:
        print_text(f"no data: {text}")
    for text in result.warnings:
        print_text(f"warning: {text}", err=True)
