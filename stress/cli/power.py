# SPDX-License-Identifier: MIT
"""connstorm power: how many trials, or attempts, does it take? Before anything is run."""

from pathlib import Path

import click
import msgspec

from stress.analysis.statistics.power import attempts_needed
from stress.cli.output import console, json_option, output_option, print_object
from stress.cli.streams import print_text
from stress.cli.verb import Verb
from stress.lab.host import read_host
from stress.model.errors import UsageError
from stress.store import calibration as stored
from stress.view.text.noise_table import least_text, power_table


@click.command(cls=Verb)
@click.option("--calibration", type=click.Path(path_type=Path), help="by default this machine's, in OUTPUT/calibration")
@click.option("--rates", type=(float, float), metavar="BASE NEW", help="of rare events, per million attempts")
@click.option("--dispersion", type=float, default=1.0, show_default=True, help="variance of counts over their mean")
@output_option
@json_option
def power(
    calibration: Path | None, rates: tuple[float, float] | None, dispersion: float, output: Path, *, as_json: bool
) -> None:
    r"""Say how many trials it takes to see a change despite this machine's noise (5 %, with 80 % power).

    With --rates: how many attempts of each arm it takes to tell two rates of rare events apart.

    \b
    Examples:
      connstorm power
      connstorm power --rates 10 20
    """
    if rates is not None:
        if min(rates) < 0 or rates[0] == rates[1] or dispersion <= 0:
            raise UsageError("--rates takes two different rates per million, and --dispersion a number above 0.")
        count = attempts_needed(*rates, dispersion=dispersion)
        if as_json:
            print_object({"attempts": count})
        else:
            print_text(f"{count:,} attempts of each arm tell {rates[0]:g} per million from {rates[1]:g}")
        return
    known = stored.read(calibration or stored.calibration_path(output, read_host().testbed))
    if as_json:
        print_object({"calibration": msgspec.to_builtins(known)})
    else:
        console().print(power_table(known))
        console().print(least_text(), highlight=False)
