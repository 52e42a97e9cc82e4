# SPDX-License-Identifier: MIT
"""The suite file: TOML to a ``Suite``, checked as a whole before anything runs.

At the top the settings of the suite (``name``, ``description``, ``design``, ``trials``, ``warmup``, ``seed``,
``settle_s``, ``limit_s``, ``profile``); then tables, of which only ``[[scenario]]`` is needed::

    [defaults]                        # fields of every scenario's plan
    attempts = 2000
    link = "veth"                     # what is between client and server, in place of what the scenario has
    [[scenario]]
    name = "closewait"                # of the catalogue
    label = "dense"                   # its name in this suite, and whether it measures
    mines = 500                       # fields of its plan
    sysctls."net.ipv4.tcp_timestamps" = 0
    [scenario.matrix]                 # axes of its own
    "net.ipv4.tcp_challenge_ack_limit" = [2147483647, 100]
    [matrix]                          # axes of every scenario: settings, with or without quotes, and fields of a plan
    "net.ipv4.tcp_tw_reuse" = [0, 1, 2]
    [baseline]                        # what the other values of an axis are compared with
    "net.ipv4.tcp_tw_reuse" = 2
    [[exclude]]                       # no cells: those with all of these values, of one scenario or of all
    scenario = "dense"
    "net.ipv4.tcp_tw_reuse" = 1
    [[gate]]                          # what must hold, of one scenario or of all
    expr = "body.p99 <= 1.10x"
    [[arm]]                           # two or more: servers of the user's, or other connstorms, the base first
    name = "old"
    serve = "./server-old --port {port}"
    ready = "tcp:8080"
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from stress.analysis.gate import condition
from stress.analysis.metric import find_metric
from stress.model.errors import UsageError
from stress.model.suite import ARM, Gate, Suite
from stress.suite.config.arms import read_arms
from stress.suite.config.baseline import label_fault, point_faults, read_baseline, read_exclusions
from stress.suite.config.diagnostics import Diagnostics, accept_typed, unsupported_values
from stress.suite.config.keys import GATE, HEAD, TABLES
from stress.suite.config.scenario import given_labels, read_scenarios
from stress.suite.config.toml_lines import Position, line_numbers

SEED = {field.name: field.default for field in msgspec.structs.fields(Suite)}["seed"]
LONGEST = 1_000_000  # characters; to read ten times as many takes seconds
SYNTAX_ERROR = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


def read(path: Path, *, host: bool = False) -> Suite:
    """Read a suite file; with ``host`` its plans are for the host's own network stack.

    Raises:
        UsageError: it cannot be read, or has errors; one line per error, of which the first few are shown.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        text = data.decode("utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: this is not UTF-8, as TOML has to be.") from error
    return decode_suite(text, str(path), path.stem, host=host)


def decode_suite(text: str, where: str, stem: str, *, host: bool = False) -> Suite:
    """Decode the text of a suite file.

    Args:
        text: TOML.
        where: the file, as it is named to the user.
        stem: the suite's name, unless the text gives one.
        host: its plans are for the host's own network stack.

    Raises:
        UsageError: as ``read``.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{where} has {len(text):,} characters; a suite file has {LONGEST:,} at most.")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{where} has too many nested lists or tables.") from error
    except ValueError as error:
        raise UsageError(syntax_error(str(error), text, where)) from error
    return build_suite({"name": stem} | document, where, line_numbers(text, document), host=host)


def syntax_error(error: str, text: str, where: str) -> str:
    """Return the sentence for a text that tomllib does not read."""
    match = SYNTAX_ERROR.fullmatch(error)
    if match is None:  # not the syntax: a number with thousands of digits
        return f"{where} has an invalid value: {error}."
    last = text.count("\n", 0, len(text.rstrip())) + 1
    place = f"line {match['line']}, column {match['column']}" if match["line"] else f"line {last}, the end of the file"
    return f"{where}, {place}: this is no TOML: {match['what']}."


def build_suite(
    document: dict[str, Any],
    where: str = "suite",
    known: Mapping[Position, int] | None = None,
    *,
    host: bool = False,
) -> Suite:
    """Return the suite of a document: the content of a suite file, as dictionaries and lists.

    A program that makes suites calls it instead of writing a file::

        build({"trials": 3, "scenario": [{"name": "closewait"}], "matrix": {"net.ipv4.tcp_tw_reuse": [0, 1]}})

    Args:
        document: what tomllib makes of a file. A missing ``name`` is ``where``.
        where: the file or the program, as it is named to the user.
        known: the line of each key; an error in a key without one names the key, as in ``scenario[0].mines``.
        host: its plans are for the host's own network stack.

    Raises:
        UsageError: as ``read``.
    """
    diagnostics = Diagnostics(where, known or {})
    for at, sentence in unsupported_values(document):
        diagnostics.add(at, sentence)
    diagnostics.refuse()
    head = accept_typed(document, HEAD | TABLES, (), "the head of the file", diagnostics)
    if document.get("scenario", []) == []:
        place: Position = ("scenario",) if "scenario" in document else ()
        diagnostics.add(place, "There is no [[scenario]]; a suite has one or more.")
    settings = {"name": where} | {key: value for key, value in head.items() if key in HEAD}
    arms = read_arms(head.get(ARM, []), diagnostics)
    rows = read_scenarios(head, settings.get("seed", SEED), arms, diagnostics, host=host)
    for name in settings.get("rank", []):
        try:
            find_metric(name)
        except UsageError as error:
            diagnostics.add(("rank",), str(error))
    gates = read_gates(head.get("gate", []), given_labels(head.get("scenario", [])), diagnostics)
    # What follows relies on what came before: to continue after an error would report errors that are none.
    diagnostics.refuse()
    entries = [row.entry for row in rows]
    suite = Suite(
        **settings,
        entries=entries,
        baseline=read_baseline(head.get("baseline", {}), entries, diagnostics),
        exclude=read_exclusions(head.get("exclude", []), entries, diagnostics),
        gates=gates,
        arms=arms,
    )
    diagnostics.refuse()
    for at, sentence in point_faults(suite, rows):
        diagnostics.add(at, sentence)
    diagnostics.refuse()
    return suite


def read_gates(tables: list[dict[str, Any]], known: list[str], diagnostics: Diagnostics) -> list[Gate]:
    """Return the gates whose condition can be read, and whose label, if they have one, a scenario has."""
    gates = []
    for index, table in enumerate(tables):
        at: Position = ("gate", index)
        fields = accept_typed(table, GATE, at, "a [[gate]]", diagnostics)
        if "expr" not in table:
            diagnostics.add(at, "This [[gate]] has no expr, such as 'body.p99 <= 1.10x'.")
        # Where the file has no scenario, that is the error.
        if "scenario" in fields and known and (fault := label_fault(fields["scenario"], known)):
            diagnostics.add((*at, "scenario"), fault)
        if "expr" in fields:
            try:
                condition.parse_condition(fields["expr"])
            except UsageError as error:
                diagnostics.add((*at, "expr"), str(error))
            gates.append(Gate(**fields))
    return gates
