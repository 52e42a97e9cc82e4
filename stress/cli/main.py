# SPDX-License-Identifier: MIT
"""The command line: finds the verb, and turns errors into exit codes."""

import importlib
import sys
from typing import Any

import click

from stress.cli.crash import report_crash
from stress.cli.early_interrupt import raise_on_interrupt
from stress.cli.interrupts import interrupted_code
from stress.cli.streams import discard_lost_streams, is_output_lost, leave_broken_pipe, replace_unknown_letters
from stress.cli.verb import unescape
from stress.cli.version import print_version
from stress.lab.process_limits import narrow_limits
from stress.model.errors import ConnstormError, StoreError, UsageError
from stress.model.text import did_you_mean

# The verbs, each in the module of its name, with the first sentence of its help (a test holds them equal), so that the
# list of verbs imports none of them: most load numpy. Those without one are not listed.
VERBS = {
    "ab": "Storm two servers, which COMMANDs start, trial by trial in turn; say whether the second is worse.",
    "bisect": "Find the first of many kernels on which a gate closes; each that is looked at runs the suite.",
    "calibrate": "Compare scenarios with themselves: what differs is noise, and no threshold should lie below it.",
    "compare": "Compare stored runs: run folders, suite folders (path#cell for one cell), or folders of these.",
    "demo": "Re-create the article's case: five storms, one table, one figure.",
    "doctor": "Say what this machine can measure, what is missing, and how to get it.",
    "explain": "Say what may be behind a SYMPTOM; without one, when a SYN is sent again; or what proves a cause.",
    "export": "Write stored RUNs, suites, or folders of these, in the FORMAT of another program.",
    "gate": "Hold NEW to what must be true of it, by itself and against BASE: runs, suites, or folders of these.",
    "github": "",
    "history": (
        "Find where the runs and suites in DIR went to another level, by cell, kind of machine, plan and metric."
    ),
    "inspect": "Say what is wrong with the TCP connections of this host: leaks, full queues, ports that run out.",
    "kernels": "Kernels that suites boot: fetched from Debian into a cache, never installed.",
    "list": "List the runs and suites in DIR (by default results), the newest first, with what was slow or failed.",
    "plot": (
        "Draw the figures of each stored RUN or suite again, as <run>-timeline.png and so on; no stored folder changes."
    ),
    "power": "Say how many trials it takes to see a change despite this machine's noise (5 %, with 80 % power).",
    "read": "Read capture FILEs (pcap, pcapng, also .gz) of others: a run folder, causes as far as packets prove them.",
    "report": (
        "Write one HTML page about stored RUNs: the verdict, every attempt, figures, proofs, and how to make it again."
    ),
    "run": "Run one SCENARIO in a private namespace; write a run folder and print its summary.",
    "run-cell": "",
    "run-cells": "",
    "run-shell": "",
    "scenarios": "List the scenarios by what a person sees, and what to expect of each on this kernel.",
    "serve": "Let one client on another host storm this one, within limits that are set here.",
    "shell": "Open a shell on a HOST of a SCENARIO's world: client, client2, router or server.",
    "show": "Print the report of a stored RUN or suite again; with --attempt, all that is stored of one attempt.",
    "suite": "Run every trial of a suite, each in a fresh process and namespace; write a folder of run folders.",
    "worker": "Run the trials that connstorm suite --executor dask:SCHEDULER sends to this host.",
}

FUNCTIONS = {
    "ab": "compare_servers",
    "list": "list_runs",
    "show": "show_stored",
}  # of verbs whose name is no name for a function

LEAN = ("explain", "github", "kernels", "list", "scenarios")  # verbs that do with less than the others: no numpy

COMPLETION = (
    ("bash", 'eval "$(_CONNSTORM_COMPLETE=bash_source connstorm)", in ~/.bashrc'),
    ("zsh", 'eval "$(_CONNSTORM_COMPLETE=zsh_source connstorm)", in ~/.zshrc, after compinit'),
    ("fish", "_CONNSTORM_COMPLETE=fish_source connstorm | source, in ~/.config/fish/completions/connstorm.fish"),
)


class LazyGroup(click.Group):
    """A group whose commands are those of VERBS."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's own signature
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, imported now."""
        if cmd_name not in VERBS:
            return None
        if cmd_name not in LEAN and not ctx.resilient_parsing:
            refuse_narrow_limits()
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"stress.cli.{name}"), FUNCTIONS.get(name, name))
        raise_on_interrupt()
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse, as click does; but where nobody reads a help text, end as SIGPIPE would, not with 1."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except BrokenPipeError:
            leave_broken_pipe()

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb, as click does; but where nobody reads what it prints, end as SIGPIPE would, not with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            leave_broken_pipe()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that was asked for; suggest one where there is none of that name."""
        name = args[0]
        if name not in VERBS and not (name.startswith("-") or ctx.resilient_parsing):
            shown = [verb for verb, summary in VERBS.items() if summary]
            ctx.fail(f"No such command {name!r}.{did_you_mean(name, shown)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """Write the list of verbs without importing them, and none of their summaries cut short."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, summary in VERBS.items() if summary])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # as above
        """Write how a shell learns to complete words."""
        with formatter.section("Completion of verbs, options, scenarios and causes"):
            formatter.write_dl(COMPLETION)


def refuse_narrow_limits() -> None:
    """Raise UsageError where a limit of this process is too narrow for what most verbs load."""
    if text := " ".join(narrow_limits()):
        raise UsageError(text)


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}


@click.group(cls=LazyGroup, context_settings=SETTINGS)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=print_version,
    help="Show the version and exit.",
)
def connstorm() -> None:
    r"""TCP connect()/close() storms on Linux: what every attempt cost, and why it was slow.

    \b
    Exit codes:
      0    fine
      1    a regression (gate, history --gate); something is wrong (inspect)
      2    wrong use, or bad input
      3    the lab failed
      4    inconclusive (gate --strict); books out of balance (run --strict)
      5    no comparable baseline (gate --require-baseline)
      70   a fault of connstorm itself; a file has its trace
      130  interrupted; 143 by SIGTERM; what was recorded is stored
      141  nobody reads the output any more
    """


connstorm.help = unescape(connstorm.help)


def main() -> None:
    """Run the program."""
    replace_unknown_letters()
    try:
        code = run_verb()
    except BrokenPipeError:  # of a message on standard error
        leave_broken_pipe()
    except KeyboardInterrupt:  # a second one, while the end of the first was being told
        code = interrupted_code()
    except OSError:  # the same on a full disk: there is no place for a sentence
        discard_lost_streams()
        code = StoreError.exit_code
    sys.exit(code)


def run_verb() -> int:
    """Run the verb of the command line; print what went wrong, and return the exit code.

    Raises:
        OSError: standard error cannot be written.
    """
    try:
        code: int | None = connstorm.main(prog_name="connstorm", standalone_mode=False)
    except ConnstormError as error:
        click.echo(f"connstorm: {error}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("connstorm: interrupted; nothing was kept of what had not begun to storm.", err=True)
        code = interrupted_code()
    except OSError as error:
        if is_output_lost():
            click.echo(f"connstorm: Standard output cannot be written: {error.strerror}; write it elsewhere.", err=True)
            code = StoreError.exit_code
        else:
            code = report_crash(error)
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not end with 1, which means a regression
        code = report_crash(error)
    return code or 0
