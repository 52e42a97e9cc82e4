# SPDX-License-Identifier: MIT
"""connstorm show: the report of a stored run or suite again, or all that is stored of one attempt."""

from pathlib import Path

import click

from stress.cli.output import books_option, console, json_option, print_object, print_report, run_object
from stress.cli.profile import print_profile, print_whole_profile
from stress.cli.stored import complete_stored, results_option
from stress.cli.verb import Verb
from stress.model.errors import UsageError
from stress.store import run_folder, suite_folder
from stress.store.stored_names import RUN_FILE, find_stored
from stress.store.suite_folder import SUITE_FILE


@click.command("show", cls=Verb)
@click.argument("name", metavar="RUN", shell_complete=complete_stored)
@click.option("--attempt", type=click.IntRange(min=0), metavar="N", help="this attempt alone, counted from 0")
@click.option("--profile", "only_profile", is_flag=True, help="the profile alone, with all functions")
@click.option("--trial", type=click.IntRange(min=0), metavar="N", help="the run of this trial of a suite")
@results_option
@books_option
@json_option
def show_stored(
    name: str,
    attempt: int | None,
    trial: int | None,
    results: Path,
    *,
    only_profile: bool,
    with_books: bool,
    as_json: bool,
) -> None:
    r"""Print the report of a stored RUN or suite again; with --attempt, all that is stored of one attempt.

    RUN is a path, or short for one in RESULTS: a part of the name that it alone has, latest, latest~1 (the one before),
    or latest:closewait (the newest of a scenario or suite).

    \b
    Examples:
      connstorm show latest
      connstorm show closewait
      connstorm show latest:closewait~1 --attempt 4711
      connstorm show suite-smoke --trial 3
    """
    path = find_stored(name, results)
    is_suite = (path / SUITE_FILE).is_file()
    if trial is not None:
        if not is_suite:
            raise UsageError(f"{path} is not a suite, so it has no trials; leave out --trial.")
        path, is_suite = run_of_trial(path, trial), False
    if is_suite:
        if attempt is not None or only_profile:
            raise UsageError(f"{path} is a suite, whose trials have attempts; say which one by --trial.")
        show_suite(path, as_json=as_json)
        return
    if not (path / RUN_FILE).is_file() and path.is_dir():
        raise UsageError(f"{path} is neither a run nor a suite; connstorm list {path} shows what is in it.")
    observed, summary = run_folder.read(path)
    if only_profile:
        print_whole_profile(observed, path)
    elif attempt is not None:
        from stress.analysis.attribution.attempt_record import record_attempt  # noqa: PLC0415  # what a report needs not
        from stress.view.text.attempt_report import attempt_report  # noqa: PLC0415

        record = record_attempt(observed, summary, attempt)
        if as_json:
            print_object(record)
        else:
            console().print(attempt_report(record, path))
    elif as_json:
        print_object(run_object(observed.record.plan.scenario, path, summary))
    else:
        print_report(observed.record, summary, path, with_books=with_books)
        print_profile(observed, path)


def run_of_trial(path: Path, number: int) -> Path:
    """Return the run folder of a trial of a suite.

    Raises:
        UsageError: there is no such trial, or it is not done.
    """
    records = suite_folder.read_records(path)
    record = records.get(number)
    if record is None:
        has = f"it has those from {min(records)} to {max(records)}" if records else "none has ended"
        raise UsageError(f"{path} has no trial {number}; {has}.")
    if record.run is None:
        raise UsageError(f"Trial {number} of {path} has no run: {record.status.value}, {record.reason}")
    return suite_folder.trial_run_folder(path, record)


def show_suite(path: Path, *, as_json: bool) -> None:
    """Print the table of a suite."""
    from stress.cli.suite import print_suite  # noqa: PLC0415  # what a report needs not

    print_suite(path, as_json=as_json)
