# SPDX-License-Identifier: MIT
"""What ``connstorm suite --dry-run`` prints: cells, order, times, and what the design cannot show."""

from stress.cli.output import console, print_object
from stress.store.suite_folder import Manifest
from stress.suite import estimate, order
from stress.view.text import suite_plan
from stress.view.text.arm_lines import arm_lines
from stress.view.text.design_wording import plan_notes


def print_plan(file: Manifest, *, as_json: bool) -> None:
    """Print what a suite would do."""
    forecasts = estimate.forecast_cells(file)
    trials = order.ordered_trials(file.suite, file.cells, len(file.hosts))
    if as_json:
        print_object(
            {
                "suite": file.suite,
                "cells": [
                    {
                        "name": forecast.cell.name,
                        "identity": forecast.cell.identity,
                        "attempts": forecast.attempts,
                        "seconds": forecast.seconds,
                        "lacking": forecast.unsupported,
                    }
                    for forecast in forecasts
                ],
                "trials": trials,
                "notes": plan_notes(file.suite, file.cells),
            }
        )
        return
    printer = console()
    printer.print(suite_plan.plan_table(file.suite, forecasts))
    for line in (*arm_lines(file), *suite_plan.order_lines(file.suite, trials, file.hosts)):
        printer.print(line, highlight=False, markup=False)
    printer.print(suite_plan.total_line(file.suite, forecasts, len(file.hosts)))
    for text in plan_notes(file.suite, file.cells):
        printer.print(text, highlight=False, markup=False)
