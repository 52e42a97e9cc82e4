# SPDX-License-Identifier: MIT
"""connstorm explain: what may be behind a symptom, the SYN ladder of this kernel, or the rules of one cause."""

from typing import Any

import click
import msgspec

from stress.analysis.attribution.ladder import LADDER_LIMITS, build_ladder, override_sysctls
from stress.analysis.symptoms.answer import Answer, answer_query
from stress.analysis.symptoms.query import parse_query
from stress.analysis.symptoms.table import settings_used
from stress.cli.completion import complete_cause
from stress.cli.options import SysctlSetting
from stress.cli.output import console, json_option, print_object
from stress.cli.verb import Verb
from stress.lab import host, sysctl
from stress.model.errors import UsageError
from stress.model.host import Host
from stress.model.outcome import MEANINGS, Cause
from stress.model.symptom import Sight
from stress.model.text import did_you_mean
from stress.storm.catalogue import CATALOGUE, SCENARIOS
from stress.view.text.ladder_table import ladder_report
from stress.view.text.symptom_report import symptom_report


@click.command(cls=Verb)
@click.argument("symptom", nargs=-1)
@click.option("--set", "settings", type=SysctlSetting(), multiple=True, help="as if a setting were so; repeatable")
@click.option(
    "--cause",
    "name",
    metavar="NAME",
    shell_complete=complete_cause,
    help="the rules of this cause, instead of the ladder",
)
@json_option
def explain(
    symptom: tuple[str, ...], settings: tuple[tuple[str, str], ...], name: str | None, *, as_json: bool
) -> None:
    r"""Say what may be behind a SYMPTOM; without one, when a SYN is sent again; or what proves a cause.

    A SYMPTOM is a time, an error, or both. Settings are those of the host, not changed; --set asks what other values
    would do.

    \b
    Examples:
      connstorm explain
      connstorm explain 1.02s
      connstorm explain EHOSTUNREACH 3.05s
      connstorm explain 2 jiffies
      connstorm explain --set net.ipv4.tcp_syn_retries=2 --set net.ipv4.tcp_syn_linear_timeouts=0
      connstorm explain --cause accept_queue
    """
    if name is not None:
        if settings or symptom:
            raise UsageError(
                "--cause shows neither a symptom nor the SYN ladder that --set asks about; leave out one of them."
            )
        explain_cause(find_cause(name), as_json=as_json)
        return
    facts = host.read_host()
    if symptom:
        explain_symptom(" ".join(symptom), facts, dict(settings), as_json=as_json)
        return
    sysctls = override_sysctls(sysctl.read_recorded(), dict(settings))
    rungs = build_ladder(facts, sysctls)
    if as_json:
        print_object({"kernel": facts.kernel, "jiffy_ns": facts.jiffy_ns, "ladder": msgspec.to_builtins(rungs)})
    else:
        console().print(ladder_report(facts, sysctls, rungs))


def explain_symptom(text: str, facts: Host, settings: dict[str, str], *, as_json: bool) -> None:
    """Print what may be behind a symptom.

    Raises:
        UsageError: it is none, or nothing depends on one of the settings.
    """
    query = parse_query(text)
    used = {setting.name for setting in settings_used()}
    shaping = {name: value for name, value in settings.items() if name not in used}
    unknown = next((name for name in shaping if name not in LADDER_LIMITS), None)
    if unknown is not None:
        names = sorted(used | set(LADDER_LIMITS))
        raise UsageError(f"No symptom depends on {unknown}; some do on {', '.join(names)}.")
    others = {name: value for name, value in settings.items() if name in used}
    sysctls = override_sysctls(sysctl.read_recorded(sorted(used)), shaping) | others
    ladder = build_ladder(facts, sysctls)
    answer = answer_query(query, facts.kernel, ladder, sysctls)
    if as_json:
        print_object(answer_object(answer, facts, sysctls))
    else:
        console().print(symptom_report(answer, facts, sysctls, ladder, SCENARIOS))


def answer_object(answer: Answer, facts: Host, sysctls: dict[str, str]) -> dict[str, Any]:
    """Return what ``--json`` says of a symptom."""
    query = answer.query
    used = {setting.name for setting in settings_used()}
    return {
        "symptom": query.text,
        "error": query.error,
        "latency_ns": query.latency_ns(facts.jiffy_ns),
        "resends": query.resends,
        "kernel": facts.kernel,
        "jiffy_ns": facts.jiffy_ns,
        "settings": {name: sysctls[name] for name in sorted({*LADDER_LIMITS, *used}) if name in sysctls},
        "places": answer.reading,
        "symptoms": [
            {
                "name": group.symptom.name,
                "title": group.symptom.title,
                "here": group.here,
                "explanations": [
                    msgspec.to_builtins(possibility.explanation)
                    | {
                        "sights": [sight_object(sight) for sight in possibility.sights],
                        "scenarios": [name for name in possibility.explanation.scenarios if name in SCENARIOS],
                    }
                    for possibility in group.possibilities
                ],
            }
            for group in answer.groups
        ],
        "elsewhere": [
            {"name": one.explanation.name, "label": one.explanation.label, "why": one.why} for one in answer.elsewhere
        ],
    }


def sight_object(sight: Sight) -> dict[str, Any]:
    """Return what ``--json`` says of when an explanation shows."""
    return {"when": sight.when, "measured": sight.figure, "setting": sight.setting and sight.setting.condition}


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
    from stress.analysis.attribution.packets.table import packet_rules_of  # noqa: PLC0415  # numpy comes with it
    from stress.analysis.attribution.rules.table import rules_of  # noqa: PLC0415
    from stress.view.text.rule_text import RULES_PAGE, cause_report, sentence_form  # noqa: PLC0415

    rules = [*rules_of(cause), *packet_rules_of(cause)]
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
