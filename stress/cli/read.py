# SPDX-License-Identifier: MIT
"""connstorm read: capture files of others as a run."""

from pathlib import Path

import click

from stress.cli.output import Progress, books_option, json_option, output_option, print_object, print_report, run_object
from stress.cli.verb import Verb
from stress.store import run_folder


@click.command(cls=Verb)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--port", type=click.IntRange(1, 65535), help="read only segments from and to this port")
@output_option
@books_option
@json_option
def read(files: tuple[Path, ...], output: Path, *, port: int | None, with_books: bool, as_json: bool) -> None:
    r"""Read capture FILEs (pcap, pcapng, also .gz) of others: a run folder, causes as far as packets prove them.

    Each connection try becomes an attempt, each server an act. Several files are read as one capture: of both ends,
    or one after the other.

    \b
    Examples:
      tcpdump -i any -w trouble.pcap 'tcp or icmp or icmp6'
      connstorm read trouble.pcap
      connstorm read client.pcapng server.pcapng.gz --port 8080
    """
    from stress.run.capture import read_capture  # noqa: PLC0415  # after the arguments were checked

    run_folder.check_writable(output)
    path = read_capture(files, output, Progress("read", quiet=as_json), port=port)
    observed, summary = run_folder.read(path)
    if as_json:
        print_object(run_object(observed.record.plan.scenario, path, summary))
    else:
        print_report(observed.record, summary, path, with_books=with_books)
