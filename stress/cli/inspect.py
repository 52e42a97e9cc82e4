# SPDX-License-Identifier: MIT
"""connstorm inspect: what is wrong with the TCP sockets of this host, and what to do about it."""

import math
import os
import sys
from pathlib import Path

import click

from stress.cli.output import console, json_option, print_object
from stress.cli.verb import Verb
from stress.lab import network_namespace, socket_owner
from stress.model.errors import LabError, UsageError
from stress.model.inspection import Check
from stress.model.text import did_you_mean, join_words
from stress.run.process import ONE_THREAD
from stress.view.export import metrics_file

WRONG = 1  # exit code: a check fails that is not ignored


@click.command(cls=Verb)
@click.option("--port", type=click.IntRange(1, 65535), help="only listeners of this port, and destinations with it")
@click.option("--pid", type=click.IntRange(1), metavar="N", help="only sockets that this process has")
@click.option(
    "--netns", "where", metavar="PATH|PID", help="look into another network namespace, such as that of a container"
)
@click.option(
    "--watch", "seconds", type=click.FloatRange(1), metavar="S", help="look for S seconds, and say what changed"
)
@json_option
@click.option(
    "--metrics",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="also write a file *.prom for the textfile collector of Prometheus' node_exporter",
)
@click.option("--ignore", "ignored", multiple=True, metavar="NAME", help="a check that shall not fail; repeatable")
def inspect(
    *,
    port: int | None,
    pid: int | None,
    where: str | None,
    seconds: float | None,
    metrics: Path | None,
    ignored: tuple[str, ...],
    as_json: bool,
) -> None:
    r"""Say what is wrong with the TCP connections of this host: leaks, full queues, ports that run out.

    Reads what the kernel has; sends no packet and changes nothing. Anybody may ask; root is told more. The exit code is
    0 where nothing is wrong, 1 where a check fails, 2 where an argument is wrong or FILE cannot be written, 3 where
    nothing could be seen. Ctrl-C ends a watch with its report.

    \b
    What a check fails by:
      close-wait-age  a connection in CLOSE-WAIT for more than 60 s
      listener-queue  a listener whose accept queue is at its limit
      ports-left      fewer than 10 % of the ports left to a destination
      conntrack       a conntrack table that is more than 90 % full
      listener-drops  a listener that dropped something while it was watched

    \b
    Examples:
      connstorm inspect
      connstorm inspect --port 8080 --watch 10
      connstorm inspect --netns 4711
      connstorm inspect --json --ignore ports-left
      connstorm inspect --metrics /var/lib/node_exporter/connstorm.prom
    """
    checks = [find_check(name) for name in ignored]
    if seconds is not None and math.isnan(seconds):
        raise UsageError("--watch wants a number of seconds, not NaN.")
    if metrics is not None:
        metrics_file.check_place(metrics)
    try:
        if where is not None:
            network_namespace.enter(where)
        if pid is not None:
            check_process(pid)
        # numpy starts threads, and a process with threads cannot join a user namespace: only now.
        os.environ |= ONE_THREAD
        from stress.run.inspection import Question, inspect_namespace, watch_namespace  # noqa: PLC0415
        from stress.view.text.inspection_report import inspection_report  # noqa: PLC0415

        question = Question(name_namespace(where), port, pid, checks)
        if seconds is None:
            inspection = inspect_namespace(question)
        else:
            from stress.view.text.inspection_watch import WatchDisplay  # noqa: PLC0415  # rich.live

            with WatchDisplay(console(stderr=True), quiet=as_json) as display:
                inspection = watch_namespace(question, seconds, display.show)
    except LabError:
        if metrics is not None:
            metrics_file.remove(metrics)  # what it says is no longer so
        raise
    if where is not None:
        from stress.analysis.inspection.place import place_commands  # noqa: PLC0415  # only then

        inspection = place_commands(inspection, where)
    if metrics is not None:
        from stress.view.export.inspection_metrics import metrics_text  # noqa: PLC0415  # only then

        metrics_file.write(metrics, metrics_text(inspection))
    if as_json:
        print_object(inspection)
    else:
        output = console()
        output.print(inspection_report(inspection, output.width))
    sys.exit(WRONG if inspection.is_failing else 0)


def name_namespace(where: str | None) -> str:
    """Return which network namespace this thread is in, in words."""
    name = "this network namespace" if where is None else f"network namespace of {where}"
    return f"{name} (net:[{network_namespace.read_inode()}])"


def find_check(name: str) -> Check:
    """Return a check by name.

    Raises:
        UsageError: there is none of that name.
    """
    names = [check.value for check in Check]
    if name not in names:
        raise UsageError(f"There is no check {name!r}; there are {join_words(names)}.{did_you_mean(name, names)}")
    return Check(name)


def check_process(pid: int) -> None:
    """Raise unless a process is in the network namespace of this thread, and its sockets may be seen.

    Raises:
        UsageError: there is no such process, or it is in another namespace.
        LabError: it belongs to somebody else.
    """
    socket_owner.check_visible(pid)
    try:
        inode = os.stat(f"/proc/{pid}/ns/net").st_ino  # noqa: PTH116  # a link to no path
    except PermissionError as error:
        raise LabError(
            f"This user may not see in which network namespace process {pid} is; look as root (sudo) of the host."
        ) from error
    except OSError:  # it has ended
        return
    if inode != network_namespace.read_inode():
        raise UsageError(f"Process {pid} is in another network namespace; look there with --netns {pid}.")
