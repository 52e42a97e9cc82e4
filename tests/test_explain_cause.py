# SPDX-License-Identifier: MIT
"""connstorm explain --cause: what each cause is, and what proves it."""

import pytest
from click.testing import CliRunner

from stress.analysis.attribution.packets.table import PACKET_RULES, packet_rules_of
from stress.analysis.attribution.rules.table import RULES, rules_of
from stress.cli.explain import find_cause
from stress.cli.main import connstorm as group
from stress.model.errors import UsageError
from stress.model.outcome import MEANINGS, Cause
from stress.storm.catalogue import CATALOGUE
from stress.view.text.rule_text import sentence_form


def explained(name):
    result = CliRunner().invoke(group, ["explain", "--cause", name], catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.output.split())


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_explained_with_all_its_rules(cause):
    text = explained(cause)
    assert MEANINGS[cause] in text
    for rule in (*rules_of(cause), *packet_rules_of(cause)):
        assert f"rule {rule.name} " in text
        assert all(part in text for part in (rule.grade, rule.needs, rule.equation, sentence_form(rule)))
    assert ("No rule claims it" in text) == (cause in (Cause.NONE, Cause.UNKNOWN))


@pytest.mark.parametrize("name", ["accept_queue", "accept-queue", " Accept queue"])
def test_a_cause_may_be_written_as_a_report_has_it(name):
    assert find_cause(name) is Cause.ACCEPT_QUEUE


def test_a_wrong_name_gets_the_nearest_one():
    with pytest.raises(UsageError, match=r"There is no cause 'acept-queue'; .* Did you mean accept_queue\?$"):
        find_cause("acept-queue")


def test_scenarios_that_make_a_cause_are_named():
    text = explained("rst_dropped")
    assert "connstorm run rst-dropped (docs/catalogue.md#rst-dropped)" in text
    for scenario in CATALOGUE:
        assert all(f"connstorm run {scenario.plan.scenario} " in explained(cause) for cause in scenario.causes)


def test_the_figures_of_a_sentence_are_left_open():
    forms = [sentence_form(rule) for rule in (*RULES, *PACKET_RULES)]
    assert not [form for form in forms if "{" in form or "}" in form]
    assert any("…" in form for form in forms)
