# SPDX-License-Identifier: MIT
"""The metrics of inspections, as Prometheus reads them."""

import re
import shutil
import subprocess

import inspection_builders as examples
import msgspec
import pytest
from house import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from stress.model.inspection import Leak
from stress.view.export.inspection_metrics import metrics_text
from stress.view.export.prometheus import OTHER, PLACES_MAX, Family, bounded, family_text

SAMPLE = re.compile(r'^(\w+)(?:\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\\n]|\\.)*)"')
ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def samples(text):
    """Return the value of each sample by its name and labels."""
    values = {}
    for line in text.split("\n")[:-1]:
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            pairs = [(key, re.sub(r"\\.", lambda m: ESCAPED[m[0]], word)) for key, word in LABEL.findall(labels or "")]
            key = (name, *pairs)
            assert key not in values
            values[key] = float(value)
    return values


@pytest.mark.parametrize("name", ["FINE", "TROUBLE", "WATCHED"])
def test_promtool_accepts_them(name):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is missing (Debian: prometheus)")
    text = metrics_text(getattr(examples, name))
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_values_are_those_of_the_inspection():
    values = samples(metrics_text(examples.WATCHED).decode())
    leak = (("local", "127.0.0.1:8080"), ("process", "python3"), ("role", "server"))
    assert values["connstorm_close_wait_sockets", *leak] == 4012
    assert values["connstorm_close_wait_oldest_age_seconds", *leak] == 7805
    assert values["connstorm_listener_queue_fullness_ratio", *leak[:2]] == 1
    assert values["connstorm_sockets", ("state", "TIME-WAIT")] == 22_000
    assert values["connstorm_kernel_events_total", ("counter", "ListenOverflows")] == 40


def test_a_leak_that_is_not_there_is_a_zero_by_state():
    assert samples(metrics_text(examples.FINE).decode())["connstorm_sockets", ("state", "CLOSE-WAIT")] == 0


def failed(inspection):
    values = samples(metrics_text(inspection).decode())
    return {labels[0][1]: value for (name, *labels), value in values.items() if name == "connstorm_check_failed"}


def test_a_check_that_was_not_made_has_no_value():
    assert failed(examples.TROUBLE) == {"close-wait-age": 1, "listener-queue": 1, "ports-left": 0, "conntrack": 0}
    assert failed(examples.WATCHED)["close-wait-age"] == 0  # ignored
    assert failed(examples.WATCHED)["listener-drops"] == 0
    assert "conntrack" not in failed(msgspec.structs.replace(examples.FINE, conntrack=None))


def test_process_numbers_and_peers_are_no_labels():
    text = metrics_text(examples.WATCHED).decode()
    assert "4711" not in text
    assert "10.0.0.8" not in text


def test_the_number_of_series_is_bounded():
    leaks = [msgspec.structs.replace(examples.LEAK, local=f"10.0.{n // 200}.{n % 200}:80", count=n) for n in range(900)]
    listeners = [msgspec.structs.replace(examples.LEAKING, port=port) for port in range(1, 900)]
    destinations = [msgspec.structs.replace(examples.DESTINATION, port=port) for port in range(1, 900)]
    many = msgspec.structs.replace(examples.TROUBLE, leaks=leaks, listeners=listeners, destinations=destinations)
    by_name = {}
    values = samples(metrics_text(many).decode())
    for name, *_ in values:
        by_name[name] = by_name.get(name, 0) + 1
    assert max(by_name.values()) == PLACES_MAX + 1
    total = sum(value for (name, *_), value in values.items() if name == "connstorm_close_wait_sockets")
    assert total == sum(range(900))


def test_leaks_of_one_program_and_place_are_one():
    def same(count: int, oldest_ms: int) -> Leak:
        owner = msgspec.structs.replace(examples.PYTHON, pid=count)
        ages = msgspec.structs.replace(examples.LEAK.ages, oldest_ms=oldest_ms)
        return msgspec.structs.replace(examples.LEAK, owner=owner, count=count, ages=ages)

    inspection = msgspec.structs.replace(examples.TROUBLE, leaks=[same(3, 9_000), same(4, 5_000)])
    values = {name: value for (name, *_), value in samples(metrics_text(inspection).decode()).items()}
    assert values["connstorm_close_wait_sockets"] == 7
    assert values["connstorm_close_wait_oldest_age_seconds"] == 9


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.floats(allow_nan=False), max_size=5))
def test_labels_and_values_are_read_as_they_were_written(values):
    family = Family("x_total", "counter", "Says.", {(("a", text), ("b", "")): value for text, value in values.items()})
    read = samples(family_text(family))
    assert read == {("x_total", *labels): float(f"{value:.15g}") for labels, value in family.samples.items()}


@given(st.lists(st.tuples(st.text("abcd", max_size=4), st.integers(0, 1000))))
def test_a_bounded_metric_loses_nothing(places):
    made = bounded(((("local", place),), count) for place, count in places)
    assert len(made) <= PLACES_MAX + 1
    assert sum(made.values()) == sum(count for _, count in places)
    if len(dict(places)) <= PLACES_MAX:
        assert (("local", OTHER),) not in made


def test_every_metric_is_in_the_page_for_operators():
    page = (REPOSITORY / "docs" / "operate.md").read_text()
    half_open = msgspec.structs.replace(examples.LEAK, state="FIN-WAIT-1")
    inspection = msgspec.structs.replace(examples.WATCHED, leaks=[examples.LEAK, half_open])
    names = set(re.findall(r"# TYPE (\w+)", metrics_text(inspection).decode()))
    ends = set(re.findall(r"`(?:connstorm|…)(_\w+)`", page))
    assert not {name for name in names if not any(name.endswith(end) for end in ends)}
