# SPDX-License-Identifier: MIT
"""House rules that no linter knows. Each lists all offenders, and each is shown an offender that it must name."""

import ast
import graphlib

import pytest
from house import PACKAGE, Module, python_modules, within_package

from stress.analysis.symptoms.table import EXPLANATIONS, NOTHING_TO_SEE
from stress.model.outcome import Cause
from stress.storm.catalogue import SCENARIOS

MODULES = python_modules()
CYTHON = [Module(path.stem, path.read_text()) for path in sorted(PACKAGE.glob("*.pyx"))]

# A room imports only from itself and from rooms before it.
FLOORS = (
    ("model",),
    ("_fastconnect", "_listener", "_reference"),
    ("lab",),
    ("storm",),
    ("store",),
    ("analysis",),
    ("profile",),
    ("view",),
    ("run",),
    ("suite",),
    ("compare",),
    ("ci",),
    ("cli",),
)
# The same within a room, for what has an order there.
INNER_FLOORS = (
    (
        ("analysis.attribution",),
        ("analysis.symptoms",),
        ("analysis.metric",),
        ("analysis.statistics",),
        ("analysis.comparison",),
        ("analysis.gate", "analysis.history", "analysis.inspection"),
    ),
    (("view.text",), ("view.figure",)),
    (("view.text",), ("view.export",)),
    (("view.text",), ("view.page",)),
    (
        ("view.figure.style",),
        ("view.figure.run", "view.figure.comparison", "view.figure.history", "view.figure.suite"),
    ),
    (("suite.config",), ("suite.executor",)),
)
ENTRIES_MAX = {"analysis": 9, "suite": 15}
LINES_MAX = 250
LINES_MAX_CYTHON = 520
OUTPUT = {"print", "sys.exit", "exit", "click.echo"}
CLOCKS = {
    f"time.{name}"
    for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time", "time_ns", "clock_gettime")
}
ENGINE_CLOCK = "stress._fastconnect.now_ns"
CLOCK_READERS = {  # module: (the clock, why it may read it)
    "run.inspection": ("time.monotonic", "how long a watch lasts"),
    "lab.wait": ("time.monotonic", "limits of waits"),
    "run.peer.invitation": ("time.monotonic", "how long a join word is good, and who may take how long"),
    "storm.peer.watch": ("time.monotonic", "how long a session lasts, and how fast connections come"),
    "storm.peer.channel": ("time.monotonic", "limits of waits"),
    "run.peer.relay_loop": ("time.monotonic", "when beats are due, and for how long the other host was silent"),
    "cli.output": ("time.monotonic", "progress for people"),
    "lab.capture": ("time.time_ns", "the kernel stamps packets with the wall clock"),
    "lab.namespace_state": ("time.time_ns", "when it was taken, and since when something is so, for people"),
}
EPOCHS = {  # modules that ask the engine's clock when a phase begins or ends, never how long an attempt took
    "lab.capture": "how far the wall clock is ahead of the monotonic clock",
    "run.peer.relay_loop": "when the other host was asked for its clock",
    "run.scale_client": "when a loop begins and ends, of thousands of attempts",
    "run.scale_clients": "the moment at which clients start together",
    "run.speed": "the epoch of a storm",
    "storm.client": "phases of an act",
    "storm.mine_connections": "the epoch of a storm that lays mines",
    "storm.peer.clock": "how far the clock of the other host is ahead",
    "storm.peer.client_part": "whether the moment at which clients start together is near",
    "storm.peer.far_client": "the moment at which clients start together",
    "storm.peer.session": "what the clock of this host is, which the other end asks",
    "storm.acts": "the epoch of an act",
    "storm.socket_pairs": "when a pair of sockets was seen",
    "storm.worker": "the epoch of a storm",
    "storm.workers": "the moment at which workers start together",
}


def a_module(name, text):
    return Module(name, f"# SPDX-License-Identifier: MIT\n{text}\n")


def floor_of(name, floors):
    for number, rooms in enumerate(floors):
        if any(f"{name}.".startswith(f"{room}.") for room in rooms):
            return number
    return None


def upward(modules, floors):
    """Return what imports from a later floor, or from a neighbour on its own floor."""
    offenders = []
    for module in modules:
        here = floor_of(module.name, floors)
        for imported in module.imports:
            there = floor_of(imported, floors)
            if here is None or there is None:
                continue
            same_room = any(f"{imported}.".startswith(f"{room}.") and module.is_in(room) for room in floors[here])
            if there > here or (there == here and not same_room):
                offenders.append(f"{module.name} imports {imported}")
    return offenders


@pytest.mark.parametrize("floors", [FLOORS, *INNER_FLOORS], ids=lambda floors: floors[0][0])
def test_imports_run_downwards(floors):
    (first, *_), *_, (last, *_) = floors
    assert upward([a_module(f"{first}.x", f"from stress.{last}.y import z")], floors)
    assert not upward([a_module(f"{last}.x", f"from stress.{first}.y import z")], floors)
    assert not upward(MODULES, floors)


def test_every_room_has_a_floor():
    rooms = {module.name.partition(".")[0] for module in MODULES if "." in module.name}
    assert rooms | {module.name for module in CYTHON} == {room for floor in FLOORS for room in floor}


def circle(modules):
    """Return a circle of imports, or nothing."""
    try:
        graphlib.TopologicalSorter(within_package(modules)).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return None


def test_no_imports_in_a_circle():
    around = [a_module("a.x", "from stress.a import y"), a_module("a.y", "from stress.a.x import z")]
    assert circle(around) == ["a.x", "a.y", "a.x"]
    assert circle(MODULES) is None


