# SPDX-License-Identifier: MIT
"""House rules that no linter knows."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "stress"

# A room imports only from itself and from rooms before it.
ROOMS = [
    "_libc",
    "model",
    "_fastconnect",
    "_listener",
    "_reference",
    "lab",
    "storm",
    "store",
    "analysis",
    "view",
    "run",
    "suite",
    "compare",
    "cli",
]
CLOCK_READERS = {
    "lab/wait.py": "limits of waits",
    "cli/output.py": "progress for people",
    "lab/capture.py": "the kernel stamps packets with the wall clock",
}
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time", "time_ns", "clock_gettime"}
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOM_MODULES = [module for module in MODULES if module.parent != PACKAGE]


def name(module):
    return str(module.relative_to(PACKAGE))


def imports(module):
    """Yield (what is imported from inside the package or elsewhere, as a dotted name)."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("module", ROOM_MODULES, ids=name)
def test_rooms_import_from_rooms_before_them(module):
    here = ROOMS.index(module.relative_to(PACKAGE).parts[0])
    for imported in imports(module):
        parts = imported.split(".")
        if parts[0] == "stress" and parts[1:] and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= here, f"{name(module)} imports {imported}"


def test_every_room_is_known():
    assert {module.relative_to(PACKAGE).parts[0] for module in ROOM_MODULES} <= set(ROOMS)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_matplotlib_is_imported_in_the_view_only(module):
    if module.relative_to(PACKAGE).parts[:2] != ("view", "figure"):
        assert not any(imported.split(".")[0] == "matplotlib" for imported in imports(module))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_pyplot_and_its_global_state_are_not_used(module):
    assert not any("pyplot" in imported for imported in imports(module))


def called(module):
    """Yield the dotted name of everything that a module calls."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_only_the_command_line_prints_or_exits(module):
    forbidden = {"print", "sys.exit", "exit", "click.echo"}
    if module.relative_to(PACKAGE).parts[0] != "cli":
        assert not forbidden & set(called(module))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_the_measuring_clock_is_read_in_the_core_only(module):
    read = {call for call in called(module) if call.startswith("time.") and call.removeprefix("time.") in CLOCKS}
    assert not read or name(module) in CLOCK_READERS


def test_the_exceptions_for_clocks_are_still_needed():
    for exempt in CLOCK_READERS:
        assert any(call.startswith("time.") for call in called(PACKAGE / exempt))


@pytest.mark.parametrize("module", [*MODULES, *sorted(PACKAGE.glob("*.pyx"))], ids=name)
def test_modules_stay_small(module):
    assert len(module.read_text().splitlines()) <= (250 if module.suffix == ".py" else 420)


@pytest.mark.parametrize("module", [*MODULES, *sorted(PACKAGE.glob("_*.*x*"))], ids=name)
def test_every_file_names_its_licence(module):
    if module.suffix in (".py", ".pyx", ".pxd"):
        assert module.read_text().startswith("# SPDX-License-Identifier: MIT\n")


def test_no_blanket_handler():
    """Errors are never swallowed: nobody catches everything and goes on."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, name(module)
                assert ast.unparse(node.type) not in ("Exception", "BaseException"), name(module)
