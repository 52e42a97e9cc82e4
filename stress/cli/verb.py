# SPDX-License-Identifier: MIT
"""A verb of the command line: its help lists options in groups. Imports click alone."""

from typing import Any

import click

WIDEST = 30  # columns of an option's name and value; what is longer has a line of its own

PLAN_GROUPS = {
    "Load": (
        *("--attempts", "--sweeps", "--duration", "--warmup", "--rate", "--window", "--deadline", "--workers"),
        *("--seed", "--act"),
    ),
    "Minefield": ("--mines", "--release", "--rest", "--fast"),
    "Client": (
        "--ports",
        "--port-range",
        "--source",
        "--family",
        "--protocol",
        "--close",
        "--linger2",
        "--use",
        "--pin",
    ),
    "Server": (
        *("--serve", "--servers", "--listen", "--listen-port", "--listeners", "--stuck", "--stuck-until"),
        *("--backlog", "--server-nofile", "--keepalive"),
    ),
    "Laboratory": ("--set", "--drop", "--firewall", "--host"),
    "Evidence": ("--capture", "--evidence"),
}
GROUPS: dict[
    str, dict[str, tuple[str, ...]]
] = {  # of the options of each verb that has many, in the order of their help; what is in none comes last
    "run": {
        **PLAN_GROUPS,
        "A server that is there already": ("--against", "--netns", "--until-slow"),
        "Another host": ("--peer", "--join", "--remote-connstorm", "--set-host"),
    },
    "shell": PLAN_GROUPS,
    "suite": {
        "Suites that come with connstorm": ("--list", "--copy"),
        "Trials": ("--dry-run", "--trials", "--resume", "--retry-failed"),
        "Where they run": ("--kernel", "--executor", "--hosts", "--remote-connstorm", "--host"),
    },
    "compare": {
        "What is compared": ("--filter", "--metric", "--base-history", "--last", "--allow-diff", "--allow-busy"),
        "The table": ("--rows", "--cols", "--base", "--all", "--profile", "--markdown"),
    },
    "report": {"A comparison": ("--filter", "--metric", "--rows", "--cols", "--base")},
    "gate": {
        "What must hold": ("--expr", "--strict", "--require-baseline", "--allow-missing", "--self-test"),
        "What is compared": ("--rows", "--filter", "--base-history", "--last", "--allow-diff", "--allow-busy"),
    },
    "history": {
        "What is looked at": ("--metric", "--cell", "--testbed", "--threshold"),
        "What is accepted": ("--accepted", "--accept", "--reason", "--gate"),
    },
    "doctor": {"Another host": ("--peer", "--join", "--remote-connstorm", "--listen", "--listen-port")},
    "bisect": {"Kernels": ("--good", "--bad", "--kernels", "--build")},
}


def unescape(text: str | None) -> str:
    r"""Return a help text in which examples keep their lines: after a backspace, which raw docstrings spell \b."""
    return (text or "").replace("\\b\n", "\b\n")


class Verb(click.Command):
    """A verb whose options are listed in the groups of its name."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        """Take what click's command takes."""
        super().__init__(*arguments, **attributes)
        self.help = unescape(self.help)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, group by group, all descriptions in one column."""
        sections = group_options(self, ctx)
        width = min(WIDEST, max(len(name) for rows in sections.values() for name, _ in rows))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=WIDEST)


def group_options(command: click.Command, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Return the title of each group, with its options as click writes them: name and value, and description."""
    groups = GROUPS.get(command.name or "", {})
    title_of = {name: title for title, names in groups.items() for name in names}
    rest = "Other options" if groups else "Options"
    sections: dict[str, list[tuple[str, str]]] = {title: [] for title in (*groups, rest)}
    for option in command.get_params(ctx):
        if isinstance(option, click.Option) and (record := option.get_help_record(ctx)):
            title = next((title_of[name] for name in option.opts if name in title_of), rest)
            sections[title].append(record)
    return {title: rows for title, rows in sections.items() if rows}
