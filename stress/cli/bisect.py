# SPDX-License-Identifier: MIT
"""connstorm bisect: on which kernel did it begin?"""

from pathlib import Path
from typing import Any

import click

from stress.cli.interrupts import catch_sigterm
from stress.cli.output import Progress, console, json_option, output_option, print_object
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.compare.bisect import bisect_kernels as search
from stress.compare.bisect_profile import BisectionProfile
from stress.compare.profiles import profile_object
from stress.model.errors import UsageError
from stress.store.suite_folder import TRIALS_FOLDER
from stress.store.trial_profile import FOLDER
from stress.suite.config import load as suite_file
from stress.suite.shipped import find_suite_file
from stress.view.text.profile_difference import profile_difference


@click.command(cls=Verb)
@click.argument("file", metavar="SUITE.toml", type=click.Path(path_type=Path))
@click.option("--good", required=True, help="a kernel on which the gate is open")
@click.option("--bad", required=True, help="one on which it is closed")
@click.option("--kernels", help="all of them in their order, with commas, or a file with one a line")
@click.option("--build", metavar="COMMAND", help="makes a kernel of a name in place of {}, and prints its path last")
@click.option("--gate", "exprs", multiple=True, metavar="EXPR", help="what must hold; or [[gate]] in the suite")
@click.option("--profile", "with_profile", is_flag=True, help="at the end, profile the last good and the first bad one")
@output_option
@json_option
def bisect(
    *,
    file: Path,
    good: str,
    bad: str,
    kernels: str | None,
    build: str | None,
    exprs: tuple[str, ...],
    with_profile: bool,
    output: Path,
    as_json: bool,
) -> None:
    r"""Find the first of many kernels on which a gate closes; each that is looked at runs the suite.

    Kernels are named as in a suite: host, deb:bookworm, deb:linux-image-6.12, a vmlinuz, a build tree. With --build
    they are whatever the command understands, such as commits. Conditions against a baseline are against the good
    kernel. One that does not build, boot or say is skipped.

    With --profile the last good and the first bad kernel run once more, in the same blocks, and it is said which
    functions of the kernel changed; guests on an emulated CPU are profiled, and not compared.

    \b
    Examples:
      connstorm bisect storm.toml --good deb:bullseye --bad deb:bookworm --gate 'outcome.timed_out == 0'
      git rev-list --reverse v6.1..v6.2 > commits
      connstorm bisect storm.toml --good "$(head -1 commits)" --bad "$(tail -1 commits)" --kernels commits \
          --build './build-kernel {}'
    """
    catch_sigterm()
    names = between(listed(kernels) if kernels else [good, bad], good, bad)
    suite = suite_file.read(find_suite_file(file))
    progress = Progress("bisect")
    bisection = search(suite, names, exprs, output, progress, build=build, with_profile=with_profile)
    if as_json:
        probes: list[dict[str, Any]] = [
            {
                "kernel": probe.name,
                "mark": probe.mark,
                "why": probe.reason,
                "path": str(probe.path) if probe.path else None,
            }
            for probe in bisection.probes
        ]
        said = {"last_good": bisection.last_good, "suspects": bisection.suspects, "probes": probes}
        print_object(said | ({"profile": object_of(bisection.profile)} if bisection.profile else {}))
        return
    if len(bisection.suspects) == 1:
        print_text(f"The first bad kernel is {bisection.suspects[0]}; the last good one is {bisection.last_good}.")
    else:
        print_text(f"The first bad kernel is one of {', '.join(bisection.suspects)}: what lies between was skipped.")
    if bisection.profile is not None:
        print_profile(bisection.profile)


def print_profile(profile: BisectionProfile) -> None:
    """Print what the profiles of both sides say, and where their stacks lie."""
    for pair in profile.pairs:
        title = f"{pair.row}: {pair.new} against {pair.base}"
        console().print(profile_difference(title, pair.acts, pair.unit, everything=False))
    for text in profile.reasons:
        print_text(f"warning: {text}", err=True)
    if profile.path is not None:
        print_text(f"stacks: {profile.path / TRIALS_FOLDER / '*' / FOLDER}")


def object_of(profile: BisectionProfile) -> dict[str, Any]:
    """Return the profiles of both sides as ``--json`` prints them."""
    return {
        "path": str(profile.path) if profile.path else None,
        "pairs": [profile_object(pair) for pair in profile.pairs],
        "reasons": profile.reasons,
    }


def listed(text: str) -> list[str]:
    """Return the kernels of a list: a file with one a line, or names with commas.

    Raises:
        UsageError: the file cannot be read.
    """
    path = Path(text)
    if not path.is_file():
        return [name.strip() for name in text.split(",") if name.strip()]
    try:
        return [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The list of kernels {path} cannot be read: {error}.") from error


def between(names: list[str], good: str, bad: str) -> list[str]:
    """Return the kernels from the good to the bad one.

    Raises:
        UsageError: one is not in the list, or they stand the other way round.
    """
    for what, name in (("good", good), ("bad", bad)):
        if name not in names:
            raise UsageError(f"The {what} kernel {name} is not in the list, which has {', '.join(names)}.")
    first, last = names.index(good), names.index(bad)
    if first >= last:
        raise UsageError(f"{good} is to be good and {bad} bad, but {bad} does not come after it in the list.")
    return names[first : last + 1]