def importers(modules, library, *rooms):
    """Return the modules outside of ``rooms`` that import a library."""
    return [module.name for module in modules if library in module.foreign and not module.is_in(*rooms)]


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("matplotlib", ["view.figure"]),
        ("rich", ["view.text", "cli"]),
        ("click", ["cli"]),
        ("jinja2", ["view.page"]),
    ],
)
def test_a_library_stays_in_its_rooms(library, rooms):
    assert importers([a_module("store.x", f"import {library}.y")], library, *rooms) == ["store.x"]
    assert importers(MODULES, library, *rooms) == []


def reaching(modules, library, room):
    """Return the modules of a room that import a library, by themselves or through other modules of the package."""
    graph = within_package(modules)
    reached = {module.name for module in modules if library in module.foreign}
    while more := {name for name, imported in graph.items() if imported & reached} - reached:
        reached |= more
    return sorted(module.name for module in modules if module.is_in(room) and module.name in reached)


@pytest.mark.parametrize("room", ["view.figure", "view.export", "view.page"])
def test_figures_exports_and_pages_take_no_wording_from_modules_that_need_rich(room):
    table = a_module("view.text.table", "import rich.table")
    wording = a_module("view.text.wording", "from stress.view.text.table import x")
    figure = a_module(f"{room}.x", "from stress.view.text.wording import x")
    assert reaching([table, wording, figure], "rich", room) == [f"{room}.x"]
    assert reaching(MODULES, "rich", room) == []


def test_pyplot_and_its_global_state_are_not_used():
    assert not [module.name for module in MODULES if any("pyplot" in name for name in module.imports)]


def talkers(modules):
    """Return the modules outside of the command line that print or exit."""
    return [module.name for module in modules if OUTPUT & module.calls and not module.is_in("cli")]


def test_only_the_command_line_prints_or_exits():
    assert talkers([a_module("lab.x", "from click import echo as say\nsay(1)")]) == ["lab.x"]
    assert talkers(MODULES) == []


def clock_readings(modules):
    """Return {module: the clocks that it reads}, both Python's and the engine's."""
    readings = {module.name: module.calls & (CLOCKS | {ENGINE_CLOCK}) for module in modules}
    return {name: clocks for name, clocks in readings.items() if clocks}


def test_the_clock_is_read_where_it_may_be():
    hidden = a_module("lab.x", "from time import monotonic_ns as now\nnow()")
    assert clock_readings([hidden]) == {"lab.x": {"time.monotonic_ns"}}
    allowed = {}
    for name, (clock, _) in CLOCK_READERS.items():
        allowed.setdefault(name, set()).add(clock)
    for name in EPOCHS:
        allowed.setdefault(name, set()).add(ENGINE_CLOCK)
    assert clock_readings(MODULES) == allowed


def test_the_loops_read_the_monotonic_clock_alone():
    for module in CYTHON:
        clocks = {
            word for word in ("CLOCK_REALTIME", "CLOCK_TAI", "gettimeofday", "import time") if word in module.text
        }
        assert not clocks, module.name


def too_long(modules, lines_max):
    return [f"{module.name}: {module.lines} lines" for module in modules if module.lines > lines_max]


def test_modules_stay_small():
    assert too_long([a_module("lab.x", "\n" * LINES_MAX)], LINES_MAX)
    assert too_long(MODULES, LINES_MAX) + too_long(CYTHON, LINES_MAX_CYTHON) == []


def test_rooms_stay_small():
    for room, most in ENTRIES_MAX.items():
        entries = [path.name for path in (PACKAGE / room).iterdir() if path.name not in ("__init__.py", "__pycache__")]
        assert len(entries) <= most, entries
    view = {path.name for path in (PACKAGE / "view").iterdir()} - {"__init__.py", "__pycache__"}
    assert view == {"text", "figure", "export", "page"}


def test_every_file_names_its_licence():
    files = [path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".pyx", ".pxd")]
    assert not [path for path in files if not path.read_text().startswith("# SPDX-License-Identifier: MIT\n")]


def blanket_handlers(modules):
    """Return where everything is caught."""
    offenders = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(kind is None or ast.unparse(kind) in ("Exception", "BaseException") for kind in kinds):
                    offenders.append(f"{module.name}:{node.lineno}")
    return offenders


def test_no_blanket_handler():
    """Errors are never swallowed: nobody catches everything and goes on. Of all verbs a crash must not end with 1."""
    assert blanket_handlers([a_module("lab.x", "try:\n    x\nexcept (OSError, Exception):\n    pass")]) == ["lab.x:4"]
    assert [place.partition(":")[0] for place in blanket_handlers(MODULES)] == ["cli.main"]


def without_symptom(names, shown):
    """Return what no explanation names, with the place that is missing."""
    return [f"{name}: name it in an explanation of stress/analysis/symptoms/" for name in names if name not in shown]


def test_every_scenario_and_every_cause_has_a_symptom():
    scenarios = {name for explanation in EXPLANATIONS for name in explanation.scenarios}
    causes = {cause for explanation in EXPLANATIONS for cause in explanation.causes}
    assert [text.partition(":")[0] for text in without_symptom(["closewait", "new"], scenarios)] == ["new"]
    assert without_symptom(SCENARIOS, scenarios | NOTHING_TO_SEE) == []
    assert without_symptom([cause for cause in Cause if cause not in (Cause.NONE, Cause.UNKNOWN)], causes) == []
