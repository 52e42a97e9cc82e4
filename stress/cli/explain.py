# SPDX-License-Identifier: MIT
"""connstorm explain: the SYN ladder of this kernel and its settings, or the rules of one cause."""

from typing import Any

import click
import msgspec

from stress.analysis.attribution.ladder import build_ladder, override_sysctls
from stress.cli.options import SysctlSetting
from stress.cli.output import console, json_option, print_object
from stress.lab import host, sysctl
from stress.model.errors import UsageError
from stress.model.outcome import MEANINGS, Cause
from stress.model.text import did_you_mean
from stress.storm.catalogue import CATALOGUE
from stress.view.text.ladder_table import ladder_report


@click.command()
@click.option("--set", "settings", type=SysctlSetting(), multiple=True, help="as if a setting were so; repeatable")
@click.option("--cause", "name", metavar="NAME", help="the rules of this cause, instead of the ladder")
@json_option
def explain(settings: tuple[tuple[str, str], ...], name: str | None, *, as_json: bool) -> None:
    r"""Say when a SYN is sent again, and so how long connect() takes; or what proves a cause.

    Settings are those of the host, not changed; --set asks what other values would do.

    \b
    Examples:
      connstorm explain
      connstorm explain --set net.ipv4.tcp_syn_retries=2 --set net.ipv4.tcp_syn_linear_timeouts=0
      connstorm explain --cause accept_queue
    """
    if name is not None:
        if settings:
            raise UsageError("--set asks about the SYN ladder, which --cause does not show; leave out one of them.")
        explain_cause(find_cause(name), as_json=as_json)
        return
    facts = host.read_host()
    sysctls = override_sysctls(sysctl.read_recorded(), dict(settings))
    rungs = build_ladder(facts, sysctls)
    if as_json:
        print_object({"kernel": facts.kernel, "jiffy_ns": facts.jiffy_ns, "ladder": msgspec.to_builtins(rungs)})
    else:
        console().print(ladder_report(facts, sysctls, rungs))


def find_cause(name: str) -> Cause:
    """Return a cause by name; blanks and hyphens stand for underscores.

    Raises:
        UsageError: there is none of that name.
    """
    wanted = name.strip().lower().replace("-", "_").replace(" ", "_")
    causes = [cause.value for cause in Cause]
    if wanted not in causes:
        raise UsageError(f"There is no cause {name!r}; there are {', '.join(causes)}.{did_you_mean(wanted, causes)}")
    return Cause(wanted)


def explain_cause(cause: Cause, *, as_json: bool) -> None:
    """Print what proves a cause."""
    from stress.analysis.attribution.rules.table import rules_of  # noqa: PLC0415  # numpy comes with it
    from stress.view.text.rule_text import RULES_PAGE, cause_report, sentence_form  # noqa: PLC0415

    rules = rules_of(cause)
    scenarios = [scenario.plan.scenario for scenario in CATALOGUE if cause in scenario.causes]
    if not as_json:
        console().print(cause_report(cause, rules, scenarios))
        return
    fields: list[dict[str, Any]] = [
        {
            "name": rule.name,
            "grade": rule.grade,
            "needs": rule.needs,
            "equation": rule.equation,
            "sentence": sentence_form(rule),
            "rests_on": list(rule.rests_on),
        }
        for rule in rules
    ]
    print_object(
        {"cause": cause, "meaning": MEANINGS[cause], "rules": fields, "scenarios": scenarios, "page": RULES_PAGE}
    )
