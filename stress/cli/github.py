# SPDX-License-Identifier: MIT
"""connstorm github: what action.yml tells GitHub of a gate. Not for people."""

import os
from pathlib import Path

import click

from stress.ci.annotation import annotation, join_lines, verdict_annotations
from stress.ci.job_summary import job_summary, read_gate
from stress.ci.pull_request import CommentError, Service, put_comment, read_pull_request
from stress.cli.verb import Verb

FORK = "The comment is left out: the pull request is from a fork, and its jobs may not write."


@click.command("github", cls=Verb, hidden=True)
@click.argument("folder", metavar="GATE", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="of the gate")
@click.option("--suite", type=click.Path(path_type=Path), help="the folder of the suite, for its table")
@click.option("--page", default="", help="the address of the report")
@click.option("--note", "notes", multiple=True, help="what the summary and a warning say too; repeatable")
@click.option("--comment", is_flag=True, help="write a comment to the pull request, if one started the job")
def github(folder: Path, *, name: str, suite: Path | None, page: str, notes: tuple[str, ...], comment: bool) -> None:
    """Print annotations, add to the job's summary, and write the comment of a pull request.

    The variables of the environment are those of GitHub Actions; GITHUB_TOKEN is asked for by --comment alone.
    """
    gate = read_gate(folder)
    lines = [annotation("warning", f"connstorm {name}", note) for note in notes]
    if gate.verdict is None:
        lines.append(annotation("error", f"connstorm {name}", "There is no verdict; the log of the job says why."))
    else:
        lines += verdict_annotations(f"connstorm {name}", gate.verdict)
    text = job_summary(name, gate, notes, suite=suite, page=page)
    if comment and (refused := write_comment(name, text)):
        lines.append(annotation("notice" if refused == FORK else "warning", f"connstorm {name}", refused))
        text += f"\n{refused}\n"
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a") as stream:
        stream.write(text)
    click.echo(join_lines(lines), nl=False)


def write_comment(name: str, text: str) -> str:
    """Write the comment of the pull request that started the job, if one did; return why not, or ``""``."""
    pull = read_pull_request(Path(os.environ["GITHUB_EVENT_PATH"]), os.environ["GITHUB_REPOSITORY"])
    if pull is None:
        return ""
    if pull.is_fork:
        return FORK
    service = Service(os.environ["GITHUB_API_URL"], os.environ.get("GITHUB_TOKEN", ""))
    try:
        put_comment(service, pull, name, text)
    except CommentError as error:
        return str(error)
    return ""
